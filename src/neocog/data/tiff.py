"""TIFF by its first directory: its pixel format, and the bytes that a decoder gets.

A TIFF is a list of tags that may lead anywhere in the file: to a chain of further directories, to
notes of gigabytes, to tables of tiles. Read here are the tags of the first image that matter to its
pixels; a decoder gets the file with a directory of these alone. EXIF notes are a small TIFF too.

Source: TIFF Revision 6.0 (1992), with the supplement on alpha and the 64-bit form (BigTIFF).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from neocog.data import pixel_format
from neocog.data.pixel_format import PixelFormat
from neocog.data.plan import DecodePlan
from neocog.data.scans import check_scans
from neocog.errors import DataError

__all__ = ["exif_orientation", "plan_tiff"]

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
_WHOLE = {1: "B", 3: "H", 4: "I", 16: "Q"}
_TAGS = 4096
_VALUES = 1024
_PIECES = 1 << 17
"""Strips or tiles, at most: one per row, or tiles of 32 x 32 for the largest image."""
_LARGEST_TILE = 1 << 14
_NOTES = 1 << 24
"""Bytes of all tags that have to do with pixels, at most."""

(_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL, _STRIPS, _ORIENTATION,
 _SAMPLES, _PLANAR, _COLORS, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _EXTRA, _FORMAT, _SUBSAMPLING,
 _PROFILE) = (
    254, 256, 257, 258, 259, 262, 266, 273, 274,
    277, 284, 320, 322, 323, 324, 338, 339, 530, 34675)  # fmt: skip
_KEPT = frozenset(
    (256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325,
     332, 338, 339, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532)
)  # fmt: skip
"""Tags that have to do with pixels and how they are packed."""
_RAW = (50706, 33421, 50829)  # DNG version, pattern of a color filter, active area of a sensor
_COLOR = {0: ("gray", 1), 1: ("gray", 1), 2: ("rgb", 3), 3: ("palette", 1), 5: ("cmyk", 4),
          6: ("ycbcr", 3), 8: ("lab", 3)}  # fmt: skip
_OTHER = {4: "transparency mask", 9: "ICC lab", 10: "ITU lab", 32803: "color filter array",
          32844: "logarithmic gray", 32845: "logarithmic color", 34892: "linear raw"}  # fmt: skip
_SAMPLE = {1: "unsigned", 2: "signed", 3: "float", 4: "undefined", 5: "complex", 6: "complex"}


class _Entry(NamedTuple):
    kind: int
    n: int
    at: int
    """Where its values lie in the file."""


class _Directory(NamedTuple):
    order: str
    entries: dict[int, _Entry]
    next: int


def plan_tiff(data: bytes) -> DecodePlan:
    """How the first image of a TIFF is to be read.

    Args:
        data: the bytes of the file.

    Raises:
        DataError: it is damaged, no image, or its numbers are not understood.
    """
    directory = _directory(data)

    def value(tag: int, default: int | None = None) -> int:
        return _values(data, directory, tag, (default,) if default is not None else None)[0]

    if any(tag in directory.entries for tag in _RAW):
        raise DataError(
            "camera raw (DNG), sensor values before development; develop it and save it as PNG"
        )
    if value(_SUBFILE, 0) & 1:
        raise DataError("a TIFF that begins with a preview; save its full image as a file")
    form, marks = _form(data, directory)
    height, width = value(_HEIGHT), value(_WIDTH)
    _check_pieces(data, directory, height * width)
    if directory.next:
        marks.append(pixel_format.SEVERAL)
    if form.color == "rgb" and _PROFILE in directory.entries:
        entry = directory.entries[_PROFILE]
        marks += profile_mark(data[entry.at : entry.at + min(entry.n, 1 << 16)])
    turned = value(_ORIENTATION, 1)
    return DecodePlan(
        form=form,
        height=height,
        width=width,
        orientation=turned if 1 <= turned <= 8 else 1,
        payload=_only_pixels(data, directory),
        marks=tuple(marks),
    )


def profile_mark(profile: bytes) -> list[str]:
    """A note on an ICC profile; none where it is sRGB, or not RGB."""
    name = b"sRGB"
    wide = name.decode().encode("utf-16-be")
    if profile[16:20] != b"RGB " or name in profile or wide in profile:
        return []
    return [pixel_format.PROFILE]


def exif_orientation(note: bytes) -> int:
    """How the camera was held, 1 to 8, from an EXIF note; 1 where it does not say."""
    try:
        directory = _directory(note)
        value = _values(note, directory, _ORIENTATION, (1,))[0]
    except DataError:  # a damaged note of the camera is no reason to refuse its image
        return 1
    return value if 1 <= value <= 8 else 1


# ---- the directory


def _directory(data: bytes) -> _Directory:
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    try:
        if not order:
            raise DataError("damaged: a TIFF begins with its byte order")
        big = struct.unpack_from(order + "H", data, 2)[0] == 43
        (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
        if count > _TAGS:
            raise DataError(f"damaged: {count:,} tags in one directory, at most {_TAGS:,} are read")
        at, step = start + (8 if big else 2), 20 if big else 12
        entries: dict[int, _Entry] = {}
        for i in range(count):
            entry, tag = _entry(data, at + i * step, order, big)
            if entry is not None:
                entries.setdefault(tag, entry)
        end = at + count * step
        following = data[end : end + (8 if big else 4)]
    except (struct.error, OverflowError) as e:
        raise DataError("damaged or truncated: a directory lies beyond the end of the file") from e
    return _Directory(order, entries, int.from_bytes(following, "little"))


def _entry(data: bytes, at: int, order: str, big: bool) -> tuple[_Entry | None, int]:
    tag, kind, count = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, at)
    room = 8 if big else 4
    size = _SIZES.get(kind, 0) * count
    if not size:
        return None, tag
    where = at + (12 if big else 8)
    if size > room:
        (where,) = struct.unpack_from(order + ("Q" if big else "I"), data, where)
    if where + size > len(data):
        return None, tag  # what needs it raises the error
    return _Entry(kind, count, where), tag


def _values(
    data: bytes, directory: _Directory, tag: int, default: tuple[int, ...] | None = None
) -> tuple[int, ...]:
    entry = directory.entries.get(tag)
    if entry is None or entry.kind not in _WHOLE or entry.n > _VALUES:
        if default is None or entry is not None:
            raise DataError(f"damaged: its tag {tag} is missing or holds no integers")
        return default
    return struct.unpack_from(f"{directory.order}{entry.n}{_WHOLE[entry.kind]}", data, entry.at)


def _only_pixels(data: bytes, directory: _Directory) -> bytes:
    """The file with a new directory behind it, of the tags that have to do with pixels.

    It is always in the 32-bit form, and gray is always declared with 0 as black: not every decoder
    knows the others, and the caller inverts the pixels.
    """
    order = directory.order
    at = len(data) + len(data) % 2
    kept = {tag: entry for tag, entry in directory.entries.items() if tag in _KEPT}
    notes = b""
    entries = struct.pack(order + "H", len(kept))
    far = at + 2 + 12 * len(kept) + 4
    for tag, entry in sorted(kept.items()):
        size = entry.n * _SIZES[entry.kind]
        kind, values = entry.kind, data[entry.at : entry.at + size]
        if kind == 16:
            numbers = struct.unpack(f"{order}{entry.n}Q", values)
            if max(numbers) >= 1 << 32:
                raise DataError("too large: a TIFF of more than 4 GB; save it as several files")
            kind, values = 4, struct.pack(f"{order}{entry.n}I", *numbers)
        if tag == _PHOTOMETRIC and _values(data, directory, tag) == (0,):
            values = (1).to_bytes(len(values), "little" if order == "<" else "big")
        entries += struct.pack(order + "HHI", tag, kind, entry.n)
        if len(values) > 4:
            entries += struct.pack(order + "I", far + len(notes))
            notes += values + bytes(len(values) % 2)
        else:
            entries += values.ljust(4, b"\0")
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    return b"".join((start, data[8:], bytes(at - len(data)), entries, bytes(4), notes))


# ---- pixel format


def _form(data: bytes, directory: _Directory) -> tuple[PixelFormat, list[str]]:
    photometric = _values(data, directory, _PHOTOMETRIC)[0]
    color, needed = _COLOR.get(photometric, (_OTHER.get(photometric, "unknown colors"), 1))
    samples = _values(data, directory, _SAMPLES, (1,))[0]
    bits = _values(data, directory, _BITS, (1,))
    extra = _values(data, directory, _EXTRA, ()) if _EXTRA in directory.entries else ()
    sample = _values(data, directory, _FORMAT, (1,))
    if len(set(bits)) > 1 or len(set(sample)) > 1 or len(bits) not in (1, samples):
        raise DataError(
            "bands of different kinds, whose values are not supported; save it as 8- or 16-bit "
            "gray or RGB"
        )
    if samples != needed + len(extra):
        raise DataError(
            f"{samples} bands where its color has {needed}, and it does not say what the others "
            "are; save it as gray or RGB"
        )
    if any(extra[1:]) or (extra and extra[0] not in (0, 1, 2)):
        raise DataError("several kinds of transparency; save it as gray, RGB or RGBA")
    alpha = {1: "associated", 2: "straight"}.get(extra[0] if extra else 0, "none")
    marks = [pixel_format.ALPHA] if alpha != "none" else []
    if extra.count(0):
        marks.append(pixel_format.BANDS)
    if photometric == 0:
        marks.append(pixel_format.INVERTED)
    if color == "palette" and _short_palette(data, directory):
        raise DataError("a palette of 8-bit colors where TIFF has 16 bits; save it as RGB")
    packed = _values(data, directory, _COMPRESSION, (1,)) != (1,)
    halved = photometric == 6 and _values(data, directory, _SUBSAMPLING, (2, 2)) != (1, 1)
    if halved and not packed:
        raise DataError("YCbCr with colors of half the size, not packed; save it as RGB")
    planes = samples > 1 and _values(data, directory, _PLANAR, (1,))[0] == 2
    form = PixelFormat(
        "TIFF", color, bits[0], _SAMPLE.get(sample[0], "unknown"), alpha,
        "white" if photometric == 0 else "black", "planes" if planes else "pixels",
    )  # fmt: skip
    return form, marks


def _short_palette(data: bytes, directory: _Directory) -> bool:
    """Whether the colors of a palette have 8 bits, against the rule: they would come out black."""
    entry = directory.entries.get(_COLORS)
    if entry is None or entry.kind != 3:
        raise DataError("damaged: a palette is missing")
    colors = struct.unpack_from(f"{directory.order}{min(entry.n, _VALUES)}H", data, entry.at)
    return bool(0 < max(colors) < 256)


def _check_pieces(data: bytes, directory: _Directory, pixels: int) -> None:
    """Refuse what would keep a decoder busy for minutes, or take memory beyond the image."""
    for tag in (_STRIPS, _TILES):
        count = directory.entries[tag].n if tag in directory.entries else 0
        if count > _PIECES:
            raise DataError(
                f"cut into {count:,} pieces, at most {_PIECES:,} are read; "
                "save it with larger strips or tiles"
            )
    side = [_values(data, directory, tag, (0,))[0] for tag in (_TILE_HEIGHT, _TILE_WIDTH)]
    if max(side) > _LARGEST_TILE:
        raise DataError(
            f"tiles of {side[1]:,} x {side[0]:,} pixels, at most {_LARGEST_TILE:,} a side are "
            "read; save it with smaller tiles"
        )
    total = sum(e.n * _SIZES[e.kind] for tag, e in directory.entries.items() if tag in _KEPT)
    if total > _NOTES:
        raise DataError(f"damaged: {total:,} bytes of tags, at most {_NOTES:,} are read")
    if _values(data, directory, _COMPRESSION, (1,))[0] in (6, 7):
        check_scans(data, pixels)
