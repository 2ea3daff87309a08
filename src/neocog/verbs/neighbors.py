"""The images of a data set that a network takes for most alike another one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Unpack

import numpy as np
import torch

from neocog.data.display import as_displayed
from neocog.data.inputs import as_samples, is_path, named_paths, resolved
from neocog.data.open import ALL, is_data, parse_source
from neocog.data.split import Split
from neocog.errors import DataError, UsageError, printable
from neocog.exhibits import Cell, Exhibit, Gallery, Section, Table
from neocog.first_screen import FirstScreen
from neocog.jsonable import Jsonable, keys
from neocog.models.data_of import source_of
from neocog.models.declared import ModelOptions
from neocog.models.model import AnyModel, Model
from neocog.models.scoring import as_split
from neocog.render.notebook import Result
from neocog.runs.features import backbone_of, features_of
from neocog.training.neighbors import similar
from neocog.verbs.opened import opened, with_model_options

__all__ = ["Neighbor", "Neighbors", "Query", "neighbors"]

MOST = 100
"""Neighbors of an image, at most."""


@dataclass(frozen=True, kw_only=True)
class Neighbor(Jsonable):
    """An image that is near another one.

    Args:
        name: where it is from.
        label: its class, or None without one.
        similarity: cosine between the features of both, less the mean of all features.
    """

    name: str
    label: str | None
    similarity: float


@dataclass(frozen=True, kw_only=True)
class Query(Jsonable):
    """An image, and those that are nearest to it, the nearest first."""

    name: str
    neighbors: tuple[Neighbor, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class Neighbors(Result):
    """The nearest images of some others.

    Args:
        queries: the images.
        searched: how many images were searched.
        data: that they are of.
        images: of each query it and its neighbors, to be drawn.
    """

    JSON = keys("queries", "searched", "data")

    queries: tuple[Query, ...]
    searched: int
    data: str
    images: tuple[tuple[np.ndarray, ...], ...] = field(repr=False, compare=False)

    @property
    def neighbors(self) -> tuple[Neighbor, ...]:
        """Of the first image."""
        return self.queries[0].neighbors

    def heading(self) -> str:
        """What it is."""
        return f"Nearest images among {self.searched:,} of {self.data}"

    def first_screen(self) -> FirstScreen:
        """The nearest of the first image, and all rows drawn."""
        first = self.queries[0]
        labels = [n.label for n in first.neighbors if n.label is not None]
        common = max(labels, key=labels.count) if labels else None
        named = "" if common is None else f", {labels.count(common)} of class {printable(common)}"
        near = f"{first.neighbors[0].similarity:.2f} to {first.neighbors[-1].similarity:.2f}"
        return FirstScreen(
            headline=f"{printable(first.name)}: {len(first.neighbors)} nearest images{named} "
            f"(cosine similarity {near}), of {self.searched:,} searched.",
            image=(self.gallery(),),
        )

    def sections(self) -> list[Section]:
        """The images, and a table of them."""
        rows: list[list[Cell]] = [
            [printable(q.name), printable(n.name), printable(n.label or ""), n.similarity]
            for q in self.queries
            for n in q.neighbors
        ]
        table = Table(
            title="nearest", columns=("image", "near it", "class", "similarity"), rows=rows
        )
        exhibits: tuple[Exhibit, ...] = (self.gallery(), table)
        return [Section(title="Nearest images", exhibits=exhibits)]

    def gallery(self) -> Gallery:
        """A row per image: it, and its neighbors."""
        captions = [
            caption
            for q in self.queries
            for caption in (
                printable(q.name),
                *(f"{printable(n.label or n.name)}\n{n.similarity:.2f}" for n in q.neighbors),
            )
        ]
        return Gallery(
            title="nearest images in the embedding",
            images=[image for row in self.images for image in row],
            captions=captions,
            together=len(self.images[0]),
            note="By cosine similarity of the features before the last linear layer.",
        )


@with_model_options
def neighbors(
    model: AnyModel,
    data: Any,
    images: Any,
    *,
    k: int = 5,
    strict: bool = False,
    **options: Unpack[ModelOptions],
) -> Neighbors:
    """The images of a data set whose features are most alike those of an image.

    Args:
        model: a classifier of images that ends in a linear layer, as for `evaluate`.
        data: what is searched: a data set, of which `DATA:train` is a split, or what
            `neocog.data.inputs` takes, with labels or without. An image is not its own neighbor,
            an equal one in another file is.
        images: one or several images: paths, tensors, arrays, PIL images.
        k: neighbors of each.
        strict: stop at the first image that cannot be used.
        options: of an external model, as keyword arguments, see `neocog.load`.

    Raises:
        UsageError: k is not from 1 to 100.
        DataError: there is nothing to search, or no image.
        ModelError: the model does not end in a linear layer.

    Example:
        >>> import neocog
        >>> network = neocog.build("convnet", num_classes=10, in_channels=1, size=(28, 28))
        >>> model = neocog.load(network, size=(1, 28, 28), mean=(0.1,), std=(0.3,))
        >>> image = neocog.open_data("digits").splits["test"].x[:1]
        >>> near = neocog.neighbors(model, "digits:val", image, k=3)
        >>> near.searched, len(near.neighbors)
        (500, 3)
    """
    if not 1 <= k <= MOST:
        raise UsageError(f"`k` is a number of neighbors from 1 to {MOST}; got {k}. Try k=5.")
    opened_model, data = opened(model, data, options)
    searched, classes, name = _searched(opened_model, data, strict)
    if len(searched) < 2:
        raise DataError(f"Neighbors are searched among two images at least; {name} has fewer.")
    queried = _queried(opened_model, images)
    backbone = backbone_of(opened_model.module, opened_model.title)
    features = torch.cat(list(features_of(backbone, searched)))
    theirs = torch.cat(list(features_of(backbone, queried)))
    similarity, index = similar(features, theirs, k=k + 1)
    queries, drawn = [], []
    for row, query in enumerate(queried.names):
        listed = index[row].tolist()
        own = _itself(queried, row, searched, listed, name)
        near = [(i, s) for i, s in zip(listed, similarity[row].tolist(), strict=True) if i != own][
            : min(k, len(searched) - 1)
        ]
        queries.append(
            Query(
                name=query,
                neighbors=tuple(
                    Neighbor(
                        name=searched.names[i], label=_label(searched, classes, i), similarity=s
                    )
                    for i, s in near
                ),
            )
        )
        drawn.append(
            (as_displayed(queried.x[row]), *(as_displayed(searched.x[i]) for i, _ in near))
        )
    return Neighbors(queries=tuple(queries), searched=len(searched), data=name, images=tuple(drawn))


def _searched(model: Model, data: Any, strict: bool) -> tuple[Split, Sequence[str], str]:
    """What is searched, the names of its labels, and its own name."""
    data = resolved(data)
    if is_path(data) and (is_data(data) or os.path.isdir(parse_source(data)[0])):  # noqa: PTH112
        where, part = parse_source(data)
        source = source_of(model, where, strict=strict)
        return source.split(part or ALL), source.classes, where
    given = as_samples(data, model.spec.input)
    y = given.samples.y
    if y is not None and y.dtype.kind in "US":
        names, numbers = np.unique(y, return_inverse=True)
        split = as_split(given.samples, values=model.spec.input.values)
        return Split(split.x, numbers, split.names, split.ids), names.tolist(), "the data"
    split = as_split(given.samples, values=model.spec.input.values)
    return split, given.classes or model.classes, "the data"


def _queried(model: Model, images: Any) -> Split:
    """Images whose neighbors are looked for."""
    paths, images = named_paths(images)
    given = as_samples(images if paths is None else list(paths), model.spec.input)
    return as_split(given.samples, values=model.spec.input.values)


def _itself(
    queried: Split, row: int, searched: Split, listed: Sequence[int], root: str
) -> int | None:
    """Which of the rows that are most alike is the query itself, if any.

    A file is itself by its path, a sample of a data set by its name. A tensor has neither: the
    first that is equal is taken for it.
    """
    query = queried.names[row]
    if os.path.isfile(query):  # noqa: PTH113 (a name may be no text)
        at = ((i, os.path.join(root, searched.names[i])) for i in listed)  # noqa: PTH118
        same = (i for i, path in at if os.path.isfile(path) and os.path.samefile(query, path))  # noqa: PTH113, PTH121
        return next(same, None)
    equal = [i for i in listed if np.array_equal(queried.x[row], searched.x[i])]
    named = [i for i in equal if searched.names[i] == query]
    return next(iter(named or (equal if query == f"sample {row}" else ())), None)


def _label(searched: Split, classes: Sequence[str], i: int) -> str | None:
    k = int(searched.y[i])
    if k < 0:
        return None
    return str(classes[k]) if k < len(classes) else str(k)
