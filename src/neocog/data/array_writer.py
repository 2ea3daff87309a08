"""A set of arrays being written, on disk or in memory."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neocog.errors import DataError, printable

__all__ = ["FULL", "ArrayWriter", "full_disk", "full_disk_explained"]

_IN_MEMORY = 1 << 30
"""Bytes of pixels that are held in memory while a set is made."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ArrayWriter:
    """A set being written: arrays by name, in a folder or (where none can be written) in memory.

    Args:
        folder: where files go; None keeps arrays in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.arrays: dict[str, np.ndarray] = {}
        self.layout: dict[str, tuple[list[int], str, int]] = {}
        self.meta: dict[str, Any] = {}

    def write(
        self, name: str, blocks: Iterable[np.ndarray], *, shape: tuple[int, ...], dtype: np.dtype
    ) -> None:
        """An array, block after block along its first axis; a block may be filled again later.

        Raises:
            DataError: the disk is full.
        """
        if self.folder is None:
            done, self.arrays[name] = 0, np.empty(shape, dtype)
            for block in blocks:
                self.arrays[name][done : done + len(block)] = block
                done += len(block)
            return
        form = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        path = self.folder / f"{name}.npy"
        with full_disk_explained(self.folder, size), path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {**form, "shape": shape})
            self.layout[name] = (list(shape), dtype.str, file.tell())
            for block in blocks:
                file.write(np.ascontiguousarray(block, dtype).data)

    def put(self, name: str, array: np.ndarray) -> None:
        """An array as it is."""
        self.write(name, [array], shape=array.shape, dtype=array.dtype)

    @contextlib.contextmanager
    def scratch(self, shape: tuple[int, ...], dtype: np.dtype) -> Iterator[np.ndarray]:
        """Room for pixels on the way: in memory, or in a file where there are many.

        The space in a file is reserved first: a full disk is an error now, not a crash later.
        """
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if self.folder is None or size < _IN_MEMORY:
            yield np.empty(shape, dtype)
            return
        path = self.folder / "scratch"
        with full_disk_explained(self.folder, size), path.open("wb") as file:
            _reserve(file.fileno(), size)
        yield np.memmap(path, dtype, "r+", 0, shape)
        path.unlink(missing_ok=True)  # the cache may be deleted meanwhile


@contextlib.contextmanager
def full_disk_explained(folder: Path, need: int) -> Iterator[None]:
    """Turns the system's "no space left" into a sentence."""
    try:
        yield
    except OSError as e:
        if e.errno in FULL:
            raise full_disk(folder, need) from e
        raise


def full_disk(folder: Path, need: int) -> DataError:
    """The error for a folder without space; `need` are bytes, 0 where they are not known."""
    return DataError(
        f"Decoded images need space in {printable(folder)}"
        + (f", {need / 1e6:,.0f} MB here" if need else "")
        + "; the disk is full. Free some, or set NEOCOG_CACHE to a folder on another disk."
    )


def _reserve(handle: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
        return
    block = bytes(1 << 20)
    for _ in range(0, size, len(block)):
        os.write(handle, block)
