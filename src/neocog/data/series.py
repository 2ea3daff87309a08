"""Series in files: values of one axis of space, that are neither decoded nor resized."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from neocog.data.array_files import array_file, beside, named_arrays, open_array_file
from neocog.data.samples import Samples
from neocog.errors import DataError, UsageError, printable

__all__ = ["series_at", "series_of"]

_ONE = re.compile(r"(?P<file>.+)\[(?P<row>\d{1,9})\]")


def series_at(sources: Iterable[str | os.PathLike[str]], shape: tuple[int, ...]) -> Samples:
    """The series of some files, with their labels where all have some.

    Args:
        sources: .npz, .npy or HDF5 files, see `series_of`; `FILE[17]` is one series of a file.
        shape: (C, N) of a sample; () for that of the first file.

    Raises:
        DataError: a file cannot be read, or its series have another size.
        UsageError: there is no such series in it.
    """
    parts, labels, names = list[Tensor](), list[np.ndarray | None](), list[str]()
    for source in (os.fspath(p) for p in sources):
        one = None if os.path.exists(source) else _ONE.fullmatch(source)  # noqa: PTH110
        file = one["file"] if one else source
        x, y = series_of(file)
        shape = shape or tuple(x.shape[1:])
        if tuple(x.shape[1:]) != shape:
            wanted, given = (" × ".join(map(str, s)) for s in (shape, x.shape[1:]))
            raise DataError(
                f"The model takes series of {wanted} values; `{printable(file)}` holds {given}. "
                "Correct --size, or use other data."
            )
        first = int(one["row"]) if one else 0
        rows = slice(first, first + 1 if one else len(x))
        if first >= len(x):
            raise UsageError(
                f"`{printable(file)}` has {len(x)} series, counted from 0; got index {first}. "
                "Name one of them."
            )
        parts.append(x[rows])
        labels.append(None if y is None else y[rows])
        names += [f"{file}[{i}]" for i in range(len(x))[rows]]
    if not parts:
        raise DataError("Series are in files, and none was named. Name an .npz, .npy or HDF5 file.")
    known = [y for y in labels if y is not None]
    truths = np.concatenate(known) if len(known) == len(parts) else None
    return Samples(torch.cat(parts), truths, names)


def series_of(path: str | os.PathLike[str]) -> tuple[Tensor, np.ndarray | None]:
    """Series from a file of arrays: `x`, (B, C, N) or (B, N), and class indices `y`, if any.

    Args:
        path: an .npz, .npy or HDF5 file, or FILE:SERIES or FILE:SERIES,LABELS, which name the
            arrays.

    Raises:
        DataError: the file cannot be read so.
    """
    file, pick = array_file(os.fspath(path)) or (Path(path), "")
    npy = file.suffix.lower() == ".npy"
    with open_array_file(beside(file) if npy and file.is_file() else [file]) as held:
        if not pick and "x" in held.names:
            pick = "x,y" if "y" in held.names else "x"
        chosen = named_arrays(held.names, pick or (file.stem if npy else ""), printable(path))[0]
        values = held.read(chosen.images)
        y = held.read(chosen.labels) if chosen.labels else None
    if values.dtype.kind not in "biuf":
        raise DataError(
            f"Series are numbers; `{printable(path)}` holds {values.dtype}. Save them as float32."
        )
    with np.errstate(over="ignore"):  # what is too large is not a finite number below
        x = values.astype(np.float32, copy=False)
    x = x[:, None] if x.ndim == 2 else x
    if x.ndim != 3 or not x.size or (y is not None and y.shape[:1] != x.shape[:1]):
        raise DataError(
            f"Series are an array `x` of shape (B, C, N) with a class index each; "
            f"`{printable(path)}` holds {x.shape}{'' if y is None else f' and {y.shape}'}."
        )
    if not np.isfinite(x).all():
        raise DataError(
            f"Series are made of finite numbers; `{printable(path)}` has others. Fill the gaps or "
            "leave those series out."
        )
    if y is not None and (y.ndim != 1 or y.dtype.kind not in "iu" or y.min() < 0):
        raise DataError(
            f"Class indices `y` are integers from 0, one per series; `{printable(path)}` holds "
            f"{y.dtype} of shape {y.shape}. Use class indices, or leave `y` out."
        )
    return torch.from_numpy(x), None if y is None else y.astype(np.int64)
