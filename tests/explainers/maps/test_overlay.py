import numpy as np
import pytest
import torch
from tests.explainers.nets import drawn

from neocog.explainers.maps.cells import Cells
from neocog.explainers.maps.overlay import (
    LEAST,
    LEGEND,
    STRENGTH,
    bare,
    laid_over,
    legend,
    over_series,
)
from neocog.render.color import paint

ENDS = paint(np.array([0.0, 1.0]), "heat").astype(int)


def test_a_map_of_one_value_leaves_the_image_in_its_colors() -> None:
    x = drawn(3, 8, 8)
    for value in (0.0, 0.7):
        image = laid_over(x, torch.full((4, 4), value))
        levels = np.rint(x.double().numpy() * 255).transpose(1, 2, 0)
        assert image.shape == (384 + LEGEND, 384, 3)
        assert np.array_equal(image[:384], levels.repeat(48, 0).repeat(48, 1))


@pytest.mark.parametrize("offset", [0.0, 100.0, -3.0])
def test_the_scale_is_stretched_over_the_range_of_the_map_itself(offset: float) -> None:
    """A map from 100 to 101 has all colors, as one from 0 to 1."""
    map_ = torch.tensor([[1.0, 0.0], [1.0, 0.0]]) + offset
    image = laid_over(torch.zeros(1, 8, 8), map_)
    assert np.array_equal(image[100, 0], np.rint(STRENGTH * ENDS[1]))
    assert np.array_equal(image[100, 383], np.rint(LEAST * ENDS[0]))


def test_the_colors_of_the_image_show_through() -> None:
    red, gray = torch.zeros(3, 8, 8), torch.full((1, 8, 8), 0.3)
    red[0] = 1.0
    map_ = torch.tensor([[1.0, 0.0]])
    over = [laid_over(x, map_)[100, 200].astype(int) for x in (red, gray)]
    assert over[0][0] - over[0][2] > over[1][0] - over[1][2]


def test_a_bare_map_shows_its_cells_as_they_are() -> None:
    cells = torch.tensor([[1.0, -0.5], [0.0, 0.25]])
    image = bare(cells, (8, 8))
    assert image.shape == (384 + LEGEND, 384, 3)
    want = paint((cells.numpy() + 0.5) / 1.5, "heat")
    for row, column in np.ndindex(2, 2):
        block = image[192 * row : 192 * (row + 1), 192 * column : 192 * (column + 1)]
        assert (block == want[row, column]).all()


def test_without_a_legend_the_rest_is_the_same() -> None:
    x, map_ = drawn(1, 8, 8), drawn(4, 4)
    assert np.array_equal(laid_over(x, map_, keyed=False), laid_over(x, map_)[:384])


def test_large_images_keep_their_size() -> None:
    assert laid_over(drawn(3, 300, 200), drawn(7, 5)).shape == (300 + LEGEND, 200, 3)


def test_a_legend_has_the_colors_of_the_scale_and_its_ends() -> None:
    strip = legend(300, -0.5, 0.5)
    assert strip.shape == (LEGEND, 300, 3)
    assert np.array_equal(strip[8, 0], ENDS[0])
    assert np.array_equal(strip[8, 299], ENDS[1])
    assert (strip[22:] < 128).any()  # letters
    assert not np.array_equal(strip, legend(300, -0.5, 0.7))
    assert legend(40, -1234567.0, 1234567.0).shape == (LEGEND, 40, 3)


def test_a_legend_marks_zero_where_the_map_has_both_signs() -> None:
    both, above = legend(301, -1.0, 1.0), legend(301, 1.0, 2.0)
    assert (both[3, 150] < 100).all()
    assert (above[3, 150] == 255).all()


def test_a_legend_of_one_value_has_no_scale() -> None:
    strip = legend(300, 0.5, 0.5)
    assert np.array_equal(strip[8, 0], strip[8, 299])


def test_a_series_is_a_line_on_a_colored_ground() -> None:
    x, m = drawn(2, 40), torch.linspace(-1, 1, 10)
    image = over_series(x, m)
    assert image.shape == (220 + LEGEND, 640, 3)
    near_white = np.rint(255 * (1 - LEAST) + LEAST * ENDS[0])
    assert np.array_equal(image[2, 2], near_white)
    assert np.array_equal(image[2, 637], np.rint(255 * (1 - STRENGTH) + STRENGTH * ENDS[1]))
    assert (image[:220].max(2) < 100).any()  # the line
    assert over_series(torch.ones(1, 40), m * 0).dtype == np.uint8


def test_cells_are_drawn_where_they_lie_and_reach_to_the_border() -> None:
    """A convolution of 5 without padding on 8 pixels: cells at pixels 2 to 5, no gray margin."""
    cells, map_ = Cells((2.0, 2.0), (1.0, 1.0)), torch.zeros(4, 4)
    map_[1, 2] = 1.0
    alone = bare(map_, (8, 8), cells=cells)[:384]
    assert (alone[3 * 48 : 4 * 48, 4 * 48 : 5 * 48] == ENDS[1]).all()
    assert (alone == ENDS[1]).all(2).sum() == 48 * 48
    assert ((alone == ENDS[0]).all(2) | (alone == ENDS[1]).all(2)).all()
    corner = torch.zeros(4, 4)
    corner[0, 0] = 1.0
    margin = bare(corner, (8, 8), cells=cells)[:384]
    assert (margin[: 3 * 48, : 3 * 48] == ENDS[1]).all()  # as in the overlay
    over = laid_over(torch.zeros(1, 8, 8), map_, cells=cells)[:384].astype(int)
    bright = (over.sum(2) > over[0, 0].sum()).nonzero()
    # The middles of pixel (3, 4), and of the pixels beside it, where the color ends.
    assert [float(np.mean(c)) for c in bright] == [3.5 * 48 - 0.5, 4.5 * 48 - 0.5]
    line = over_series(torch.zeros(1, 64), torch.tensor([0.0, 1.0]), cells=Cells((8.0,), (16.0,)))
    # From the middle of sample 24 on, ten times as large, all is as full as there.
    assert np.array_equal(line[2, 250], line[2, 639])
    assert not np.array_equal(line[2, 230], line[2, 250])
