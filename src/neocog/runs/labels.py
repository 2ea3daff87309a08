"""Few labels: which training images keep theirs, and what the others are used for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch

from neocog.data.batches import order, pixels
from neocog.data.label_file import LIMIT, matched_labels, read_labels
from neocog.data.open import Source
from neocog.data.split import JoinedNames, Split, draw
from neocog.errors import DataError, RunError, UsageError, printable
from neocog.files import read_text
from neocog.runs.recipe import LabelsConfig, Recipe
from neocog.training.fixmatch import FixMatch
from neocog.training.views import suited_strong
from neocog.types import Batch

__all__ = [
    "FewLabels",
    "few_labels",
    "same_file",
    "semi_batches",
    "semi_steps",
    "semi_task",
    "with_used_labels",
]


def with_used_labels(recipe: Recipe) -> Recipe:
    """The recipe without its table of labels, if that names none and nothing uses any.

    Raises:
        UsageError: unlabeled images are to be trained on beside no labeled ones.
    """
    config = recipe.labels
    if config is None or config.per_class or config.file:
        return recipe
    if config.semi == "none":
        return replace(recipe, labels=None)
    raise UsageError(
        f"--semi needs --labels: {config.semi} trains on images without a label beside some with "
        "one. Give --labels N or --labels FILE too."
    )


def same_file(recipe: Recipe) -> Recipe:
    """The recipe with the digest of its file of labels, if it has one.

    Raises:
        DataError: the file cannot be read.
        RunError: it is not what the run was started with.
    """
    config = recipe.labels
    if config is None or not config.file:
        return recipe
    text = read_text(Path(config.file), limit=LIMIT, what="A label file", error=DataError)
    digest = blake2b(text.encode(), digest_size=16).hexdigest()
    if config.file_digest not in ("", digest):
        raise RunError(
            f"A resumed or repeated run needs its original labels; `{printable(config.file)}` has "
            "changed since. Restore it, start a new run, or accept it with "
            "`--set labels.file_digest=`."
        )
    return replace(recipe, labels=replace(config, file_digest=digest))


@dataclass(frozen=True, eq=False)
class FewLabels:
    """Data with the labels that may be used.

    Args:
        source: its training split has labeled images alone.
        unlabeled: the other training images, and validation images where there is a test split;
            their labels are -1.
        notes: sentences for the user.
    """

    source: Source
    unlabeled: Split
    notes: tuple[str, ...]


def few_labels(source: Source, config: LabelsConfig, *, seed: int) -> FewLabels:
    """Leave the labels of some training images, and take all others away.

    Args:
        source: as it was opened.
        config: how many, or which.
        seed: of the draw; draws of more labels hold those of fewer.

    Raises:
        DataError: the data has no labels to draw from, or a file of labels does not fit it.
    """
    classes, splits = source.classes, dict(source.splits)
    train, val, test = (splits.get(n, _empty(source)) for n in ("train", "val", "test"))
    if len(val) and not len(test):  # what is held out is measured, and not used for selection
        test, val = val, val.subset([])
        splits["val"] = val
    pooled = _joined(train, val) if len(val) else train
    notes, held = list[str](), list[int]()
    if config.file:
        names = source.whole.names
        labels = read_labels(Path(config.file))
        rows, classes = matched_labels(labels, names, source.classes, config.file)
        label_of = {names[i]: k for i, k in rows.items()}
        given = _labels(pooled, label_of)
        if not source.classes:
            held = np.flatnonzero(_labels(test, label_of) >= 0).tolist()
            test = _only_labeled(test, label_of)
        elif outside := len(rows) - int((given >= 0).sum()):
            notes.append(
                f"{outside:,} of the {len(rows):,} labels are of held-out images and are not used "
                "for training."
            )
    else:
        if not classes:
            raise DataError(
                f"Random labels need a labeled data set; `{printable(source.path)}` has none. "
                "Give a file of labels: --labels FILE, with a line `path,label` an image."
            )
        given = _drawn(train, config.per_class, seed)
        given = np.concatenate([given, np.full(len(pooled) - len(train), -1, np.int64)])
    labeled = np.flatnonzero(given >= 0)
    if not len(labeled):
        raise DataError(
            f"No training image of `{printable(source.path)}` has a label"
            f"{' in `' + printable(config.file) + '`' if config.file else ''}. Label some."
        )
    rest = pooled.subset(np.flatnonzero(given < 0))
    few = pooled.subset(labeled)
    splits |= {"train": replace(few, y=given[labeled]), "test": test}
    if len(pooled) > len(train):
        splits["val"] = val.subset([])
    counts = np.bincount(given[labeled], minlength=len(classes))
    notes.append(_sentence(counts, len(rest), config))
    chosen = (labeled.tolist(), given[labeled].tolist(), held)
    mark = blake2b(repr(chosen).encode(), digest_size=8)
    source = replace(
        source,
        classes=classes,
        splits=splits,
        fingerprint=f"{source.fingerprint}-{mark.hexdigest()}",
    )
    unlabeled = replace(rest, y=np.full(len(rest), -1, np.int64))
    return FewLabels(source, unlabeled, tuple(notes))


def _empty(source: Source) -> Split:
    return source.splits["train"].subset([])


def _sentence(counts: np.ndarray, rest: int, config: LabelsConfig) -> str:
    some = counts[counts > 0]
    low, high = int(some.min()), int(some.max())
    each = f"{low}" if low == high else f"{low} to {high}"
    use = {
        "none": "are not used",
        "fixmatch": "are trained on by FixMatch",
        "pseudo": "are trained on by pseudo-labels",
    }
    return (
        f"{int(counts.sum()):,} training images keep their label, {each} per class; {rest:,} "
        f"without {use[config.semi]}."
    )


def _drawn(train: Split, per_class: int, seed: int) -> np.ndarray:
    """The label of the first of each class in a random order by content; -1 of the others."""
    at = draw(train.ids, seed, 2) if train.ids is not None else _uniform(len(train), seed)
    given = np.full(len(train), -1, np.int64)
    for k in np.unique(train.y[train.y >= 0]).tolist():
        own = np.flatnonzero(train.y == k)
        given[own[np.argsort(at[own], kind="stable")][:per_class]] = k
    return given


def _uniform(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 0x1ABE1]).random(n)


def _labels(split: Split, label_of: dict[str, int]) -> np.ndarray:
    return np.array([label_of.get(n, -1) for n in split.names], np.int64)


def _only_labeled(split: Split, label_of: dict[str, int]) -> Split:
    y = _labels(split, label_of)
    return replace(split.subset(y >= 0), y=y[y >= 0])


def _joined(one: Split, two: Split) -> Split:
    ids = None if one.ids is None or two.ids is None else np.concatenate([one.ids, two.ids])
    return Split(
        np.concatenate([one.x, two.x]),
        np.concatenate([one.y, two.y]),
        JoinedNames([one.names, two.names]),
        ids,
    )


def labeled_part(size: int, config: LabelsConfig) -> int:
    """Labeled images in a batch of so many.

    Example:
        >>> [labeled_part(n, LabelsConfig(per_class=10)) for n in (256, 2)]
        [32, 1]
    """
    return max(1, round(size / (1 + config.unlabeled_ratio)))


def semi_batches(
    labeled: Split, unlabeled: Split, *, recipe: Recipe, epoch: int
) -> Iterator[Batch]:
    """The batches of a pass over the unlabeled images: labeled ones first, which recur.

    Args:
        labeled: with their classes.
        unlabeled: without.
        recipe: batch size, its labeled part and the seed.
        epoch: of the order.
    """
    config = recipe.labels
    assert config is not None
    size, seed = recipe.train.batch_size, recipe.train.seed
    few = labeled_part(size, config)
    many = min(size - few, len(unlabeled))
    rows = order(len(unlabeled), seed=seed, epoch=epoch)
    steps = max(1, len(rows) // many)
    turns = -(-steps * few // len(labeled))
    first = epoch * turns
    again = np.concatenate(
        [order(len(labeled), seed=seed + 1, epoch=first + t) for t in range(turns)]
    )
    for step in range(steps):
        own, other = again[step * few : (step + 1) * few], rows[step * many : (step + 1) * many]
        y = np.concatenate([labeled.y[own], np.full(len(other), -1, np.int64)])
        x = torch.cat([pixels(labeled, own), pixels(unlabeled, other)])
        index = np.concatenate([own, len(labeled) + other])
        yield Batch(x, torch.from_numpy(y), torch.from_numpy(index))


def semi_steps(unlabeled: int, recipe: Recipe) -> int:
    """Batches in a pass of `semi_batches`."""
    assert recipe.labels is not None
    size = recipe.train.batch_size
    return max(1, unlabeled // min(size - labeled_part(size, recipe.labels), unlabeled))


def semi_task(recipe: Recipe) -> FixMatch:
    """What is learned from a batch of `semi_batches`.

    Raises:
        UsageError: the recipe mixes labeled with unlabeled images, or weighs classes.
    """
    config = recipe.labels
    assert config is not None
    if recipe.objective.class_weights != "none":
        raise UsageError(
            "Class weights need labels, and --semi also trains on unlabeled images. Leave out "
            "--class-weights or --semi."
        )
    if recipe.augment is not None and recipe.augment.mixup:
        raise UsageError(
            "Mixup mixes the labels of two images, and unlabeled images have none. Leave "
            "augment.mixup out, or --semi."
        )
    strong = None
    if config.semi == "fixmatch":
        height, width = recipe.data.size
        strong = suited_strong(recipe.data.channels, (height, width))
    return FixMatch(
        task=recipe.objective.task(),
        labeled=labeled_part(recipe.train.batch_size, config),
        strong=strong,
        threshold=config.threshold,
        weight=config.unlabeled_weight,
    )
