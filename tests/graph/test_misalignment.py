"""Obstacles to equivariance, operation by operation, against numbers."""

import pytest
from tests.graph.graphs import Vit
from tests.graph.obstacles import rows_of, said, symmetric, turn_error
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.alignment import CIRCULAR_SHIFT, QUARTER_TURN, alignment


@pytest.mark.parametrize(
    ("layer", "can", "cannot"),
    [
        (nn.Conv2d(1, 1, 3, 2, padding=1), 33, 32),
        (nn.Conv2d(1, 1, 2, 2), 32, 33),
        (nn.Conv2d(1, 1, 3, 3, padding=1), 31, 33),
        (nn.Conv2d(1, 1, 3, 2, dilation=2, padding=2), 33, 34),
        (nn.AvgPool2d(3, 2), 33, 32),
        (nn.MaxPool2d(2, 2), 32, 33),
        (nn.AdaptiveAvgPool2d(4), 32, None),
        (nn.Upsample(scale_factor=2, mode="bilinear"), 32, None),
        (nn.ConvTranspose2d(1, 1, 3, 2, padding=1), 32, None),
    ],
)
def test_the_rule_agrees_with_numbers(layer: nn.Module, can: int, cannot: int | None) -> None:
    layer = symmetric(layer)
    assert rows_of(layer, (1, can, can), QUARTER_TURN) == []
    assert turn_error(layer, can) < 1e-12
    if cannot is not None:
        (row,) = set(rows_of(layer, (1, cannot, cannot), QUARTER_TURN))
        assert row.by_size
        assert turn_error(layer, cannot) > 1e-3


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
def test_the_formula(kernel: int, stride: int, padding: int) -> None:
    layer = nn.Conv2d(1, 1, kernel, stride, padding)
    for n in range(9, 15):
        fits = (n + 2 * padding - (kernel - 1) - 1) % stride == 0
        assert (rows_of(layer, (1, n, n), QUARTER_TURN) == []) == fits


class Cut(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, ::2, ::2]


class Uneven(nn.Module):
    """Pads one side more than the other, which an even kernel makes up for, or not."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


def test_slices_and_uneven_borders() -> None:
    assert rows_of(Cut(), (1, 33, 33), QUARTER_TURN) == []
    assert said(Cut(), (1, 32, 32), QUARTER_TURN) == {
        "stride 2 at size 32 cannot be 4-fold symmetric"
    }
    assert said(Uneven(3), (1, 8, 8), QUARTER_TURN) == {
        "at size 8 the windows are not symmetric about the center"
    }
    assert not alignment(Uneven(3), (1, 8, 8)).nearest[QUARTER_TURN][0]


def test_rectangles() -> None:
    assert said(nn.Conv2d(1, 1, (1, 5), padding=(0, 2)), (1, 9, 9), QUARTER_TURN) == {
        "the windows differ between rows and columns"
    }
    found = alignment(nn.Conv2d(1, 1, 3), (1, 8, 12))
    assert found.rows[0].reason == "an image of 8×12 is not square"
    assert found.nearest[QUARTER_TURN] == ((8, 8), (12, 12))


def test_what_stands_beyond_the_border_matters() -> None:
    for mode, word in (("zeros", "zero"), ("reflect", "reflected"), ("replicate", "replicated")):
        layer = nn.Conv2d(1, 1, 3, padding=1, padding_mode=mode)
        assert said(layer, (1, 8, 8), CIRCULAR_SHIFT) == {f"padding is {word}"}
    assert said(nn.MaxPool2d(3, 2, 1), (1, 8, 8), CIRCULAR_SHIFT) == {"padding is left out"}
    up = nn.Upsample(scale_factor=2, mode="bilinear")
    assert said(up, (1, 8, 8), CIRCULAR_SHIFT) == {"padding is repeated"}
    assert rows_of(nn.Conv2d(1, 1, 1), (1, 8, 8), CIRCULAR_SHIFT) == []
    assert rows_of(nn.Upsample(scale_factor=2), (1, 8, 8), CIRCULAR_SHIFT) == []


def test_cropping_positions_and_dense_heads() -> None:
    assert said(nn.Conv2d(1, 1, 5), (1, 32, 32), CIRCULAR_SHIFT) == {
        "32 elements become 28 at stride 1: some are cropped"
    }
    head = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    assert said(head, (1, 8, 8), CIRCULAR_SHIFT) == {
        "a dense layer on a flattened map: weights for every position"
    }
    mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    assert rows_of(mean, (1, 8, 8), CIRCULAR_SHIFT) == []
    assert said(Vit(), (3, 16, 16), CIRCULAR_SHIFT) == {"a parameter for every position"}


def test_a_crop_beside_a_short_cut_is_looked_at_where_they_join() -> None:
    class Cropped(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.avg_pool2d(x, 3, 1) + x[:, :, 1:-1, 1:-1]

    assert rows_of(Cropped(), (1, 8, 8), QUARTER_TURN) == []
    assert {r.operation for r in rows_of(Cropped(), (1, 8, 8), CIRCULAR_SHIFT)} == {
        "avg_pool2d",
        "slice",
    }
