"""Files of a listing: what they are, once, and their pixels, in parallel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b, sha256

import numpy as np

from neocog.data.duplicates import GLANCE, THUMB, Traits, traits
from neocog.data.flight import bytes_in_flight, large_blocks
from neocog.data.folder import Listing
from neocog.data.formats import read_file
from neocog.data.image_decode import Head, decode, head, quiet
from neocog.data.pixel_format import MARKS
from neocog.errors import DataError

__all__ = ["RECORD", "decode_into", "inspect", "notes", "same_pixels", "traits_of"]

_KEPT = 1 << 28
"""Bytes of files that are kept from looking at them to decoding them, about."""
_CHUNK = 16
_KINDS = ("", "JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "other")
_EXTENSIONS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG",
    ".gif": "GIF", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP",
    ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM", ".pfm": "PPM", ".mpo": "JPEG",
}  # fmt: skip

RECORD = np.dtype(
    [
        ("key", "V16"),
        ("sha", "V32"),
        ("height", "<i4"),
        ("width", "<i4"),
        ("channels", "u1"),
        ("bits", "u1"),
        ("alpha", "u1"),
        ("kind", "u1"),
        ("marks", "<u4"),
        ("digest", "<u8"),
        ("hash", "<u8"),
        ("thumb", "<f2", (THUMB * THUMB,)),
    ]
)
"""What is known of a file: the key is of its path, size and times; no height, no image.

The last three are what it is compared with others by, and depend on the file alone.
"""
_FACTS = ("height", "width", "channels", "bits", "alpha", "kind", "marks")


def inspect(
    listing: Listing, known: np.ndarray, *, tick: Callable[[int], None]
) -> tuple[np.ndarray, dict[int, str]]:
    """What each file is: read once, known by its size and times from then on.

    Args:
        listing: the files.
        known: records of an earlier time, sorted by key.
        tick: called with the number of further files done.

    Returns:
        a record per file, and the reason for each that is not an image.
    """
    table = np.zeros(len(listing.names), RECORD)
    keys = [
        blake2b(n.encode("utf-8", "surrogateescape") + s.tobytes(), digest_size=16).digest()
        for n, s in zip(listing.names, listing.stats, strict=True)
    ]
    table["key"] = np.frombuffer(b"".join(keys), "V16")
    old = {bytes(k): i for i, k in enumerate(known["key"].tolist())} if len(known) else {}
    fresh = []
    for i, key in enumerate(keys):
        at = old.get(key, -1)
        if at >= 0 and known["height"][at]:
            table[i] = known[at]
        else:
            fresh.append(i)
    tick(len(keys) - len(fresh))
    reasons: dict[int, str] = {}

    def look(rows: Sequence[int]) -> int:
        glance = np.zeros((len(rows), *GLANCE, 1), np.uint8)
        for at, i in enumerate(rows):
            try:
                with _held(listing, i) as data:
                    table["sha"][i] = np.void(sha256(data).digest())
                    facts = _facts(head(data))
                    x = decode(data, size=GLANCE, channels=1, resize_mode="stretch", guard=False)
                    if len(fresh) * len(data) < _KEPT:
                        listing.kept[i] = data
                glance[at] = x if x.dtype == np.uint8 else x // 257
                for name, value in zip(_FACTS, facts, strict=True):
                    table[name][i] = value
            except DataError as e:
                reasons[i] = str(e)
        computed = traits(glance)
        at_rows = list(rows)
        table["digest"][at_rows], table["hash"][at_rows] = computed.digest, computed.hash
        table["thumb"][at_rows] = computed.thumb
        return len(rows)

    for n in _parallel(look, _chunks(fresh)):
        tick(n)
    return table, dict(sorted(reasons.items()))


def decode_into(
    out: np.ndarray,
    listing: Listing,
    *,
    rows: Sequence[int],
    channels: int,
    resize_mode: str,
    tick: Callable[[int], None],
) -> dict[int, str]:
    """Decodes files into the rows of an array, in parallel.

    Args:
        out: (len(rows), H, W, C), uint8 or uint16; 8-bit images are widened to 16.
        listing: the files.
        rows: which of them.
        channels: of `out`.
        resize_mode: how images are brought to (H, W).
        tick: called with the number of further files done.

    Returns:
        the reason for each file that failed.
    """
    size = out.shape[1:3]
    reasons: dict[int, str] = {}

    def work(span: Sequence[int]) -> int:
        for at in span:
            row = out[at]
            try:
                room = row if row.dtype == np.uint8 else None
                with _held(listing, rows[at]) as data:
                    x = decode(
                        data,
                        size=size,
                        channels=channels,
                        resize_mode=resize_mode,
                        guard=False,
                        room=room,
                    )
                if x is not row:
                    row[...] = x if x.dtype == row.dtype else x.astype(np.uint16) * 257
            except DataError as e:
                row[...] = 0
                reasons[rows[at]] = str(e)
        return len(span)

    for n in _parallel(work, _chunks(range(len(rows)))):
        tick(n)
    return dict(sorted(reasons.items()))


def traits_of(table: np.ndarray) -> Traits:
    """What the files of some records are compared by; files of other sizes are not exact copies."""
    shape = (table["height"].astype(np.uint64) << np.uint64(32)) | table["width"].astype(np.uint64)
    mixed = table["digest"] ^ (shape * np.uint64(0x9E3779B97F4A7C15))
    return Traits(mixed, table["hash"], table["thumb"])


def same_pixels(listing: Listing, table: np.ndarray, a: int, b: int) -> bool:
    """Whether two files hold the same pixels: equal bytes do, others are decoded and compared."""
    if bytes(table["sha"][a]) == bytes(table["sha"][b]):
        return True
    if any(table[name][a] != table[name][b] for name in ("height", "width", "channels", "bits")):
        return False
    try:
        x, y = (decode(_read(listing, i)) for i in (a, b))
    except DataError:  # it went away meanwhile
        return False
    return bool(np.array_equal(x, y))


def notes(listing: Listing, table: np.ndarray, *, rows: Sequence[int]) -> dict[str, list[str]]:
    """What was taken in, but not as it is: the reason, and the files."""
    paths: dict[str, list[str]] = {}

    def note(reason: str, i: int) -> None:
        paths.setdefault(reason, []).append(listing.names[i])

    some = table[list(rows)]
    for i, number in zip(rows, some["kind"].tolist(), strict=True):
        stem, dot, tail = listing.names[i].rpartition(".")
        claimed = _EXTENSIONS.get((dot + tail).lower()) if stem else None
        if claimed and _KINDS[number] != claimed:
            note(f"named as {claimed}, holds {_KINDS[number]}; read by its content", i)
    marks: tuple[tuple[np.ndarray, str], ...] = tuple(
        (some["marks"] & (1 << k) > 0, mark) for k, mark in enumerate(MARKS)
    )
    deep = some["bits"] == 16
    if deep.any() and not deep.all():
        marks += ((deep, "16 bits; the others are widened to 16 for their sake"),)
    for mask, reason in marks:
        for j in np.flatnonzero(mask).tolist():
            note(reason, rows[j])
    return paths


# ---- reading


def _read(listing: Listing, i: int) -> bytes:
    if (kept := listing.kept.pop(i, None)) is not None:
        return kept
    return read_file(f"{listing.root}/{listing.names[i]}")


@contextmanager
def _held(listing: Listing, i: int) -> Iterator[bytes]:
    """The bytes of a file; those of all threads together are bounded."""
    with bytes_in_flight(int(listing.stats[i, 0])):
        yield _read(listing, i)


def _facts(h: Head) -> tuple[int, ...]:
    """A header as the last fields of a record."""
    kind = _KINDS.index(h.kind if h.kind in _KINDS else "other")
    marks = sum(1 << k for k, mark in enumerate(MARKS) if mark in h.marks)
    return (h.height, h.width, h.channels, h.bits, h.alpha, kind, marks)


def _chunks(rows: Sequence[int]) -> list[Sequence[int]]:
    return [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]


def _parallel(work: Callable[[Sequence[int]], int], spans: list[Sequence[int]]) -> Iterator[int]:
    """Runs the work in threads: decoders work outside of Python's lock, and nothing is copied."""
    workers = min(len(spans), _cores())
    with quiet(), large_blocks():
        if workers <= 1:
            yield from map(work, spans)
            return
        with ThreadPoolExecutor(workers) as pool:
            try:
                yield from pool.map(work, spans)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
