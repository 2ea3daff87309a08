"""Which samples of the input each element of a tensor sees, along one axis of the input.

Each element sees an interval [lo, hi]. A tensor holds two arrays of these numbers, as wide as one
element along every axis on which they do not depend: for a feature map (B, C, H, W) the rows that
are seen stand in arrays of 1×1×H×1. Whatever moves elements about moves these numbers likewise.

Samples in a padding are not there, and still have a place. Along an axis of samples the numbers
follow a *step*: they repeat, `period` elements further, `advance` samples further. So an element
beyond the border sees what it would see if the image went on, which may begin at a negative
number: the convention of all published tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "AxisStep",
    "Reach",
    "hull",
    "joined",
    "moved",
    "nothing",
    "of_input",
    "permuted",
    "reshaped",
    "spread",
    "union",
    "upto",
    "windows",
]

_NOTHING = 2**40
"""[+this, -this] is the interval of who sees nothing."""


class AxisStep(NamedTuple):
    """How intervals go on along one axis of a tensor."""

    period: int
    """Elements after which they repeat,"""
    advance: int
    """this many samples further."""

    def at(self, ratio: Fraction) -> AxisStep:
        """The step of a tensor whose element i stands at element ratio·i (+ any start)."""
        elements = ratio / self.period
        return AxisStep(elements.denominator, self.advance * elements.numerator)


STILL = AxisStep(1, 0)


def upto(n: int) -> Tensor:
    """0 … n - 1, on the processor wherever tensors are made by default."""
    return torch.arange(n, device="cpu")


@dataclass(frozen=True, eq=False)
class Reach:
    """The intervals of one tensor along one axis of the input.

    Args:
        lo: first sample, int64, of `shape` or of size 1 where it does not depend on an axis.
        hi: last sample, the same.
        shape: of the tensor.
        steps: how it goes on along each axis of the tensor; None where it does not.
    """

    lo: Tensor
    hi: Tensor
    shape: tuple[int, ...]
    steps: tuple[AxisStep | None, ...]

    @property
    def seen(self) -> Tensor:
        """Where anything is seen at all."""
        return self.lo <= self.hi

    @property
    def moving(self) -> tuple[int, ...]:
        """Axes of the tensor along which intervals differ, within it or beyond its border."""
        axes = zip(self.shape, self.lo.shape, self.steps, strict=True)
        return tuple(
            d
            for d, (n, held, step) in enumerate(axes)
            if held > 1 or (n == 1 and step is not None and step.advance)
        )

    @property
    def full(self) -> tuple[Tensor, Tensor]:
        """Both arrays at the tensor's shape, without memory for what repeats."""
        return self.lo.expand(self.shape), self.hi.expand(self.shape)


def of_input(shape: Sequence[int], axis: int) -> Reach:
    """An input sees itself; channels and the batch have no beyond.

    Example:
        >>> of_input((1, 3, 4, 5), 2).lo.flatten().tolist()
        [0, 1, 2, 3]
    """
    places = upto(shape[axis]).view([-1 if d == axis else 1 for d in range(len(shape))])
    steps = [None, None, *(STILL for _ in shape[2:])]
    steps[axis] = AxisStep(1, 1)
    return Reach(places, places, tuple(shape), tuple(steps))


def nothing(shape: Sequence[int]) -> Reach:
    """What does not depend on the input."""
    lo = torch.full([1] * len(shape), _NOTHING, device="cpu")
    return Reach(lo, -lo, tuple(shape), (None,) * len(shape))


def windows(
    reach: Reach,
    dim: int,
    places: Tensor,
    *,
    ratio: Fraction | None,
    taken: Tensor | None = None,
) -> Reach:
    """Each output element sees what some elements along one axis see.

    Args:
        reach: of the tensor that is looked at.
        dim: axis that the windows slide on.
        places: (outputs, K) elements of each window; some may be outside.
        ratio: elements from one output to the next, None where that varies.
        taken: (outputs, K), False for elements that a window leaves out.
    """
    n, step = reach.shape[dim], reach.steps[dim]
    shape = (*reach.shape[:dim], len(places), *reach.shape[dim + 1 :])
    after = None if step is None or ratio is None else step.at(ratio)
    steps = (*reach.steps[:dim], after, *reach.steps[dim + 1 :])
    # An element beyond the border is one inside, some whole periods away: it sees what that one
    # sees, as many advances further. Without a step nothing is beyond the border.
    flat = places.flatten()
    if step is None:
        laps = torch.zeros_like(flat)
    else:
        beyond = torch.where(flat < 0, flat, (flat - n + step.period).clamp(min=0))
        laps = torch.where(flat >= n, beyond // step.period, flat.clamp(max=0) // step.period)
    index = flat - laps * (0 if step is None else step.period)
    known = (index >= 0) & (index < n)
    if taken is not None:
        known &= taken.flatten()
    offset = laps * (0 if step is None else step.advance)
    ends = []
    for values, none in ((reach.lo, _NOTHING), (reach.hi, -_NOTHING)):
        held = values.shape[dim]
        v = values.index_select(dim, index.clamp(0, n - 1) if held > 1 else torch.zeros_like(flat))
        view = [-1 if d == dim else 1 for d in range(v.dim())]
        v = torch.where(known.view(view), v + offset.view(view), none)
        v = v.reshape(*v.shape[:dim], *places.shape, *v.shape[dim + 1 :])
        ends.append(v.amin(dim + 1) if none > 0 else v.amax(dim + 1))
    return _tidy(ends[0], ends[1], shape, steps)


def hull(reach: Reach, dims: Sequence[int], groups: int = 1) -> Reach:
    """All elements along some axes together; these axes stay, with one element.

    Args:
        reach: of the tensor.
        dims: axes that are summed up.
        groups: parts of axis 1 that stay apart; then axis 1 keeps its size.
    """
    if groups > 1 and 1 in dims and reach.lo.shape[1] > 1:
        size = reach.shape[1] // groups
        parts = (reach.lo.shape[0], groups, size, *reach.lo.shape[2:])
        lo = reach.lo.reshape(parts).amin(2).repeat_interleave(size, 1)
        hi = reach.hi.reshape(parts).amax(2).repeat_interleave(size, 1)
        reach = replace(reach, lo=lo, hi=hi)
        dims = [d for d in dims if d != 1]
    shape = tuple(1 if d in dims else n for d, n in enumerate(reach.shape))
    steps = tuple(STILL if d in dims else s for d, s in enumerate(reach.steps))
    if not dims:
        return reach
    return _tidy(reach.lo.amin(list(dims), True), reach.hi.amax(list(dims), True), shape, steps)


def spread(reach: Reach, shape: Sequence[int]) -> Reach:
    """To a shape that differs only where the intervals do not depend on the axis.

    Axes that are missing are put in front.
    """
    new = len(shape) - len(reach.shape)
    ones = (1,) * new
    lo, hi = (v.reshape(ones + tuple(v.shape)) for v in (reach.lo, reach.hi))
    widened = (
        STILL if a < b else s for a, b, s in zip(reach.shape, shape[new:], reach.steps, strict=True)
    )
    return Reach(lo, hi, tuple(shape), ((STILL,) * new + tuple(widened)))


def union(reaches: Sequence[Reach], shape: Sequence[int]) -> Reach:
    """Each element sees what it sees in any of several tensors, with broadcasting."""
    real = [spread(r, shape) for r in reaches if bool(r.seen.any())]
    if not real:
        return nothing(shape)
    if len(real) == 1:
        return real[0]
    lo, hi = real[0].lo, real[0].hi
    for r in real[1:]:
        lo, hi = torch.minimum(lo, r.lo), torch.maximum(hi, r.hi)
    lo, hi = _tight(lo, hi, tuple(shape))
    steps = [
        _common([r.steps[d] for r in real], lo, hi, d, shape[d] == 1) for d in range(len(shape))
    ]
    return Reach(lo, hi, tuple(shape), tuple(steps))


def joined(reaches: Sequence[Reach], dim: int) -> Reach:
    """Tensors one behind the other along one axis."""
    total = sum(r.shape[dim] for r in reaches)
    shape = tuple(total if d == dim else n for d, n in enumerate(reaches[0].shape))
    ends = []
    for which in ("lo", "hi"):
        arrays = [getattr(r, which) for r in reaches]
        held = [max(a.shape[d] for a in arrays) for d in range(len(shape))]
        sizes = [[r.shape[dim] if d == dim else h for d, h in enumerate(held)] for r in reaches]
        ends.append(torch.cat([a.expand(s) for a, s in zip(arrays, sizes, strict=True)], dim))
    lo, hi = _tight(ends[0], ends[1], shape)
    real = [r for r in reaches if bool(r.seen.any())]
    steps = [
        _affine(lo, hi, d)
        if d == dim
        else _common([r.steps[d] for r in real], lo, hi, d, shape[d] == 1)
        for d in range(len(shape))
    ]
    return Reach(lo, hi, shape, tuple(steps))


def permuted(reach: Reach, order: Sequence[int]) -> Reach:
    """Axes in another order."""
    return Reach(
        reach.lo.permute(*order),
        reach.hi.permute(*order),
        tuple(reach.shape[d] for d in order),
        tuple(reach.steps[d] for d in order),
    )


def reshaped(reach: Reach, shape: Sequence[int]) -> Reach:
    """The same elements in the same order under another shape."""
    held, lo_from, lo_to = reach.lo.shape, [], []
    steps: dict[int, AxisStep | None] = {}
    for before, after in _groups(reach.shape, tuple(shape)):
        varies = any(held[d] > 1 for d in before)
        lo_from += [reach.shape[d] if varies else 1 for d in before]
        lo_to += [shape[d] if varies else 1 for d in after]
        of = [d for d in before if reach.shape[d] > 1] or before[:1]
        to = [d for d in after if shape[d] > 1] or after[:1]
        if not varies:  # all alike, beyond the border too unless there is no beyond
            still = STILL if any(reach.steps[d] for d in of) else None
            steps.update(dict.fromkeys(after, still))
        if of and len(to) == 1 and not any(held[d] > 1 for d in of[1:]):
            step, repeats = reach.steps[of[0]], math.prod(reach.shape[d] for d in of[1:])
            steps[to[0]] = None if step is None else step.at(Fraction(1, repeats))
    lo, hi = (v.expand(lo_from).reshape(lo_to) for v in (reach.lo, reach.hi))
    lo, hi = _tight(lo, hi, tuple(shape))
    along = (steps[d] if d in steps else _affine(lo, hi, d) for d in range(len(shape)))
    return Reach(lo, hi, tuple(shape), tuple(along))


def moved(reach: Reach, move: Callable[[Tensor], Tensor], kept: Sequence[int] = ()) -> Reach:
    """What a function that only moves elements does to them; it is performed on the numbers.

    Args:
        reach: of the tensor.
        move: the function.
        kept: axes that are the same before and after, with their steps.
    """
    lo, hi = (move(v) for v in reach.full)
    shape = tuple(lo.shape)
    lo, hi = _tight(lo, hi, shape)
    steps = [reach.steps[d] if d in kept else _affine(lo, hi, d) for d in range(len(shape))]
    return Reach(lo, hi, shape, tuple(steps))


def _tidy(
    lo: Tensor, hi: Tensor, shape: tuple[int, ...], steps: tuple[AxisStep | None, ...]
) -> Reach:
    return Reach(*_tight(lo, hi, shape), shape, steps)


def _tight(lo: Tensor, hi: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """One element along every axis on which both arrays do not depend."""
    for d in range(len(shape)):
        if lo.shape[d] == 1 and hi.shape[d] == 1:
            continue
        still = lo.stride(d) == hi.stride(d) == 0
        if still or all(bool((v == v.narrow(d, 0, 1)).all()) for v in (lo, hi)):
            lo, hi = lo.narrow(d, 0, 1), hi.narrow(d, 0, 1)
        else:
            held = max(lo.shape[d], hi.shape[d])
            lo, hi = (v.expand([held if e == d else -1 for e in range(v.dim())]) for v in (lo, hi))
    return lo, hi


def _affine(lo: Tensor, hi: Tensor, dim: int) -> AxisStep | None:
    """The step of numbers that grow evenly; None where they do not, or where one is alone."""
    if lo.shape[dim] == 1:
        return None
    gaps = [v.diff(dim=dim) for v in (lo, hi)]
    first = int(gaps[0].flatten()[0])
    even = abs(first) < _NOTHING // 2 and all(bool((g == first).all()) for g in gaps)
    return AxisStep(1, first) if even else None


def _common(
    steps: Sequence[AxisStep | None], lo: Tensor, hi: Tensor, dim: int, single: bool
) -> AxisStep | None:
    """The step of a union of tensors with these steps."""
    real = [s for s in steps if s is not None]
    if not real or len(real) < len(steps):
        return _affine(lo, hi, dim)
    if all(s == real[0] for s in real):
        return real[0]
    if lo.shape[dim] == 1 and any(s.advance == 0 for s in real):
        return STILL  # one of them sees all that the others see
    # Different periods of one rate, as 2 elements per sample and 4 elements 2 samples: both hold
    # after as many elements as the least common multiple.
    rates = {Fraction(s.advance, s.period) for s in real}
    if len(rates) == 1:
        period = math.lcm(*(s.period for s in real))
        return AxisStep(period, int(rates.pop() * period))
    return None if single else _affine(lo, hi, dim)


def _groups(
    before: tuple[int, ...], after: tuple[int, ...]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The smallest runs of axes that hold the same elements before and after a reshape."""
    groups = []
    i = j = 0
    while i < len(before) or j < len(after):
        of, to = i, j
        left = right = 1
        if i < len(before):
            left, i = before[i], i + 1
        if j < len(after):
            right, j = after[j], j + 1
        while left != right:
            if left < right:
                left, i = left * before[i], i + 1
            else:
                right, j = right * after[j], j + 1
        groups.append((tuple(range(of, i)), tuple(range(to, j))))
    return groups
