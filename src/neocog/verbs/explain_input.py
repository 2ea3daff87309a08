"""What is explained: an opened model, and images."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.batches import pixels
from neocog.data.inputs import as_samples, named_paths
from neocog.data.open import Source, is_data, open_data, parse_source
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.errors import DataError, ModelError, UsageError, printable
from neocog.graph.activations import first_tensor, handed
from neocog.graph.preserve import preserved
from neocog.models.data_of import source_of, split_name
from neocog.models.model import AnyModel, Model
from neocog.models.scoring import space_axes
from neocog.verbs.opened import opened

__all__ = ["Given", "ImageBatch", "StrPath", "given_data", "open_explained", "samples_of"]

StrPath = str | os.PathLike[str]

FEW = 64
"""Samples that are looked at in the order of their names, where no draw is needed."""

LARGE = 256
"""Images of a folder that are decoded whole, though a few are looked at."""

LISTED = 4
"""Files that cannot be used of which each is named."""


@dataclass(frozen=True, kw_only=True)
class ImageBatch:
    """Images, as the model takes them.

    Args:
        x: (B, C, H, W) or (B, C, N), in [0, 1].
        names: one per image.
        skipped: names of files that cannot be used, and why.
        left: images that were named and are not looked at.
    """

    x: Tensor
    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    left: int = 0


def open_explained(model: AnyModel, task: str, *, allow_random: bool = False) -> Model:
    """A model that can be looked into, whatever it is.

    Args:
        model: what `neocog.load` takes or gives, or any module.
        task: of a module.
        allow_random: take a model whose predictions are not a function of the image alone.

    Raises:
        ModelError: it cannot be opened, or is a black box.
    """
    opened_model, _ = opened(model, None, {"allow_random": allow_random}, task=task)
    if opened_model.black_box:
        raise ModelError(
            f"An explanation needs layers and gradients; `{opened_model.title}` is a black box "
            "that only returns outputs. Use the network that it was exported from."
        )
    return opened_model


@dataclass(frozen=True, kw_only=True)
class Given:
    """What is explained: data to look through, and the images of it, or others, to look at.

    Args:
        samples: of the data; None without any.
        batch: the images to look at; None without any.
        notes: on what of the data was left out.
    """

    samples: Samples | None
    batch: ImageBatch | None
    notes: tuple[str, ...] = ()


def given_data(
    of: Model,
    data: Any,
    images: Any = None,
    *,
    whole: bool = False,
    looked_through: bool = True,
    n: int,
    seed: int,
    strict: bool,
) -> Given:
    """Data and images as the model takes them.

    Args:
        of: the model.
        data: a data set (`DATA:val` picks a split, `DATA:all` everything), image files, single
            samples as `DATA:test[17]`, any of them in a list; or what `neocog.data.inputs` takes.
        images: what to look at, where it is not in the data: as for `data`.
        whole: all of the data is looked through, not only the images that are looked at.
        looked_through: the samples of the data are needed; else only the images that are looked
            at are decoded.
        n: images that are looked at, at most.
        seed: of which of the data.
        strict: stop at the first image that cannot be used.

    Raises:
        DataError: the data cannot be opened, or none of the images can be used.
    """
    samples, batch, notes = None, None, tuple[str, ...]()
    data = of.taken(data.path if isinstance(data, Source) else data)
    paths, data = (iter(()), None) if data is None else named_paths(data)
    if paths is None:
        samples, notes = _held(of, data, n=None if whole else n, seed=seed)
        listed = isinstance(data, (Tensor, np.ndarray, list, tuple))
        batch = _taken(samples if listed else _some(samples, n, seed), n)
        batch = batch if listed else replace(batch, left=0)
        if listed and not whole:
            samples = None  # these are looked at, and nothing is looked through
    else:
        files, sources = _apart(paths)
        if len(sources) > 1:
            names = " and ".join(f"`{printable(p)}`" for p in sources[:4])
            raise UsageError(f"Only one data set can be searched; got {names}. Name one of them.")
        if sources:
            few = None if looked_through or files else partial(_chosen, n=n, seed=seed)
            samples, notes = samples_of(of, sources[0], strict=strict, few=few)
        if files:
            batch = _read(of, files, n=n, strict=strict)
        elif samples is not None:
            chosen = replace(samples, order=_chosen(samples, n=n, seed=seed))
            batch = replace(_taken(chosen, n), left=0)
    if images is not None:
        batch = given_data(of, images, n=n, seed=seed, strict=strict).batch
    if whole and samples is None and batch is not None:
        samples = Samples(batch.x, None, batch.names)
    return Given(samples=samples, batch=batch, notes=notes)


def _apart(paths: Iterable[StrPath]) -> tuple[list[StrPath], list[str]]:
    """Files of images and single samples; data sets, folders among them."""
    files, sources = list[StrPath](), list[str]()
    for path in paths:
        text = os.fspath(path)
        if is_data(text) or os.path.isdir(text):  # noqa: PTH112 (names too long are none)
            sources.append(text)
        else:
            files.append(path)
    return files, sources


def _by_name(samples: Samples) -> Samples:
    """Samples of a data set, which mixes them, in the order of their names where they are few."""
    if len(samples) > FEW:
        return samples
    return replace(samples, order=np.argsort(np.array([*samples.names]), kind="stable"))


def _chosen(samples: Samples, *, n: int, seed: int) -> np.ndarray:
    """Which samples of a data set are looked at."""
    order = _some(_by_name(samples), n, seed).order
    return np.arange(len(samples))[:n] if order is None else order[:n]


def _some(samples: Samples, n: int, seed: int) -> Samples:
    """So many of some samples, by the seed; where there are no more, all in their order."""
    return samples.first(n, seed=seed) if len(samples) > n else samples


def _held(of: Model, data: Any, *, n: int | None, seed: int) -> tuple[Samples, tuple[str, ...]]:
    """Tensors, images and datasets of a program."""
    takes = of.spec.input if of.shape else None
    axes = _axes(of)
    if isinstance(data, (Tensor, np.ndarray)) and axes in (1, 2) and data.ndim != axes + 2:
        x = torch.as_tensor(data)
        single = x.ndim == 3 and (x.shape[0] in (1, 3) or isinstance(data, np.ndarray))
        if x.ndim > 2 and not of.shape and _runs(of.module, x[:1]):
            return Samples.of(x), ()
        if axes == 1 or not (single or isinstance(data, np.ndarray)):
            takes_ = "images, (B, C, H, W)" if axes == 2 else "series, (B, C, N)"
            hint = (
                "Add the channel axis of gray images with x[:, None]"
                if x.ndim == 3
                else ("Add the missing axes")
            )
            raise UsageError(
                f"{printable(of.title)} takes {takes_}; got {tuple(x.shape)}. "
                f"{hint if axes == 2 else 'Give as many axes'}."
            )
    inputs = as_samples(data, takes, axes=axes if takes is None else None, n=n, seed=seed)
    return inputs.samples, inputs.notes


def samples_of(
    of: Model,
    data: StrPath,
    *,
    strict: bool,
    few: Callable[[Samples], np.ndarray] | None = None,
) -> tuple[Samples, tuple[str, ...]]:
    """A data set as the model takes it, and what was left out.

    Args:
        of: the model.
        data: `DATA:val` picks a split, `DATA:all` everything.
        strict: stop at the first image that cannot be used.
        few: which of the samples are looked at, where these are few: of a large folder only they
            are decoded.

    Raises:
        DataError: the data cannot be opened or has no such split.
    """
    where, name = parse_source(data)
    opening = partial(source_of, of, where, strict=strict)
    source = opening(later=None if few is None else LARGE)
    name = split_name(source, name, [of])
    split = source.split(name)
    if few is not None and source.decode is not None:
        try:
            source.decoded(name, few(Samples(split, None, split.names)))
        except DataError:  # a file that breaks off is left out of a set that is decoded whole
            source = opening()
            split = source.split(name)
    bad = [f for f in source.sheet.faults if not f.is_folder]
    notes = [f"{printable(f.path)} was not used: {f.reason}." for f in bad[:LISTED]]
    if len(bad) > LISTED:
        notes.append(f"{len(bad) - LISTED:,} more files were not used; `neocog data` names them.")
    return Samples(split, None, split.names), tuple(notes)  # whatever its classes are


def _taken(samples: Samples, n: int) -> ImageBatch:
    """The first of some samples."""
    count = min(n, len(samples))
    names = tuple(printable(samples.name(i) or f"image {i}") for i in range(count))
    x = samples.take(slice(0, count))
    return ImageBatch(x=x, names=names, left=len(samples) - count)


def _runs(module: nn.Module, x: Tensor) -> bool:
    """Whether a module takes a sample of that kind: some make the missing axis themselves."""
    try:
        with preserved(module), torch.no_grad():
            output = first_tensor(module(handed(module, x.repeat(2, *[1] * (x.ndim - 1)))))
    except Exception:  # of any kind: an external forward may raise anything
        return False
    return output is not None and output.ndim > 0 and len(output) == 2


def _axes(of: Model) -> int | None:
    """Axes of space of what a model takes: its spec says it, else its first convolution."""
    return len(of.shape) - 1 if of.shape else space_axes(of.network)


_SAMPLE = re.compile(r"(?P<place>.+?)(?P<split>:(?:train|val|test|all))?\[(?P<row>\d{1,9})\]")


def _read(of: Model, named: Iterable[StrPath], *, n: int, strict: bool) -> ImageBatch:
    """Files, folders, and samples of data, in their order."""
    rows: list[tuple[str, Tensor]] = []
    skipped: list[tuple[str, str]] = []
    left = 0
    for one in named:
        text = os.fspath(one)
        sample = _SAMPLE.fullmatch(text)
        if sample and not os.path.exists(text):  # noqa: PTH110 (names too long are none)
            if sample["split"] is None:
                row = f"{sample['place']}:test[{sample['row']}]"
                raise UsageError(
                    f"A sample is named with its split, and `{printable(text)}` names none "
                    f"(nor is it a file). Write `{printable(row)}`, or :train, :val or :all."
                )
            source = sample["place"] + sample["split"]
            read = [(text, _sample(of, source, int(sample["row"]), strict))]
        else:
            read, bad = _file(of, text)
            skipped += bad
            if strict and bad:
                raise DataError(f"{printable(bad[0][0])}: {bad[0][1]}.")
        left += max(0, len(rows) + len(read) - n)
        rows += read[: max(0, n - len(rows))]
    if not rows:
        name, why = skipped[0] if skipped else ("", "there is none")
        raise DataError(
            f"An explanation needs a readable image; of {len(skipped)} none can "
            f"({printable(name)}: {why}). Check the paths."
        )
    shapes = {tuple(x.shape) for _, x in rows}
    if len(shapes) > 1:
        raise DataError(
            f"Images explained together must have the same size; got {len(shapes)} sizes. "
            "Explain them one by one."
        )
    return ImageBatch(
        x=torch.stack([x for _, x in rows]),
        names=tuple(name for name, _ in rows),
        skipped=tuple(skipped),
        left=left,
    )


def _sample(of: Model, source: str, row: int, strict: bool) -> Tensor:
    samples, _ = samples_of(
        of, source, strict=strict, few=lambda samples: np.arange(len(samples))[row : row + 1]
    )
    if row >= len(samples):
        raise UsageError(
            f"`{printable(source)}` has {len(samples)} samples, counted from 0; got number {row}. "
            "Name one of them."
        )
    return samples.take(slice(row, row + 1))[0]


def _file(of: Model, path: str) -> tuple[list[tuple[str, Tensor]], list[tuple[str, str]]]:
    """The image of a file, or why it cannot be used."""
    if not of.shape:
        if not Path(path).suffix and not os.path.exists(path):  # noqa: PTH110 (too long a name)
            open_data(path)  # which says so, and what may have been meant
        raise UsageError(
            "A module does not state the size and channels of its images. Give images as (B, C, H, "
            "W) in [0, 1], or open the model with `neocog.load`."
        )
    ((name, pixels_),) = of.images(path)
    if isinstance(pixels_, str):
        return [], [(name, pixels_)]
    split = Split(pixels_[None], np.zeros(1, np.int64), [name])
    return [(name, pixels(split, slice(None))[0])], []


def short(name: str) -> str:
    """The last part of a path."""
    return Path(name).name or name
