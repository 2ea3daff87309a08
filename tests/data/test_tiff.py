"""TIFF: every depth, order, color and packing is its pixels, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.data.numbers_by_hand import RNG, SIZE, eight, numbers, over_white, same, taken_or_named
from tests.field.images_by_hand import encoded, packed, smooth, tiff

from neocog.data import pixel_format
from neocog.data.image_decode import decode, head
from neocog.errors import DataError


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_gray_tiff_of_every_depth_and_order(order, big, bits, white_is_zero):
    x, white = numbers(bits), (1 << bits) - 1
    data = tiff(x, bits=bits, order=order, big=big, photometric=0 if white_is_zero else 1)
    y = white - x if white_is_zero else x
    same(data, y.astype(np.uint16) if bits == 16 else eight(y, white))
    assert (pixel_format.INVERTED in head(data).marks) == white_is_zero


@pytest.mark.parametrize("order", ["<", ">"])
def test_twelve_bits_reach_white(order):
    x = numbers(12)
    expected = np.floor(x * 65535 / 4095 + 0.5).astype(np.uint16)
    if order == "<":
        same(tiff(x, bits=12, order=order), expected)
        assert head(tiff(x, bits=12)).marks == (pixel_format.TWELVE,)
    else:
        taken_or_named(tiff(x, bits=12, order=order), expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_floats_are_taken_where_all_are_in_the_unit_range(order, photometric):
    x = RNG.random(SIZE).astype(np.float32)
    x[0, 0], x[0, 1] = 0, 1
    tags = {339: (3, [3])}
    y = 1 - x if photometric == 0 else x
    data = tiff(x, bits=32, order=order, photometric=photometric, tags=tags)
    same(data, np.rint(y * np.float32(65535)).astype(np.uint16))
    assert pixel_format.FLOAT in head(data).marks
    for bad in (1.001, -0.01, 255, np.nan, np.inf):
        x[2, 2] = bad
        with pytest.raises(DataError, match=r"floating-point pixels from .* no fixed white"):
            decode(tiff(x, bits=32, order=order, tags=tags))


@pytest.mark.parametrize(
    ("bits", "sample", "reason"),
    [
        (8, 2, "signed 8-bit pixels have no fixed black and white"),
        (16, 2, "signed 16-bit pixels"),
        (32, 2, "32-bit integer pixels have no fixed white"),
        (32, 1, "32-bit integer pixels have no fixed white"),
        (16, 3, "floating-point pixels of 16 bits"),
        (64, 3, "floating-point pixels of 64 bits"),
        (8, 4, "not supported"),
        (32, 6, "complex|not supported|no fixed white"),
        (10, 1, "10-bit gray, whose values are not supported"),
        (14, 1, "14-bit gray, whose values are not supported"),
    ],
)
def test_samples_that_are_no_brightness_are_named(bits, sample, reason):
    data = tiff(numbers(8), bits=bits, raw=bytes(600), tags={339: (3, [sample])})
    for read in (head, decode):
        with pytest.raises(DataError, match=reason):
            read(data)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planes", [False, True])
def test_color_tiff(order, planes):
    x = numbers(8, 3)
    same(tiff(x, photometric=2, order=order, planes=planes), x.astype(np.uint8))
    deep = numbers(16, 3)
    data = tiff(deep, bits=16, photometric=2, order=order, planes=planes)
    if planes:
        with pytest.raises(DataError, match=r"16-bit rgb, each band for itself"):
            decode(data)
    else:
        same(data, deep.astype(np.uint16))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("bands", [2, 4])
@pytest.mark.parametrize("order", ["<", ">"])
def test_opacity_of_a_tiff_is_straight_associated_or_no_opacity(bits, bands, order):
    white = (1 << bits) - 1
    photometric, dtype = (1 if bands == 2 else 2), np.uint16 if bits == 16 else np.uint8
    x = numbers(bits, bands)
    straight = tiff(x, bits=bits, photometric=photometric, order=order, tags={338: (3, [2])})
    if (bits, bands) == (16, 2):
        with pytest.raises(DataError, match="16-bit gray, straight transparency"):
            decode(straight)
        return
    same(straight, over_white(x, white).astype(dtype), off=1)
    assert pixel_format.ALPHA in head(straight).marks
    dimmed = x.copy()
    dimmed[:, :, :-1] = dimmed[:, :, :-1] * dimmed[:, :, -1:] // white
    associated = tiff(dimmed, bits=bits, photometric=photometric, order=order, tags={338: (3, [1])})
    over = dimmed[:, :, :-1] + white - dimmed[:, :, -1:]
    # eight bits of dark and nearly clear colors are divided and multiplied again
    same(associated, over.astype(dtype), off=1)
    other = tiff(x, bits=bits, photometric=photometric, order=order, tags={338: (3, [0])})
    same(other, x[:, :, :-1].astype(dtype))
    assert head(other).marks == (pixel_format.BANDS,)


def test_bands_that_a_tiff_does_not_explain_are_refused():
    """Four bands may be red, green, blue and infrared: no opacity is made of them."""
    with pytest.raises(DataError, match="4 bands where its color has 3"):
        decode(tiff(numbers(8, 4), photometric=2))
    with pytest.raises(DataError, match="2 bands where its color has 1"):
        decode(tiff(numbers(8, 2), photometric=1))
    with pytest.raises(DataError, match="several kinds of transparency"):
        decode(tiff(numbers(8, 5), photometric=2, tags={338: (3, [0, 2])}))
    x = numbers(8, 6)
    same(tiff(x, photometric=2, tags={338: (3, [0, 0, 0])}), x[:, :, :3].astype(np.uint8))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_tiff(bits, order):
    n = 1 << bits
    palette = RNG.integers(0, 256, (n, 3))
    palette[0] = 255
    x = RNG.integers(0, n, SIZE)
    deep = (palette.T * 257).reshape(-1).tolist()
    data = tiff(x, bits=bits, photometric=3, order=order, tags={320: (3, deep)})
    same(data, palette[x].astype(np.uint8))
    short = palette.T.reshape(-1).tolist()
    with pytest.raises(DataError, match="palette of 8-bit colors where TIFF has 16 bits"):
        decode(tiff(x, bits=bits, photometric=3, order=order, tags={320: (3, short)}))


@pytest.mark.parametrize("order", ["<", ">"])
def test_cmyk_tiff_is_ink(order):
    x = numbers(8, 4)
    ink = x / 255
    rgb = np.rint((1 - ink[:, :, :3]) * (1 - ink[:, :, 3:]) * 255).astype(np.uint8)
    data = tiff(x, photometric=5, order=order)
    same(data, rgb, off=1)
    assert pixel_format.CMYK in head(data).marks
    same(tiff(x * 257, bits=16, photometric=5, order=order), rgb, off=1)


def test_lab_tiff_is_sRGB():
    """L* of 100 is white, of 0 black; a* and b* of 0 are gray, with a sign in the file."""
    x = np.zeros((*SIZE, 3), np.uint8)
    x[0, :, 0] = 255
    x[1] = [136, 208, 195]  # L* 53.3, a* 80 - 128 = -48... as signed bytes: -48, -61
    out = decode(tiff(x, photometric=8))
    assert out[0].min() >= 254
    assert out[2].max() <= 1
    red, green, blue = out[1, 0].tolist()
    assert blue > green > red


@pytest.mark.parametrize("photometric", [4, 9, 10, 32803, 32844, 32845, 34892, 777, -1])
def test_colors_without_a_rule_are_refused(photometric):
    with pytest.raises(DataError, match=r"not supported|tag 262 is missing"):
        decode(tiff(numbers(8), photometric=photometric))


def test_of_several_pages_the_first_is_taken_and_previews_are_refused():
    x = numbers(8)
    data = tiff(x, pages=3)
    same(data, x.astype(np.uint8))
    assert head(data).marks == (pixel_format.SEVERAL,)
    with pytest.raises(DataError, match="begins with a preview"):
        decode(tiff(x, tags={254: (4, [1])}))
    with pytest.raises(DataError, match="camera raw"):
        decode(tiff(x, tags={50706: (1, [1, 4, 0, 0])}))


@pytest.mark.parametrize("bits", [1, 8])
def test_bits_from_right_to_left_are_right_or_refused(bits):
    x = numbers(bits)
    data = tiff(x, bits=bits, tags={266: (3, [2])})
    turned = np.unpackbits(np.frombuffer(data[8:], np.uint8)).reshape(-1, 8)[:, ::-1]
    raw = np.packbits(turned)[: len(data) - 8].tobytes()[: SIZE[0] * (1 if bits == 1 else SIZE[1])]
    same(tiff(x, bits=bits, raw=raw, tags={266: (3, [2])}), eight(x, (1 << bits) - 1))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16", "1", "F", "I;16B"])
def test_packed_tiffs_have_the_same_pixels(compression, mode):
    """The packing changes nothing, whichever library unpacks."""
    if mode == "F":
        im = Image.fromarray(RNG.random((16, 16)).astype(np.float32))
    elif mode.startswith("I;16"):
        im = Image.fromarray(RNG.integers(0, 65536, (16, 16)).astype(np.uint16))
    else:
        im = Image.fromarray(RNG.integers(0, 256, (16, 16, 4)).astype(np.uint8)).convert(mode)
    plain = decode(encoded(im, "TIFF"))
    np.testing.assert_array_equal(plain, decode(encoded(im, "TIFF", compression=compression)))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("bits", "bands"), [(8, 1), (8, 3), (16, 1), (16, 3), (16, 4)])
@pytest.mark.parametrize("tiled", [False, True])
def test_pieces_of_a_tiff_are_put_together(order, bits, bands, tiled):
    """Strips of five rows, or tiles of 16 by 16 that reach beyond the edge."""
    x = RNG.integers(0, 1 << bits, (21, 37, bands))
    if tiled:
        wide = np.pad(x, ((0, 11), (0, 11), (0, 0)))
        pieces = [wide[r : r + 16, c : c + 16] for r in (0, 16) for c in (0, 16, 32)]
    else:
        pieces = [x[r : r + 5] for r in range(0, 21, 5)]
    raw = [packed(p.reshape(len(p), -1), bits, order) for p in pieces]
    offsets = [8 + sum(map(len, raw[:i])) for i in range(len(raw))]
    lengths = [len(r) for r in raw]
    tags = {338: (3, [2])} if bands == 4 else {}
    tags |= (
        {322: (3, [16]), 323: (3, [16]), 324: (4, offsets), 325: (4, lengths)}
        if tiled
        else {273: (4, offsets), 278: (4, [5]), 279: (4, lengths)}
    )
    without = (273, 278, 279) if tiled else ()
    data = tiff(x, bits=bits, order=order, photometric=1 if bands == 1 else 2, tags=tags,
                raw=b"".join(raw), without=without)  # fmt: skip
    white, dtype = (1 << bits) - 1, np.uint16 if bits == 16 else np.uint8
    expected = over_white(x, white) if bands == 4 else x
    same(data, expected.astype(dtype), off=int(bands == 4))


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_lzw", "packbits"])
def test_packed_bits_are_black_and_white_as_they_were(compression):
    im = smooth(3, 33, 47).convert("1")
    data = encoded(im, "TIFF", compression=compression)
    np.testing.assert_array_equal(decode(data)[:, :, 0], np.asarray(im.convert("L")))


def test_jpeg_within_a_tiff_keeps_its_colors():
    im = smooth(3, 48, 48)
    x = decode(encoded(im, "TIFF", compression="jpeg", quality=95)).astype(int)
    assert np.abs(x - np.asarray(im)).mean() < 3
    gray = decode(encoded(im.convert("L"), "TIFF", compression="jpeg", quality=95)).astype(int)
    assert np.abs(gray[:, :, 0] - np.asarray(im.convert("L"))).mean() < 3


def test_raw_ycbcr_is_right_or_refused():
    """Colors of half the size may lie between: three bytes a pixel are not all there is."""
    x = numbers(8, 3)
    for tags in ({}, {530: (3, [1, 1])}, {530: (3, [2, 2])}):
        try:
            found = decode(tiff(x, photometric=6, tags=tags))
        except DataError:
            continue
        rgb = np.asarray(Image.frombytes("YCbCr", SIZE[::-1], x.astype(np.uint8).tobytes())
                         .convert("RGB")).astype(int)  # fmt: skip
        assert tags.get(530) == (3, [1, 1])
        assert np.abs(found - rgb).max() <= 1
