"""Rules of single operations, by hand: receptive field, jump and start."""

from fractions import Fraction

import pytest
import torch
from tests.graph.graphs import Vit
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.receptive_field import receptive_field


def only(module: nn.Module, size: tuple[int, ...]):
    f = receptive_field(module, size)
    assert f.status == "complete", f.unknown
    return f.of("")


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


def test_a_pool_that_misses_the_last_row_does_not_see_the_whole_image() -> None:
    f = only(nn.Sequential(nn.Conv2d(1, 1, 2, 2), nn.AdaptiveAvgPool2d(1)), (1, 7, 8))
    assert (f.receptive_field, f.whole) == ((6, 8), (False, True))


def test_attention_sees_everything_and_patches_do_not() -> None:
    f = receptive_field(Vit(), (3, 16, 16))
    assert f.of("patches").receptive_field == (4, 4)
    assert f.of("blocks.0.norm1").receptive_field == (4, 4)
    assert f.of("blocks.0.norm1").jump == (None, None)  # a row of tokens has no two directions
    assert f.of("blocks.0").whole == (True, True)


def test_a_branch_joins_by_the_smallest_interval_that_holds_both() -> None:
    class Branches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.pad(x, (4, 0))[:, :, :-4] + F.pad(x, (0, 2))[:, :, 2:]

    f = only(Branches(), (1, 9))
    assert (f.receptive_field, f.jump, f.start) == ((7,), (1,), (-4,))


def test_a_single_element_keeps_its_jump_through_added_and_dropped_axes() -> None:
    net = nn.Sequential(nn.Conv1d(1, 1, 3, 3), nn.MaxPool1d(2), nn.Conv1d(1, 1, 3, padding=1))
    f = only(net, (1, 6))
    assert (f.receptive_field, f.jump, f.start) == ((18,), (6,), (-6,))


def test_what_is_transformed_sees_all_along_these_axes() -> None:
    class Spectrum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.fft(x, dim=3).real

    f = only(Spectrum(), (1, 8, 6))
    assert (f.receptive_field, f.whole, f.jump) == ((1, 6), (False, True), (1, None))


def test_in_place_views() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, (1, 3))

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x).transpose_(2, 3)
            return torch.cat(torch.ops.aten.unsafe_split(y, 3, 2), 2)

    f = only(Turned(), (1, 8, 8))
    assert (f.receptive_field, f.jump, f.output) == ((1, 3), (1, 1), (2, 6, 8))


def test_numbers_that_do_not_depend_on_the_input_see_nothing() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones(1, 2, 3, 3) * 2

    f = only(Constant(), (1, 8, 8))
    assert (f.receptive_field, f.middle, f.known) == ((0, 0), (None, None), True)


def test_what_is_written_through_a_view_is_seen_through_all_views() -> None:
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blur = nn.Conv1d(1, 1, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            y = torch.zeros(1, 2, 8)
            first = y[:, 0]
            y.view(1, 2, 2, 4)[:, :1] = self.blur(x).view(1, 1, 2, 4)
            y[:, 1:].add_(x)
            self.seen = first
            return y

    fields = receptive_field(Writes(), (1, 8))
    f = fields.of("")
    assert (f.receptive_field, f.jump, f.start) == ((3,), (1,), (-1,))
    assert f.middle == ((4, 4),)  # element 4 of channel 1, which saw no blur


def test_an_unused_old_value_is_forgotten() -> None:
    class Over(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = F.avg_pool1d(x, 5, 1, 2)
            y[...] = x
            return y.relu_()

    assert only(Over(), (1, 8)).receptive_field == (1,)
