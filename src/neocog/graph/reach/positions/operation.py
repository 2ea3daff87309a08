"""What each operation does to the positions of elements; see `reach.positions.follow`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from neocog.graph.operations import Operation
from neocog.graph.reach.intervals import Reach, hull, nothing
from neocog.graph.reach.rules import perform

__all__ = [
    "JOINED",
    "NUMBERS",
    "ONE_AXIS",
    "PICKED",
    "RUNNING",
    "WEIGHTS",
    "ElementPositions",
    "Finding",
    "PositionedOperation",
    "PositionsAfter",
    "Rule",
    "each",
    "invariant",
    "left_of",
    "mix",
    "numbers_of",
    "one_axis",
    "placed",
    "rate_of",
    "unplaced",
    "width",
]

WEIGHTS = "weights for every position"
NUMBERS = "numbers for every position"
RUNNING = "sums that run from one side"
JOINED = "joined although they move differently"
PICKED = "one position is picked"
ONE_AXIS = "one axis alone"

ElementPositions = tuple[Reach, ...]
"""Positions along each axis; second positions along each axis; frequencies along each axis."""


@dataclass(frozen=True)
class Finding:
    """What takes positions apart."""

    op: Operation
    kind: str


@dataclass
class PositionedOperation:
    """One operation on tensors with positions, and what its rule notes.

    Args:
        op: it.
        tensors: those that are tensors.
        slots: what is known of each; None of what was not made from the image.
        axes: of the image.
        weights: storages of parameters.
        size: of the image along each axis.
        extent: pixels that a spectrum along each axis was made of.
        grids: steps in pixels that shifts must be multiples of, an axis each.
        findings: what takes positions apart.
        reduces: it sums up.
    """

    op: Operation
    tensors: dict[str, Tensor]
    slots: dict[str, ElementPositions | None]
    axes: int
    weights: set[int]
    size: tuple[int, ...]
    extent: list[Fraction]
    grids: list[tuple[int, Fraction]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    reduces: bool = False

    @property
    def given(self) -> dict[str, Any]:
        """Its arguments by name."""
        return self.op.given

    @property
    def outs(self) -> list[Tensor]:
        """Its outputs."""
        return self.op.outs

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the first output."""
        return tuple(self.outs[0].shape)

    @property
    def first(self) -> tuple[Tensor, ElementPositions | None]:
        """The first tensor."""
        name = next(iter(self.tensors))
        return self.tensors[name], self.slots[name]

    def find(self, kind: str) -> None:
        """Note something."""
        self.findings.append(Finding(self.op, kind))

    def spectral(self) -> bool:
        """Whether frequencies are among what is given."""
        return any(bool(r.seen.any()) for k in self.slots.values() if k for r in k[2 * self.axes :])

    def varies(self, name: str, along: set[int]) -> bool:
        """Whether a tensor differs along some of its axes, for all that may be known of it."""
        t = self.tensors[name]
        wide = [d for d in sorted(along) if t.shape[d] > 1]
        if not wide:
            return False
        if t.is_meta or t.untyped_storage()._cdata in self.weights:
            return self.slots[name] is None
        return any(bool((t != t.narrow(d, 0, 1)).any()) for d in wide)


PositionsAfter = list[ElementPositions | None] | None
"""What is known of each output; None where the operation is not understood."""

Rule = Callable[[PositionedOperation], PositionsAfter]


def placed(r: Reach, axes: int) -> tuple[int, ...]:
    """Axes of a tensor along which positions differ."""
    seen = r.seen
    if not bool(seen.any()):
        return ()
    moving = r.moving
    if len(r.shape) == axes + 2 and any(d > 1 for d in moving):
        moving = tuple(d for d in moving if d != 1)  # what differs between channels does not move
    if bool(seen.all()):
        return moving
    return tuple(d for d in moving if r.lo.shape[d] == 1 or width(r, d))


def rate_of(r: Reach, axes: int) -> Fraction | None:
    """Pixels from one position to the next; None where there are none, or they are not even."""
    steps = [r.steps[d] for d in placed(r, axes)]
    rates = [Fraction(s.advance, s.period) for s in steps if s is not None and s.advance]
    return min(rates, key=abs) if rates and len(rates) == len(steps) else None


def unplaced(slots: ElementPositions) -> bool:
    """Whether nothing has a position."""
    return not any(bool(r.seen.any()) for r in slots)


# Parts of an axis


def width(r: Reach, d: int) -> int:
    """Pixels from the first to the last position along one axis of a tensor."""
    lo = torch.where(r.seen, r.lo, torch.full_like(r.lo, 2**60)).amin(d)
    hi = torch.where(r.seen, r.lo, torch.full_like(r.lo, -(2**60))).amax(d)
    there = lo <= hi
    return int((hi - lo)[there].max()) if bool(there.any()) else 0


def _rate_along(r: Reach, some: Sequence[int]) -> Fraction | None:
    """The smallest step along some axes; None where it is not even.

    By the positions themselves first: along rows that lie one behind the other in one axis they
    stay for a row at a time.
    """
    index = tuple(slice(None) if d in some else 0 for d in range(r.lo.dim()))
    gaps = torch.unique(torch.unique(r.lo[index][r.seen[index]]).diff())
    if len(gaps) == 1:
        return Fraction(int(gaps[0]))
    steps = [r.steps[d] for d in some]
    even = [abs(Fraction(s.advance, s.period)) for s in steps if s is not None and s.advance]
    return min(even, default=None) if len(even) == len(steps) else None


def _apart(r: Reach, hit: Sequence[int], rest: Sequence[int]) -> bool:
    """Whether one step along `hit` leads over all positions along `rest`."""
    rate = _rate_along(r, hit)
    return bool(rest) and rate is not None and rate > max(width(r, d) for d in rest)


def mix(
    w: PositionedOperation, slot: int, r: Reach, along: Sequence[int], kind: str | None = None
) -> str:
    """What taking all along some axes together leaves of positions: none, whole, fine or coarse.

    Args:
        w: for what is found.
        slot: of the positions.
        r: the positions.
        along: axes of the tensor.
        kind: found where positions are treated differently; None where all are treated alike.

    Returns:
        "none": nothing was along them. "fine": it was within windows, which stay as they are.
        "coarse": one position of every window, those within stay. "whole": no position is left.
    """
    carrying = placed(r, w.axes)
    hit = [d for d in carrying if d in along]
    rest = [d for d in carrying if d not in along and r.lo.shape[d] > 1]
    if not hit:
        return "none"
    if rest and max(width(r, d) for d in rest) >= max(width(r, d) for d in hit):
        rate = _rate_along(r, rest)
        w.grids.append((slot % w.axes, Fraction(w.size[slot % w.axes]) if rate is None else rate))
        return "fine"
    if kind is not None:
        w.find(kind)
    return "coarse" if _apart(r, hit, rest) else "whole"


def left_of(r: Reach, along: Sequence[int], how: str) -> Reach:
    """Positions after all along some axes were combined; these axes stay, with one element."""
    shape = tuple(1 if d in along else n for d, n in enumerate(r.shape))
    return nothing(shape) if how == "whole" else hull(r, list(along))


def one_axis(w: PositionedOperation, slots: ElementPositions, along: Sequence[int]) -> None:
    """Whether rows and columns are treated differently."""
    hits = []
    for k in range(w.axes):
        both = [slots[k], slots[w.axes + k]]
        if any(bool(r.seen.any()) for r in both):
            hits.append(any(set(placed(r, w.axes)) & set(along) for r in both))
    if len(set(hits)) > 1:
        w.find(ONE_AXIS)


def numbers_of(w: PositionedOperation, slots: ElementPositions) -> None:
    """Operands without positions that differ from position to position."""
    axes = len(w.shape)
    for name, t in w.tensors.items():
        known = w.slots[name]
        if name == "noise" or (known is not None and not unplaced(known)):
            continue
        for s in range(2 * w.axes):
            own = [d for d in placed(slots[s], w.axes) if d - axes + t.dim() >= 0]
            varying = [d for d in own if w.varies(name, {d - axes + t.dim()})]
            if varying:
                mix(w, s, slots[s], varying, NUMBERS)


def each(w: PositionedOperation) -> PositionsAfter:
    """By the rule of its field, for every kind of position by itself."""
    slots: list[list[Reach | None]] = [[] for _ in w.outs]
    for s in range(3 * w.axes):
        reach = {
            name: known[s] if (known := w.slots[name]) else nothing(t.shape)
            for name, t in w.tensors.items()
        }
        if not any(bool(r.seen.any()) for r in reach.values()):
            for parts, t in zip(slots, w.outs, strict=True):
                parts.append(nothing(t.shape))
            continue
        after = perform(w.op, reach)
        if after is None:
            return None
        for parts, r in zip(slots, after, strict=True):
            parts.append(r)
    return [
        None if any(r is None for r in parts) else tuple(r for r in parts if r is not None)
        for parts in slots
    ]


def invariant(t: Tensor, axes: int) -> ElementPositions:
    """Without positions."""
    return (nothing(t.shape),) * (3 * axes)
