"""BMP, GIF and WebP by their headers: what they say of their numbers.

Sources: Windows bitmap headers (BITMAPINFOHEADER to BITMAPV5HEADER); GIF89a specification,
CompuServe 1990; WebP container specification (RFC 9649).
"""

from __future__ import annotations

import struct

from neocog.data import pixel_format
from neocog.data.pixel_format import PixelFormat
from neocog.data.plan import DecodePlan
from neocog.data.tiff import exif_orientation, profile_mark
from neocog.errors import DataError

__all__ = ["plan_bmp", "plan_gif", "plan_webp"]

_RUNS = 1 << 21
"""Bytes of the largest BMP whose pixels are coded as runs: their decoder is slow."""
_BLOCKS = 1 << 20
"""Blocks of a GIF before its first image is complete, at most."""


def plan_bmp(data: bytes) -> DecodePlan:
    """How a BMP is to be read.

    Args:
        data: the bytes of the file.

    Raises:
        DataError: it is damaged, or its numbers are not understood.
    """
    try:
        (size,) = struct.unpack_from("<I", data, 14)
        if size == 12:
            width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
            packing = 0
        else:
            width, height, _, bits, packing = struct.unpack_from("<iiHHI", data, 18)
    except struct.error as e:
        raise DataError("damaged or truncated: the header of a BMP") from e
    if packing not in (0, 1, 2, 3, 6) or (packing in (1, 2) and len(data) > _RUNS):
        raise DataError(
            "a BMP that is packed in a way that is not read (another format inside, or more than "
            f"{_RUNS:,} bytes of runs); save it as PNG"
        )
    masks = data[14 + 40 : 14 + 56] if packing in (3, 6) else b""
    alpha = bits == 32 and (size >= 56 or packing == 6) and any(masks[12:16])
    return DecodePlan(
        form=PixelFormat("BMP", "palette" if bits <= 8 else "rgb", bits, "unsigned",
                  "straight" if alpha else "none"),
        height=abs(height),
        width=abs(width),
        orientation=1,
        payload=data,
        marks=(pixel_format.ALPHA,) if alpha else (),
    )  # fmt: skip


def plan_gif(data: bytes) -> DecodePlan:
    """How a GIF is to be read: its first image, and nothing of what follows.

    Args:
        data: the bytes of the file.

    Raises:
        DataError: it is damaged.
    """
    try:
        width, height, flags = struct.unpack_from("<HHB", data, 6)
        at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        kept, end, clear = [data[:at]], at, False
        for _ in range(_BLOCKS):
            start = at
            if data[at] == 0x21:
                control = data[at + 1] == 0xF9
                at = _skip(data, at + 2)
                if control:
                    kept[1:] = [data[start:at]]
                    clear = bool(data[start + 3] & 1)
            elif data[at] == 0x2C:
                w, h, local = struct.unpack_from("<4xHHB", data, at + 1)
                size = (3 << (local & 7) + 1) if local & 0x80 else 0
                end = _skip(data, at + 11 + size)
                kept.append(data[start:end])
                break
            elif data[at] == 0x3B:
                raise DataError("damaged: a GIF without an image")
            else:
                at += 1
        else:
            raise DataError(f"damaged: more than {_BLOCKS:,} blocks before the image")
    except (struct.error, IndexError) as e:
        raise DataError("damaged or truncated: a GIF ends before its image does") from e
    marks = [pixel_format.ALPHA] if clear else []
    if _more_frames(data, end):
        marks.append(pixel_format.SEVERAL)
    return DecodePlan(
        form=PixelFormat("GIF", "palette", 8, "unsigned", "palette" if clear else "none"),
        height=max(height, h),
        width=max(width, w),
        orientation=1,
        payload=b"".join((*kept, b"\x3b")),
        marks=tuple(marks),
    )


def _skip(data: bytes, at: int) -> int:
    """Past some sub-blocks; the last is empty."""
    for _ in range(_BLOCKS):
        if not data[at]:
            return at + 1
        at += data[at] + 1
    raise DataError(f"damaged: more than {_BLOCKS:,} blocks in one image")


def _more_frames(data: bytes, at: int) -> bool:
    """Whether a second image follows; a few blocks ahead, as they may be many."""
    try:
        for _ in range(64):
            if data[at] != 0x21:
                return data[at] == 0x2C
            at = _skip(data, at + 2)
    except (IndexError, DataError):
        return False
    return True


def plan_webp(data: bytes) -> DecodePlan:
    """How a WebP is to be read; of an animation, its first image.

    Args:
        data: the bytes of the file.

    Raises:
        DataError: it is damaged.
    """
    kind, marks, turned, alpha = data[12:16], [], 1, False
    try:
        if kind == b"VP8X":
            flags = data[20]
            width = 1 + int.from_bytes(data[24:27], "little")
            height = 1 + int.from_bytes(data[27:30], "little")
            alpha = bool(flags & 0x10)
            marks += [pixel_format.SEVERAL] if flags & 0x02 else []
            chunks = _chunks(data)
            turned = exif_orientation(chunks.get(b"EXIF", b"").removeprefix(b"Exif\0\0"))
            marks += profile_mark(chunks.get(b"ICCP", b""))
        elif kind == b"VP8L":
            (word,) = struct.unpack_from("<I", data, 21)
            width, height = 1 + (word & 0x3FFF), 1 + (word >> 14 & 0x3FFF)
            alpha = bool(word >> 28 & 1)
        elif kind == b"VP8 ":
            width, height = (n & 0x3FFF for n in struct.unpack_from("<HH", data, 26))
        else:
            raise DataError("damaged: a WebP without an image")
    except (struct.error, IndexError) as e:
        raise DataError("damaged or truncated: the header of a WebP") from e
    marks += [pixel_format.ALPHA] if alpha else []
    return DecodePlan(
        form=PixelFormat("WEBP", "rgb", 8, "unsigned", "straight" if alpha else "none"),
        height=height,
        width=width,
        orientation=turned,
        payload=data,
        marks=tuple(marks),
    )


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """The chunks of a WebP but for its pixels, the first of each name, a hundred at most."""
    at = 12
    chunks: dict[bytes, bytes] = {}
    for _ in range(100):
        if at + 8 > len(data):
            break
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] in (b"EXIF", b"ICCP"):
            chunks.setdefault(data[at : at + 4], data[at + 8 : at + 8 + length])
        at += 8 + length + (length & 1)
    return chunks
