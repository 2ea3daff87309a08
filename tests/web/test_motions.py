import math

import pytest
import torch

from neocog.errors import UsageError
from neocog.symmetry.motion import rotation_by
from neocog.web.motions import Motion


def test_shifts_go_down_and_to_the_right() -> None:
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 1, 1] = 1
    moved = Motion(padding="zeros", dx=2, dy=1).move(x)
    assert moved[0, 0, 2, 3] == 1
    assert moved.sum() == 1


def test_circular_shifts_are_torch_roll() -> None:
    x = torch.randn(1, 3, 8, 8)
    moved = Motion(dx=5, dy=-3).move(x)
    assert torch.equal(moved, x.roll((-3, 5), (2, 3)))


def test_angles_are_counterclockwise_and_agree_with_the_audits() -> None:
    x = torch.rand(1, 1, 9, 9)
    moved = Motion(padding="zeros", angle=90).move(x)
    assert torch.allclose(moved, rotation_by(90)(x), atol=1e-5)  # bilinear at whole places


def test_the_scale_and_the_bend_keep_the_middle_about_where_it_is() -> None:
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 4, 4] = 1
    larger = Motion(scale=2).move(x)
    assert larger[0, 0].argmax() == 40
    assert float(larger.sum()) > 2
    same = Motion(elastic=1.5, seed=3).move(x)
    assert torch.equal(same, Motion(elastic=1.5, seed=3).move(x))
    assert not torch.equal(same, Motion(elastic=1.5, seed=4).move(x))


def test_zero_fill_by_a_part_of_a_pixel_is_between_two_pixels() -> None:
    x = torch.tensor([[[4.0, 8.0, 0.0]]])
    moved = Motion(padding="zeros", dx=0.25).move(x)
    assert moved.flatten().tolist() == [3.0, 7.0, 2.0]


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ([], "A motion is an object"),
        ({"padding": "up"}, "`padding` of a motion is unknown"),
        ({"dx": "1"}, "`dx` is a number"),
        ({"dy": math.inf}, "`dy` is a number"),
        ({"scale": 0}, "`scale` is a number from 0.1"),
        ({"angle": True}, "`angle` is a number"),
        ({"elastic": 3}, "`elastic` of a motion is an object"),
        ({"elastic": {"seed": -1}}, "`seed` is an integer"),
    ],
)
def test_what_is_no_motion(plain, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Motion.of(plain)
