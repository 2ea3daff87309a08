"""PNG: every depth, color and transparency is its pixels."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from tests.data.numbers_by_hand import RNG, SIZE, eight, numbers, over_white, same
from tests.field.images_by_hand import png

from neocog.data import pixel_format
from neocog.data.image_decode import decode, head


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_gray_png_is_scaled_to_white(bits):
    x = numbers(bits)
    same(png(x, bits=bits, color=0), eight(x, (1 << bits) - 1))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_transparent_gray_of_a_png_is_of_its_own_numbers(bits):
    """2 bits: the key 2 is 170 once it is scaled; comparing 2 with 170 makes nothing clear."""
    x = numbers(bits)
    for key in (0, (1 << bits) // 2, (1 << bits) - 1):
        expected = eight(np.where(x == key, (1 << bits) - 1, x), (1 << bits) - 1)
        data = png(x, bits=bits, color=0, before=[(b"tRNS", struct.pack(">H", key))])
        same(data, expected)
        assert head(data).alpha


def test_deep_gray_png_keeps_its_bits_and_its_transparent_color():
    x = numbers(16)
    same(png(x, bits=16, color=0), x.astype(np.uint16))
    key = int(x[2, 2])
    expected = np.where(x == key, 65535, x).astype(np.uint16)
    same(png(x, bits=16, color=0, before=[(b"tRNS", struct.pack(">H", key))]), expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_png_is_its_colors_over_white(bits):
    n = min(1 << bits, 11)
    palette = RNG.integers(0, 256, (n, 3))
    x = RNG.integers(0, n, SIZE)
    table = (b"PLTE", palette.astype(np.uint8).tobytes())
    same(png(x, bits=bits, color=3, before=[table]), palette[x].astype(np.uint8))
    opacity = np.array([0, 255] + [128] * (n - 2))[:n]
    clear = (b"tRNS", opacity.astype(np.uint8).tobytes())
    over = palette * opacity[:, None] / 255 + 255 - opacity[:, None]
    same(png(x, bits=bits, color=3, before=[table, clear]), over[x].astype(np.uint8), off=1)


def test_rgb_png_with_a_transparent_color():
    x = numbers(8, 3)
    data = png(x, color=2, before=[(b"tRNS", struct.pack(">HHH", *x[3, 3].tolist()))])
    expected = x.copy()
    expected[3, 3] = 255
    same(data, expected.astype(np.uint8))
    far = png(x, color=2, before=[(b"tRNS", struct.pack(">HHH", 256 + x[3, 3, 0], 0, 0))])
    same(far, x.astype(np.uint8))


@pytest.mark.parametrize(("color", "bands"), [(4, 2), (6, 4)])
def test_opacity_of_a_png_is_over_white(color, bands):
    x = numbers(8, bands)
    same(png(x, color=color), over_white(x, 255).astype(np.uint8), off=1)
    deep = numbers(16, bands)
    same(png(deep, bits=16, color=color), over_white(deep, 65535).astype(np.uint16), off=1)


def test_deep_color_png_keeps_its_bits_and_its_transparent_color():
    x = numbers(16, 3)
    same(png(x, bits=16, color=2), x.astype(np.uint16))
    x[1, 1] = x[3, 3] + [0, 0, 1] - [0, 0, 2 * (x[3, 3, 2] == 65535)]
    clear = (b"tRNS", struct.pack(">HHH", *x[3, 3].tolist()))
    expected = x.copy()
    expected[3, 3] = 65535  # and not its neighbor, which differs in the lowest bit alone
    same(png(x, bits=16, color=2, before=[clear]), expected.astype(np.uint16))


@pytest.mark.parametrize(("bits", "color", "bands"), [
    (1, 0, 0), (4, 0, 0), (8, 2, 3), (16, 0, 0), (16, 2, 3), (16, 4, 2), (16, 6, 4),
])  # fmt: skip
def test_an_interlaced_png_is_the_same(bits, color, bands):
    x = numbers(bits, bands)
    plain, woven = (png(x, bits=bits, color=color, interlaced=i) for i in (False, True))
    np.testing.assert_array_equal(decode(woven), decode(plain))


def test_an_animated_png_gives_its_still_image():
    x = numbers(8)
    control = (b"acTL", struct.pack(">II", 2, 0))
    frame = struct.pack(">IIIIIHHBB", 0, SIZE[1], SIZE[0], 0, 0, 1, 1, 0, 0)
    data = png(x, color=0, before=[control, (b"fcTL", frame)])
    same(data, x.astype(np.uint8))
    assert pixel_format.SEVERAL in head(data).marks


def test_notes_of_a_png_change_nothing():
    x = numbers(8)
    same(png(x, color=0, before=[(b"tEXt", b"a\0b"), (b"abCd", b"?")]), x.astype(np.uint8))
