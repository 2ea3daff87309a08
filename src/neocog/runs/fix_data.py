"""What a fix learns from, chooses on and is measured on: three sets of samples that share none.

    train   learned from, and looked at without labels to recalibrate batch norms
    val     rates, weights and states are chosen on it; where the data has none, or is measured on
            it, a tenth of the training samples
    test    the report's figures, before and after; it selects nothing, and can only refuse

Images without labels, or of classes that the model does not know, are labeled by what the model as
it was predicts: nothing else is learned, and "accuracy" is the agreement with that model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from neocog.data.batches import batches
from neocog.data.inputs import as_samples, is_path, resolved
from neocog.data.open import ALL, Source, parse_source
from neocog.data.samples import evaluation_batch
from neocog.data.split import Split, ids_of, partition
from neocog.errors import DataError, UsageError, printable
from neocog.models.model import Model
from neocog.models.scoring import as_split, truths_of
from neocog.tasks.inference import logits_of

__all__ = ["FixData", "fix_data", "predicted"]

HELD_OUT = 0.1
"""Fraction of the training samples that choices are made on, where the data has no others."""

OTHERWISE = 0xF1A7
"""Added to the seed: a hash that has split samples once says nothing new of their parts."""

LEAST = 4
"""Images that are needed, at least."""


@dataclass(frozen=True, kw_only=True)
class FixData:
    """Three sets of samples that share none.

    Args:
        train: learned from.
        val: chosen on.
        test: measured on.
        classes: names, in the order of the model's outputs.
        labeled: somebody knows what the samples show; else `y` is what the model predicts.
        seen: the model was trained on `val`: True, False, or None where it is unknown.
        source: what the splits are of; None for what is not a data set.
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


def fix_data(trained: Model, data: Any, *, learns: bool, seed: int = 0) -> FixData:
    """Open the data of a fix.

    Args:
        trained: the model; samples come in its size, classes in its order.
        data: as for `train`; DATA:val is measured on instead of DATA:test, and not learned from;
            DATA:all is split again. Labels that are missing, or none of the model's, are its
            predictions. Or what `neocog.data.inputs` takes, which is cut into three.
        learns: there will be a fine-tune, which must not learn from what is measured on.
        seed: of what is held out.

    Raises:
        UsageError: the samples to be measured on would be learned from.
        DataError: the data cannot be used.
    """
    data = resolved(data)
    if not is_path(data):
        return _of_inputs(trained, data, seed)
    where, name = parse_source(data)
    if learns and name == "train":
        raise UsageError(
            f"A fix trains on the training samples and measures on others; `{printable(data)}` "
            "names the training samples. Use DATA:val or DATA:test, or --finetune 0."
        )
    if name == ALL:
        return _of_all(trained, data, where, seed)
    source = trained.samples(f"{where}:{ALL}").source
    name = source.scored(name, trained_on=True)
    if name == ALL:
        raise _too_few(where, len(source.whole))
    samples = trained.samples(f"{where}:{name}")
    if len(source.whole) < LEAST:
        raise _too_few(where, len(source.whole))
    labeled = bool(source.classes) and min(samples.outputs) >= 0
    train = _split(trained, where, "train", source) if name != "train" else None
    val = _split(trained, where, "val", source) if name != "val" else None
    seen = _seen(trained, source, own=val is not None)
    test, notes = samples.split, samples.notes
    if train is None and val is not None and name == "train":
        train, val = val, None  # only for recalibration
    if train is None:
        train, test = _cut(test, 0.5, seed, stream=1)
        remark = (
            f"The data has no other samples, so {len(train):,} of these are used to recalibrate "
            f"and select, and the other {len(test):,} to measure"
        )
        notes = (*notes, remark)
    if val is None:
        train, val = _cut(train, min(HELD_OUT, 5000 / max(1, len(train))), seed, stream=2)
    parts = FixData(
        train=train,
        val=val,
        test=test,
        classes=samples.classes,
        labeled=True,
        seen=seen,
        source=source,
        path=where,
        notes=notes,
    )
    return parts if labeled else _unlabeled(trained, parts, where)


def _unlabeled(trained: Model, parts: FixData, where: str) -> FixData:
    """The same samples; what the original model predicts stands for their labels."""
    why = (
        "are in no class that the model knows"
        if parts.source and parts.source.classes
        else ("have no labels")
    )
    remark = (
        f"The images of `{printable(where)}` {why}: accuracy is the fraction of predictions equal "
        f"to those of the original model. Images to measure: {len(parts.test):,}; to select: "
        f"{len(parts.val):,}; to recalibrate and train: {len(parts.train):,}."
    )
    kept = (n for n in parts.notes if "accuracy" not in n)
    return replace(
        parts,
        train=predicted(trained, parts.train),
        val=predicted(trained, parts.val),
        test=predicted(trained, parts.test),
        classes=trained.spec.classes,
        labeled=False,
        seen=False,
        notes=(remark, *kept),
    )


def _of_inputs(trained: Model, data: Any, seed: int) -> FixData:
    """Samples of a program: half to learn from, a quarter each to choose and to measure on."""
    given = as_samples(data, trained.spec.input)
    y, classes, remark = truths_of(trained.spec.classes, given, named=trained.named)
    parts = FixData(
        **_three(
            as_split(replace(given.samples, y=y), values=trained.spec.input.values),
            "the data",
            seed,
        ),
        classes=classes,
        labeled=bool((y >= 0).all()),
        seen=None,
        source=None,
        path="",
        notes=(*given.notes, *remark),
    )
    return parts if parts.labeled else _unlabeled(trained, parts, "the data")


def _of_all(trained: Model, data: Any, where: str, seed: int) -> FixData:
    """Every sample of a place, whatever split it has."""
    samples = trained.samples(data)
    parts = FixData(
        **_three(samples.split, where, seed),
        classes=samples.classes,
        labeled=len(samples.known) == len(samples.split),
        seen=_seen(trained, samples.source, own=False),
        source=samples.source,
        path=where,
        notes=samples.notes,
    )
    return parts if parts.labeled else _unlabeled(trained, parts, where)


def _three(whole: Split, where: str, seed: int) -> dict[str, Split]:
    """Half to learn from, a quarter each to choose and to measure on, by content."""
    if len(whole) < LEAST:
        raise _too_few(where, len(whole))
    ids = ids_of(whole.x) if whole.ids is None else whole.ids
    labels, shares = np.maximum(whole.y, 0), {"val": 0.25, "test": 0.25}
    parts = partition(labels, ids, ids, parts=shares, seed=seed + 3 * OTHERWISE)
    return {name: whole.subset(rows) for name, rows in parts.items()}


def _too_few(where: str, n: int) -> DataError:
    return DataError(
        f"A fix needs at least {LEAST} images; `{printable(where)}` has {n} usable ones. Add more: "
        "selection and measurement use different images."
    )


def predicted(trained: Model, split: Split) -> Split:
    """Samples with the classes that a model predicts in place of their labels."""
    *size, channels = split.x.shape[1:]
    feed = batches(split, size=evaluation_batch(channels, size), shuffle=False, seed=0, epoch=0)
    return replace(split, y=logits_of(trained.module, feed).argmax(1).to(torch.int64).numpy())


def _split(trained: Model, where: str, name: str, source: Source) -> Split | None:
    if not len(source.splits.get(name, ())):
        return None
    return trained.samples(f"{where}:{name}").split


def _seen(trained: Model, source: Source, *, own: bool) -> bool | None:
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
    parts = partition(
        np.maximum(split.y, 0), ids, ids, parts={"val": fraction}, seed=seed + stream * OTHERWISE
    )
    return split.subset(parts["train"]), split.subset(parts["val"])
