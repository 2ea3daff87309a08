"""A header that changes the meaning of numbers is heeded or refused; every row of the table."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.field.images_by_hand import bmp, encoded, exif, gif, packed, png, smooth, tiff

from neocog.data import pixel_format
from neocog.data.image_decode import decode, head
from neocog.data.jpeg import parse
from neocog.data.raster import plan
from neocog.errors import DataError

RNG = np.random.default_rng(7)
SIZE = (5, 7)  # odd, so that rows end within a byte


def numbers(bits: int, bands: int = 0) -> np.ndarray:
    """Every kind of number of so many bits, the ends among them."""
    x = RNG.integers(0, 1 << bits, SIZE + ((bands,) if bands else ()))
    x[0, 0], x[0, 1] = 0, (1 << bits) - 1
    return x


def eight(x: np.ndarray, white: int) -> np.ndarray:
    """Numbers scaled to 255, as (H, W, bands)."""
    wide = np.floor(x * 255 / white + 0.5).astype(np.uint8)
    return wide if wide.ndim == 3 else wide[:, :, None]


def same(data: bytes, expected: np.ndarray, *, off: int = 0) -> None:
    """The pixels are those expected, the header agrees; a copy in other sizes works."""
    expected = expected if expected.ndim == 3 else expected[:, :, None]
    found, facts = decode(data), head(data)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape == (facts.height, facts.width, facts.channels)
    assert facts.bits == 8 * found.dtype.itemsize
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= off
    for channels in (1, 3):
        assert decode(data, size=(6, 6), channels=channels).shape == (6, 6, channels)


# ---- PNG


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


def over_white(x: np.ndarray, white: int) -> np.ndarray:
    """Straight transparency, in exact numbers."""
    color, opacity = x[:, :, :-1].astype(float), x[:, :, -1:].astype(float) / white
    return np.rint(color * opacity + white * (1 - opacity))


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


def test_gamma_and_profiles_are_left_alone_and_said():
    x = numbers(8, 3)
    plain = x.astype(np.uint8)
    linear = png(x, color=2, before=[(b"gAMA", struct.pack(">I", 100_000))])
    usual = png(x, color=2, before=[(b"gAMA", struct.pack(">I", 45_455))])
    wide = png(x, color=2, before=[(b"iCCP", b"Display P3\0\0" + b"x")])
    srgb = png(x, color=2, before=[(b"iCCP", b"sRGB IEC61966-2.1\0\0" + b"x")])
    hdr = png(x, color=2, before=[(b"cICP", bytes([9, 16, 0, 1]))])
    for data, said in (
        (linear, (pixel_format.GAMMA,)), (usual, ()), (wide, (pixel_format.PROFILE,)), (srgb, ()),
        (hdr, (pixel_format.HDR,)),
    ):  # fmt: skip
        same(data, plain)
        assert head(data).marks == said


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


# ---- TIFF


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


def taken_or_named(data: bytes, expected: np.ndarray) -> None:
    """Right, or refused: never anything else."""
    try:
        found = decode(data)
    except DataError:
        return
    expected = expected if expected.ndim == 3 else expected[:, :, None]
    np.testing.assert_array_equal(found, expected)


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
        (8, 4, "not understood"),
        (32, 6, "complex|not understood|no fixed white"),
        (10, 1, "10-bit gray, whose numbers are not understood"),
        (14, 1, "14-bit gray, whose numbers are not understood"),
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
    with pytest.raises(DataError, match=r"not understood|tag 262 is missing"):
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


# ---- PNM and PFM


@pytest.mark.parametrize("white", [1, 15, 100, 255, 256, 1023, 4095, 65534, 65535])
@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("bands", [1, 3])
def test_the_maximum_value_of_a_pnm_is_white(white, text, bands):
    x = RNG.integers(0, white + 1, (*SIZE, bands))
    x[0, 0], x[0, 1] = 0, white
    number = {(1, False): 5, (1, True): 2, (3, False): 6, (3, True): 3}[bands, text]
    raw = x.astype(np.uint8 if white < 256 else ">u2").tobytes()
    body = " ".join(map(str, x.reshape(-1).tolist())).encode() + b"\n" if text else raw
    data = b"P%d\n# a note 9 9\n%d %d\n%d\n" % (number, SIZE[1], SIZE[0], white) + body
    full, dtype = (255, np.uint8) if white < 256 else (65535, np.uint16)
    same(data, np.floor(x * full / white + 0.5).astype(dtype))


def test_one_is_black_in_a_pbm():
    x = numbers(1)
    bits = np.packbits(x.astype(np.uint8), axis=1).tobytes()
    same(b"P4 %d %d\n" % SIZE[::-1] + bits, ((1 - x) * 255).astype(np.uint8))
    text = "".join(map(str, x.reshape(-1).tolist())).encode()
    same(b"P1 %d %d\n" % SIZE[::-1] + text, ((1 - x) * 255).astype(np.uint8))


def test_a_pixel_above_the_maximum_is_named():
    with pytest.raises(DataError, match="a pixel is 16, above its maximum of 15"):
        decode(b"P5 4 4 15\n" + bytes([16] * 16))
    with pytest.raises(DataError, match="a pixel is 300, above its maximum of 255"):
        decode(b"P2 4 4 255\n" + b"300 " * 16)
    for white in (0, 65536, 10**9):
        with pytest.raises(DataError, match="maximum value of a PNM is 1 to 65535"):
            decode(b"P5 4 4 %d\n" % white + bytes(64))
    with pytest.raises(DataError, match="no integer"):
        decode(b"P2 4 4 255\n" + b"-3 " * 16)
    with pytest.raises(DataError, match="cut off: 15 of 16 bytes"):
        decode(b"P5 4 4 255\n" + bytes(15))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bands", [1, 3])
def test_a_pfm_is_read_from_below(order, bands):
    x = RNG.random((*SIZE, bands)).astype(np.float32)
    header = b"P%s\n%d %d\n%s1.0\n" % (b"fF"[bands // 2 : bands // 2 + 1], SIZE[1], SIZE[0],
                                       b"-" if order == "<" else b"")  # fmt: skip
    same(
        header + x[::-1].astype(order + "f4").tobytes(),
        np.rint(x * np.float32(65535)).astype(np.uint16),
    )
    with pytest.raises(DataError, match="floating-point pixels from 0 to 255"):
        decode(b"Pf 4 4 -1\n" + np.linspace(0, 255, 16, dtype="<f4").tobytes())


# ---- BMP


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
    with pytest.raises(DataError, match="2-bit palette, whose numbers are not understood"):
        decode(bmp(bytes(200), size=(8, 8), bits=2))


# ---- GIF


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


# ---- JPEG


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
        with pytest.raises(DataError, match="12-bit ycbcr, whose numbers are not understood"):
            read(bytes(data))


def test_profile_of_a_phone_is_said():
    profile = bytes(16) + b"RGB XYZ " + bytes(20) + "Display P3".encode("utf-16-be") + bytes(60)
    known = bytes(16) + b"RGB XYZ " + bytes(20) + b"sRGB IEC61966-2.1" + bytes(60)
    for kind in ("JPEG", "WEBP", "TIFF"):
        data = encoded(smooth(0, 16, 16), kind, icc_profile=profile)
        assert head(data).marks == (pixel_format.PROFILE,), kind
        assert head(encoded(smooth(0, 16, 16), kind, icc_profile=known)).marks == ()


# ---- turned by the camera


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


# ---- the table


def test_the_page_shows_the_table():
    page = Path(__file__).parents[2] / "docs/reference/images.md"
    assert pixel_format.table() in page.read_text("utf-8")
    for mark in pixel_format.MARKS:
        assert mark in page.read_text("utf-8")


def test_notes_of_a_png_change_nothing():
    x = numbers(8)
    same(png(x, color=0, before=[(b"tEXt", b"a\0b"), (b"abCd", b"?")]), x.astype(np.uint8))
