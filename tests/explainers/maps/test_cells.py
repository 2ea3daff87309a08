from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from tests.explainers.nets import drawn
from tests.explainers.trust.test_motion import smooth

from neocog.explainers.grad_cam import grad_cam, resize_map
from neocog.explainers.maps.cells import Cells, spread
from neocog.explainers.trust.deletion import deletion
from neocog.explainers.trust.motion import map_motion


def lit(first: int, behind: int) -> torch.Tensor:
    """A bright band of rows in 32 × 32 pixels."""
    x = torch.zeros(1, 1, 32, 32)
    x[:, :, first:behind] = 1
    return x


def middle(fine: torch.Tensor) -> float:
    """The mean row of a map, weighted by its values."""
    rows = fine[0].double().sum(1)
    return float((rows * torch.arange(len(rows))).sum() / rows.sum())


def test_cells_from_receptive_fields() -> None:
    """LeNet-5: two convolutions of 5, two poolings of 2, no padding: 16 pixels, 4 apart."""
    assert Cells.seeing((16, 16), (Fraction(4), Fraction(4)), (0, 0)) == Cells((7.5, 7.5), (4, 4))
    # A ResNet's: 3 pixels, steps of two, one pixel of padding.
    assert Cells.seeing((3,), (2,), (-1,)) == Cells((0.0,), (2.0,))
    assert Cells.seeing((16,), (None,), (0,)) is None
    assert Cells.seeing((16,), (4,), (None,)) is None
    assert Cells.seeing((0,), (0,), (0,)) is None
    assert Cells.seeing((), (), ()) is None


def test_each_cell_has_its_value_in_its_middle() -> None:
    maps = drawn(2, 5, 3)
    fine = spread(maps, (21, 9), Cells((2.0, 1.0), (4.0, 3.0)))
    assert torch.equal(fine[:, 2::4][:, :5][:, :, 1::3], maps)
    assert torch.equal(fine[:, :2], fine[:, 2:3].expand(2, 2, 9))
    assert torch.equal(fine[:, 19:], fine[:, 18:19].expand(2, 2, 9))
    torch.testing.assert_close(fine[:, 4, 1], (maps[:, 0, 0] + maps[:, 1, 0]) / 2)
    one = spread(maps[:, :1], (6, 9), Cells((2.0, 1.0), (4.0, 3.0)))
    assert torch.equal(one, one[:, :1].expand(2, 6, 9))


def test_patches_side_by_side_are_stretched_as_they_lie() -> None:
    maps = drawn(2, 8, 8)
    placed = spread(maps, (32, 32), Cells((1.5, 1.5), (4.0, 4.0)))
    torch.testing.assert_close(placed, resize_map(maps, (32, 32)))


def test_drawn_larger_it_lies_at_the_same_place() -> None:
    cells = Cells((2.0,), (4.0,))
    maps = drawn(1, 5)
    small, large = spread(maps, (21,), cells), spread(maps, (63,), cells.scaled((3,)))
    torch.testing.assert_close(large[:, 1::3], small)


@pytest.mark.parametrize(
    ("rows", "truth", "stretched"), [((9, 11), 9.5, 7.5), ((20, 23), 21, 22.8333)]
)
def test_a_9x9_convolution_without_padding_points_at_the_object(
    rows: tuple[int, int], truth: float, stretched: float
) -> None:
    """Rows a to b make a symmetric hill about their mean; nothing of it is truncated.

    Stretched, cell i lies at (i + 1/2) · 32 / 24 - 1/2, and pixel 9.5 is the middle of cell 5.5.
    """
    net, x = smooth(9, 0), lit(*rows)
    cam = grad_cam(net, x, target=0)
    placed = replace(cam, cells=Cells((4.0, 4.0), (1.0, 1.0)))
    assert placed.stride == (1, 1)
    assert middle(placed.enlarged()) == pytest.approx(truth, abs=1e-6)
    assert middle(cam.enlarged()) == pytest.approx(stretched, abs=0.01)


@pytest.mark.parametrize("kernel", [5, 9])
def test_a_map_that_is_placed_moves_as_its_image_does(kernel: int) -> None:
    x = torch.zeros(1, 1, 32, 32)
    x[0, 0, 15:17, 15:17] = 1
    net = smooth(kernel, 0)
    off = (kernel - 1) / 2
    cam = replace(grad_cam(net, x, target=0), cells=Cells((off, off), (1.0, 1.0)))
    found = map_motion(net, x, cam)
    assert found.pace == found.stride == (1, 1)
    # Whole cells move by whole pixels: exact, but for rounding, until the border cuts the spot off.
    assert found.followed[:-1].tolist() == [1, 1, 1]
    assert found.error[:-1].max() < 1e-6


def test_the_deleted_pixels_are_those_of_the_placed_map() -> None:
    """The answer of a valid convolution hangs on the object; 1 / 16 of the rows hold all of it."""
    net, x = smooth(9, 0), lit(8, 10)
    cam = grad_cam(net, x, target=0)
    placed = replace(cam, cells=Cells((4.0, 4.0), (1.0, 1.0)))

    areas = [
        deletion(net, x, c, baseline="mean", steps=32, draws=1).areas("deletion")[0]
        for c in (placed, cam)
    ]
    assert areas[0] < areas[1]


def test_what_is_known_of_cells_goes_with_the_maps() -> None:
    net, x = smooth(9, 0), drawn(3, 1, 32, 32)
    cam = replace(grad_cam(net, x, target=0), cells=Cells((4.0, 4.0), (1.0, 1.0)))
    assert torch.equal(cam.enlarged(cam.maps * 2), cam.enlarged() * 2)
    assert cam.enlarged(cam.maps[:1]).shape == (1, 32, 32)
