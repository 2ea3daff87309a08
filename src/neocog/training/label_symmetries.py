"""Which transformations keep the labels of a data set, and in which amounts the data holds them.

Two things are measured on images that the network of `neocog.training.amounts` has not seen.

**Found**: how much of a transformation the data itself holds. Where the network cannot tell how
far an image was rotated, images of both orientations occur. Its mean probability for so much more
than was applied, as a fraction of that for what was applied, falls with the amount. For amounts
that are uniform in ±a it is a triangle from 1 to 0 at 2a, so the area under one side is a.

**Confusions**: images of a class that are recognized as another class once they are transformed,
and were not before. A 6 that is rotated by 180° is recognized as a 9.

Hue is looked at in color images alone. Of an erased rectangle nothing is looked for in the data, as
it hides and changes nothing: it is kept as long as images are still recognized and no class is
recognized as another.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from neocog.errors import DataError
from neocog.symmetry.families import (
    COLOR_FAMILIES,
    FAMILIES,
    Family,
    HueFamily,
    OrientationFamily,
)
from neocog.training.amounts import AmountNet, Predicted, predict_amounts, train_amount_net

__all__ = [
    "Confusion",
    "SymmetryExtent",
    "SymmetryTest",
    "erased",
    "label_symmetries",
    "squares",
    "transformed",
]

LEAST = 200
"""Images without which nothing is predicted."""

SIDE = 32
"""Pixels of the images that are looked at."""

HELD_OUT = 1_500
LINES = 600
"""Images that rotations, and the other transformations, are measured on."""

MARGIN = 0.2
"""Of a class, which may be recognized as another one without being called a confusion: the network
has not learned from transformed images, and errs more on what it never saw. Where a label really
changes, most of a class is recognized as the other."""

Z = 3.0
"""Standard errors by which a confusion is beyond that margin: hundreds of pairs are looked at."""

JUDGED = 15
"""Held-out images of a class without which nothing is said of its label: of fewer, even a label
that changes in most of them is not beyond chance."""

_DRAWS = 400

ERASED = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
"""Sides of the rectangle that is erased, as fractions of the image's."""

COLOR = 2.0 / 255
"""Mean distance of a pixel's channels from their mean, from which on an image is of color."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Images of a class that are recognized as another one.

    Args:
        amount: of the transformation, in its unit.
        label: class index.
        recognized_as: class index.
        rate: fraction of the class, less the fraction that is recognized so without.
        interval: 95 %.
        n: images of the class.
        example: index of a held-out image.
    """

    amount: float
    label: int
    recognized_as: int
    rate: float
    interval: tuple[float, float]
    n: int
    example: int


@dataclass(frozen=True, kw_only=True)
class SymmetryExtent:
    """One transformation.

    Args:
        name: rotation, horizontal flip, vertical flip, shift of rows, …
        extent: amount that the data holds to each side, in the unit of the family; for a flip the
            probability of the mirror image, as a fraction of that of the image.
        interval: 95 %, bootstrap over images; None of erasing, whose side is one of a few.
        least: the data holds at least so much: as far as was looked.
        kept: largest amount up to which no class is confused; for a flip 1 or 0.
        amounts: that were tried, from none on.
        curve: of each amount, its probability as a fraction of that of none.
        confusions: the largest first.
    """

    name: str
    extent: float
    interval: tuple[float, float] | None
    least: bool
    kept: float
    amounts: tuple[float, ...]
    curve: tuple[float, ...]
    confusions: tuple[Confusion, ...]

    @property
    def is_flip(self) -> bool:
        """Whether there is no amount."""
        return self.name.endswith("flip")


@dataclass(frozen=True, kw_only=True)
class SymmetryTest:
    """What was measured.

    Args:
        each: transformations.
        n: images that were learned from.
        held_out: images that figures are of.
        accuracy: of the network on unchanged held-out images; None without labels.
        per_class: held-out images of each class.
        images: held out, as they were looked at, (B, C, S, S).
    """

    each: tuple[SymmetryExtent, ...]
    n: int
    held_out: int
    accuracy: float | None
    per_class: tuple[int, ...]
    images: Tensor


def label_symmetries(
    x: Tensor,
    y: Tensor,
    *,
    num_classes: int,
    steps: int = 400,
    seed: int = 0,
    callback: Callable[[int, int], None] | None = None,
) -> SymmetryTest:
    """Measure the symmetries of labeled or unlabeled images.

    Args:
        x: images in [0, 1], (B, C, H, W), in random order; the middle square of each is looked at.
        y: class indices, (B,).
        num_classes: 0 for images without labels.
        steps: of training.
        seed: of weights, order and amounts.
        callback: called with (steps done, steps in all).

    Raises:
        DataError: there are fewer than 200 images.
    """
    if len(x) < LEAST:
        raise DataError(
            f"Symmetries of data need at least {LEAST} images; got {len(x):,}. Add more images."
        )
    x = squares(x)
    held = min(HELD_OUT, len(x) // 4)
    images, labels = x[:held], y[:held]
    rest, rest_labels = x[held:], y[held:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = AmountNet(
            x.shape[1],
            x.shape[2],
            num_classes=num_classes,
            mean=float(rest.mean()),
            std=float(rest.std()),
            families=COLOR_FAMILIES if _colored(rest) else FAMILIES,
        )
    total = steps + steps // 2
    on_step = (lambda done, _: callback(done, total)) if callback else None
    train_amount_net(net, rest, rest_labels, steps=steps, seed=seed, callback=on_step)
    each: list[SymmetryExtent] = []
    accuracy = None
    for family in net.families:
        some = held if isinstance(family, OrientationFamily) else min(held, LINES)
        predicted = predict_amounts(net, family, images[:some], seed=seed)
        if accuracy is None and num_classes:
            accuracy = (predicted.unchanged.argmax(1) == labels[:some]).float().mean().item()
        each += _of_family(predicted, labels[:some] if num_classes else None, seed)
        if callback is not None:
            callback(steps + len(each) * (total - steps) // 11, total)
    if num_classes:
        some = min(held, LINES)
        each.append(_erasing(net, images[:some], labels[:some], seed))
    counts = torch.bincount(labels[:LINES], minlength=num_classes).tolist() if num_classes else []
    return SymmetryTest(
        each=tuple(each),
        n=len(rest),
        held_out=held,
        accuracy=accuracy,
        per_class=tuple(counts),
        images=images,
    )


def _colored(x: Tensor) -> bool:
    """Whether images have a hue."""
    some = x[:256]
    return x.shape[1] == 3 and float((some - some.mean(1, keepdim=True)).abs().mean()) >= COLOR


def squares(x: Tensor) -> Tensor:
    """The middle square of each image, of 16 to 32 pixels per side.

    Args:
        x: images, (B, C, H, W).
    """
    side = min(x.shape[2:])
    top, left = ((n - side) // 2 for n in x.shape[2:])
    x = x[:, :, top : top + side, left : left + side]
    if side != SIDE and (side > SIDE or side < SIDE // 2):
        x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", antialias=side > SIDE)
    return x.contiguous()


def _of_family(predicted: Predicted, labels: Tensor | None, seed: int) -> Iterator[SymmetryExtent]:
    family = predicted.family
    likely = _likely(predicted)
    if isinstance(family, OrientationFamily):
        half = family.angles // 2
        turns = [[a, -a % family.angles] for a in range(half + 1)]
        yield _amount(
            "rotation", predicted, likely, turns, labels, seed, step=family.step, circle=True
        )
        for name, turn in (("horizontal flip", 0), ("vertical flip", half)):
            yield _flip(name, predicted, likely, family.angles + turn, labels, seed)
        return
    if isinstance(family, HueFamily):
        turns = [[a, -a % family.count] for a in range(family.count // 2 + 1)]
        step = 1 / family.count
        yield _amount("hue", predicted, likely, turns, labels, seed, step=step, circle=True)
        return
    sides = [[d, -d] for d in range(family.identity + 1)]
    rows = [[family.relative.index(d) for d in pair] for pair in sides]
    yield _amount(family.name, predicted, likely, rows, labels, seed, step=0.0, circle=False)


def _likely(predicted: Predicted) -> np.ndarray:
    """Probability of every relative element, (B, 2, relative): as predicted, and of none."""
    family = predicted.family
    applied = torch.arange(family.count)
    out = []
    for g in family.relative:
        there = family.after(applied, torch.tensor(g))
        ok = there >= 0
        more = predicted.elements[:, applied[ok], there[ok]].mean(1)
        none = predicted.elements[:, applied[ok], applied[ok]].mean(1)
        out.append(torch.stack([more, none], 1))
    return torch.stack(out, 2).double().numpy()


def _curve(likely: np.ndarray, rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Relative probability at each amount, both sides together."""
    mean = likely.mean(0)
    return np.array([mean[0, pair].sum() / mean[1, pair].sum() for pair in rows])


def _area(curve: np.ndarray, amounts: np.ndarray, *, circle: bool) -> float:
    """The area under one side, above what is left at the other end of a circle."""
    floor = min(float(curve.min()), 0.99) if circle else 0.0
    if circle and floor > 0.6:
        return float(amounts[-1])  # all the way round
    return float(np.trapezoid((curve - floor) / (1 - floor), amounts))


def _amount(
    name: str,
    predicted: Predicted,
    likely: np.ndarray,
    rows: list[list[int]],
    labels: Tensor | None,
    seed: int,
    *,
    step: float,
    circle: bool,
) -> SymmetryExtent:
    family = predicted.family
    size = [abs(family.amount(family.relative[pair[0]])) for pair in rows]
    amounts = np.array([step * i for i in range(len(rows))] if circle else size)
    curve = _curve(likely, rows)
    rng = np.random.default_rng([seed, 0x5E7])
    draws = [
        _area(_curve(likely[rng.integers(len(likely), size=len(likely))], rows), amounts,
              circle=circle)
        for _ in range(_DRAWS)
    ]  # fmt: skip
    low, high = np.quantile(draws, [0.025, 0.975])
    confusions: list[Confusion] = []
    kept = float(amounts[-1])
    for i, pair in enumerate(rows[1:], start=1):
        several = [c for r in dict.fromkeys(pair) for c in _confusions(predicted, r, labels)]
        if several and kept >= amounts[i]:
            kept = float(amounts[i - 1])
        confusions += several
    return SymmetryExtent(
        name=name,
        extent=_area(curve, amounts, circle=circle),
        interval=(float(low), float(high)),
        least=bool(curve[-1] > 0.5),
        kept=kept,
        amounts=tuple(float(a) for a in amounts),
        curve=tuple(float(c) for c in curve),
        confusions=tuple(sorted(confusions, key=lambda c: -c.rate)),
    )


def _flip(
    name: str, predicted: Predicted, likely: np.ndarray, row: int, labels: Tensor | None, seed: int
) -> SymmetryExtent:
    rng = np.random.default_rng([seed, 0x5E7])
    draws = [
        _curve(likely[rng.integers(len(likely), size=len(likely))], [[row]])[0]
        for _ in range(_DRAWS)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    extent = float(_curve(likely, [[row]])[0])
    confusions = sorted(_confusions(predicted, row, labels), key=lambda c: -c.rate)
    return SymmetryExtent(
        name=name,
        extent=extent,
        interval=(float(low), float(high)),
        least=extent > 0.5,
        kept=0.0 if confusions else 1.0,
        amounts=(0.0, 1.0),
        curve=(1.0, extent),
        confusions=tuple(confusions),
    )


def _confusions(predicted: Predicted, row: int, labels: Tensor | None) -> Iterator[Confusion]:
    """Of each class the one that it is recognized as more often than without, beyond chance."""
    family = predicted.family
    element = int(family.after(torch.tensor(family.identity), torch.tensor(family.relative[row])))
    if labels is None or element < 0:
        return
    amount = family.amount(family.relative[row])
    yield from _confused(predicted.unchanged, predicted.classes[:, element], labels, amount)


def _confused(
    unchanged: Tensor, changed: Tensor, labels: Tensor, amount: float
) -> Iterator[Confusion]:
    """The same of class probabilities before and after, each (B, K)."""
    count = unchanged.shape[1]
    before = F.one_hot(unchanged.argmax(1), count).double()
    now = F.one_hot(changed.argmax(1), count).double()
    for label in sorted(set(labels.tolist())):
        which = (labels == label).nonzero()[:, 0]
        difference = (now - before)[which]
        n = len(which)
        mean = difference.mean(0)
        mean[label] = -1
        # A difference of 0 in a few images is not certain: one more image that is confused.
        error = torch.sqrt((difference.var(0, correction=0) + 1 / n) / n)
        other = int((mean - Z * error).argmax())
        if mean[other] - Z * error[other] > MARGIN:
            rate, half = float(mean[other]), 1.96 * float(error[other])
            taken = which[(now[which, other] == 1) & (before[which, label] == 1)]
            sure = changed[taken, other]
            yield Confusion(
                amount=amount,
                label=int(label),
                recognized_as=other,
                rate=rate,
                interval=(max(0.0, rate - half), min(1.0, rate + half)),
                n=n,
                example=int(taken[sure.argmax()]) if len(taken) else int(which[0]),
            )


@torch.no_grad()
def _erasing(net: AmountNet, x: Tensor, labels: Tensor, seed: int) -> SymmetryExtent:
    """How large a rectangle may be erased: images are recognized still, and not as another class.

    Its side is kept as long as at most `MARGIN` of the images that were recognized are lost.
    """
    unchanged = net.split(net(x))[-1].softmax(1)
    known = unchanged.argmax(1) == labels
    curve, confusions, kept = [1.0], list[Confusion](), ERASED[-1]
    for before, side in itertools.pairwise(ERASED):
        classes = net.split(net(erased(x, side, seed=seed)))[-1].softmax(1)
        right = (classes.argmax(1) == labels)[known].double()
        curve.append(float(right.mean()) if len(right) else 0.0)
        several = list(_confused(unchanged, classes, labels, side))
        if (several or curve[-1] < 1 - MARGIN) and kept == ERASED[-1]:
            kept = before
        confusions += several
    return SymmetryExtent(
        name="erasing",
        extent=kept,
        interval=None,
        least=kept == ERASED[-1],
        kept=kept,
        amounts=ERASED,
        curve=tuple(curve),
        confusions=tuple(sorted(confusions, key=lambda c: -c.rate)),
    )


def erased(x: Tensor, side: float, *, seed: int = 0) -> Tensor:
    """A rectangle of each image filled with its mean, as by random erasing.

    Args:
        x: images, (B, C, S, S).
        side: of the square, as a fraction of the image's; 0 for none.
        seed: of where it is: its middle is anywhere in the image.
    """
    generator = torch.Generator().manual_seed(seed)
    middle, at = torch.rand(2, len(x), 1, generator=generator), torch.arange(x.shape[2])
    rows, columns = ((at + 0.5 - m * x.shape[2]).abs() <= side * x.shape[2] / 2 for m in middle)
    box = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(box, x.mean((2, 3), keepdim=True), x) if side else x


def transformed(family: Family, x: Tensor, element: int) -> Tensor:
    """An element applied to images, for the eye.

    Args:
        family: of transformations.
        x: square images.
        element: of the family.
    """
    return family.views(x, torch.full((len(x),), element), torch.zeros(len(x)))
