"""Positions in an order of their own: round the border, behind numbers, or uneven."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from neocog.graph.reach.intervals import AxisStep, Reach
from neocog.graph.reach.positions.operation import placed

__all__ = ["evened", "extent_of", "uneven", "unwrapped", "with_step"]


def with_step(r: Reach, d: int, step: AxisStep | None) -> Reach:
    """With another step along one axis."""
    return Reach(r.lo, r.hi, r.shape, tuple(step if e == d else s for e, s in enumerate(r.steps)))


def extent_of(parts: Sequence[Reach], d: int) -> int:
    """Pixels that a map covers, of which these are parts along one axis."""
    low = min(int(r.lo[r.seen].min()) for r in parts)
    high = max(int(r.lo[r.seen].max()) for r in parts)
    steps = [s for r in parts if (s := r.steps[d]) is not None]
    return high - low + max((abs(s.advance) // s.period for s in steps), default=0)


def evened(r: Reach, axes: int) -> Reach:
    """With a step where positions go on evenly but for a border: numbers, or the other side."""
    for d in placed(r, axes):
        if r.steps[d] is not None or r.lo.shape[d] < 3:
            continue
        rest = [e for e in range(r.lo.dim()) if e != d]
        line = r.lo.amin(rest) if rest else r.lo
        there = (line < _UNSEEN).nonzero().flatten()
        inner = line[there]
        if len(there) < 3:
            continue
        gaps = inner.diff()
        first = int(gaps.mode().values)
        together = int(there[-1] - there[0]) + 1 == len(there)
        if len(there) < len(line) and together and first and bool((gaps == first).all()):
            r = with_step(r, d, AxisStep(1, first))
        elif len(there) == len(line):
            size = int(inner.max() - inner.min()) + abs(first)
            if first and len(line) < 2 * size // abs(first):  # rows one behind the other come again
                r = _round(r, d, line, size)
    return r


def _round(r: Reach, d: int, line: Tensor, size: int) -> Reach:
    """The same positions in every row, counted on beyond the border, where that is even."""
    view = [-1 if e == d else 1 for e in range(r.lo.dim())]
    seen, one = r.seen, tuple(1 if e != d else n for e, n in enumerate(r.shape))
    if not bool(((r.lo == line.view(view)) | ~seen).all()):
        return r
    alone = Reach(line.view(view), line.view(view), one, (None,) * len(one))
    counted = unwrapped(alone, d, size)
    if counted.steps[d] is None:
        return r
    far = counted.lo - line.view(view)
    lo, hi = torch.where(seen, r.lo + far, r.lo), torch.where(seen, r.hi + far, r.hi)
    return Reach(lo, hi, r.shape, with_step(r, d, counted.steps[d]).steps)


_UNSEEN = 2**39
"""Beyond all positions."""


def unwrapped(r: Reach, d: int, size: int) -> Reach:
    """Positions that come round from the other side, counted on beyond it, where that is even."""
    if size < 1 or r.steps[d] is not None or r.lo.shape[d] < 2 or not bool(r.seen.all()):
        return r
    gaps = r.lo.diff(dim=d) % size
    first = int(gaps.flatten().mode().values)
    first = first if first <= size // 2 else first - size
    if not bool((gaps == first % size).all()) or not first:
        return r
    view = [-1 if e == d else 1 for e in range(r.lo.dim())]
    start = r.lo.narrow(d, 0, 1)
    start = start - (start + first * (r.shape[d] - 1) // 2) // size * size  # most of it inside
    at = torch.arange(r.shape[d], device="cpu").view(view) * first
    far = r.hi - r.lo
    return with_step(Reach(start + at, start + at + far, r.shape, r.steps), d, AxisStep(1, first))


def uneven(r: Reach, axes: int) -> bool:
    """Whether positions go on evenly along no axis."""
    return all(r.steps[d] is None for d in placed(r, axes))
