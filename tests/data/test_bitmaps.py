"""BMP and GIF: every packing and palette is its pixels, or refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from tests.data.numbers_by_hand import RNG, SIZE, numbers, over_white, same
from tests.field.images_by_hand import bmp, gif

from neocog.data import pixel_format
from neocog.data.image_decode import decode, head
from neocog.errors import DataError


def padded(rows: np.ndarray) -> bytes:
    """Rows of bytes, each filled up to four."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))).astype(np.uint8).tobytes()


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_palette_bmp(bits, top_down):
    n = 1 << bits
    palette = RNG.integers(0, 256, (n, 3)).astype(np.uint8)
    x = RNG.integers(0, n, SIZE)
    flipped = x if top_down else x[::-1]
    wide = (flipped[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(wide.reshape(len(x), -1).astype(np.uint8), axis=1)
    table = b"".join(bytes([*c[::-1].tolist(), 0]) for c in palette)
    size = (-SIZE[0] if top_down else SIZE[0], SIZE[1])
    same(bmp(padded(rows), size=size, bits=bits, palette=table), palette[x])


def test_a_palette_of_grays_upside_down_is_heeded():
    x = numbers(1)
    rows = padded(np.packbits(x[::-1].astype(np.uint8), axis=1))
    table = bytes([255, 255, 255, 0, 0, 0, 0, 0])
    out = decode(bmp(rows, size=SIZE, bits=1, palette=table))
    np.testing.assert_array_equal(out[:, :, 0], (1 - x) * 255)


@pytest.mark.parametrize("top_down", [False, True])
def test_bmp_of_24_and_32_bits(top_down):
    """The fourth byte is not an opacity unless a mask says so."""
    x = numbers(8, 4).astype(np.uint8)
    flipped = x if top_down else x[::-1]
    size = (-SIZE[0] if top_down else SIZE[0], SIZE[1])
    bgr = flipped[:, :, 2::-1]
    same(bmp(padded(bgr.reshape(SIZE[0], -1)), size=size, bits=24), x[:, :, :3])
    bgrx = np.concatenate([bgr, flipped[:, :, 3:]], axis=2).tobytes()
    same(bmp(bgrx, size=size, bits=32), x[:, :, :3])
    masks = (0xFF0000, 0xFF00, 0xFF)
    same(bmp(bgrx, size=size, bits=32, packing=3, masks=masks, header=40), x[:, :, :3])
    opaque = bmp(bgrx, size=size, bits=32, packing=3, masks=(*masks, 0), header=124)
    same(opaque, x[:, :, :3])
    clear = bmp(bgrx, size=size, bits=32, packing=3, masks=(*masks, 0xFF000000), header=124)
    same(clear, over_white(x, 255).astype(np.uint8), off=1)
    assert head(clear).alpha
    assert not head(opaque).alpha


@pytest.mark.parametrize(
    ("masks", "shifts"),
    [
        ((), (10, 5, 0, 5)),
        ((0x7C00, 0x3E0, 0x1F), (10, 5, 0, 5)),
        ((0xF800, 0x7E0, 0x1F), (11, 5, 0, 6)),
    ],
)
def test_bmp_of_16_bits(masks, shifts):
    red, green, blue = RNG.integers(0, 32, SIZE), RNG.integers(0, 1 << shifts[3], SIZE), numbers(5)
    word = (red << shifts[0]) | (green << shifts[1]) | (blue << shifts[2])
    raw = padded(word[::-1].astype("<u2").view(np.uint8))
    data = bmp(raw, size=SIZE, bits=16, packing=3 if masks else 0, masks=masks)
    white = [31, (1 << shifts[3]) - 1, 31]
    expected = np.stack([c * 255 / w for c, w in zip((red, green, blue), white, strict=True)], 2)
    same(data, np.rint(expected).astype(np.uint8), off=1)


def test_bmp_of_the_oldest_header_and_in_runs():
    palette = RNG.integers(0, 256, (256, 3)).astype(np.uint8)
    x = RNG.integers(0, 256, SIZE)
    rows = padded(x[::-1].astype(np.uint8))
    short = b"".join(bytes(c[::-1].tolist()) for c in palette)
    same(bmp(rows, size=SIZE, bits=8, palette=short, header=12), palette[x])
    table = b"".join(bytes([*c[::-1].tolist(), 0]) for c in palette)
    runs = b"".join(bytes([1, v]) for v in x[-1].tolist()) + b"\0\0"
    for row in x[-2::-1].tolist():
        runs += bytes([0, len(row), *row, 0]) + b"\0\0"  # as they are, filled up to two
    same(bmp(runs + b"\0\1", size=SIZE, bits=8, palette=table, packing=1), palette[x])


def test_other_packings_of_a_bmp_are_refused():
    for packing in (4, 5, 11):
        with pytest.raises(DataError, match="packed in a way that is not read"):
            decode(bmp(bytes(200), size=(8, 8), bits=24, packing=packing))
    with pytest.raises(DataError, match="2-bit palette, whose values are not supported"):
        decode(bmp(bytes(200), size=(8, 8), bits=2))


def test_gif_of_colors_and_transparency():
    palette = [tuple(c) for c in RNG.integers(0, 256, (16, 3)).tolist()]
    x = RNG.integers(0, 16, (12, 12))
    colors = np.array(palette, np.uint8)
    same(gif(x, palette), colors[x])
    expected = np.where((x == 3)[:, :, None], 255, colors[x]).astype(np.uint8)
    data = gif(x, palette, clear=3)
    same(data, expected)
    assert head(data).marks == (pixel_format.ALPHA,)
    moving = gif(x, palette, more=2)
    same(moving, colors[x])
    assert head(moving).marks == (pixel_format.SEVERAL,)


def test_gray_gif_stays_gray():
    palette = [(v, v, v) for v in range(256)]
    x = RNG.integers(0, 128, (12, 12))
    same(gif(x, palette), x.astype(np.uint8))
    expected = np.where(x == x[4, 4], 255, x).astype(np.uint8)
    same(gif(x, palette, clear=int(x[4, 4])), expected)


def test_a_frame_smaller_than_its_gif_stands_where_it_says():
    palette = [(v, 255 - v, 7) for v in range(64)]
    x = RNG.integers(0, 64, (12, 12))
    data = bytearray(gif(x, palette, clear=5))
    data[6:10] = struct.pack("<HH", 20, 16)
    at = data.index(b"\x2c\0\0\0\0\x0c\0")
    data[at + 1 : at + 5] = struct.pack("<HH", 3, 2)
    out = decode(bytes(data))
    assert out.shape == (16, 20, 3)
    inner = np.where((x == 5)[:, :, None], 255, np.array(palette, np.uint8)[x])
    np.testing.assert_array_equal(out[2:14, 3:15], inner)
    outside = out.copy()
    outside[2:14, 3:15] = 255
    assert outside.min() == 255  # nothing is there: transparent, so white
