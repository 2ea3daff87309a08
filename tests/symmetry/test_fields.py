from __future__ import annotations

import pytest
import torch
from tests.symmetry.fields import Regular, Vector, slopes
from torch import nn

from neocog.symmetry.fields import SCALAR, field_of
from neocog.symmetry.motion import Composition, QuarterTurn, Transformation, Translation, mirror

X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

GROUP = [QuarterTurn(torch.tensor([k]), mirrored=m) for k in range(4) for m in (False, True)]


@pytest.mark.parametrize("motion", [*GROUP, QuarterTurn(torch.tensor([1, 2]))])
def test_a_gradient_is_a_field_of_arrows(motion: Transformation) -> None:
    field = Vector()
    torch.testing.assert_close(slopes(motion(X)), motion(slopes(X), field=field))


def test_a_shift_mixes_no_channels() -> None:
    shift = Translation(torch.tensor([[1, 2]]))
    torch.testing.assert_close(slopes(shift(X)), shift(slopes(X), field=Vector()))


@pytest.mark.parametrize("first", GROUP)
@pytest.mark.parametrize("second", GROUP)
def test_a_product_acts_on_channels_as_its_parts_do_one_after_the_other(
    first: Transformation, second: Transformation
) -> None:
    both, field = Composition((first, second)), Vector()
    arrows = slopes(X)
    torch.testing.assert_close(both.mix(arrows, field), second.mix(first.mix(arrows, field), field))
    torch.testing.assert_close(both.inverse(both(arrows, field=field), field=field), arrows)


def test_the_generator_is_the_derivative_of_the_action() -> None:
    field, arrows, eps = Vector(), slopes(X), 1e-4
    up, down = (field.act(arrows, torch.tensor([s * eps * 180 / torch.pi])) for s in (1, -1))
    # Central differences of a cosine, and an angle in float32.
    torch.testing.assert_close((up - down) / (2 * eps), field.generator(arrows), atol=1e-6, rtol=0)
    assert bool((SCALAR.generator(X) == 0).all())


def test_a_layer_says_what_its_channels_mean() -> None:
    layer = nn.Conv2d(1, 4, 3)
    assert field_of(layer) is field_of(layer, "input") is SCALAR
    layer.output_field = Regular()
    assert isinstance(field_of(layer), Regular)
    assert field_of(layer, "input") is SCALAR
    layer.output_field = "vector"  # an attribute of somebody else's
    assert field_of(layer) is SCALAR


def test_mirror_images() -> None:
    assert torch.equal(mirror("left_right")(X), X.flip(3))
    assert torch.equal(mirror("top_bottom")(X), X.flip(2))
