"""JPEG by its segments: size and orientation without a decoder, pixels by simplejpeg.

simplejpeg is taken where it is installed and gives Pillow's pixels bit for bit on a probe; it is
several times as fast on small images. Everything else goes to Pillow.
"""

from __future__ import annotations

import functools
import importlib
import io
import struct
from typing import Any, NamedTuple

import numpy as np

from neocog.data.formats import open_image
from neocog.data.pixel_format import PixelFormat
from neocog.data.plan import DecodePlan
from neocog.data.scans import check_scans
from neocog.data.tiff import exif_orientation, profile_mark
from neocog.errors import DataError

__all__ = [
    "Jpeg",
    "decode_fast",
    "decoded_pixels",
    "only_pixels",
    "parse",
    "plan_jpeg",
    "simplejpeg",
    "upright",
]

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_USUAL = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive
_SEGMENTS = 4096
"""Segments and padding before the frame header, at most."""


class Jpeg(NamedTuple):
    """The frame header of a JPEG file, orientation not applied."""

    height: int
    width: int
    components: int
    plain: bool
    """8 bits, gray or YCbCr: what the fast decoder may take."""
    orientation: int
    bits: int = 8
    adobe: int = -1
    """Color transform of Adobe's marker: 0 RGB or CMYK, 1 YCbCr, 2 YCCK; -1 without one."""
    named: bool = False
    """The components are called R, G and B."""
    progressive: bool = False
    """All of its pixels are in memory, at any scale."""
    profile: bytes = b""
    """The beginning of its color profile."""


def parse(data: bytes) -> Jpeg | None:
    """Walks the segments of a JPEG up to its frame header; None for anything else.

    Raises:
        DataError: there are more segments before the frame than any camera writes.
    """
    if data[:3] != b"\xff\xd8\xff":
        return None
    at, orientation, adobe, profile = 2, 1, -1, b""
    for _ in range(_SEGMENTS):
        if at + 9 >= len(data) or data[at] != 0xFF:
            return None
        mark = data[at + 1]
        if mark == 0xFF:
            at += 1
            continue
        if mark == 0x01 or 0xD0 <= mark <= 0xD8:
            at += 2
            continue
        length = (data[at + 2] << 8) | data[at + 3]
        if mark in _SOF:
            bits, height, width, parts = struct.unpack_from(">BHHB", data, at + 4)
            named = data[at + 10 : at + 10 + 3 * parts : 3] == b"RGB"
            plain = bits == 8 and mark in _USUAL and not named
            plain = plain and (parts == 1 or (parts == 3 and adobe in (-1, 1)))
            slow = mark not in (0xC0, 0xC1)
            return Jpeg(
                height, width, parts, plain, orientation, bits, adobe, named, slow, profile
            )  # fmt: skip
        if mark in (0xD9, 0xDA) or length < 2:
            return None
        body = data[at + 4 : at + 2 + length]
        if mark == 0xE1 and body.startswith(b"Exif\0\0"):
            orientation = exif_orientation(body[6:])
        elif mark == 0xE2 and body.startswith(b"ICC_PROFILE\0\1"):
            profile = body[14:]
        elif mark == 0xEE and body.startswith(b"Adobe") and length >= 14:
            adobe = body[11]
        at += 2 + length
    raise DataError(f"damaged: more than {_SEGMENTS:,} segments before the image; re-save it")


def plan_jpeg(data: bytes, j: Jpeg | None) -> DecodePlan:
    """How a JPEG is to be read; what stands behind its first image is not looked at.

    Args:
        data: the bytes of the file.
        j: what `parse` found.

    Raises:
        DataError: it is damaged, its numbers are not understood, or it has too many scans.
    """
    if j is None:
        raise DataError("damaged: the header cannot be read (there is no frame before the pixels)")
    check_scans(data, j.height * j.width)
    color = {1: "gray", 3: "ycbcr", 4: "cmyk"}.get(j.components, f"{j.components}-band color")
    if j.components == 3 and (j.adobe == 0 or (j.named and j.adobe < 0)):
        color = "rgb"
    white = j.components == 4 and j.adobe >= 0
    return DecodePlan(
        form=PixelFormat("JPEG", color, j.bits, zero="white" if white else "black"),
        height=j.height,
        width=j.width,
        orientation=j.orientation,
        payload=data,
        marks=tuple(profile_mark(j.profile)),
    )


def only_pixels(data: bytes) -> bytes:
    """The file without the notes of its camera, for a decoder that would read them.

    Raises:
        DataError: there are more segments before the pixels than any camera writes.
    """
    at, kept = 2, [data[:2]]
    for _ in range(2 * _SEGMENTS):
        if not (at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA):
            return b"".join((*kept, data[at:]))
        mark = data[at + 1]
        if mark == 0xFF or mark == 0x01 or 0xD0 <= mark <= 0xD8:
            at += 1 if mark == 0xFF else 2
            continue
        end = at + 2 + ((data[at + 2] << 8) | data[at + 3])
        if end < at + 4:
            return data
        if not (0xE1 <= mark <= 0xED or mark in (0xEF, 0xFE)):
            kept.append(data[at:end])
        at = end
    raise DataError(f"damaged: more than {2 * _SEGMENTS:,} segments before the pixels")


_TURNS = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x[::-1].swapaxes(0, 1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x[:, ::-1].swapaxes(0, 1),
}


def upright(x: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels as the camera saw them."""
    return np.ascontiguousarray(_TURNS[orientation](x)) if orientation > 1 else x


def decode_fast(
    data: bytes, j: Jpeg, *, size: tuple[int, int] | None, room: np.ndarray | None = None
) -> np.ndarray | None:
    """By simplejpeg where it is installed and gives Pillow's pixels, upright; else None.

    Args:
        data: the bytes of the file.
        j: its frame header.
        size: (H, W) that the result has to cover; a half, a quarter or an eighth may do.
        room: uint8, filled and returned where the image as it is fits it exactly.
    """
    library = simplejpeg()
    if library is None or not j.plain:
        return None
    fold = _fold(j, size)
    wanted = (-(-j.height // fold), -(-j.width // fold))
    options: dict[str, Any] = {"fastdct": False, "fastupsample": False}
    if fold > 1:
        options |= {"min_height": wanted[0], "min_width": wanted[1], "min_factor": 1}
    elif room is not None and j.orientation == 1 and room.shape == (*wanted, j.components):
        options["buffer"] = room
    try:
        x: np.ndarray = library.decode_jpeg(data, "GRAY" if j.components == 1 else "RGB", **options)
    except (ValueError, RuntimeError):
        return None  # Pillow decides what is wrong with it
    if x.shape[:2] != wanted:
        return None
    return upright(x, j.orientation)


def decoded_pixels(j: Jpeg, size: tuple[int, int] | None) -> int:
    """Pixels that are in memory while a JPEG is decoded to cover a size."""
    fold = 1 if j.progressive else _fold(j, size)
    return max(1, j.height * j.width // fold**2)


def _fold(j: Jpeg, size: tuple[int, int] | None) -> int:
    """By how much the decoder may shrink the image so that it still covers the size."""
    if size is None:
        return 1
    height, width = (max(size),) * 2 if j.orientation >= 5 else size
    fold = min(j.width // width, j.height // height)
    return next((s for s in (8, 4, 2) if fold >= s), 1)


@functools.cache
def simplejpeg() -> Any:
    """The library if it is installed and agrees with Pillow bit for bit on a probe, else None."""
    try:
        library: Any = importlib.import_module("simplejpeg")
    except ImportError:  # an optional speed-up: Pillow decodes the same pixels
        return None
    from PIL import Image

    ramp = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    smooth = Image.fromarray(ramp).resize((61, 47), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    smooth.save(out, "JPEG", quality=85)
    ours = library.decode_jpeg(out.getvalue(), "RGB", fastdct=False, fastupsample=False)
    theirs = np.asarray(open_image(out.getvalue(), "JPEG"))
    return library if np.array_equal(ours, theirs) else None
