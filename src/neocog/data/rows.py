"""Samples that a program has one by one: a dataset, a loader, a list, whatever can be iterated."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    default_collate,
)

from neocog.data.one_image import is_image_object
from neocog.errors import DataError, NeocogError

__all__ = ["Item", "Rows", "rows_of"]

Item = tuple[Any, Any, str]
"""An image, its label or None, and where it is from."""

_IMAGES = ("image", "img", "pixel_values", "images", "x", "input", "inputs")
_LABELS = ("label", "labels", "target", "targets", "y", "class", "fine_label", "coarse_label")
"""What datasets that give mappings call them, the likeliest first."""


@dataclass(frozen=True)
class Rows:
    """Samples, one by one.

    Args:
        n: how many; None where only the end shows it.
        fetch: one of them, by its position; None where they only come in a row.
        stream: all of them.
        classes: names of the labels, where the dataset has them.
    """

    n: int | None
    fetch: Callable[[int], Item] | None
    stream: Callable[[], Iterator[Item]]
    classes: tuple[str, ...] = ()


def rows_of(data: Any, *, axes: int = 2) -> Rows:
    """The samples of a dataset, a loader, a sequence or anything that can be iterated.

    Of a loader that mixes its dataset the samples come in the dataset's own order, so that what is
    measured does not depend on chance.

    Args:
        data: gives images, (image, label), or mappings of both; a loader batches of these.
        axes: of space: 2 of images, 1 of series.

    Raises:
        DataError: it gives nothing of the kind.

    Example:
        >>> [label for _, label, _ in rows_of([(np.zeros((4, 4)), 7)]).stream()]
        [7]
    """
    if isinstance(data, DataLoader):
        return _of_loader(data, axes)
    counted = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    if counted and not isinstance(data, (IterableDataset, Mapping)):
        return _indexed(lambda i: _item(data[i], _name(data, i)), range(len(data)), _classes(data))
    if isinstance(data, Iterable) and not isinstance(data, (str, bytes, Mapping)):
        return Rows(None, None, lambda: _streamed(data, axes), _classes(data))
    raise DataError(
        "DATA is a path, a tensor, an array, PIL images, a Dataset, a DataLoader or a list of "
        f"these; got {type(data).__name__}. Give one of them."
    )


def _indexed(fetch: Callable[[int], Item], rows: Sequence[int], classes: tuple[str, ...]) -> Rows:
    def one(at: int) -> Item:
        try:
            return fetch(rows[at])
        except NeocogError:
            raise
        except Exception as e:  # of any kind: an external dataset may raise anything
            raise DataError(
                f"A dataset gives each of its samples; number {rows[at]} fails "
                f"({type(e).__name__}: {e}). Fix the dataset, or leave that one out."
            ) from e

    return Rows(len(rows), one, lambda: map(one, range(len(rows))), classes)


def _of_loader(loader: DataLoader[Any], axes: int) -> Rows:
    data, sampler = loader.dataset, loader.sampler
    plain = type(loader.batch_sampler) in (BatchSampler, type(None))
    rows: Sequence[int] | None = None
    if plain and hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        if isinstance(sampler, SubsetRandomSampler):
            rows = sorted(sampler.indices)
        elif type(sampler) is SequentialSampler or (
            type(sampler) is RandomSampler and not sampler.replacement
        ):
            rows = range(len(data))
    if rows is None or isinstance(data, IterableDataset):
        return Rows(None, None, lambda: _streamed(loader, axes), _classes(data))
    collate = loader.collate_fn

    def fetch(i: int) -> Item:
        if collate is default_collate or loader.batch_size is None:
            return _item(data[i], _name(data, i))
        (image, label, _), *_more = _batch(_item(collate([data[i]]), ""), axes)
        return image, label, _name(data, i)

    return _indexed(fetch, rows, _classes(data))


def _streamed(data: Iterable[Any], axes: int) -> Iterator[Item]:
    at = 0
    for given in data:
        for image, label, name in _batch(_item(given, ""), axes):
            yield image, label, name or f"sample {at}"
            at += 1


def _batch(item: Item, axes: int) -> Iterator[Item]:
    """The samples of a batch; of one sample that one."""
    images, labels, name = item
    many = isinstance(images, (list, tuple)) or (
        isinstance(images, (Tensor, np.ndarray)) and images.ndim == axes + 2
    )
    if not many:
        yield item
        return
    for i, image in enumerate(images):
        yield image, None if labels is None else labels[i], _called(image) or name


def _item(given: Any, name: str) -> Item:
    """Image and label of what a dataset gives."""
    image, label = given, None
    if isinstance(given, Mapping):
        key = next((k for k in _IMAGES if k in given), None)
        if key is None:
            raise DataError(
                f"A dataset of mappings calls its images {', '.join(_IMAGES[:3])} or {_IMAGES[-1]};"
                f" this one has {', '.join(map(str, given))}. Rename one, or give (image, label)."
            )
        image, label = given[key], next((given[k] for k in _LABELS if k in given), None)
    elif isinstance(given, (tuple, list)) and given:
        image, label = given[0], given[1] if len(given) > 1 else None
    return image, label, _called(image) or name


def _called(image: Any) -> str:
    """The source of an image, where it knows one."""
    if isinstance(image, (str, os.PathLike)):
        return os.fspath(image)
    return str(getattr(image, "filename", "") or "") if is_image_object(image) else ""


def _name(data: Any, i: int) -> str:
    """Where a sample is from: its file, where the dataset knows it."""
    if type(data).__name__ == "Subset" and hasattr(data, "indices"):
        return _name(data.dataset, int(data.indices[i]))
    files = getattr(data, "samples", None)
    if isinstance(files, list) and i < len(files) and isinstance(files[i], tuple):
        return str(files[i][0])
    return f"sample {i}"


def _classes(data: Any) -> tuple[str, ...]:
    """Names of the labels that a dataset knows, in the order of their numbers."""
    for _ in range(8):  # a part of a part of a dataset
        names = getattr(data, "classes", None)
        if isinstance(names, (list, tuple)) and names and all(isinstance(n, str) for n in names):
            return tuple(names)
        named = getattr(getattr(data, "features", None), "get", lambda key: None)("label")
        if isinstance(listed := getattr(named, "names", None), list):
            return tuple(map(str, listed))
        if not hasattr(data, "dataset"):
            break
        data = data.dataset
    return ()
