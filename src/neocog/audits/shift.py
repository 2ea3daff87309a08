"""Does the prediction change when the image is shifted?

Each sample is shown at two random positions of its own; *consistency* is the fraction of samples
with the same prediction at both (R. Zhang, "Making Convolutional Networks Shift-Invariant Again",
ICML 2019). The kind of shift decides what is measured, so no figure stands without it:

    circular   what leaves on one side enters on the other: nothing is lost or new
    crop       two windows of one larger image; where the samples have no border to spare, it
        is made by reflection, and the protocol says so
    zeros      what enters is black; for a model of raw values, of which 0 may be any, the mean of
        its spec, which the protocol says
    subpixel   by fractions of a pixel, with the Fourier transform; circular

The offsets depend on the seed and the index of the sample alone: neither the batch size nor the
number of samples changes them. The two positions of a sample always differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from neocog.audits.agreement import Kind
from neocog.audits.grid import Grid
from neocog.audits.grid import grid as measure_grid
from neocog.audits.moving import MODES, Movable, Pair, nearest, pairs
from neocog.audits.unshifted import Unshifted
from neocog.data.samples import Samples
from neocog.errors import UsageError
from neocog.graph.wording import nouns
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords
from neocog.models.exact import AnySamples, ExactModel, Measurable, measured
from neocog.stats import interval, paired_interval

__all__ = [
    "MODES",
    "Border",
    "Flip",
    "Moved",
    "Shift",
    "Shifting",
    "result_of",
    "shift_consistency",
]

FLIPS = 12
"""Samples whose prediction flips that are kept to be looked at."""


@dataclass(frozen=True, kw_only=True)
class Border:
    """Flips by their cause: the border, or downsampling.

    A shift by a multiple of the network's total stride meets every downsampling layer at the same
    phase: what still flips the prediction is the border, or weights that depend on position, as
    those of a dense layer on a flattened map. Each sample is shifted once at random, and once by
    such a multiple, not zero and about as long.

    Args:
        n: samples that have such a multiple within reach.
        stride: of the whole network, in pixels.
        border: fraction of samples that flip under shifts by multiples of the stride.
        aliasing: fraction that flips under all shifts, minus that.
        aliasing_ci: its CI.
    """

    n: int
    stride: int
    border: float
    aliasing: float
    aliasing_ci: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Flip(Jsonable):
    """A sample with two predictions.

    Args:
        index: of the sample, in what was audited.
        name: where it is from.
        images: as the model saw it at both positions, (C, H, W) each.
        offsets: of both.
        predictions: class indices.
        truth: class index of the sample, or None.
        poses: what both are, where they are no shifts.
        values: what the images hold, `pixels` or `raw`.
    """

    JSON = keys("name", "offsets", "answers=predictions")

    index: int
    name: str
    images: tuple[np.ndarray, np.ndarray]
    offsets: tuple[tuple[float, ...], tuple[float, ...]]
    predictions: tuple[int, int]
    truth: int | None
    poses: tuple[str, ...] = ()
    values: str = "pixels"


@dataclass(frozen=True, kw_only=True)
class Shift(Jsonable):
    """What shifts of one kind do to a model's predictions.

    Args:
        mode: one of `MODES`.
        n: samples.
        max_shift: maximum shift along each axis, in pixels.
        unit: of `consistency`: "%" for fractions, "" where it is a distance.
        consistency: fraction of samples with the same prediction at both positions; for a segmenter
            the mean fraction of pixels; for a regressor the mean difference, in units of the
            target.
        consistency_ci: its 95 % CI, by bootstrap over samples.
        both_correct: fraction that is correct at both; None without labels or classes.
        both_wrong: fraction with the same incorrect prediction at both.
        flip_rate: fraction with two predictions.
        one_correct: fraction that is correct at one of the two.
        accuracy: fraction that is correct unshifted.
        accuracy_shifted: fraction that is correct at the first of the two positions.
        chance_agreement: agreement of two random predictions with the class frequencies of this
            model's.
        largest_class: frequency of the most frequent prediction.
        majority: frequency of the most frequent label; a model that always predicts that class has
            100 % consistency and this accuracy.
        worst_case_accuracy: see `Grid`.
        map: the grid.
        border: flips by cause; None where the stride is unknown or too large for `max_shift`.
        flips: samples whose prediction flips.
        same: for each sample, what `consistency` is the mean of.
        right: for each sample, whether it is correct unshifted; empty without labels.
        first: for each sample, whether it is correct at the first position; empty without labels.
        both: for each sample, whether it is correct at both positions; empty without labels.
        protocol: how it was measured, a sentence.
        axes: of a sample that shift: 2 of an image, 1 of a series.
    """

    JSON = keys(
        "mode", "n", "max_shift", "unit", "consistency", "consistency_ci", "both_correct",
        "both_wrong", "flip_rate", "one_correct", "accuracy", "accuracy_shifted",
        "chance_agreement", "largest_class", "majority", "worst_case_accuracy", "protocol",
        "border", "map", "flips",
    )  # fmt: skip

    mode: str
    n: int
    max_shift: float
    unit: str
    consistency: float
    consistency_ci: tuple[float, float]
    both_correct: float | None
    both_wrong: float | None
    flip_rate: float | None
    one_correct: float | None
    accuracy: float | None
    accuracy_shifted: float | None
    chance_agreement: float | None
    largest_class: float | None
    majority: float | None
    worst_case_accuracy: float | None
    map: Grid | None = field(repr=False)
    border: Border | None
    flips: tuple[Flip, ...] = field(default=(), repr=False)
    same: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))
    right: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0, bool))
    first: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0, bool))
    both: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0, bool))
    protocol: str = ""
    axes: int = 2


@known_keywords
def shift_consistency(
    model: Measurable,
    data: AnySamples,
    *,
    mode: str = "circular",
    max_shift: int | None = None,
    seed: int = 0,
    stride: int | None = None,
    grid: int | None = 0,
    grid_samples: int = 64,
    batch: int | None = None,
) -> Shift:
    """Measure one kind of shift.

    Args:
        model: the model that is measured, see `ExactModel`.
        data: samples; larger ones than the model's input bring the border that `crop` needs.
        mode: one of `MODES`.
        max_shift: maximum shift along each axis, in pixels; an eighth of the size if left out.
        seed: of the offsets.
        stride: of the whole network, in pixels, to separate border and aliasing.
        grid: maximum shift of the map, in pixels; 0 for no map, None for all possible shifts
            (circular only).
        grid_samples: samples that the map is measured on, from the first.
        batch: batch size; chosen by the size of a sample if left out.

    Raises:
        UsageError: no such mode, or a max_shift that does not fit the samples.

    Example:
        >>> from torch import nn
        >>> mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> x = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> shift_consistency(ExactModel(mean), Samples.of(x), max_shift=3).consistency
        1.0
    """
    model, data = measured(model, data)
    run = Shifting(
        model, data, mode=mode, max_shift=max_shift, seed=seed, stride=stride, batch=batch
    )
    with model.ready():
        run.advance(len(data))
        grid_result = None if grid == 0 else measure_grid(run.movable, grid, grid_samples)
    return run.result(grid=grid_result)


class Shifting:
    """One kind of shift while it is measured, batch by batch.

    The result for the first n samples is the same whether or not more follow.

    Args:
        model: the model that is measured.
        data: samples; larger ones than the model's input bring the border that `crop` needs.
        mode: one of `MODES`.
        max_shift: maximum shift along each axis, in pixels; an eighth of the size if left out.
        seed: of the offsets.
        stride: of the whole network, in pixels, to separate border and aliasing.
        batch: batch size; chosen by the size of a sample if left out.
        unshifted: predictions for the unshifted samples, shared with other measures.

    Raises:
        UsageError: no such mode, or a max_shift that does not fit the samples.
    """

    def __init__(
        self,
        model: ExactModel,
        data: Samples,
        *,
        mode: str = "circular",
        max_shift: int | None = None,
        seed: int = 0,
        stride: int | None = None,
        batch: int | None = None,
        unshifted: Unshifted | None = None,
    ) -> None:
        size = model.size or data.size
        max_shift = max(2, min(size) // 8) if max_shift is None else max_shift
        if not 1 <= max_shift < min(size):
            raise UsageError(
                f"`max_shift` is a number of {nouns(len(size)).units} from 1 to below "
                f"the size of the samples; got {max_shift}, for {'×'.join(map(str, size))}. "
                "Give a smaller one."
            )
        if mode == "subpixel":
            stride = None  # a fraction of a pixel is not a multiple of it
        self.seed, self.stride, self.done = seed, stride, 0
        self.movable = Movable(
            model, data, mode=mode, size=size, reach=max_shift, batch=batch, unshifted=unshifted
        )
        self.first, self.second = pairs(len(data), len(size), max_shift, mode, seed)
        self.near: Tensor | None = None
        self.moved: Tensor | None = None
        if stride and stride <= 2 * max_shift and model.task == "classify":
            self.near, self.moved = nearest(self.first, self.second, stride, max_shift)
        self._kept: list[Pair] = []

    def advance(self, upto: int) -> None:
        """Run samples through the model, a batch at a time, until so many are done.

        Args:
            upto: how many in all; a batch that was begun is finished.
        """
        movable, n = self.movable, len(self.movable.data)
        while self.done < min(upto, n):
            rows = slice(self.done, min(n, self.done + movable.batch))
            x = movable.load(rows)
            a, b = movable.at(x, self.first[rows]), movable.at(x, self.second[rows])
            control = movable.at(x, self.near[rows]) if self.near is not None else None
            base = movable.still(rows, x)
            self._kept.append(Pair(base, a, b, control, movable.truth(rows)))
            self.done = rows.stop

    def result(self, *, n: int | None = None, grid: Grid | None = None) -> Shift:
        """The result for the samples that are done.

        Args:
            n: of them the first n; all if left out.
            grid: a map of shifts, measured separately.
        """
        pair, border = Pair.join(self._kept, n), None
        if self.moved is not None and self.stride:
            border = _border(self.stride, pair, self.moved[: len(pair.base)], self.seed)
        positions = (self.first, self.second)
        return result_of(self.movable, pair, positions, seed=self.seed, grid=grid, border=border)


class Moved(Protocol):
    """Samples that a model was shown at two positions each, as `Movable` has them."""

    model: ExactModel
    data: Samples
    mode: str
    size: tuple[int, ...]
    kind: Kind
    reach: int

    def load(self, rows: slice) -> Tensor:
        """Samples."""

    def move(self, x: Tensor, offset: Tensor) -> Tensor:
        """Samples, each at its position."""

    def protocol(self, seed: int) -> str:
        """How they were moved, a sentence."""

    def words(self, offset: Tensor) -> str:
        """A position in words; "" for a shift."""


def result_of(
    movable: Moved,
    pair: Pair,
    positions: tuple[Tensor, Tensor],
    *,
    seed: int,
    grid: Grid | None = None,
    border: Border | None = None,
) -> Shift:
    """The result of predictions at two positions a sample.

    Args:
        movable: the samples.
        pair: the predictions.
        positions: both, of each sample.
        seed: of the positions and the bootstrap.
        grid: a map of shifts.
        border: flips by cause.
    """
    flips: tuple[Flip, ...] = ()
    if movable.model.task == "classify":
        flips = _flips(movable, pair, *positions)
    kind, classes = movable.kind, movable.model.task == "classify"
    same = kind.agreement(pair.a, pair.b).double().numpy()
    shares: dict[str, float | None] = dict.fromkeys(
        ("both_correct", "both_wrong", "flip_rate", "one_correct", "accuracy", "accuracy_shifted")
    )
    chance = largest = None
    if classes:
        predictions = torch.cat([pair.a, pair.b])
        share = torch.bincount(predictions).double() / len(predictions)
        chance, largest = float((share**2).sum()), float(share.max())
        equal = pair.a == pair.b
        shares["flip_rate"] = float((~equal).double().mean())
        if pair.truth is not None:
            a, b = pair.a == pair.truth, pair.b == pair.truth
            means = {
                "both_correct": a & b,
                "both_wrong": equal & ~a,
                "one_correct": a ^ b,
                "accuracy": pair.base == pair.truth,
                "accuracy_shifted": a,
            }
            shares |= {k: float(v.double().mean()) for k, v in means.items()}
    return Shift(
        mode=movable.mode,
        n=len(pair.base),
        max_shift=float(movable.reach),
        unit=kind.unit,
        consistency=float(same.mean()),
        consistency_ci=interval(same, seed=seed, shares=kind.unit == "%"),
        chance_agreement=chance,
        majority=_majority(pair, classes),
        largest_class=largest,
        worst_case_accuracy=None if grid is None else grid.worst_case_accuracy,
        map=grid,
        border=border,
        flips=flips,
        same=same,
        right=_right(pair.base, pair, classes),
        first=(first := _right(pair.a, pair, classes)),
        both=first & _right(pair.b, pair, classes),
        protocol=movable.protocol(seed),
        axes=len(movable.size),
        **shares,
    )


def _majority(pair: Pair, classes: bool) -> float | None:
    if pair.truth is None or not classes:
        return None
    return float(torch.bincount(pair.truth.long()).max()) / len(pair.truth)


def _right(predicted: Tensor, pair: Pair, classes: bool) -> np.ndarray:
    if pair.truth is None or not classes:
        return np.zeros(0, bool)
    return np.asarray((predicted == pair.truth).numpy())


ENOUGH = 30
"""Samples that a split of flips by cause needs, at least."""


def _border(stride: int, pair: Pair, moved: Tensor, seed: int) -> Border | None:
    assert pair.control is not None
    if int(moved.sum()) < ENOUGH:
        return None
    lost, all_ = (pair.control != pair.a)[moved], (pair.b != pair.a)[moved]
    difference, low, high = paired_interval(all_.numpy(), lost.numpy(), seed=seed)
    return Border(
        n=int(moved.sum()),
        stride=stride,
        border=float(lost.double().mean()),
        aliasing=difference,
        aliasing_ci=(low, high),
    )


def _flips(movable: Moved, pair: Pair, first: Tensor, second: Tensor) -> tuple[Flip, ...]:
    """The first samples with two predictions, with the model's input."""
    rows = (pair.a != pair.b).nonzero()[:FLIPS, 0].tolist()
    out = []
    for i in rows:
        x = movable.load(slice(i, i + 1))
        offsets = first[i : i + 1], second[i : i + 1]
        seen = [movable.move(x, p)[0].numpy() for p in offsets]
        out.append(
            Flip(
                index=i,
                name=movable.data.name(i),
                images=(seen[0], seen[1]),
                offsets=(tuple(offsets[0][0].tolist()), tuple(offsets[1][0].tolist())),
                predictions=(int(pair.a[i]), int(pair.b[i])),
                truth=None if pair.truth is None else int(pair.truth[i]),
                poses=tuple(filter(None, (movable.words(p[0]) for p in offsets))),
                values=movable.model.values,
            )
        )
    return tuple(out)
