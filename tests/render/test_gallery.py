"""Galleries: images as data, sharp squares, captions in two lines."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from neocog.exhibits import Gallery
from neocog.render.draw import draw
from neocog.render.gallery import BARE, CAPTIONED, FEW, LARGE, LARGER, MOST, view_gallery


def _gallery(images, captions=None, *, pixelated=True):
    names = captions if captions is not None else [""] * len(images)
    return Gallery(title="t", images=images, captions=names, pixelated=pixelated)


def test_a_image_arrives_with_the_same_pixels():
    image = np.arange(28 * 28 * 3, dtype=np.uint32).reshape(28, 28, 3).astype(np.uint8)
    address = re.search(r'src="data:image/png;base64,([^"]+)"', draw(_gallery([image])))[1]
    np.testing.assert_array_equal(Image.open(io.BytesIO(base64.b64decode(address))), image)


@pytest.mark.parametrize(("side", "drawn"), [(28, 112), (7, 112), (32, 96), (1, 112), (112, 112)])
def test_small_images_are_enlarged_a_whole_number_of_times(side, drawn):
    view = view_gallery(_gallery([np.zeros((side, side), np.uint8)], ["a caption"]))
    assert view.images[0].width == drawn <= CAPTIONED
    assert drawn % side == 0


@pytest.mark.parametrize("caption", ["", "0.25"])
def test_images_without_captions_or_with_brief_ones_are_smaller(caption):
    view = view_gallery(_gallery([np.zeros((7, 7), np.uint8)] * 2, [caption] * 2))
    assert view.bare
    assert view.images[0].width == BARE


def test_large_images_keep_their_aspect():
    photo = np.zeros((480, 640, 3), np.uint8)
    for count, side in ((1, 2 * LARGER), (FEW, LARGER), (FEW + 1, LARGE)):
        first = view_gallery(_gallery([photo] * count, ["a caption"] * count)).images[0]
        assert (first.width, first.height) == (side, side * 3 // 4)


def test_three_fit_side_by_side_on_a_screen_of_1000_pixels_and_five_small_ones():
    """Beside the scroll bar, both margins of the page and of the card, and gaps of 1.1 rem."""
    room, gap = 1000 - 15 - 2 * 24 - 2 * 21, 1.1 * 16
    assert FEW * LARGER + (FEW - 1) * gap <= room
    assert 5 * LARGE + 4 * gap <= room
    assert room >= 9 * BARE + 8 * 0.4 * 16


def test_a_line_break_starts_a_second_line_and_the_caption_is_read_aloud():
    html = draw(_gallery([np.zeros((8, 8), np.uint8)], ["9 read as 7\n98.7 %"]))
    assert "<span>9 read as 7</span><span>98.7\N{NO-BREAK SPACE}%</span>" in html
    assert 'alt="9 read as 7, 98.7 %"' in html


def test_images_that_are_not_pixelated_are_smooth():
    square = [np.zeros((8, 8), np.uint8)]
    assert " pixels" in draw(_gallery(square))
    assert " pixels" not in draw(_gallery(square, pixelated=False))


def test_too_many_images_are_cut_and_counted():
    html = draw(_gallery([np.zeros((2, 2), np.uint8)] * (MOST + 5)))
    assert html.count("<img") == MOST
    assert f"The first {MOST} images; 5 more are not shown." in html


def test_an_empty_gallery_says_so():
    assert "no images" in draw(_gallery([]))


def test_missing_captions_are_an_error():
    with pytest.raises(ValueError, match="a caption for each image; `t` has 0 for 1"):
        draw(_gallery([np.zeros((2, 2), np.uint8)], []))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((2, 2)),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros(3, np.uint8),
        np.zeros((0, 2), np.uint8),
    ],
)
def test_what_is_no_image_is_an_error(image):
    with pytest.raises(ValueError, match="Scale to 0–255 and convert"):
        draw(_gallery([image]))


def test_what_belongs_together_stays_in_one_group():
    square = [np.zeros((8, 8), np.uint8)] * 6
    gallery = Gallery(title="t", images=square, captions=["a caption"] * 6, together=2)
    assert [len(g) for g in view_gallery(gallery).groups] == [2, 2, 2]
    html = draw(gallery)
    assert html.count('class="group"') == 3
    assert html.count("<img") == 6
    assert 'class="group"' not in draw(_gallery(square, ["a caption"] * 6))


def test_a_cut_never_parts_a_group():
    many = Gallery(
        title="t",
        images=[np.zeros((2, 2), np.uint8)] * (MOST + 5),
        captions=["a caption"] * (MOST + 5),
        together=3,
    )
    assert {len(g) for g in view_gallery(many).groups} == {3}


def test_a_large_gallery_enlarges_its_images():
    one = Gallery(title="t", images=[np.zeros((32, 32), np.uint8)], captions=["a"], large=True)
    assert view_gallery(one).images[0].width == 320
