"""Where the elements of each tensor stand, whatever else they see.

A field is what an element depends on. Behind a group norm, a gate or attention that is the whole
image, and still each element has its *position*: shift the image by a step and the map moves by a
sample. So positions are followed apart from fields. Of every operation the samples of its own
input that its windows see are looked up, and what it takes from all positions alike (means, norms,
softmax, the keys of attention, spectra) moves nothing:

    step        from the position of one element to that of the next, in pixels
    position    of an element; a tensor may carry two along one axis, as scores of rows by columns
    invariant   made from the image and without a position: stays when the image moves
    spectrum    made by a Fourier transform along an axis: frequencies in place of positions

The lcm of all steps is the total stride: circular shifts by its multiples meet every grid at the
same phase. What takes positions apart is noted on the way: weights or numbers that belong to a
position, running sums, maps that are joined although they move differently, what treats rows and
columns differently. What no rule understands is named, and nothing is known of what follows it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from neocog.graph.operations import Operation, tensors_in
from neocog.graph.ops import operator_of, rule_of
from neocog.graph.reach.follow import Geometry, TensorFollower, declared
from neocog.graph.reach.intervals import Reach, nothing, of_input
from neocog.graph.reach.positions.moves import rule_for
from neocog.graph.reach.positions.operation import (
    ONE_AXIS,
    ElementPositions,
    Finding,
    PositionedOperation,
    invariant,
    placed,
    rate_of,
    unplaced,
)
from neocog.graph.reach.positions.orders import evened
from neocog.graph.reach.rules import NOT_MADE_FOR
from neocog.graph.reach.tracked import UNKNOWN, Known, Unknown, key_of
from neocog.types import FieldWindow

__all__ = ["Positions"]


@dataclass
class _Half:
    """A map that was summed up along one axis alone, so far."""

    op: Operation
    held: tuple[Tensor, Tensor]
    before: Any
    axis: int
    even: bool = False


class Positions(TensorFollower):
    """Follows one run.

    Args:
        x: the sample, (1, C, *space).
        module: that runs; what its parameters hold is never taken for a plain number.
    """

    def __init__(self, x: Tensor, module: nn.Module) -> None:
        self.size = tuple(x.shape[2:])
        self.axes = len(self.size)
        super().__init__(3 * self.axes)
        none = nothing(x.shape)
        itself = [of_input(x.shape, 2 + k) for k in range(self.axes)]
        self.tracked.put(x, (*itself, *([none] * (2 * self.axes))))
        self.weights = {p.untyped_storage()._cdata for p in module.parameters()}
        self.steps: list[set[Fraction]] = [{Fraction(1)} for _ in self.size]
        self.extent: list[Fraction] = [Fraction(n) for n in self.size]
        self.findings: list[Finding] = []
        self._lost: set[str] = set()
        self.whole: list[Operation] = []
        self._halves: list[_Half] = []
        self._after_half: dict[Any, _Half] = {}

    @property
    def stride(self) -> tuple[int, ...] | None:
        """The total stride along each axis, in pixels; None where something is unknown."""
        if self.unknown:
            return None
        return tuple(_lcm(steps) for steps in self.steps)

    def steps_of(self, t: Tensor) -> tuple[Fraction | None, ...]:
        """Pixels from the position of one element to that of the next, along each axis."""
        known, axes = self.known(t), self.axis_of(t)
        if not isinstance(known, tuple) or axes is None:
            return (None,) * self.axes
        return tuple(
            None if d is None else rate_of(known[k], self.axes) for k, d in enumerate(axes)
        )

    def lowest(self, tensors: Sequence[Tensor], k: int) -> int:
        """The first position along one axis among some tensors."""
        known = [self.known(t) for t in tensors]
        return min(int(s[k].lo.min()) for s in known if isinstance(s, tuple))

    def differ(self, a: Tensor, b: Tensor, k: int) -> bool:
        """Whether elements stand in other positions along one axis."""
        one, other = self.known(a), self.known(b)
        if not isinstance(one, tuple) or not isinstance(other, tuple):
            return True
        return not torch.equal(one[k].lo, other[k].lo)

    def axis_of(self, t: Tensor) -> list[int | None] | None:
        """The tensor's axis that holds each axis of the image; None where there is not one."""
        known = self.known(t)
        if not isinstance(known, tuple):
            return None
        along = [placed(known[k], self.axes) for k in range(self.axes)]
        seconds = [bool(r.seen.any()) for r in known[self.axes :]]
        flat = [d for dims in along for d in dims]
        twice = [any(seconds[k :: self.axes]) for k in range(self.axes)]
        return [
            dims[0] if len(dims) == 1 and flat.count(dims[0]) == 1 and not twice[k] else None
            for k, dims in enumerate(along)
        ]

    def known(self, t: Tensor) -> Known:
        """Positions, evened out where a border was put round them by hand."""
        known = self.tracked.get(t)
        if not isinstance(known, tuple):
            return known
        positions = (evened(r, self.axes) for r in known[: 2 * self.axes])
        return (*positions, *known[2 * self.axes :])

    def by_declaration(self, known: Known, geometry: Geometry, x: Tensor, out: Tensor) -> Known:
        """Positions behind windows that a module declares."""
        known = self.known(x)
        if isinstance(known, tuple):
            known = tuple(_declared(r, geometry, x, out) for r in known)
            self._note(known)
        return known

    def finish(self, out: Any) -> None:
        """The run is over: what was not understood matters where it led to the output.

        So does what was summed up along one axis and never along the other.
        """
        if any(isinstance(self.known(t), Unknown) for t in tensors_in(out)):
            self.unknown |= self._lost
        self.findings += [Finding(h.op, ONE_AXIS) for h in self._halves if not h.even]

    def left(self, name: str, t: Tensor) -> None:
        """Values of a tensor are read by Python, where nobody can follow them."""
        known = self.known(t)
        if self.declared:
            return
        if isinstance(known, Unknown):
            self.unknown |= {name, *self._lost}
        elif known is not None and not unplaced(known):
            self.unknown.add(name)

    def after(self, op: Operation) -> Sequence[Known]:
        """What is known of each output."""
        tensors, outs = dict(op.tensors), op.outs
        if rule_of(op) == "none":
            return [None] * len(outs)
        if op.name == "copy":
            tensors.pop("self", None)
        # A border that is written by hand may not be whole yet.
        only_moves = op.is_view or operator_of(op).on_map == "writes" or op.name == "clone"
        look = self.tracked.get if only_moves else self.known
        known = {name: look(t) for name, t in tensors.items()}
        if all(k is None for k in known.values()):
            return [None] * len(outs)
        if any(isinstance(k, Unknown) for k in known.values()):
            return [UNKNOWN] * len(outs)
        slots = {name: k if isinstance(k, tuple) else None for name, k in known.items()}
        if all(k is None or unplaced(k) for k in slots.values()):
            return [invariant(t, self.axes) for t in outs]
        work = PositionedOperation(
            op, tensors, slots, self.axes, self.weights, self.size, self.extent
        )
        try:
            after = rule_for(op)(work)
        except NOT_MADE_FOR:
            after = None
        if after is None or all(slots_out is None for slots_out in after):
            self._lost.add(op.full_name)
            return [UNKNOWN] * len(outs)
        self._book(work, after)
        for slots_out, t in zip(after, outs, strict=True):
            if slots_out is not None and not op.is_view and t.is_floating_point():
                self._note(slots_out)
        return [UNKNOWN if slots_out is None else slots_out for slots_out in after]

    def _note(self, slots: ElementPositions) -> None:
        """The steps of a tensor's positions."""
        for s in range(2 * self.axes):
            rate = rate_of(slots[s], self.axes)
            if rate:
                self.steps[s % self.axes].add(abs(rate))

    def _book(self, work: PositionedOperation, after: Sequence[ElementPositions | None]) -> None:
        """What a rule has noted; a sum along one axis waits for that along the other."""
        if work.reduces:
            self.whole.append(work.op)
        for axis, step in work.grids:
            self.steps[axis].add(step)
        uneven = [f for f in work.findings if f.kind == ONE_AXIS]
        self.findings += [f for f in work.findings if f.kind != ONE_AXIS]
        halves = [h for t in work.tensors.values() if (h := self._after_half.pop(key_of(t), None))]
        for h in halves:
            if work.op.is_view:
                self._after_half[key_of(work.op.outs[0])] = h
            elif work.reduces and all(k is None or unplaced(k) for k in after):
                h.even |= work.op.name == h.op.name
        if not uneven:
            return
        if not work.reduces or len(work.tensors) != 1:
            self.findings += uneven
            return
        x, slots = work.first
        gone = [k for k in range(self.axes) if slots and placed(slots[k], self.axes)]
        left = [k for k in gone if after[0] and placed(after[0][k], self.axes)]
        half = _Half(work.op, (x, work.op.outs[0]), key_of(x), min(left, default=-1))
        twin = [
            h
            for h in self._halves
            if (h.before, h.op.name) == (half.before, half.op.name) and h.axis != half.axis
        ]
        if twin and not twin[0].even:  # rows by themselves, and columns by themselves
            twin[0].even = half.even = True
        self._halves.append(half)
        self._after_half[key_of(work.op.outs[0])] = half


def _declared(r: Reach, geometry: Geometry, x: Tensor, out: Tensor) -> Reach:
    """By what a module declares of itself; where it sees all, samples still lie evenly."""
    if not bool(r.seen.any()) or x.dim() != out.dim():
        return nothing(out.shape)
    axes = x.dim() - 2
    whole = tuple(geometry) * (axes if len(geometry) == 1 else 1)
    windows: list[FieldWindow | None] = []
    for w, n, m in zip(whole, x.shape[2:], out.shape[2:], strict=True):
        ratio = Fraction(n, m)
        even = FieldWindow(1, ratio.numerator, 0, ratio.denominator)
        windows.append(even if w is None else w)
    return declared(r, tuple(windows), tuple(out.shape))


def _lcm(steps: set[Fraction]) -> int:
    """The least common multiple of all steps, of which 1 is one, as an integer."""
    return math.lcm(*(s.numerator for s in steps))
