"""Rules of what looks all along an axis, by hand."""

import pytest
import torch
from tests.graph.graphs import Vit
from tests.graph.one_field import only
from torch import Tensor, nn

from neocog.graph.receptive_field import receptive_field


@pytest.mark.parametrize(
    "module",
    [
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveMaxPool2d(1),
        nn.InstanceNorm2d(2),
        nn.GroupNorm(1, 2),
        nn.LayerNorm([2, 8, 6]),
        nn.Sequential(nn.Flatten(), nn.Linear(96, 3)),
        nn.Sequential(nn.Flatten(2), nn.Softmax(2)),
    ],
)
def test_what_is_summed_up_sees_the_whole_image(module: nn.Module) -> None:
    f = only(module, (2, 8, 6))
    assert (f.receptive_field, f.whole, f.start) == ((8, 6), (True, True), (0, 0))
    assert f.jump == (None, None)


def test_one_axis_may_be_summed_up_alone() -> None:
    class Rows(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean(3)

    f = only(Rows(), (1, 8, 6))
    assert (f.receptive_field, f.whole, f.jump) == ((1, 6), (False, True), (1, None))


def test_attention_sees_everything_and_patches_do_not() -> None:
    f = receptive_field(Vit(), (3, 16, 16))
    assert f.of("patches").receptive_field == (4, 4)
    assert f.of("blocks.0.norm1").receptive_field == (4, 4)
    assert f.of("blocks.0.norm1").jump == (None, None)  # a row of tokens has no two directions
    assert f.of("blocks.0").whole == (True, True)


def test_what_is_transformed_sees_all_along_these_axes() -> None:
    class Spectrum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.fft(x, dim=3).real

    f = only(Spectrum(), (1, 8, 6))
    assert (f.receptive_field, f.whole, f.jump) == ((1, 6), (False, True), (1, None))
