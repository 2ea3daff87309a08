"""PNG by its chunks: what they say of the numbers, and the chunks that a decoder sees.

Source: Portable Network Graphics (PNG) Specification, third edition, W3C.
"""

from __future__ import annotations

import struct

from neocog.data import pixel_format
from neocog.data.pixel_format import PixelFormat
from neocog.data.plan import DecodePlan
from neocog.data.tiff import exif_orientation
from neocog.errors import DataError

__all__ = ["plan_png"]

_CHUNKS = 1 << 17
"""Chunks of a file, at most."""
_PIXELS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_NOTES = frozenset((b"eXIf", b"gAMA", b"sRGB", b"iCCP", b"acTL", b"cICP"))
_COLORS = {0: "gray", 2: "rgb", 3: "palette", 4: "gray", 6: "rgb"}
_HDR = (16, 18)  # the transfer functions PQ and HLG, by ITU-T H.273


def plan_png(data: bytes) -> DecodePlan:
    """How a PNG is to be read; of an animation, its first or still image.

    Args:
        data: the bytes of the file.

    Raises:
        DataError: it is damaged, or its numbers are not understood.
    """
    parts, chunks = _walk(data)
    head = chunks.get(b"IHDR", b"")
    if len(head) != 13:
        raise DataError("damaged: the header of a PNG is missing")
    width, height, bits, number = struct.unpack_from(">IIBB", head)
    if number not in _COLORS:
        raise DataError(f"damaged: there is no PNG of color type {number}")
    clear = chunks.get(b"tRNS", b"")
    alpha, key = "none", ()
    if number in (4, 6):
        alpha = "straight"
    elif clear and number == 3:
        alpha = "palette"
    elif clear:
        alpha = "key"
        if len(clear) != (2 if number == 0 else 6):
            raise DataError("damaged: the transparent color of a PNG is truncated")
        key = struct.unpack(f">{len(clear) // 2}H", clear)
    marks = [pixel_format.ALPHA] if alpha != "none" else []
    marks += _unapplied(chunks)
    if b"acTL" in chunks:
        marks.append(pixel_format.SEVERAL)
    payload = data if parts is None else b"".join((data[:8], *parts))
    return DecodePlan(
        form=PixelFormat("PNG", _COLORS[number], bits, "unsigned", alpha),
        height=height,
        width=width,
        orientation=exif_orientation(chunks.get(b"eXIf", b"")),
        payload=payload,
        marks=tuple(marks),
        key=key,
    )


def _walk(data: bytes) -> tuple[list[bytes] | None, dict[bytes, bytes]]:
    """The chunks with pixels, or None where there are no others; and what the notes say.

    A truncated file is read to its end: the decoder reports what is missing.
    """
    at, parts, others = 8, [], False
    chunks: dict[bytes, bytes] = {}
    for _ in range(_CHUNKS):
        if at + 8 > len(data):
            break
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        end = at + 12 + length
        if kind in _PIXELS:
            parts.append((at, end))
        else:
            others = True
        if kind != b"IDAT" and (kind in _PIXELS or kind in _NOTES) and length < 1 << 16:
            chunks.setdefault(kind, data[at + 8 : end - 4])
        at = end
        if kind == b"IEND":
            break
    else:
        raise DataError(f"damaged: more than {_CHUNKS:,} chunks; re-save it")
    return ([data[a:b] for a, b in parts] if others else None), chunks


def _unapplied(chunks: dict[bytes, bytes]) -> list[str]:
    """Notes on color information that is ignored."""
    marks = []
    if len(code := chunks.get(b"cICP", b"")) == 4 and code[1] in _HDR:
        marks.append(pixel_format.HDR)
    if b"iCCP" in chunks and b"sRGB" not in chunks and not _is_srgb(chunks[b"iCCP"]):
        marks.append(pixel_format.PROFILE)
    gamma = int.from_bytes(chunks.get(b"gAMA", b""), "big")
    if gamma and not {b"sRGB", b"iCCP"} & set(chunks) and abs(gamma - 45455) > 1000:
        marks.append(pixel_format.GAMMA)
    return marks


def _is_srgb(profile: bytes) -> bool:
    """By its name, which stands before what is compressed; a gray profile changes little."""
    return b"srgb" in profile.partition(b"\0")[0].lower()
