"""Whether a classifier's outputs mean the classes in another order than they are taken in.

A network that was trained on folders 0 … 11 numbers them as strings sort, 0, 1, 10, 11, 2, …, in
one library and by value in another. Nothing fails where the two meet: the accuracy is that of
another question. So every usual order is tried on the confusion matrix, and the one that fits it
best.

The order that fits best is found on one half of the samples and scored on the other, and so does
not win by chance on few samples. It is reported only where its accuracy is beyond that of the order
taken by a tenth at least, by more than chance (Wilson intervals of 99.9 %), and beyond what a
network that ignores its images could get, the fraction of the commonest class.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neocog.errors import printable
from neocog.stats import wilson_interval

__all__ = ["OtherOrder", "other_order"]

GAIN = 0.1
"""Accuracy that another order must gain, at least."""

LEVEL = 0.999
"""Of the Wilson intervals that must lie apart: high, as several orders are tried."""

FITTED = "the best fit"

LISTED = 12
"""Names of an order that are written out."""


@dataclass(frozen=True, kw_only=True)
class OtherOrder:
    """An order of classes that fits a confusion matrix far better.

    Args:
        name: in words.
        classes: names, in the order of the outputs.
        accuracy: as the classes were taken.
        better: in this order.
    """

    name: str
    classes: tuple[str, ...]
    accuracy: float
    better: float

    @property
    def sentence(self) -> str:
        """With both figures, and what to do."""
        first = ", ".join(map(printable, self.classes[:LISTED]))
        more = ", …" if len(self.classes) > LISTED else ""
        return (
            f"Another class order would give an accuracy of {100 * self.better:.1f} %, "
            f"not {100 * self.accuracy:.1f} %: {self.name}, {first}{more}. If the network was "
            "trained so, name its outputs with --classes FILE, a name a line in that order."
        )


def other_order(confusion: np.ndarray, classes: Sequence[str]) -> OtherOrder | None:
    """An order of the classes that is far better than the one that was taken; or None.

    Args:
        confusion: (K, K) counts, rows are the truth, columns the prediction.
        classes: K names, in the order in which they were taken.

    Example:
        >>> swapped = np.array([[1, 49], [48, 2]])
        >>> other_order(swapped, ("cat", "dog")).classes
        ('dog', 'cat')
        >>> other_order(np.array([[0, 4], [4, 0]]), ("cat", "dog")) is None
        True
    """
    counts, k = np.asarray(confusion), len(classes)
    n = int(counts.sum())
    if k < 2 or counts.shape != (k, k) or not n:
        return None
    right = int(np.trace(counts))
    commonest = float(counts.sum(1).max()) / n
    floor = max(right / n + GAIN, commonest)

    def beats(score: int) -> bool:
        low = wilson_interval(score, n, level=LEVEL)[0]
        return score / n >= right / n + GAIN and low > max(
            wilson_interval(right, n, level=LEVEL)[1], commonest
        )

    if _best(counts) / n < floor:
        return None
    columns = np.arange(k)
    scores = {name: int(counts[order, columns].sum()) for name, order in _usual(classes)}
    first, second = _halves(counts)
    crossed = sum(int(b[_fitted(a), columns].sum()) for a, b in ((first, second), (second, first)))
    name = max(scores, key=lambda n: scores[n], default="")
    if name and beats(scores[name]) and scores[name] >= crossed - GAIN * n / 2:
        order = dict(_usual(classes))[name]
    elif beats(crossed):
        name, order = FITTED, _fitted(counts)
    else:
        return None
    return OtherOrder(
        name=name,
        classes=tuple(classes[int(i)] for i in order),
        accuracy=right / n,
        better=float(counts[order, columns].sum()) / n,
    )


def _usual(classes: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Orders that programs put names in: for each output the number of the class it may mean."""
    ways: dict[str, Callable[[str], Any]] = {
        "as strings sort": str,
        "as numbers in them sort": _natural,
        "as strings sort without regard to case": lambda name: (name.casefold(), name),
    }
    seen = {tuple(range(len(classes)))}
    for name, key in ways.items():
        order = tuple(sorted(range(len(classes)), key=lambda i: key(classes[i])))
        if order not in seen:
            seen.add(order)
            yield name, np.array(order)
    yield "the reverse", np.arange(len(classes))[::-1].copy()


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Numbers in a name by their value."""
    parts = re.split(r"([0-9]{1,18})", name)
    return [(1, int(p), "") if p.isascii() and p.isdigit() else (0, 0, p) for p in parts if p]


def _best(counts: np.ndarray) -> int:
    """No order gets more right than this."""
    return int(min(counts.max(0).sum(), counts.max(1).sum()))


def _halves(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each count in two, odd ones by turns."""
    odd = counts % 2
    turn = (np.cumsum(odd).reshape(counts.shape) % 2) * odd
    first = counts // 2 + turn
    return first, counts - first


def _fitted(counts: np.ndarray) -> np.ndarray:
    """A one-to-one assignment of outputs to classes, the most frequent pairs first."""
    k = len(counts)
    truth, output = np.nonzero(counts)
    order = np.full(k, -1)
    taken = np.zeros(k, dtype=bool)
    for at in np.argsort(-counts[truth, output], kind="stable"):
        t, o = truth[at], output[at]
        if order[o] < 0 and not taken[t]:
            order[o], taken[t] = t, True
    for o in np.nonzero(order < 0)[0]:  # where it can, an output keeps its class
        t = o if not taken[o] else int(np.nonzero(~taken)[0][0])
        order[o], taken[t] = t, True
    return order
