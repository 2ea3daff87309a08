"""A header that changes the meaning of numbers is heeded or refused; every row of the table."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from tests.data.numbers_by_hand import numbers, same
from tests.field.images_by_hand import encoded, png, smooth

from neocog.data import pixel_format
from neocog.data.image_decode import head


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


def test_profile_of_a_phone_is_said():
    profile = bytes(16) + b"RGB XYZ " + bytes(20) + "Display P3".encode("utf-16-be") + bytes(60)
    known = bytes(16) + b"RGB XYZ " + bytes(20) + b"sRGB IEC61966-2.1" + bytes(60)
    for kind in ("JPEG", "WEBP", "TIFF"):
        data = encoded(smooth(0, 16, 16), kind, icc_profile=profile)
        assert head(data).marks == (pixel_format.PROFILE,), kind
        assert head(encoded(smooth(0, 16, 16), kind, icc_profile=known)).marks == ()


def test_the_page_shows_the_table():
    page = Path(__file__).parents[2] / "docs/reference/images.md"
    assert pixel_format.table() in page.read_text("utf-8")
    for mark in pixel_format.MARKS:
        assert mark in page.read_text("utf-8")
