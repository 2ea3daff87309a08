"""One of K classes for each sample: losses, probabilities and what is measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UsageError, did_you_mean, printable
from neocog.exhibits import Map, Scalar, Section, Table, flipped
from neocog.first_screen import FirstScreen
from neocog.render.notebook import Result
from neocog.stats import wilson_interval
from neocog.tasks.task import Target

__all__ = ["LOSSES", "Classification", "Evaluation", "calibration_error", "evaluation", "loss"]


def _cross_entropy(
    logits: Tensor, target: Tensor, smoothing: float, reduction: str = "mean"
) -> Tensor:
    return F.cross_entropy(logits, target, label_smoothing=smoothing, reduction=reduction)


def _mean_squared_error(
    logits: Tensor, target: Tensor, smoothing: float, reduction: str = "mean"
) -> Tensor:
    # Of probabilities (Brier 1950), so that outputs are logits whatever they were trained with.
    classes = logits.shape[1]
    if target.ndim == 1:
        target = F.one_hot(target, classes).to(logits.dtype)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    if reduction == "none":
        return F.mse_loss(logits.softmax(1), target, reduction="none").mean(1)
    return F.mse_loss(logits.softmax(1), target)


LONGEST = 20
"""Letters of a class name on a first screen."""

LOSSES = {"cross_entropy": _cross_entropy, "mean_squared_error": _mean_squared_error}
"""Name to function of (logits, target, smoothing, reduction)."""


def loss(
    name: str,
    logits: Tensor,
    target: Tensor,
    *,
    smoothing: float = 0.0,
    weights: Sequence[float] = (),
) -> Tensor:
    """The mean loss of a batch, in float32 whatever the logits are.

    Args:
        name: a key of `LOSSES`.
        logits: (B, K).
        target: class indices, int64, (B,), or probabilities, float, (B, K).
        smoothing: fraction of the target that is spread evenly over the classes.
        weights: of the loss of a sample by its class, K numbers; of a mixed target their mean.
            Empty for 1 each.

    Raises:
        UsageError: no loss has that name.

    Example:
        >>> import math
        >>> found = loss("cross_entropy", torch.zeros(1, 4), torch.tensor([2]))
        >>> math.isclose(found, math.log(4), rel_tol=1e-6)
        True
    """
    if name not in LOSSES:
        raise UsageError(f"`loss` must be a known loss, got `{name}`. {did_you_mean(name, LOSSES)}")
    if not len(weights):
        return LOSSES[name](logits.float(), target, smoothing)
    by_class = torch.tensor(weights, dtype=torch.float32, device=logits.device)
    each = by_class[target] if target.ndim == 1 else target.float() @ by_class
    return (each * LOSSES[name](logits.float(), target, smoothing, "none")).mean()


@dataclass(frozen=True)
class Classification:
    """One of K classes for each sample.

    Args:
        loss_name: a key of `LOSSES`.
        smoothing: fraction of the target that is spread evenly over the classes.
        weights: of the loss of a sample, by its class; empty for 1 each.
    """

    loss_name: str = "cross_entropy"
    smoothing: float = 0.0
    weights: tuple[float, ...] = ()
    paired: bool = field(default=False, init=False)
    targets: tuple[str, ...] = field(default=("class",), init=False)

    def forward(self, model: nn.Module, x: Tensor) -> Tensor:
        """Logits, (B, K)."""
        logits: Tensor = model(x)
        return logits

    def loss(self, output: Tensor, target: Target) -> Tensor:
        """The mean loss of the batch."""
        return loss(
            self.loss_name,
            output,
            target.target(output.shape[1]),
            smoothing=self.smoothing,
            weights=self.weights,
        )


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, *, bins: int = 15) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy.

    Samples are put into bins of equal width by the probability of the class that wins; the gap
    of each bin counts by its fraction of the samples (Guo et al. 2017).

    Args:
        probabilities: (B, K).
        truth: class indices, (B,).
        bins: how many.

    Example:
        >>> calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))
        0.4
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    which = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.bincount(which, weights=confidence - right, minlength=bins)
    return round(float(np.abs(gap).sum() / max(1, len(truth))), 12)


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluation(Result):
    """What a classifier scores on one split.

    Args:
        n: samples.
        accuracy: fraction of correct predictions.
        accuracy_ci: its 95 % interval (Wilson).
        loss: mean cross-entropy, in nats.
        ece: expected calibration error over 15 bins.
        per_class: a row per class: name, n, recall, precision.
        confusion: counts, rows are labels, columns predictions.
        classes: names.
        notes: sentences that a reader of the figures should know.
        auc: area under the ROC curve, one class against the others, mean over the classes; None
            where only one class occurs.
        average_precision: area under the precision-recall curve, in the same way.
    """

    n: int
    accuracy: float
    accuracy_ci: tuple[float, float]
    loss: float
    ece: float
    per_class: tuple[dict[str, Any], ...]
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    auc: float | None = None
    average_precision: float | None = None

    def figures(self) -> dict[str, Any]:
        """What a training keeps of it: plain numbers."""
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "accuracy_ci": list(self.accuracy_ci),
            "loss": self.loss,
            "ece": self.ece,
            "auc": self.auc,
            "average_precision": self.average_precision,
        }

    def heading(self) -> str:
        """What it is."""
        return f"Evaluation on {self.n:,} samples, {len(self.classes):,} classes"

    def first_screen(self) -> FirstScreen:
        """Accuracy with its interval, the weakest class, loss, calibration, the confusion."""
        low, high = self.accuracy_ci
        known = [r for r in self.per_class if r["recall"] is not None]
        figures = [
            Scalar(title="accuracy", value=self.accuracy, unit="%", interval=self.accuracy_ci),
            Scalar(title="loss", value=self.loss),
            Scalar(title="calibration error (ECE)", value=self.ece, unit="%"),
        ]
        if len(known) > 1:
            worst = min(known, key=lambda r: r["recall"])
            name = printable(str(worst["class"]))[:LONGEST]
            figures.append(Scalar(title=f"recall of {name}", value=worst["recall"], unit="%"))
        exhibits = self.exhibits("").exhibits
        return FirstScreen(
            headline=f"{flipped(self.accuracy)} % top-1 accuracy (95 % CI {flipped(low)}–"
            f"{flipped(high)} %) on {self.n:,} sample{'' if self.n == 1 else 's'}.",
            figures=tuple(figures),
            image=tuple(e for e in exhibits if isinstance(e, Map)),
            note=" ".join(self.notes),
        )

    def sections(self) -> list[Section]:
        """Everything."""
        return [self.exhibits("Evaluation")]

    def exhibits(self, title: str) -> Section:
        """The figures, the confusion map and a row per class."""
        rows = [[r["class"], r["n"], r["recall"], r["precision"]] for r in self.per_class]
        return Section(
            title=title,
            text=" ".join(self.notes),
            exhibits=(
                Scalar(
                    title="accuracy",
                    value=self.accuracy,
                    unit="%",
                    interval=self.accuracy_ci,
                    note=f"top-1, {self.n:,} sample{'' if self.n == 1 else 's'}; Wilson 95 % CI",
                ),
                Scalar(title="loss", value=self.loss, note="mean cross-entropy, in nats"),
                Scalar(
                    title="calibration error",
                    value=self.ece,
                    unit="%",
                    note="mean gap between confidence and accuracy, 15 bins",
                ),
                Map(
                    title="confusion matrix",
                    values=np.array(self.confusion),
                    rows=self.classes,
                    columns=self.classes,
                    row_label="true class",
                    column_label="predicted class",
                    note="counts of samples",
                ),
                Table(
                    title="by class",
                    columns=("class", "samples", "recall", "precision"),
                    rows=rows,
                    note="recall: fraction of the class that is predicted; "
                    "precision: fraction of the predictions that are correct",
                ),
            ),
        )


def evaluation(
    logits: Tensor, truth: np.ndarray, classes: Sequence[str], *, kind: str = "logits"
) -> Evaluation:
    """All scores of a classifier's predictions.

    Args:
        logits: (B, K), float32.
        truth: class indices, (B,).
        classes: K names.
        kind: of what the logits were made, see `neocog.graph.output_kind`.
    """
    wide = logits.double()
    log_p = F.logsigmoid(wide) if kind == "sigmoid" else torch.log_softmax(wide, dim=1)
    target = torch.from_numpy(np.ascontiguousarray(truth))
    p = log_p.exp().numpy()
    k, n = len(classes), len(truth)
    predicted = p.argmax(axis=1)
    confusion = np.bincount(truth * k + predicted, minlength=k * k).reshape(k, k)
    right = int(np.trace(confusion))
    true_counts, given = confusion.sum(axis=1), confusion.sum(axis=0)
    areas = ranking(p, truth)
    per_class = tuple(
        {
            "class": name,
            "n": int(true_counts[i]),
            "recall": float(confusion[i, i] / true_counts[i]) if true_counts[i] else None,
            "precision": float(confusion[i, i] / given[i]) if given[i] else None,
        }
        for i, name in enumerate(classes)
    )
    return Evaluation(
        n=n,
        accuracy=right / n,
        accuracy_ci=wilson_interval(right, n),
        loss=float(F.nll_loss(log_p, target)),
        ece=calibration_error(p, truth),
        per_class=per_class,
        confusion=tuple(tuple(int(v) for v in row) for row in confusion),
        classes=tuple(classes),
        auc=areas[0],
        average_precision=areas[1],
    )


def ranking(p: np.ndarray, truth: np.ndarray) -> tuple[float | None, float | None]:
    """How well each class is ranked above the others: mean AUC, mean average precision.

    The area under the ROC curve counts pairs in the right order, a tie as a half (Mann & Whitney
    1947). Average precision is the mean precision at each sample of the class, ties taken together.
    Classes without a sample, or without another, are left out.

    Args:
        p: probabilities, (B, K).
        truth: class indices, (B,).

    Example:
        >>> p = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
        >>> ranking(p, np.array([0, 1, 1]))
        (1.0, 1.0)
    """
    n, areas, precisions = len(truth), [], []
    for k in range(p.shape[1]):
        own = truth == k
        positives = int(own.sum())
        if positives in (0, n):
            continue
        by = np.argsort(-p[:, k], kind="stable")
        ends = np.append(np.flatnonzero(np.diff(p[by, k])), n - 1)
        hits, seen = np.cumsum(own[by])[ends], ends + 1
        new = np.diff(hits, prepend=0)
        precisions.append(float((new * hits / seen).sum() / positives))
        misses = np.diff(seen - hits, prepend=0)
        below = positives - hits + new / 2
        areas.append(1 - float((misses * below).sum() / positives / (n - positives)))
    if not areas:
        return None, None
    return float(np.mean(areas)), float(np.mean(precisions))
