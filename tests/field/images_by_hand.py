"""Image files written byte by byte, so that no library's idea of a format is tested by itself."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

__all__ = ["bmp", "chunk", "encoded", "exif", "gif", "packed", "png", "smooth", "tiff"]


def packed(x: np.ndarray, bits: int, order: str = ">") -> bytes:
    """Rows of integers (H, N) as `bits` each, every row filled up to whole bytes."""
    if bits in (8, 16, 32):
        return x.astype(f"{order}u{bits // 8}").tobytes()
    wide = (x[:, :, None].astype(np.uint32) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(wide.reshape(len(x), -1).astype(np.uint8), axis=1).tobytes()


def smooth(seed: int, height: int = 40, width: int = 40, mode: str = "RGB") -> Image.Image:
    """A random image that survives being packed with losses."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    im = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return im.convert(mode)


def encoded(im: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """An image as a file, by a library."""
    out = io.BytesIO()
    im.save(out, kind, **options)
    return out.getvalue()


# ---- PNG


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG with its sum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    x: np.ndarray,
    *,
    bits: int = 8,
    color: int,
    before: Sequence[tuple[bytes, bytes]] = (),
    after: Sequence[tuple[bytes, bytes]] = (),
    interlaced: bool = False,
) -> bytes:
    """A PNG of numbers (H, W) or (H, W, bands), without filters."""
    x = x if x.ndim == 3 else x[:, :, None]
    height, width, _ = x.shape
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1)] if interlaced else [(0, 0, 1, 1)]  # fmt: skip
    rows = b""
    for row, column, down, right in passes:
        part = x[row::down, column::right]
        if part.size:
            raw = packed(part.reshape(len(part), -1), bits)
            step = len(raw) // len(part)
            rows += b"".join(b"\0" + raw[i : i + step] for i in range(0, len(raw), step))
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, int(interlaced))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", head),
            *(chunk(*c) for c in before),
            chunk(b"IDAT", zlib.compress(rows)),
            *(chunk(*c) for c in after),
            chunk(b"IEND", b""),
        )
    )


# ---- TIFF


def tiff(
    x: np.ndarray | None,
    *,
    photometric: int = 1,
    bits: int = 8,
    order: str = "<",
    big: bool = False,
    planes: bool = False,
    tags: Mapping[int, tuple[int, Sequence[int]]] | None = None,
    raw: bytes | None = None,
    pages: int = 1,
    without: Sequence[int] = (),
) -> bytes:
    """A TIFF of numbers (H, W) or (H, W, bands), not compressed, one strip a page or band.

    Args:
        x: the numbers; of floats their bits are taken.
        photometric: tag 262; -1 leaves it out.
        bits: of a value.
        order: `<` or `>`.
        big: the 64-bit form.
        planes: each band for itself.
        tags: more tags, or others: number to (type, values).
        raw: the pixels as bytes, where they are packed otherwise.
        pages: how many times the image is there.
        without: tags that are left out.
    """
    assert x is not None
    x = x if x.ndim == 3 else x[:, :, None]
    height, width, bands = x.shape
    if x.dtype.kind == "f":
        x = x.view(np.uint32)
    rows = [x[:, :, b] for b in range(bands)] if planes else [x.reshape(height, width * bands)]
    strips = [raw] if raw is not None else [packed(r, bits, order) for r in rows]
    start = 16 if big else 8
    offsets = [start + sum(len(s) + len(s) % 2 for s in strips[:i]) for i in range(len(strips))]
    body = b"".join(s + bytes(len(s) % 2) for s in strips)
    fields: dict[int, tuple[int, Sequence[int]]] = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * bands), 259: (3, [1]),
        262: (3, [photometric]), 273: (4, offsets), 277: (3, [bands]), 278: (4, [height]),
        279: (4, [len(s) for s in strips]), 284: (3, [2 if planes else 1]),
    }  # fmt: skip
    fields |= dict(tags or {})
    for tag in (*without, *([262] if photometric < 0 else [])):
        del fields[tag]
    at = start + len(body)
    pieces = [body]
    for page in range(pages):
        pieces.append(_directory(fields, at, order, big, last=page == pages - 1))
        at += len(pieces[-1])
    out = b"".join(pieces)
    mark = {"<": b"II", ">": b"MM"}[order]
    first = start + len(body)
    if big:
        return mark + struct.pack(order + "HHHQ", 43, 8, 0, first) + out
    return mark + struct.pack(order + "HI", 42, first) + out


def _directory(
    fields: Mapping[int, tuple[int, Sequence[int]]], at: int, order: str, big: bool, *, last: bool
) -> bytes:
    letters = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q"}
    room, step = (8, 20) if big else (4, 12)
    head = struct.pack(order + ("Q" if big else "H"), len(fields))
    far = at + len(head) + step * len(fields) + room
    entries, notes = b"", b""
    for tag, (kind, values) in sorted(fields.items()):
        data = struct.pack(f"{order}{len(values)}{letters[kind]}", *values)
        entries += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, len(values))
        if len(data) > room:
            entries += struct.pack(order + ("Q" if big else "I"), far + len(notes))
            notes += data + bytes(len(data) % 2)
        else:
            entries += data + bytes(room - len(data))
    following = 0 if last else far + len(notes)
    return head + entries + struct.pack(order + ("Q" if big else "I"), following) + notes


def exif(orientation: int, order: str = "<") -> bytes:
    """An EXIF note that holds an orientation, as a TIFF without an image."""
    mark = {"<": b"II", ">": b"MM"}[order]
    fields = {274: (3, [orientation])}
    return mark + struct.pack(order + "HI", 42, 8) + _directory(fields, 8, order, False, last=True)


# ---- BMP, GIF


def bmp(
    rows: bytes,
    *,
    size: tuple[int, int],
    bits: int,
    palette: bytes = b"",
    packing: int = 0,
    masks: Sequence[int] = (),
    header: int = 40,
) -> bytes:
    """A BMP; `rows` as they lie in the file, size (H, W) with H below 0 for top-down."""
    height, width = size
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack(
            "<IiiHHIIiiII", header, width, height, 1, bits, packing, len(rows), 0, 0, 0, 0
        )
        words = struct.pack(f"<{len(masks)}I", *masks)
        info += words + bytes(max(0, header - 40 - len(words)))
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + info + palette + rows


def gif(
    x: np.ndarray, palette: Sequence[tuple[int, int, int]], *, clear: int = -1, more: int = 0
) -> bytes:
    """A GIF of indices (H, W) below 128, as codes that never grow; and the same again, inverted."""
    height, width = x.shape
    table = bytes(c for color in palette for c in color).ljust(768, b"\0")
    out = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + table
    for frame in (x, *(x[::-1] for _ in range(more))):
        flags = 1 if clear >= 0 else 0
        out += b"\x21\xf9\x04" + struct.pack("<BHBB", flags, 0, max(clear, 0), 0)
        out += b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x07"
        codes = []
        for i, value in enumerate(frame.reshape(-1).tolist()):
            codes += [128] if i % 100 == 0 else []  # begin anew before codes grow to nine bits
            codes.append(value)
        bits = "".join(format(c, "08b")[::-1] for c in [*codes, 129])
        data = bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))
        for i in range(0, len(data), 255):
            piece = data[i : i + 255]
            out += bytes([len(piece)]) + piece
        out += b"\0"
    return out + b"\x3b"
