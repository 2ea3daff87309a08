"""Rows of arrays that come one after the other, kept on disk: memory does not grow with them."""

from __future__ import annotations

import contextlib
import tempfile
from typing import IO

import numpy as np

from neocog.data.array_writer import full_disk_explained
from neocog.data.cache import default_folder

__all__ = ["Spool"]

_IN_MEMORY = 1 << 26
"""Bytes that are held in memory before they go to a file."""

_KINDS = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))
"""What rows may be, each as good as the one before it; floats are in [0, 1]."""


class Spool:
    """Rows of one shape, written one by one, read as one array.

    Bytes where every row is of bytes, wider where one is; a float that is a byte divided by 255 is
    such a byte, and comes back to the bit. The file has no name, and is deleted when it is closed.
    """

    def __init__(self) -> None:
        self._dtype = _KINDS[0]
        self._rows: list[np.ndarray] = []
        self._file: IO[bytes] | None = None
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def add(self, row: np.ndarray) -> None:
        """Write a row: uint8, uint16 or float32, of the shape of those before it."""
        row = _narrowest(row, self._dtype)
        if _KINDS.index(row.dtype) > _KINDS.index(self._dtype):
            self._widen(row.dtype)
        row = np.ascontiguousarray(_as(row, self._dtype))
        self._n += 1
        if self._file is not None:
            with full_disk_explained(default_folder(), row.nbytes):
                self._file.write(row.data)
            return
        self._rows.append(row)
        if self._n * row.nbytes > _IN_MEMORY:
            self._to_disk(row.nbytes)

    def finish(self, shape: tuple[int, ...]) -> np.ndarray:
        """All rows, (N, *shape), mapped where they are in a file; nothing can be added then."""
        if self._file is None:
            return np.stack(self._rows) if self._rows else np.empty((0, *shape), self._dtype)
        with self._file as file:
            file.flush()
            return np.memmap(file, self._dtype, "c", shape=(self._n, *shape))

    def _to_disk(self, row: int) -> None:
        rows, self._rows = self._rows, []
        self._file = _unnamed()
        with full_disk_explained(default_folder(), len(rows) * row):
            for one in rows:
                self._file.write(one.data)

    def _widen(self, dtype: np.dtype) -> None:
        """What was written so far, as a wider kind."""
        before, self._dtype = self._dtype, dtype
        self._rows = [_as(row, dtype) for row in self._rows]
        if self._file is None:
            return
        old, self._file = self._file, _unnamed()
        old.seek(0)
        with old, full_disk_explained(default_folder(), 0):
            while block := old.read(1 << 22):
                rows = np.frombuffer(block, before)
                self._file.write(np.ascontiguousarray(_as(rows, dtype)).data)


def _unnamed() -> IO[bytes]:
    """A file on the disk of the cache: the usual folder of temporary files may be in memory."""
    folder = default_folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)
    return tempfile.TemporaryFile()


def _narrowest(row: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Floats as bytes where that is what they were, as long as all rows are bytes."""
    if row.dtype != np.float32 or dtype != np.uint8:
        return row
    white = np.float32(255)
    near = np.rint(row * white)
    if (near >= 0).all() and (near <= white).all() and (near / white == row).all():
        return near.astype(np.uint8)
    return row


def _as(row: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if row.dtype == dtype:
        return row
    if dtype == np.uint16:
        return row.astype(np.uint16) * np.uint16(257)
    return row.astype(np.float32) / np.float32(np.iinfo(row.dtype).max)
