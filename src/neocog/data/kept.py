"""A set of decoded images as the cache keeps it: read, and looked at before it is believed.

A cache is a folder like any other: it is copied, cut and written by other programs. What does not
fit is not an error, the set is made again.
"""

from __future__ import annotations

import math
import mmap
import re
from pathlib import Path
from typing import Any

import numpy as np

from neocog.data.quality import Sheet
from neocog.data.split import ROLES
from neocog.errors import DataError
from neocog.fields import Fields
from neocog.files import read_json

__all__ = ["read_arrays", "read_outline", "read_rows", "read_set"]

_META = 2**30
"""Bytes of a meta.json, at most: it names what is wrong with each of a million files."""

_PIXELS = (np.uint8, np.uint16, np.float32)
"""Of pixels, and of raw values."""

_SMALL = 1 << 16
"""Bytes up to which an array is read, not mapped."""


def read_set(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The meta data of a finished set, and its arrays, mapped copy-on-write.

    Args:
        folder: of the set.

    Raises:
        DataError: the set is damaged: a value is of another kind, arrays do not fit together.
        OSError: a file is missing.
        ValueError: a file is too short.
    """
    meta, arrays = read_outline(folder)
    x = arrays.get("x")
    total = sum(len(arrays[f"{split}-y"]) for split in ROLES)
    if x is None or x.ndim != 4 or len(x) != total or x.dtype not in _PIXELS:
        raise DataError("The pixels of a kept set must be those of its splits, and are not.")
    return meta, arrays


def read_outline(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A set without its pixels: `read_set` of classes, names and ids alone.

    Args:
        folder: of the set.
    """
    meta, arrays = read_arrays(folder)
    sheet = Sheet.from_json(meta.table("sheet").values)
    names = meta.table("names")
    for split in ROLES:
        _check(split, names.text(split), arrays, len(sheet.classes))
    return dict(meta.values), arrays


def read_rows(folder: Path, shape: tuple[int, ...]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The pixels of some rows.

    Args:
        folder: of the set.
        shape: of these pixels.
    """
    meta, arrays = read_arrays(folder)
    x = arrays.get("x")
    if x is None or x.shape != shape or x.dtype not in _PIXELS:
        raise DataError(f"Pixels of the shape {shape} are kept here; got others.")
    return dict(meta.values), arrays


def read_arrays(folder: Path) -> tuple[Fields, dict[str, np.ndarray]]:
    """The meta.json of a set, and the arrays that it names, mapped copy-on-write.

    Args:
        folder: of the set.

    Raises:
        DataError: a value is of another kind.
        OSError: a file is missing.
        ValueError: a file is too short.
    """
    meta = Fields(read_json(folder / "meta.json", limit=_META), "meta.json", error=DataError)
    forms = meta.table("arrays")
    return meta, {name: _map(folder, forms, name) for name in forms.values}


def _map(folder: Path, forms: Fields, name: str) -> np.ndarray:
    """A saved array; `numpy.load` gives the same, but parses each header as Python."""
    form = forms.values[name]
    if not isinstance(form, list) or len(form) != 3 or re.fullmatch(r"[\w-]+", name) is None:
        forms.bad(name, "shape, kind and first byte of an array", form)
    parts = Fields(dict(zip(("shape", "kind", "start"), form, strict=True)), name, error=DataError)
    shape, start = parts.integers("shape", low=0), parts.integer("start", low=0)
    kind = parts.text("kind")
    if re.fullmatch(r"[<>|=][biuf][1248]", kind) is None:
        parts.bad("kind", "a kind of numbers", kind)
    dtype = np.dtype(kind)
    size = math.prod(shape) * dtype.itemsize
    path = folder / f"{name}.npy"
    if start + size > path.stat().st_size:
        raise ValueError(f"{name} is too short")
    with path.open("rb") as file:
        if size < _SMALL:
            file.seek(start)
            return np.frombuffer(bytearray(file.read(size)), dtype).reshape(shape)
        raw = mmap.mmap(file.fileno(), start + size, access=mmap.ACCESS_COPY)
    return np.frombuffer(raw, dtype, math.prod(shape), offset=start).reshape(shape)


def _check(split: str, names: str, arrays: dict[str, np.ndarray], num_classes: int) -> None:
    """Whether class indices, ids and names of a split belong together.

    Raises:
        DataError: they do not.
    """
    y, good = arrays.get(f"{split}-y"), False
    if y is not None and y.ndim == 1 and y.dtype == np.int64:
        least = 0 if num_classes else -1  # of images without labels
        good = not len(y) or (int(y.min()) >= least and int(y.max()) < num_classes)
        ids = arrays.get(f"{split}-ids")
        good = good and ids is not None and ids.shape == y.shape and ids.dtype == np.uint64
        good = good and _named(split, names, arrays, len(y))
    if not good:
        raise DataError(f"The split {split} of a cached data set must be consistent, and is not.")


def _named(split: str, names: str, arrays: dict[str, np.ndarray], count: int) -> bool:
    """Whether each sample has a name."""
    if names != "paths":
        rows = arrays.get(f"{split}-rows")
        return rows is not None and rows.shape == (count,) and rows.dtype.kind in "iu"
    blob, ends = arrays.get(f"{split}-names"), arrays.get(f"{split}-ends")
    if blob is None or ends is None or ends.shape != (count,) or ends.dtype != np.int64:
        return False
    rising = not count or (int(ends[0]) >= 0 and bool((np.diff(ends) >= 0).all()))
    ends_well = not count or int(ends[-1]) <= blob.size
    return blob.ndim == 1 and blob.dtype == np.uint8 and rising and ends_well
