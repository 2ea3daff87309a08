"""The size at which a backbone takes images."""

import numpy as np
import pytest

from neocog.runs.native import Shapes, backbone_size
from neocog.types import InputSpec

ONE = np.ones(4, int)


def signal(*size: int) -> InputSpec:
    return InputSpec(channels=3, size=size, mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.mark.parametrize(
    ("shapes", "size"),
    [
        ((240 * ONE, 240 * ONE), (240, 240)),  # as its contract says
        ((100 * ONE, 100 * ONE), (96, 96)),  # 100 is nearest to 6 times 16
        ((20 * ONE, 20 * ONE), (32, 32)),  # no less
        ((500 * ONE, 1000 * ONE), (176, 336)),  # 240² / 2 = 169.7², twice as wide
        ((np.array([100, 100, 400, 400]), np.array([400, 400, 100, 100])), (96, 96)),
    ],
)
def test_images_are_not_enlarged_and_one_aspect_is_kept(shapes, size) -> None:
    assert backbone_size(signal(240, 240), Shapes(3, *shapes)) == size


def test_a_contract_that_is_no_square_shrinks_as_it_is() -> None:
    assert backbone_size(signal(256, 64), Shapes(3, 64 * ONE, 64 * ONE)) == (128, 32)


def test_the_side_is_that_which_a_quarter_of_the_images_reach() -> None:
    assert Shapes(3, np.array([10, 20, 30, 40, 50]), 99 * np.ones(5, int)).side == 40
