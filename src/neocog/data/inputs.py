"""Data as Python programs have it, as the samples that every measurement takes.

    tensor, array          (B, C, H, W), arrays also (B, H, W) and (B, H, W, C); series (B, C, N);
                           alone, or with labels: (x, y); or one image
    PIL images, paths      one, or a list of them
    Dataset, DataLoader    of images, of (image, label) or of mappings; anything iterable
    Split, Samples         of `neocog.open_data` and of other verbs; `Inputs`, of this function

Floats are in [0, 1] and taken as they are, for a model of raw values in any range; integers
(uint8, 255 for white), PIL images and files are brought to the size that the model takes, as every
image file is. What comes one by one is kept on disk: memory does not grow with the number of
samples.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neocog.data.one_image import array_of, check_range, is_image_object, plain_array
from neocog.data.open import Source, is_data
from neocog.data.rows import Item, Rows, rows_of
from neocog.data.samples import Samples, truths
from neocog.data.split import Split, ids_of
from neocog.data.split_names import ENDINGS
from neocog.data.spool import Spool
from neocog.errors import DataError, printable
from neocog.types import InputSpec

__all__ = ["Inputs", "as_samples", "is_path", "named_paths", "portions", "resolved"]

_PORTION = 1 << 26
"""Bytes of the samples of a batch, about."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Samples, and what is known of their labels.

    Args:
        samples: as every measurement takes them; `y` is None without labels, and counts
            `classes` where there are some, else outputs of the model; -1 is unknown.
        classes: names of the labels; empty where they are numbers of outputs.
        total: how many there are in all; None where only the end shows it.
        notes: what was left out, and what a reader should know.
    """

    samples: Samples
    classes: tuple[str, ...] = ()
    total: int | None = None
    notes: tuple[str, ...] = ()


def as_samples(
    data: Any,
    takes: InputSpec | None = None,
    *,
    axes: int | None = None,
    n: int | None = None,
    seed: int = 0,
    larger: bool = False,
) -> Inputs:
    """Anything that holds images or series, as samples.

    Args:
        data: see above.
        takes: what the model takes; None where that is unknown: every sample keeps its size.
        axes: of space: 2 of images, 1 of series; if left out, a batch of three axes is of
            series.
        n: samples that are needed; of more, a random choice by the seed; all for None.
        seed: of that draw.
        larger: floats may be larger than the model takes, for crops of them.

    Raises:
        DataError: it holds no samples, or not as the rules above say.

    Example:
        >>> from PIL import Image
        >>> found = as_samples([Image.new("RGB", (9, 7)), Image.new("RGB", (9, 7), "red")])
        >>> len(found.samples), found.samples.size, found.samples.y is None
        (2, (7, 9), True)
    """
    if isinstance(data, Inputs):
        _check_size(data.samples, takes, larger)
        return data
    axes = axes or _axes(data, takes)
    if (whole := _whole(data, takes, axes)) is not None:
        inputs = whole
    else:
        rows = _rows(data, axes)
        items, total = _drawn(rows, n, seed)
        inputs = _spooled(items, rows, takes, axes, total)
    _check_size(inputs.samples, takes, larger)
    return inputs


def portions(data: Any, takes: InputSpec) -> Iterator[Inputs]:
    """The same, all samples in their order, some at a time: nothing is kept.

    Args:
        data: see above.
        takes: what the model takes.

    Raises:
        DataError: it holds no samples, or not as the rules above say.
    """
    axes = len(takes.size)
    whole = data if isinstance(data, Inputs) else _whole(data, takes, axes)
    if whole is not None:
        _check_size(whole.samples, takes, False)
        yield whole
        return
    rows = _rows(data, axes)
    items = rows.stream()
    values = takes.channels * int(np.prod(takes.size))
    many = max(16, _PORTION // (4 * values))
    first = True
    while some := list(islice(items, many)):
        inputs = _spooled(some, rows, takes, axes, rows.n)
        _check_size(inputs.samples, takes, False)
        yield inputs
        first = False
    if first:
        raise _nothing()


def named_paths(data: Any) -> tuple[Iterator[str | os.PathLike[str]] | None, Any]:
    """The paths that are given, alone, in a list or one after the other; None of other data.

    Args:
        data: anything.

    Returns:
        The paths, and the original data; an iterator is replaced by an equal one.

    Example:
        >>> [*named_paths("a.png")[0]], named_paths(np.zeros((1, 1, 2, 2)))[0] is None
        (['a.png'], True)
    """
    if is_path(data):
        return iter((data,)), data
    if isinstance(data, (list, tuple)):
        return (iter(data) if all(map(is_path, data)) else None), data
    if not isinstance(data, Iterator):
        return None, data
    first = next(data, None)
    if first is None:
        return iter(()), ()
    data = chain((first,), data)
    return (data if is_path(first) else None), data


def is_path(data: object) -> bool:
    """Whether it is a path, and no samples yet."""
    return isinstance(data, (str, os.PathLike))


def resolved(data: Any) -> Any:
    """Data as a verb takes it: the path of an opened data set, a list of a single image file.

    Example:
        >>> from neocog.data.open import open_data
        >>> resolved("digits:val"), resolved(open_data("digits"))
        ('digits:val', 'digits')
    """
    if isinstance(data, Source):
        return data.path
    single = is_path(data) and os.path.isfile(data) and not is_data(data)  # noqa: PTH113
    return [data] if single and _may_be_image(os.fspath(data)) else data


def _may_be_image(path: str) -> bool:
    """Whether its name is that of an image: other files get a message on what data is."""
    return os.path.splitext(path)[1].lower() in ENDINGS  # noqa: PTH122 (a name may be no text)


def _axes(data: Any, takes: InputSpec | None) -> int:
    """Axes of space, where they were not given."""
    if takes is not None:
        return len(takes.size)
    x = data[0] if isinstance(data, tuple) and len(data) == 2 else data
    return 1 if isinstance(x, (Tensor, np.ndarray)) and x.ndim == 3 else 2


# ---- what is whole already


def _whole(data: Any, takes: InputSpec | None, axes: int) -> Inputs | None:
    """Tensors, arrays and samples, which are not copied; None of what comes one by one."""
    if isinstance(data, (Samples, Split)):
        return Inputs(samples=Samples.of(data).checked(), total=len(data))
    x, y = _pair(data, axes)
    if not isinstance(x, (Tensor, np.ndarray)) or x.ndim != axes + 2:
        return None
    if axes == 1:
        return Inputs(samples=Samples.of((_tensor(plain_array(x)), y)), total=len(x))
    plain = _channels_first(plain_array(x), isinstance(x, Tensor), takes)
    checked = check_range(plain, takes)
    checked = checked if takes is not None and takes.values == "raw" else _white(checked)
    if takes is not None and (
        plain.shape[1] != takes.channels
        or (checked.dtype != np.float32 and plain.shape[2:] != tuple(takes.size))
    ):
        return None  # each is brought to the size that the model takes
    if checked.dtype == np.float32:
        samples = Samples.of((_tensor(checked), y))
    else:
        split = Split(np.moveaxis(checked, 1, 3), np.zeros(len(checked), np.int64), ())
        samples = Samples(split, truths(y)).checked()
    notes = (
        ()
        if takes is not None or checked.dtype != np.float32 or not checked.size
        else _normalized(checked)
    )
    return Inputs(samples=samples, total=len(samples), notes=notes)


def _tensor(x: np.ndarray) -> Tensor:
    """An array as a tensor, which is only read: that of a file may be read-only."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(x)


def _pair(data: Any, axes: int) -> tuple[Any, Any]:
    """Samples and labels of (x, y); a tuple of images is no such pair."""
    if not isinstance(data, tuple) or len(data) != 2:
        return data, None
    x, y = data
    batch = isinstance(x, (Tensor, np.ndarray)) and x.ndim == axes + 2
    listed = isinstance(x, (list, tuple)) and isinstance(y, (list, tuple, np.ndarray, Tensor))
    first = y[0] if listed and len(y) else 0
    if y is None or batch or (listed and not _is_image(first)):
        return x, y
    return data, None


def _is_image(one: object) -> bool:
    held = isinstance(one, (Tensor, np.ndarray)) and one.ndim > 1
    return held or is_image_object(one) or isinstance(one, os.PathLike)


def _channels_first(x: np.ndarray, tensor: bool, takes: InputSpec | None) -> np.ndarray:
    """(B, C, H, W) of an array that may have its channels behind."""
    known = {1, 3} | ({takes.channels} if takes is not None else set())
    if takes is not None and takes.values == "raw":
        known = {takes.channels}
    if x.shape[1] in known:
        return x
    if x.shape[3] in known and not tensor:
        return np.moveaxis(x, 3, 1)
    if x.shape[3] in known:
        raise DataError(
            f"Tensors of images are (B, C, H, W); got one of {tuple(x.shape)}. Move the channels "
            "to the front, x.permute(0, 3, 1, 2)."
        )
    return x  # of as many channels as a network takes that nothing is known of


def _white(x: np.ndarray) -> np.ndarray:
    """Integers of which none is above 1: taken as 0 and 1, as they cannot be bytes."""
    if x.dtype in (np.uint8, np.uint16) and x.size and x.max() == 1:
        return x.astype(np.float32)
    return x


def _normalized(x: np.ndarray) -> tuple[str, ...]:
    low, high = float(x.min()), float(x.max())
    if low >= 0 and high <= 1:
        return ()
    sentence = (
        f"Values from {low:.3g} to {high:.3g} are normalized already, and taken as they are: "
    )
    return (f"{sentence}shifts fill with 0, the mean.",)


# ---- what comes one by one


def _rows(data: Any, axes: int) -> Rows:
    x, y = _pair(data, axes)
    if _is_image(x) or isinstance(x, str):
        single = isinstance(x, (Tensor, np.ndarray)) and x.ndim == axes + 1
        grays = isinstance(x, np.ndarray) and axes == 2 and single and _many_gray(x)
        if isinstance(x, (Tensor, np.ndarray)) and (x.ndim > axes + 1 or grays):
            x = list(x)
        elif isinstance(x, Tensor) and single and x.shape[0] not in (1, 3):
            raise DataError(
                f"Images are (B, C, H, W), a single one is (C, H, W); got a tensor of "
                f"{tuple(x.shape)}. Add the channel axis of gray images with x[:, None]."
            )
        else:
            x, y = [x], None if y is None else [y]
    if y is not None:
        if len(x) != len(y):
            raise DataError(
                f"Every sample has one label; got {len(x)} samples and {len(y)} labels. Give as "
                "many, or None."
            )
        x = list(zip(x, y, strict=True))
    return rows_of(x, axes=axes)


def _many_gray(x: np.ndarray) -> bool:
    """Whether (N, H, W) are gray images, and not one in color."""
    return x.shape[0] not in (1, 3) and x.shape[2] not in (1, 2, 3, 4)


def _drawn(rows: Rows, n: int | None, seed: int) -> tuple[Iterator[Item], int | None]:
    """The samples that are needed: a random choice where there is an index, else the first."""
    if rows.n == 0:
        raise _nothing()
    if rows.fetch is None or rows.n is None or n is None or n >= rows.n:
        return islice(rows.stream(), n), rows.n
    order = np.random.default_rng([seed, 0xA0D17]).permutation(rows.n)[:n]
    return map(rows.fetch, order.tolist()), rows.n


def _spooled(
    items: Iterable[Item], rows: Rows, takes: InputSpec | None, axes: int, total: int | None
) -> Inputs:
    """Some samples, on disk where they are many."""
    spool, labels, names, left = Spool(), list[Any](), list[str](), list[str]()
    shape: tuple[int, ...] | None = None
    for image, label, name in items:
        try:
            x = array_of(image, takes, axes=axes)
        except DataError as e:
            if not isinstance(image, (str, os.PathLike)):
                raise DataError(f"{printable(name)}: {e}") from e
            left.append(f"{printable(name)} was not used: {e}.")
            continue
        shape = shape or x.shape
        if x.shape != shape:
            raise _of_sizes(name, shape, x.shape, known=takes is not None)
        spool.add(x)
        labels.append(label)
        names.append(name)
    if shape is None:
        raise _nothing(left[0] if left else "")
    x = _white(spool.finish(shape))
    y = None if all(label is None for label in labels) else _labels(labels)
    if axes == 1 or x.dtype == np.float32:
        values = torch.from_numpy(x)
        values = values if axes == 1 else values.permute(0, 3, 1, 2)
        samples = Samples(values, y, names)
    else:
        samples = Samples(Split(x, np.full(len(x), -1), names, ids_of(x)), y, names)
    notes = _normalized(x) if axes == 2 and takes is None and x.dtype == np.float32 else ()
    return Inputs(samples=samples, classes=rows.classes, total=total, notes=(*notes, *left))


def _labels(labels: Sequence[Any]) -> np.ndarray | None:
    """Labels as an array: numbers, or words that a model's classes are looked up by."""
    plain = [v.detach().cpu().numpy() if isinstance(v, Tensor) else v for v in labels]
    if any(isinstance(label, str) for label in plain):
        return np.array(["" if label is None else str(label) for label in plain])
    try:
        return truths([-1 if label is None else label for label in plain])
    except ValueError as e:
        raise DataError(
            "Labels are one number or string per sample, all of one kind; got several kinds. Give "
            "class indices, or omit them."
        ) from e


def _check_size(samples: Samples, takes: InputSpec | None, larger: bool) -> None:
    """Whether floats, which are taken as they are, are as the model takes them.

    Raises:
        DataError: they are not.
    """
    if takes is None or len(takes.size) != len(samples.size):
        return
    given, wanted = (samples.channels, *samples.size), (takes.channels, *takes.size)
    fits = all(a >= b for a, b in zip(given[1:], wanted[1:], strict=True)) and larger
    if given != wanted and not (fits and given[0] == wanted[0]):
        raise DataError(
            f"The model takes samples of {wanted}, (C, H, W), and floats are not resized; got "
            f"{given}. Resize them, or give uint8 tensors, PIL images or paths, which are resized "
            "as the model's spec says."
        )


def _of_sizes(name: str, one: tuple[int, ...], other: tuple[int, ...], *, known: bool) -> DataError:
    wanted = (
        "Floats are not resized: resize them, or give PIL images or uint8, which are"
        if known
        else "Resize them, or open the network with its size, neocog.load(network, size=…)"
    )
    return DataError(
        f"Samples must have one size; {printable(name)} has {other}, earlier ones {one}. {wanted}."
    )


def _nothing(why: str = "") -> DataError:
    return DataError(f"A measurement needs samples; got none. {why or 'Give some.'}")
