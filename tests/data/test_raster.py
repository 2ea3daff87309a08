"""Colors and orientation of what a decoder gives."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.data.numbers_by_hand import RNG, numbers, over_white, same
from tests.field.images_by_hand import encoded, exif, png, smooth, tiff

from neocog.data import pixel_format
from neocog.data.image_decode import decode, head
from neocog.data.jpeg import parse
from neocog.data.raster import plan
from neocog.errors import DataError


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp_without_loss(mode):
    x = RNG.integers(0, 256, (9, 11, len(mode))).astype(np.uint8)
    data = encoded(Image.fromarray(x), "WEBP", lossless=True, exact=True)
    same(data, over_white(x, 255).astype(np.uint8) if mode == "RGBA" else x, off=1)
    assert head(data).alpha == (mode == "RGBA")
    frames = [Image.fromarray(x), Image.fromarray(255 - x)]
    moving = encoded(frames[0], "WEBP", lossless=True, exact=True, save_all=True,
                     append_images=frames[1:])  # fmt: skip
    same(moving, over_white(x, 255).astype(np.uint8) if mode == "RGBA" else x, off=1)
    assert pixel_format.SEVERAL in head(moving).marks


def adobe(data: bytes, transform: int) -> bytes:
    """With Adobe's marker put in, or put in anew."""
    kept = data[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])
    at = 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] not in (0xE0, 0xEE):
            kept += data[at:end]
        at = end
    return kept + data[at:]


def test_jpeg_says_in_a_marker_whether_it_is_RGB_or_YCbCr():
    """The same three bands, once called YCbCr and once RGB."""
    im = smooth(0, 32, 32)
    bands = np.asarray(im.convert("YCbCr")).astype(int)
    usual = encoded(im, "JPEG", quality=95, subsampling=0)
    told = adobe(usual, 1)
    np.testing.assert_array_equal(decode(told), decode(usual))
    rgb = decode(adobe(usual, 0)).astype(int)
    assert np.abs(rgb - bands).mean() < 4  # what quality 95 loses
    assert plan(adobe(usual, 0), parse(adobe(usual, 0)))[0].form.color == "rgb"


def test_jpeg_of_ink_is_inverted_where_adobe_says_so():
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[:, :, 0], ink[:, :, 3] = 200, 40
    ink_image = Image.merge("CMYK", [Image.fromarray(ink[:, :, k]) for k in range(4)])
    plain = encoded(ink_image, "JPEG", quality=100, subsampling=0)  # saved inverted
    marked = adobe(plain, 0)
    unmarked = marked.replace(b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0", b"")
    expected = (1 - ink[0, 0, :3] / 255) * (1 - ink[0, 0, 3] / 255) * 255
    assert np.abs(decode(marked)[0, 0] - expected).max() < 4
    with pytest.raises(DataError, match="does not say whether 0 means no ink or full ink"):
        decode(unmarked)
    assert pixel_format.CMYK in head(marked).marks


def test_jpeg_of_12_bits_is_named():
    data = bytearray(encoded(smooth(0, 16, 16), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 4] = 12
    for read in (head, decode):
        with pytest.raises(DataError, match="12-bit ycbcr, whose values are not supported"):
            read(bytes(data))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
def test_orientation_is_heeded_at_every_depth(orientation, order, bits):
    x = numbers(bits).astype(np.uint8 if bits == 8 else np.uint16)
    turns = {
        1: x, 2: x[:, ::-1], 3: x[::-1, ::-1], 4: x[::-1], 5: x.T, 6: x[::-1].T, 7: x[::-1, ::-1].T,
        8: x[:, ::-1].T,
    }  # fmt: skip
    note = exif(orientation, order)
    same(png(x, bits=bits, color=0, before=[(b"eXIf", note)]), turns[orientation])
    same(png(x, bits=bits, color=0, after=[(b"eXIf", note)]), turns[orientation])
    data = tiff(x, bits=bits, order=order, tags={274: (3, [orientation])})
    same(data, turns[orientation])


def test_an_orientation_that_does_not_exist_turns_nothing():
    x = numbers(8).astype(np.uint8)
    for orientation in (0, 9, 200):
        same(png(x, color=0, before=[(b"eXIf", exif(orientation))]), x)
        same(tiff(x, tags={274: (3, [orientation])}), x)
