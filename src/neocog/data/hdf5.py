"""HDF5 files of arrays, read without opening, starting or loading anything else.

The format can refer to other files (external links, external storage, virtual data sets), to other
objects (references) and to filters that are libraries loaded by number. None of them is followed:
what lies in the file itself is read, plain or packed with gzip, shuffle, fletcher32 or lzf. Chunks
of gzip are unpacked here, to the size that they declare and not further.

Source: HDF5 File Format Specification, version 3.0, The HDF Group.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neocog.data.packed import SMALL, check_room
from neocog.errors import DataError, UsageError, printable
from neocog.files import opened

__all__ = ["Hdf5", "open_hdf5"]

_OBJECTS = 4096
_DEPTH = 8
_CHUNKS = 1 << 20
_WORDS = 1 << 16
"""Words of a checksum that are summed at a time."""
_TEXTS = 1 << 24
"""Letters of all texts of an array, at most."""
_DEFLATE, _SHUFFLE, _FLETCHER, _LZF = 1, 2, 3, 32000
_READ = {_DEFLATE: "gzip", _SHUFFLE: "shuffle", _FLETCHER: "fletcher32", _LZF: "lzf"}


class Hdf5:
    """The arrays of an open HDF5 file, read one by one."""

    def __init__(self, objects: dict[str, Any], path: Path) -> None:
        self._objects, self._path = objects, path

    @property
    def names(self) -> list[str]:
        """Of the arrays, with the groups they are in: `train/images`."""
        return list(self._objects)

    def read(self, name: str) -> np.ndarray:
        """An array.

        Raises:
            DataError: it is damaged, is elsewhere, too large, or holds no numbers and no texts.
        """
        try:
            dataset = self._objects[name]
            if isinstance(dataset, str):  # why it is not opened
                raise DataError(dataset)
            return _read(dataset)
        except DataError as e:
            raise _unreadable(self._path, f"`{printable(name)}` {e}") from e
        except MemoryError as e:
            raise _unreadable(self._path, "it does not fit into memory") from e
        except Exception as e:  # a reader may raise anything at damaged data
            raise _unreadable(self._path, f"{type(e).__name__}: {printable(str(e)[:200])}") from e


@contextlib.contextmanager
def open_hdf5(path: str | os.PathLike[str]) -> Iterator[Hdf5]:
    """The arrays of an HDF5 file.

    Args:
        path: of the file.

    Raises:
        DataError: it is no HDF5 file, or damaged.
        UsageError: h5py is not installed.
    """
    try:
        h5py = _library()
    except ImportError as e:
        raise UsageError(
            f"HDF5 files are read by h5py, which is not installed; got {printable(path)}. Install "
            "it with `pip install 'neocog[hdf5]'`."
        ) from e
    with opened(path, what="A file of arrays") as file:
        try:
            held = h5py.File(file, "r")
            objects = _objects(held, h5py)
        except DataError as e:
            raise _unreadable(Path(path), str(e)) from e
        except Exception as e:  # a reader may raise anything at damaged data
            raise _unreadable(Path(path), f"{type(e).__name__}: {printable(str(e)[:200])}") from e
        with held:
            yield Hdf5(objects, Path(path))


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"{printable(path)} cannot be read as HDF5 of plain arrays ({why}). Save it with h5py, as "
        "create_dataset('images', data=…), or as an .npz."
    )


def _objects(held: Any, h5py: Any) -> dict[str, Any]:
    """Data sets by name; of what is a link elsewhere, why it is not opened."""
    out: dict[str, Any] = {}
    waiting, seen, listed = [("", held, 0)], {held.id.id}, 0
    while waiting:
        prefix, group, depth = waiting.pop(0)
        for name in group:
            listed += 1
            if listed > _OBJECTS:
                raise DataError(f"it holds more than {_OBJECTS:,} objects")
            path, link = f"{prefix}{name}", group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                out[path] = "is a link to another file, and no other file is opened"
            elif not isinstance(link, h5py.HardLink):
                out[path] = "is a symbolic link, which is not followed"
            elif group.get(name, getclass=True) is h5py.Dataset:
                out[path] = group[name]
            elif group.get(name, getclass=True) is h5py.Group and depth < _DEPTH:
                inner = group[name]
                address = h5py.h5o.get_info(inner.id).addr
                if address not in seen:  # a group may hold itself
                    seen.add(address)
                    waiting.append((f"{path}/", inner, depth + 1))
    return out


def _library() -> Any:
    """An optional package, opened where it is needed."""
    return importlib.import_module("h5py")


def _read(dataset: Any) -> np.ndarray:
    h5py = _library()
    if h5py.check_ref_dtype(dataset.dtype) is not None:
        raise DataError("holds references to other objects, which are not followed")
    if dataset.is_virtual or dataset.external:
        raise DataError("has its values in other files, and no other file is opened")
    if dataset.shape is None:
        raise DataError("holds nothing")
    if h5py.check_string_dtype(dataset.dtype) is not None and dataset.dtype.kind == "O":
        return _texts(dataset)
    if dataset.dtype.kind not in "biufS" or dataset.dtype.subdtype is not None:
        kind = printable(str(dataset.dtype)[:100])
        raise DataError(f"holds {kind}, no numbers and no texts")
    packed, filters = dataset.id.get_storage_size(), _filters(dataset)
    check_room(math.prod(dataset.shape) * dataset.dtype.itemsize, packed)
    if dataset.chunks is None:
        return np.asarray(dataset[()])
    chunk = math.prod(dataset.chunks) * dataset.dtype.itemsize
    if chunk > max(SMALL, 4 * packed):
        raise DataError(f"has chunks of {chunk:,} bytes in {packed:,} bytes")
    for id, values in filters:
        if id == _LZF and (len(values) < 3 or values[2] > chunk):
            raise DataError(f"has chunks of lzf that declare more than their {chunk:,} bytes")
    if _DEFLATE not in dict(filters):
        return np.asarray(dataset[()])
    return _unpacked(dataset, [id for id, _ in filters], chunk)


def _filters(dataset: Any) -> list[tuple[int, tuple[int, ...]]]:
    """Number and values of each filter, in the order in which it was applied.

    Raises:
        DataError: one is not among those that are read.
    """
    plan = dataset.id.get_create_plist()
    filters = []
    for k in range(plan.get_nfilters()):
        id, _, values, name = plan.get_filter(k)
        if id not in _READ:
            called = printable(name.decode("utf-8", "replace")[:40]) or "a filter"
            raise DataError(
                f"is packed with {called} (filter {id}), which is a library to be loaded; read are "
                f"{', '.join(_READ.values())}"
            )
        filters.append((id, tuple(values)))
    if _LZF in dict(filters) and _DEFLATE in dict(filters):
        raise DataError("is packed twice, with gzip and with lzf")
    return filters


def _unpacked(dataset: Any, filters: list[int], size: int) -> np.ndarray:
    """All values of a data set whose chunks are packed with gzip."""
    shape, chunks, dtype = dataset.shape, dataset.chunks, dataset.dtype
    corners = [range(0, n, step) for n, step in zip(shape, chunks, strict=True)]
    if math.prod(map(len, corners)) > _CHUNKS:
        raise DataError(f"has more than {_CHUNKS:,} chunks")
    out = np.full(shape, dataset.fillvalue, dtype)
    for corner in itertools.product(*corners):
        info = dataset.id.get_chunk_info_by_coord(corner)
        if info.byte_offset is None:  # never written
            continue
        if info.size > size + SMALL:
            raise DataError(f"has a chunk of {info.size:,} bytes for {size:,}")
        mask, raw = dataset.id.read_direct_chunk(corner)
        raw = _plain(raw, filters, mask, size, dtype.itemsize)
        if len(raw) != size:
            raise DataError(f"has a chunk of {len(raw):,} bytes where {size:,} belong")
        block = np.frombuffer(raw, dtype).reshape(chunks)
        ends = [min(n, c + step) for n, c, step in zip(shape, corner, chunks, strict=True)]
        here = tuple(slice(c, end) for c, end in zip(corner, ends, strict=True))
        out[here] = block[tuple(slice(0, s.stop - s.start) for s in here)]
    return out


def _plain(raw: bytes, filters: list[int], mask: int, size: int, width: int) -> bytes:
    """A chunk as it was before its filters, the last of which was applied last."""
    for k, id in reversed([*enumerate(filters)]):
        if mask & (1 << k):  # left out for this chunk
            continue
        if id == _DEFLATE:
            inner = zlib.decompressobj()
            raw = inner.decompress(raw, size + 5)  # with the sum that fletcher32 adds
            if len(raw) > size + 4:
                raise DataError(f"has a chunk that unpacks to more than its {size:,} bytes")
        elif id == _FLETCHER:
            raw, stored = raw[:-4], raw[-4:]
            if not _intact(raw, stored):
                raise DataError("has a chunk whose checksum (fletcher32) differs: it is damaged")
        elif id == _SHUFFLE and width > 1:
            whole = len(raw) // width * width
            planes = np.frombuffer(raw[:whole], np.uint8).reshape(width, -1)
            raw = planes.T.tobytes() + raw[whole:]
    return raw


def _intact(raw: bytes, stored: bytes) -> bool:
    r"""Whether the checksum that a chunk ends with is that of its bytes.

    Fletcher's two sums modulo 65535, of the bytes as big-endian words. Early versions of HDF5
    stored them with the bytes of each swapped.

    Example:
        >>> _intact(b"\x01\x02\x03", b"\x02\x04\x04\x06")
        False
        >>> _intact(b"\x01\x02\x03", b"\x02\x04\x04\x05")
        True
    """
    words = np.frombuffer(raw + b"\0" * (len(raw) % 2), ">u2")
    first = second = 0
    for start in range(0, len(words), _WORDS):
        some = words[start : start + _WORDS].astype(np.uint64)
        weights = np.arange(len(some), 0, -1, dtype=np.uint64)
        second = (second + len(some) * first + int((weights * some).sum())) % 65535
        first = (first + int(some.sum())) % 65535
    if len(stored) != 4:
        return False
    sums = [[int(v) % 65535 for v in np.frombuffer(stored, kind)] for kind in ("<u2", ">u2")]
    return [first, second] in sums


def _texts(dataset: Any) -> np.ndarray:
    """Texts of any length, as an array of them."""
    count = math.prod(dataset.shape)
    if len(dataset.shape) != 1 or count > _CHUNKS:
        raise DataError(f"holds texts of shape {dataset.shape}; a list of {_CHUNKS:,} is read")
    if _filters(dataset):
        raise DataError("holds packed texts; texts are read as they are")
    check_room(16 * count, dataset.id.get_storage_size())
    texts, letters = list[str](), 0
    for start in range(0, count, 64):
        some = [str(t) for t in dataset.asstr(errors="replace")[start : start + 64]]
        letters += sum(map(len, some))
        if letters > _TEXTS:
            raise DataError(f"holds texts of more than {_TEXTS:,} letters")
        texts += some
    return np.array(texts)
