"""What a classifier scores, and predicts, on data of any kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from neocog.data.batches import batches
from neocog.data.inputs import Inputs, is_path, portions, resolved
from neocog.data.open import parse_source
from neocog.data.samples import Samples
from neocog.data.split import Split, ids_of
from neocog.errors import DataError, printable
from neocog.graph.output_kind import probabilities
from neocog.models.class_matching import match, match_any
from neocog.store.sound import finite_outputs
from neocog.tasks.class_order import other_order
from neocog.tasks.classify import Evaluation, evaluation
from neocog.tasks.inference import logits_of
from neocog.types import Batch

if TYPE_CHECKING:
    from neocog.models.model import Model

__all__ = ["as_split", "outputs_of", "scored", "space_axes", "truths_of"]

_DATA = "the data"
"""What has no name."""


def scored(trained: Model, data: Any, *, batch: int, strict: bool) -> Evaluation:
    """Score a classifier on the samples whose classes it knows.

    Args:
        trained: the model.
        data: a data set, or what `neocog.data.inputs` takes, with labels.
        batch: batch size.
        strict: stop at the first image that cannot be used.

    Raises:
        DataError: the data cannot be used, has no labels, or none that the model knows.
        ModelError: an output is not a number.
    """
    data = resolved(data)
    if is_path(data):
        logits, y, classes, notes = _of_source(trained, data, batch, strict)
    else:
        logits, y, classes, notes = _of_inputs(trained, data, batch)
    kind = trained.spec.output.kind
    scores = evaluation(logits, y, classes, kind=kind)
    other = other_order(np.array(scores.confusion), classes)
    return replace(scores, notes=(*notes, *((other.sentence,) if other is not None else ())))


def _of_source(
    trained: Model, data: Any, batch: int, strict: bool
) -> tuple[Tensor, np.ndarray, tuple[str, ...], tuple[str, ...]]:
    samples = trained.samples(data, strict=strict)
    split, known = samples.split, samples.known
    if not len(known):
        where, classes = parse_source(data)[0], samples.source.classes
        raise _unscored(trained, where, classes, labeled=bool(classes))
    if len(known) < len(split):
        split = split.subset(known)
    feed = batches(split, size=batch, shuffle=False, seed=0, epoch=0)
    logits = logits_of(trained.module, feed)
    p = probabilities(logits.double(), trained.spec.output.kind)
    finite_outputs(p, split.names)
    return logits, split.y, samples.classes, samples.notes


def _of_inputs(
    trained: Model, data: Any, batch: int
) -> tuple[Tensor, np.ndarray, tuple[str, ...], tuple[str, ...]]:
    rows, truths, notes = list[Tensor](), list[np.ndarray](), list[str]()
    classes, data_classes, labeled = trained.spec.classes, tuple[str, ...](), False
    for part in portions(data, trained.spec.input):
        y, classes, more = truths_of(trained.spec.classes, part, named=trained.named)
        notes += [*part.notes, *more]
        data_classes = part.classes
        labeled = labeled or part.samples.y is not None
        logits = outputs_of(trained, part, batch)
        known = np.flatnonzero(y >= 0)
        rows.append(logits[torch.from_numpy(known)])
        truths.append(y[known])
    truth = np.concatenate(truths)
    notes = list(dict.fromkeys(notes))
    if not len(truth):
        raise _unscored(trained, _DATA, data_classes, labeled=labeled)
    return torch.cat(rows), truth, classes, (*trained.card.get("notes", ()), *notes)


def outputs_of(trained: Model, part: Inputs, batch: int) -> Tensor:
    """Outputs of a model for some samples, (B, K)."""

    def feed() -> Iterator[Batch]:
        for start in range(0, len(part.samples), batch):
            rows = slice(start, min(len(part.samples), start + batch))
            index = torch.arange(rows.start, rows.stop)
            yield Batch(part.samples.take(rows), torch.zeros(len(index), dtype=torch.int64), index)

    logits = logits_of(trained.module, feed())
    names = [part.samples.name(i) for i in range(len(logits))]
    finite_outputs(probabilities(logits.double(), trained.spec.output.kind), names)
    return logits


def truths_of(
    own: tuple[str, ...], part: Inputs, *, named: bool
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """The model's numbers of the classes of samples, -1 where it knows none; names; what to say.

    Args:
        own: names of a classifier's outputs, or their numbers.
        part: samples with labels by number, or by name.
        named: whether the outputs have names.

    Raises:
        DataError: labels are not class indices.
    """
    y = part.samples.y
    if y is None:
        return np.full(len(part.samples), -1), own, ()
    data_classes = part.classes
    if y.dtype.kind in "US":
        data_classes, y = _named(y)
    if y.ndim != 1 or (y.dtype.kind not in "iub" and not _whole(y)):
        raise DataError(
            f"Labels are class indices, one per sample; got {y.dtype} of "
            f"{y.shape}. Turn one-hot rows into indices with argmax(1)."
        )
    y = y.astype(np.int64)
    if not own:
        return y, (), ()
    if data_classes:
        matched = match_any(own, data_classes, _DATA, named=named)
        if max(matched.outputs) >= 0 or len(data_classes) != len(own):
            return (
                matched.truth(np.where(y < len(data_classes), y, -1)),
                matched.classes,
                matched.notes,
            )
    beyond = int((y >= len(own)).sum())
    if not beyond:
        return np.maximum(y, -1), own, ()
    note = (
        f"{beyond:,} of {len(y):,} labels exceed the model's {len(own)} outputs (the largest is "
        f"{int(y.max())}): accuracy covers only the others."
    )
    return np.where(y < len(own), np.maximum(y, -1), -1), own, (note,)


def as_split(samples: Samples, *, values: str) -> Split:
    """Samples as a split, to train on: pixels as bytes where that is what they were, else 16 bits.

    Raw values stay float32, whatever their range; so do values beyond [0, 1].

    Args:
        samples: of images.
        values: what the model takes, `pixels` in [0, 1] or `raw`.
    """
    n, y = len(samples), samples.truth(slice(None))
    names = [samples.name(i) or f"sample {i}" for i in range(n)]
    labels = np.full(n, -1) if y is None else np.asarray(y, np.int64)
    if isinstance(samples.x, Split) and samples.order is None:
        x = samples.x.x
    else:
        blocks = [samples.take(slice(i, i + 64)) for i in range(0, n, 64)]
        if values == "raw" or any(float(b.min()) < 0 or float(b.max()) > 1 for b in blocks):
            raw = np.concatenate([b.permute(0, 2, 3, 1).numpy() for b in blocks])
            return Split(raw, labels, names, ids_of(raw))
        bytes_ = all(torch.equal(b.mul(255).round().div(255), b) for b in blocks)
        white, kind = (255, np.uint8) if bytes_ else (65535, np.uint16)
        x = np.concatenate(
            [b.mul(white).round().permute(0, 2, 3, 1).numpy().astype(kind) for b in blocks]
        )
    return Split(x, labels, names, ids_of(x))


def space_axes(module: nn.Module) -> int | None:
    """Axes of space that a module's first convolution moves along; None where it has none.

    Example:
        >>> space_axes(nn.Conv1d(1, 1, 3)), space_axes(nn.Linear(2, 2))
        (1, None)
    """
    first = next((m for m in module.modules() if isinstance(m, _ConvNd)), None)
    return None if first is None else len(first.kernel_size)


def _whole(y: np.ndarray) -> bool:
    """Whether all are finite numbers without a fraction."""
    return y.dtype.kind == "f" and bool((np.isfinite(y) & (y == np.rint(y))).all())


def _named(y: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Words as numbers of their names; "" is unknown."""
    names = tuple(sorted(set(map(str, y)) - {""}))
    number = {name: i for i, name in enumerate(names)} | {"": -1}
    return names, np.array([number[str(word)] for word in y])


def _unscored(
    trained: Model, where: str, data_classes: tuple[str, ...], *, labeled: bool
) -> DataError:
    rest = "`neocog predict` and `neocog audit` need no labels."
    if not labeled:
        how = "Give them with the images, as (x, y)"
        if where != _DATA:
            how = "Put the images of each class into a folder with its name"
        return DataError(
            f"An evaluation compares predictions with labels, and `{printable(where)}` has none. "
            f"{how}; {rest}"
        )
    try:
        match(trained.spec.classes, data_classes, where, named=trained.named)
    except DataError as e:
        return DataError(f"{e} {rest}")
    return DataError(
        f"An evaluation needs labels that the model knows, indices of its "
        f"{len(trained.spec.classes)} outputs; `{printable(where)}` has none. Correct them; "
        f"{rest}"
    )
