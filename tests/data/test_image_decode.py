"""The decoder: what each kind of file becomes, and that both ways to a JPEG agree."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neocog.data.image_decode import PIXEL_LIMIT, decode, fit_all, head, resize
from neocog.errors import DataError, UsageError


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_orientation_of_the_camera_is_applied(orientation, kind, encode):
    """A bright corner ends up where a viewer shows it."""
    x = np.zeros((32, 48), np.uint8)
    x[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(x), kind, exif=exif)
    out = decode(data)[:, :, 0]
    turned = orientation >= 5
    assert out.shape == ((48, 32) if turned else (32, 48))
    assert head(data)[:2] == out.shape
    bottom, right = {
        1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0),
    }[orientation]  # fmt: skip
    row, column = (-4 if bottom else 3), (-4 if right else 3)
    assert out[row, column] > 200
    assert out[-1 - row, -1 - column] < 50


@pytest.mark.parametrize(
    ("mode", "kind", "channels"),
    [
        ("1", "PNG", 1), ("L", "PNG", 1), ("LA", "PNG", 1), ("P", "PNG", 3), ("P", "GIF", 3),
        ("RGB", "BMP", 3), ("RGBA", "PNG", 3), ("RGBA", "WEBP", 3), ("CMYK", "JPEG", 3),
        ("CMYK", "TIFF", 3), ("YCbCr", "TIFF", 3), ("LAB", "TIFF", 3), ("L", "PPM", 1),
    ],
)  # fmt: skip
def test_every_mode_becomes_gray_or_color(mode, kind, channels, image, encode):
    im = image(1, 40, 40, "RGB")
    im = im.convert("RGB").convert(mode) if mode != "LAB" else Image.merge("LAB", im.split())
    x = decode(encode(im, kind))
    assert x.shape == (40, 40, channels)
    assert x.dtype == np.uint8
    assert head(encode(im, kind)).channels == channels
    assert decode(encode(im, kind), channels=1).shape == (40, 40, 1)
    assert decode(encode(im, kind), channels=3).shape == (40, 40, 3)


def test_transparency_is_laid_over_white(encode):
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    gray = Image.new("LA", (8, 8), (0, 0))
    assert decode(encode(clear)).min() == 255
    assert np.unique(decode(encode(half))).tolist() == [127]
    assert decode(encode(gray)).tolist() == np.full((8, 8, 1), 255).tolist()
    palette = Image.new("P", (8, 8), 3)
    palette.putpalette([0] * 768)
    assert decode(encode(palette, "PNG", transparency=3)).min() == 255
    assert head(encode(clear)).alpha


def test_sixteen_bits_are_kept(encode):
    x = (np.arange(40 * 40).reshape(40, 40) * 41).astype(np.uint16)
    data = encode(Image.fromarray(x))
    out = decode(data)
    assert out.dtype == np.uint16
    np.testing.assert_array_equal(out[:, :, 0], x)
    assert head(data).bits == 16
    assert decode(data, size=(24, 24)).dtype == np.uint16
    assert decode(data, channels=3).shape == (40, 40, 3)
    pgm = b"P5 4 4 65535\n" + np.full((4, 4), 0x0102, ">u2").tobytes()
    assert decode(pgm).dtype == np.uint16
    assert np.unique(decode(pgm)).tolist() == [0x0102]


def test_sixteen_bit_color_is_kept():
    raw = b"".join(b"\0" + bytes([200, 7] * 12) for _ in range(4))

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
    png += chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    assert head(png).bits == 16
    assert np.unique(decode(png)).tolist() == [200 * 256 + 7]


def test_first_of_several_frames_is_taken(encode):
    frames = [Image.new("L", (8, 8), v) for v in (10, 200)]
    data = encode(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert head(data).frames == 2
    assert np.unique(decode(data)).tolist() == [10]


def _header_only_png(width: int, height: int) -> bytes:
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    head = struct.pack(">I", 13) + b"IHDR" + body + struct.pack(">I", zlib.crc32(b"IHDR" + body))
    return b"\x89PNG\r\n\x1a\n" + head + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", 0)


def _header_only_jpeg(width: int, height: int) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x22\0\2\x11\1\3\x11\1"
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + bytes(20)


@pytest.mark.parametrize("make", [_header_only_png, _header_only_jpeg])
@pytest.mark.parametrize("side", [9_460, 14_000, 30_000])
def test_a_bomb_is_refused_by_its_header(make, side):
    assert side * side > PIXEL_LIMIT
    for read in (head, decode):
        with pytest.raises(DataError, match=r"too large: .*at most 89,478,485"):
            read(make(side, side))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty: the file holds no bytes"),
        (b"just some text\n" * 50, "not an image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "damaged|no image"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "damaged|no image"),
    ],
)
def test_what_is_no_image_is_named(data, reason):
    with pytest.raises(DataError, match=reason):
        decode(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_file_cut_off_is_named(kind, image, encode):
    data = encode(image(3, 64, 64), kind)
    with pytest.raises(DataError, match=r"damaged|no image"):
        decode(data[: len(data) // 2])


def test_floats_beyond_one_whole_words_and_specks_are_refused(encode):
    with pytest.raises(DataError, match="floating-point pixels from 0 to 2 have no fixed white"):
        decode(encode(Image.fromarray(np.eye(8, dtype=np.float32) * 2), "TIFF"))
    with pytest.raises(DataError, match="32-bit integer pixels have no fixed white"):
        decode(encode(Image.fromarray(np.zeros((8, 8), np.int32)), "TIFF"))
    with pytest.raises(DataError, match="too small: 1 × 1 pixels"):
        decode(encode(Image.new("L", (1, 1))))


def test_options_that_do_not_exist_are_refused(encode):
    data = encode(Image.new("L", (8, 8)))
    with pytest.raises(UsageError, match="Did you mean `stretch`"):
        decode(data, size=(4, 4), resize_mode="strech")
    with pytest.raises(UsageError, match=r"`channels` is 1 .gray. or 3 .color.; got 2"):
        decode(data, channels=2)


def test_cover_cuts_the_middle_out_and_stretch_does_not(encode):
    x = np.zeros((40, 120, 3), np.uint8)
    x[:, 40:80] = 255
    data = encode(Image.fromarray(x))
    assert decode(data, size=(20, 20), resize_mode="crop").mean() > 250
    stretched = decode(data, size=(20, 20), resize_mode="stretch")
    assert stretched[:, :5].max() == 0
    assert stretched[:, 8:12].min() == 255


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(4, 60), st.integers(4, 60)),
    size=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    channels=st.sampled_from([1, 3]),
    resize_mode=st.sampled_from(["crop", "stretch", "pad"]),
    deep=st.booleans(),
)
def test_every_size_asked_for_is_met(shape, size, channels, resize_mode, deep):
    """Any image to any size: shape, kind of number, and flat stays flat."""
    dtype, value = (np.uint16, 40_000) if deep else (np.uint8, 77)
    x = np.full((*shape, 1 if deep else channels), value, dtype)
    out = resize(x, size, resize_mode=resize_mode)
    assert out.shape == (*size, x.shape[2])
    assert out.dtype == dtype
    if resize_mode != "pad":
        assert np.unique(out).tolist() == [value]
    else:
        assert set(np.unique(out).tolist()) <= {0, value}
        assert out.max() == value
    many = fit_all(x[None], size=size, channels=channels, resize_mode=resize_mode)
    assert many.shape == (1, *size, channels)


def test_arrays_and_files_become_the_same_pixels(image, encode):
    """What an .npz holds and what a PNG holds go through the same arithmetic."""
    im = image(5, 50, 70)
    x = np.asarray(im)[None]
    for channels in (1, 3):
        for size in ((50, 70), (32, 32)):
            np.testing.assert_array_equal(
                fit_all(x, size=size, channels=channels, resize_mode="crop")[0],
                decode(encode(im), size=size, channels=channels),
            )
