"""What a fix learns from, chooses on and is measured on: three sets of samples that share none.

    train   learned from, and looked at without labels to recalibrate batch norms
    val     rates, weights and states are chosen on it; where the data has none, or is measured on
            it, a tenth of the training samples
    test    the report's figures, before and after; it chooses nothing, and can only refuse

A flat folder of images has no labels. What the model as it was predicts then takes their place:
nothing else is learned, and "accuracy" is the agreement with that model.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from neocog.data.batches import batches
from neocog.data.open import Source, parse_place
from neocog.data.samples import evaluation_batch
from neocog.data.split import Split, ids_of, partition
from neocog.errors import DataError, UsageError, printable
from neocog.runs.trained import TrainedModel
from neocog.training.inference import logits_of

__all__ = ["FixData", "fix_data", "is_flat", "predicted", "unlabeled"]

HELD_OUT = 0.1
"""Fraction of the training samples that choices are made on, where the data has no others."""

OTHERWISE = 0xF1A7
"""Added to the seed: a hash that has split samples once says nothing new of their parts."""

UNLABELED = 1 << 31
"""Bytes of pixels that are read from a flat folder, at most."""


@dataclass(frozen=True, kw_only=True)
class FixData:
    """Three sets of samples that share none.

    Args:
        train: learned from.
        val: chosen on.
        test: measured on.
        classes: names, in the order of the model's outputs.
        labeled: somebody knows what the samples show; else `y` is what the model predicts.
        seen: the model was trained on `val`: True, False, or None where nobody knows.
        source: what the splits are of; None for a flat folder.
        path: of the data, as it was given, without a split.
        notes: sentences on what was taken.
    """

    train: Split
    val: Split
    test: Split
    classes: tuple[str, ...]
    labeled: bool
    seen: bool | None
    source: Source | None
    path: str
    notes: tuple[str, ...]


def fix_data(trained: TrainedModel, data: str, *, learns: bool, seed: int = 0) -> FixData:
    """Open the data of a fix.

    Args:
        trained: the model; samples come in its size, classes in its order.
        data: as for `train`; DATA:val is measured on instead of DATA:test, and not learned from.
        learns: there will be a fine-tune, which must not learn from what is measured on.
        seed: of what is held out.

    Raises:
        UsageError: the samples to be measured on would be learned from.
        DataError: the data cannot be used.
    """
    where, name = parse_place(data)
    if learns and name == "train":
        raise UsageError(
            f"A fix learns from the training samples and measures on others; `{printable(data)}` "
            "names those that it learns from. Name DATA:val or DATA:test, or take --finetune 0."
        )
    if name is None and is_flat(where):
        return _of_images(trained, where, seed)
    shown = trained.samples(data)
    source = shown.source
    name = source.scored(name)
    train = _split(trained, where, "train", source) if name != "train" else None
    val = _split(trained, where, "val", source) if name != "val" else None
    seen = _seen(trained, source, own=val is not None)
    test, notes = shown.split, shown.notes
    if train is None and val is not None and name == "train":
        train, val = val, None  # only for recalibration
    if train is None:
        train, test = _cut(test, 0.5, seed, stream=1)
        said = (
            f"The data has no other samples, so {len(train):,} of these recalibrate and choose, "
            f"and the other {len(test):,} are measured on"
        )
        notes = (*notes, said)
    if val is None:
        train, val = _cut(train, min(HELD_OUT, 5000 / max(1, len(train))), seed, stream=2)
    return FixData(
        train=train,
        val=val,
        test=test,
        classes=shown.classes,
        labeled=True,
        seen=seen,
        source=source,
        path=where,
        notes=notes,
    )


def predicted(trained: TrainedModel, split: Split) -> Split:
    """Samples with the classes that a model predicts in place of their labels."""
    *size, channels = split.x.shape[1:]
    feed = batches(split, size=evaluation_batch(channels, size), shuffle=False, seed=0, epoch=0)
    return replace(split, y=logits_of(trained.module, feed).argmax(1).to(torch.int64).numpy())


def _split(trained: TrainedModel, where: str, name: str, source: Source) -> Split | None:
    if not len(source.splits.get(name, ())):
        return None
    return trained.samples(f"{where}:{name}").split


def _seen(trained: TrainedModel, source: Source, *, own: bool) -> bool | None:
    """Whether the model was trained on what choices are made on.

    Args:
        trained: the model.
        source: the data.
        own: the data has samples for validation; else training samples are held out.
    """
    card = trained.card.get("data", {})
    if not card or card.get("fingerprint") != source.fingerprint:
        return None
    return not own or not card.get("val", False)


def _cut(split: Split, fraction: float, seed: int, *, stream: int) -> tuple[Split, Split]:
    """Two parts, by the content of each sample; the second is about so large."""
    ids = ids_of(split.x) if split.ids is None else split.ids
    parts = partition(split.y, ids, ids, parts={"val": fraction}, seed=seed + stream * OTHERWISE)
    return split.subset(parts["train"]), split.subset(parts["val"])


def is_flat(where: str) -> bool:
    """Whether a place is a folder of images without any folder in it."""
    path = Path(where)
    if not path.is_dir():
        return False
    found = [e for e in os.scandir(path) if not e.name.startswith(".")]
    return bool(found) and all(e.is_file() for e in found)


def unlabeled(trained: TrainedModel, where: str, *, least: int = 1) -> tuple[Split, list[str]]:
    """The images of a flat folder as a model takes them, their labels all 0; and what to say.

    Args:
        trained: the model.
        where: the folder.
        least: images that are needed.

    Raises:
        DataError: there are fewer that can be used.
    """
    signal = trained.spec.input
    most = max(1, UNLABELED // (signal.channels * int(np.prod(signal.size))))
    kept: list[np.ndarray] = []
    names: list[str] = []
    skipped = beyond = 0
    for path, image in trained.images(where):
        if isinstance(image, str):
            skipped += 1
        elif len(kept) < most:
            kept.append(image)
            names.append(Path(path).name)
        else:
            beyond += 1
    if len(kept) < least:
        needed = "one image" if least == 1 else f"{least} images"
        raise DataError(
            f"What is measured here needs {needed} or more; `{printable(where)}` holds {len(kept)} "
            "that can be used. Give a folder of more."
        )
    notes = []
    if beyond:
        notes.append(
            f"Only the first {len(kept):,} images are used, as many as {UNLABELED >> 30} GiB hold; "
            f"{beyond:,} were left out."
        )
    if skipped:
        files = "1 file" if skipped == 1 else f"{skipped:,} files"
        notes.append(
            f"{files} cannot be used as {'an image' if skipped == 1 else 'images'} and "
            f"{'was' if skipped == 1 else 'were'} left out."
        )
    return Split(_stacked(kept), np.zeros(len(kept), np.int64), names), notes


def _of_images(trained: TrainedModel, where: str, seed: int) -> FixData:
    images, notes = unlabeled(trained, where, least=4)
    whole = predicted(trained, images)
    order = np.random.default_rng([seed, 0xF1A7]).permutation(len(whole))
    a, b = max(1, len(order) // 4), max(2, len(order) // 2)
    test, val, train = order[:a], order[a:b], order[b:]
    note = (
        f"`{printable(where)}` holds no class folders, so nobody knows what its images show: "
        "accuracy stands for the fraction of predictions that are those of the model as it was. "
        f"Images to measure on: {len(test):,}; to choose on: {len(val):,}; to recalibrate and "
        f"learn from: {len(train):,}."
    )
    return FixData(
        train=whole.subset(np.sort(train)),
        val=whole.subset(np.sort(val)),
        test=whole.subset(np.sort(test)),
        classes=trained.spec.classes,
        labeled=False,
        seen=False,
        source=None,
        path=where,
        notes=(note, *notes),
    )


def _stacked(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images of 8 and of 16 bits as one array."""
    if len({i.dtype for i in images}) > 1:
        images = [i if i.dtype == np.uint16 else i.astype(np.uint16) * 257 for i in images]
    return np.stack(images)
