"""JPEG by its segments: size and orientation without a decoder, pixels by simplejpeg.

simplejpeg is taken where it is installed and gives Pillow's pixels bit for bit on a probe; it is
several times as fast on small pictures. Everything else goes to Pillow.
"""

from __future__ import annotations

import functools
import importlib
import io
import struct
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ORIENTATION", "Jpeg", "decode_fast", "parse", "simplejpeg"]

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
ORIENTATION = 0x0112
"""The number of the EXIF note that says how the camera was held."""


class Jpeg(NamedTuple):
    """The frame header of a JPEG file, orientation not applied."""

    height: int
    width: int
    components: int
    plain: bool
    """8 bits, grey or YCbCr: what the fast decoder may take."""
    orientation: int


def parse(data: bytes) -> Jpeg | None:
    """Walks the segments of a JPEG up to its frame header; None for anything else."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    at, orientation, plain = 2, 1, True
    while at + 9 < len(data):
        if data[at] != 0xFF:
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
            ids = data[at + 10 : at + 10 + 3 * parts : 3]
            plain = (
                plain
                and bits == 8
                and parts in (1, 3)
                and ids != b"RGB"
                and mark in (0xC0, 0xC1, 0xC2)
            )
            return Jpeg(height, width, parts, plain, orientation)
        if mark in (0xD9, 0xDA) or length < 2:
            return None
        body = at + 4
        if mark == 0xE1 and data[body : body + 6] == b"Exif\0\0":
            orientation = _orientation(data[body : at + 2 + length])
        elif mark == 0xEE and data[body : body + 5] == b"Adobe":
            plain = plain and length >= 14 and data[body + 11] == 1
        at += 2 + length
    return None


def _orientation(segment: bytes) -> int:
    from PIL import Image

    exif = Image.Exif()
    try:
        exif.load(segment)
        value = exif.get(ORIENTATION, 1)
    except Exception:  # a damaged note of the camera is no reason to refuse its picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


_TURNS = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x[::-1].swapaxes(0, 1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x[:, ::-1].swapaxes(0, 1),
}


def decode_fast(
    data: bytes, j: Jpeg, *, size: tuple[int, int] | None, room: np.ndarray | None = None
) -> np.ndarray | None:
    """By simplejpeg where it is installed and gives Pillow's pixels, upright; else None.

    Args:
        data: the bytes of the file.
        j: its frame header.
        size: (H, W) that the result has to cover; a half, a quarter or an eighth may do.
        room: uint8, filled and returned where the picture as it is fits it exactly.
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
    return np.ascontiguousarray(_TURNS[j.orientation](x)) if j.orientation > 1 else x


def _fold(j: Jpeg, size: tuple[int, int] | None) -> int:
    """By how much the decoder may shrink the picture so that it still covers the size."""
    if size is None:
        return 1
    height, width = (max(size),) * 2 if j.orientation >= 5 else size
    fold = min(j.width // width, j.height // height)
    return next((s for s in (8, 4, 2) if fold >= s), 1)


@functools.cache
def simplejpeg() -> Any:
    """The library if it is installed and agrees with Pillow bit for bit on a probe, else None."""
    try:
        found: Any = importlib.import_module("simplejpeg")
    except ImportError:  # an optional speed-up: Pillow decodes the same pixels
        return None
    from PIL import Image

    ramp = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    smooth = Image.fromarray(ramp).resize((61, 47), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    smooth.save(out, "JPEG", quality=85)
    ours = found.decode_jpeg(out.getvalue(), "RGB", fastdct=False, fastupsample=False)
    theirs = np.asarray(Image.open(io.BytesIO(out.getvalue())))
    return found if np.array_equal(ours, theirs) else None
