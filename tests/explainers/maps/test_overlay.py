import numpy as np
import torch
from tests.explainers.nets import drawn

from neocog.explainers.maps.cells import Cells
from neocog.explainers.maps.overlay import (
    AGAINST,
    BRIGHT,
    DARK,
    FOR,
    KEY,
    NOWHERE,
    bare,
    key,
    laid_over,
    over_series,
)
from neocog.explainers.shown import signed


def test_where_nothing_speaks_the_image_shows_in_gray() -> None:
    x = drawn(1, 8, 8)
    image = laid_over(x, torch.zeros(4, 4))
    levels = np.rint(x[0].double().numpy() * 255)
    gray = np.rint(DARK + levels * (BRIGHT - DARK) / 255).repeat(48, 0).repeat(48, 1)
    assert image.shape == (384 + KEY, 384, 3)
    assert np.array_equal(image[:384], np.dstack([gray] * 3))
    color = laid_over(drawn(3, 8, 8), torch.zeros(4, 4))[:384]
    assert np.array_equal(color[..., 0], color[..., 1])


def test_orange_for_and_blue_against() -> None:
    image = laid_over(torch.zeros(1, 8, 8), torch.tensor([[1.0, -1.0], [1.0, -1.0]]))
    left, right = image[100, 0].astype(int), image[100, 383].astype(int)
    # Three quarters of the color at the largest value.
    assert np.array_equal(left, np.rint(0.75 * np.array(FOR) + 0.25 * DARK))
    assert np.array_equal(right, np.rint(0.75 * np.array(AGAINST) + 0.25 * DARK))


def test_a_bare_map_shows_its_cells_as_they_are() -> None:
    cells = torch.tensor([[1.0, -0.5], [0.0, 0.25]])
    image = bare(cells, (8, 8))
    assert image.shape == (384 + KEY, 384, 3)
    want = signed(cells)
    for row, column in np.ndindex(2, 2):
        block = image[192 * row : 192 * (row + 1), 192 * column : 192 * (column + 1)]
        assert (block == want[row, column]).all()


def test_without_a_key_the_rest_is_the_same() -> None:
    x, map_ = drawn(1, 8, 8), drawn(4, 4)
    assert np.array_equal(laid_over(x, map_, keyed=False), laid_over(x, map_)[:384])


def test_large_images_keep_their_size() -> None:
    assert laid_over(drawn(3, 300, 200), drawn(7, 5)).shape == (300 + KEY, 200, 3)


def test_a_key_has_the_colors_of_its_map_and_numbers() -> None:
    strip = key(300, 0.5)
    assert strip.shape == (KEY, 300, 3)
    assert strip[8, 0, 2] > strip[8, 0, 0]  # blue
    assert strip[8, 299, 0] > strip[8, 299, 2]  # orange
    assert (strip[16:] < 128).any()  # letters
    assert not np.array_equal(strip, key(300, 0.7))
    assert key(40, 1234567.0).shape == (KEY, 40, 3)
    assert np.array_equal(key(300, 0.5, plain=True)[8, 0], signed(np.array([[-1.0]]))[0, 0])


def test_a_series_is_a_line_on_a_colored_ground() -> None:
    x, m = drawn(2, 40), torch.linspace(-1, 1, 10)
    image = over_series(x, m)
    assert image.shape == (220 + KEY, 640, 3)
    assert image[2, 2, 2] > image[2, 2, 0]
    assert image[2, 637, 0] > image[2, 637, 2]
    assert (image[:220].max(2) < 100).any()  # the line
    assert over_series(torch.ones(1, 40), m * 0).dtype == np.uint8


def test_cells_are_drawn_where_they_lie() -> None:
    """A convolution of 5 without padding on 8 pixels: cells at pixels 2 to 5, gray beside them."""
    cells, map_ = Cells((2.0, 2.0), (1.0, 1.0)), torch.zeros(4, 4)
    map_[1, 2] = 1.0
    alone = bare(map_, (8, 8), cells=cells)[:384]
    one = signed(np.array([[1.0]]))[0, 0]
    assert (alone[3 * 48 : 4 * 48, 4 * 48 : 5 * 48] == one).all()
    assert (alone[: 2 * 48] == NOWHERE).all()
    assert (alone[6 * 48 :] == NOWHERE).all()
    assert (alone[:, : 2 * 48] == NOWHERE).all()
    inside = alone[2 * 48 : 6 * 48, 2 * 48 : 6 * 48]
    assert (inside == one).all(2).sum() == 48 * 48
    over = laid_over(torch.zeros(1, 8, 8), map_, cells=cells)[:384].astype(int)
    colored = (over[..., 0] > over[..., 2]).nonzero()
    # The middles of pixel (3, 4), and of the pixels beside it, where the color ends.
    assert [float(np.mean(c)) for c in colored] == [3.5 * 48 - 0.5, 4.5 * 48 - 0.5]
    line = over_series(torch.zeros(1, 64), torch.tensor([0.0, 1.0]), cells=Cells((8.0,), (16.0,)))
    # From the middle of sample 24 on, ten times as large, all is as full as there.
    assert np.array_equal(line[2, 250], line[2, 639])
    assert not np.array_equal(line[2, 230], line[2, 250])
