"""Data as a model takes it: its size, its numbers of the classes, the samples it has not learned.

A data set with splits is measured on its test split, or the one that is named; one without
split is measured whole. A run that learned from that very data is measured on what was held out of
it: by the content of the samples, wherever they lie now.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neocog.data.image_files import real_path
from neocog.data.open import ALL, Source, open_data, parse_source
from neocog.data.samples import drawn_rows
from neocog.data.split import Split
from neocog.errors import DataError
from neocog.models.class_matching import match_any
from neocog.models.normalized import looked_at, misfit_of_split

if TYPE_CHECKING:
    from neocog.models.model import Model

__all__ = ["Among", "ImageSamples", "data_of", "learned_from", "source_of", "split_name"]

Among = Callable[[Split], np.ndarray | None]
"""Positions of some samples of a split; None for all."""

THAT_VERY_DATA = 0.5
"""Fraction of a model's samples that data must hold, or of the data that it must have seen."""


@dataclass(frozen=True, kw_only=True)
class ImageSamples:
    """Data as a model takes it.

    Args:
        split: pixels, and the model's numbers of their classes; -1 of those that it does not know.
        name: of that split; `all` for every sample.
        source: what it is a split of.
        classes: names, in the order of those numbers.
        outputs: for each class of the source the model's number of it, or -1.
        notes: sentences on what was taken, and whether some of it may have been trained on.
    """

    split: Split
    name: str
    source: Source
    classes: tuple[str, ...]
    outputs: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def known(self) -> np.ndarray:
        """Positions of the samples whose class the model knows, rising."""
        return np.flatnonzero(self.split.y >= 0)


def source_of(
    trained: Model,
    where: str | Path,
    *,
    border: int = 0,
    strict: bool = False,
    later: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Source:
    """A data set as a model takes it: its size and channels, split as in its training.

    Args:
        trained: the model.
        where: the data, without a split.
        border: pixels to serve beyond the model's size, on each side.
        strict: stop at the first image that cannot be used.
        later: as for `neocog.open_data`.
        progress: called with (steps done, steps in all) as files are read and decoded.

    Raises:
        DataError: the data cannot be opened.
    """
    signal = trained.spec.input
    height, width = signal.image_size if signal.size else (0, 0)
    return open_data(
        where,
        size=(height + 2 * border, width + 2 * border) if signal.size else None,
        channels=signal.channels or None,
        resize_mode=signal.resize_mode,
        **trained.drawn,
        values=signal.values,
        strict=strict,
        later=later,
        progress=progress,
    )


def data_of(
    trained: Model,
    path: str | os.PathLike[str],
    *,
    border: int = 0,
    strict: bool = False,
    n: int | None = None,
    seed: int = 0,
    among: Among | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImageSamples:
    """Data as a classifier takes it.

    Args:
        trained: the model.
        path: as for `neocog.open_data`, with a split or without: `DATA:val`, `DATA:all`.
        border: pixels to serve beyond the model's size, on each side.
        strict: stop at the first image that cannot be used.
        n: samples that are used, chosen as by `Samples.first`: of a large folder only these
            are decoded, and the others are black; all for None.
        seed: of that draw.
        among: which positions of the split they are chosen from; all of them if left out.
        progress: called with (steps done, steps in all) as files are read and decoded.

    Raises:
        DataError: the data cannot be opened.
    """
    where, name = parse_source(os.fspath(path))
    opening = partial(source_of, trained, where, border=border, strict=strict, progress=progress)
    source = opening(later=n)
    name = split_name(source, name, [trained])
    if source.decode is not None:
        chosen = source.split(name)
        rows = drawn_rows(len(chosen), None, seed=seed)
        if (some := None if among is None else among(chosen)) is not None:
            rows = rows[np.isin(rows, some)]
        rows = np.concatenate([rows[:n], looked_at(len(chosen))])
        try:
            source = source.decoded(name, rows)
        except DataError:  # a file that breaks off is left out of a set that is decoded whole
            source = opening()
    split = source.split(name)
    numbers = source.kind in ("npz", "npy", "hdf5", "idx", "cifar")
    matched = match_any(
        trained.spec.classes, source.classes, where, named=trained.named, numbers=numbers
    )
    return ImageSamples(
        split=Split(split.x, matched.truth(split.y), split.names, split.ids),
        name=name,
        source=source,
        classes=matched.classes,
        outputs=matched.outputs,
        notes=(
            *_notes(trained, source, name, len(split)),
            *matched.notes,
            *misfit_of_split(split, trained.spec.input),
        ),
    )


def split_name(source: Source, name: str | None, models: Sequence[Model]) -> str:
    """The split that some models are measured on: the one named, or as described above."""
    return name or source.scored(trained_on=any(learned_from(m, source) for m in models))


def learned_from(trained: Model, source: Source) -> bool:
    """Whether a model was trained on this very data: by content, else by the recipe of its run."""
    whole, seen = source.whole, trained.seen()
    if seen is None or whole.ids is None:
        data = trained.card.get("data", {})
        if data and source.fingerprint == data.get("fingerprint"):
            return True
        path = str(data.get("path", ""))  # empty is not the current folder
        return path != "" and real_path(source.path) == real_path(path)
    met = seen.trained_on(whole) | seen.chosen_by(whole) | seen.recalibrated_on(whole)
    here = int(met.sum())
    samples = len(np.union1d(np.union1d(seen.train, seen.val), seen.recalibrated))
    return here > 0 and here >= THAT_VERY_DATA * min(samples, len(whole))


def _notes(trained: Model, source: Source, name: str, n: int) -> tuple[str, ...]:
    """What was scored, and whether some of it may have been trained on."""
    total = len(source.whole)
    every = f"Data: all {n:,} samples."
    notes = [every if name == ALL else f"Data: split {name}, {n:,} of {total:,} samples."]
    notes += (*trained.card.get("notes", ()), *trained.doubts)
    notes += source.sheet.warnings
    if bad := sum(not f.is_folder for f in source.sheet.faults):
        were = "file cannot be used and was" if bad == 1 else "files cannot be used and were"
        notes.append(f"{bad:,} {were} left out; `neocog data` names them.")
    data = trained.card.get("data", {})
    path = str(data.get("path", ""))
    same = path != "" and real_path(source.path) == real_path(path)
    split, seen = source.split(name), trained.seen()
    if seen is not None and split.ids is not None:
        known = int(seen.trained_on(split).sum())
        if known == len(split):
            notes.append("The model was trained on these samples.")
        elif known:
            notes.append(
                f"The model was trained on {known:,} of these {len(split):,} samples: figures on "
                "them are optimistic."
            )
        if normed := int(seen.recalibrated_on(split).sum()):
            notes.append(
                f"Batch-norm statistics of the model were recalibrated on {normed:,} of these "
                f"{len(split):,} samples, without labels: no label leaks into figures on them."
            )
    elif same and source.fingerprint != data.get("fingerprint"):
        notes.append(
            "The data has changed since the training, and so may its splits: some of these samples "
            "may have been used for training."
        )
    if same and name == "val" and not data.get("val", True):
        if seen is None:
            notes.append("The model was trained on these samples.")
    elif same and name == "val":
        notes.append("These samples monitored the training and may have selected its checkpoint.")
    return tuple(notes)
