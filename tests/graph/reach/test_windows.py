"""Rules of what slides over a map, by hand."""

from fractions import Fraction

import pytest
from tests.graph.one_field import only
from torch import nn


@pytest.mark.parametrize(
    ("module", "size", "expected"),
    [
        (nn.Conv2d(1, 1, (1, 5), padding=(0, 2)), (1, 8, 8), ((1, 5), (1, 1), (0, -2))),
        (nn.Conv2d(1, 1, 3, dilation=(1, 4)), (1, 16, 16), ((3, 9), (1, 1), (0, 0))),
        (nn.ConvTranspose2d(1, 1, 2, stride=2), (1, 4, 4), ((1, 1), (0.5, 0.5), (0, 0))),
        (nn.ConvTranspose1d(1, 1, 4, stride=2, padding=1), (1, 8), ((2,), (0.5,), (-1,))),
        (nn.Upsample(scale_factor=3), (1, 4, 4), ((1, 1), (Fraction(1, 3),) * 2, (0, 0))),
        (nn.PixelShuffle(2), (4, 4, 4), ((1, 1), (0.5, 0.5), (0, 0))),
        (nn.PixelUnshuffle(2), (1, 8, 8), ((1, 1), (2, 2), (0, 0))),
        (nn.CircularPad2d(2), (1, 8, 8), ((1, 1), (1, 1), (-2, -2))),
        (nn.ReflectionPad2d((1, 2, 3, 0)), (1, 8, 8), ((1, 1), (1, 1), (-3, -1))),
        (nn.ReplicationPad1d(1), (1, 8), ((1,), (1,), (-1,))),
        (nn.ZeroPad2d(-1), (1, 8, 8), ((1, 1), (1, 1), (1, 1))),
        (nn.AvgPool2d(3, 2, ceil_mode=True), (1, 8, 8), ((3, 3), (2, 2), (0, 0))),
        (nn.AdaptiveAvgPool2d(4), (1, 8, 8), ((2, 2), (2, 2), (0, 0))),
        (nn.BatchNorm2d(3), (3, 8, 8), ((1, 1), (1, 1), (0, 0))),
    ],
)
def test_size_jump_and_start(module: nn.Module, size: tuple, expected: tuple) -> None:
    f = only(module, size)
    assert (f.receptive_field, f.jump, f.start) == expected
