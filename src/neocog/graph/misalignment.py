"""Operations that are obstacles to equivariance, found while a module runs; see `alignment`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from neocog.graph.bordered import (
    Bordered,
    MapOperation,
    by_hand,
    clipped,
    itself,
    line_of,
    span,
)
from neocog.graph.operations import Call, Observer, Operation, tensors_in
from neocog.graph.ops import operator_of, rule_of
from neocog.graph.reach.follow import declared, geometry_of
from neocog.graph.reach.intervals import Reach
from neocog.graph.reach.positions.follow import Positions
from neocog.graph.reach.positions.operation import (
    JOINED,
    NUMBERS,
    ONE_AXIS,
    PICKED,
    RUNNING,
    WEIGHTS,
    placed,
)
from neocog.graph.reach.tracked import key_of
from neocog.graph.wording import times
from neocog.layers.windows import ChooseWindows, TakeWindows

__all__ = [
    "CIRCULAR_SHIFT",
    "POSITIONAL_WEIGHTS",
    "POSITION_DEPENDENT",
    "QUARTER_TURN",
    "RULES",
    "EquivarianceObstacle",
    "Misalignment",
    "MisalignmentWatch",
]

QUARTER_TURN = "quarter turn"
CIRCULAR_SHIFT = "circular shift"
RULES = (QUARTER_TURN, CIRCULAR_SHIFT)
"""Symmetries that are checked."""

POSITIONAL_WEIGHTS = (
    "a dense layer on a flattened map: weights for every position",
    "a parameter for every position",
)
"""Obstacles of position-dependent weights, whatever the padding."""

_FINDINGS = {
    WEIGHTS: (POSITIONAL_WEIGHTS[0], "global average pooling before it", (CIRCULAR_SHIFT,)),
    NUMBERS: (POSITIONAL_WEIGHTS[1], "no position-dependent parameters", (CIRCULAR_SHIFT,)),
    RUNNING: ("a cumulative sum from one side", "a sum over the whole map", RULES),
    JOINED: (
        "feature maps that shift differently are joined",
        "feature maps that shift alike",
        RULES,
    ),
    PICKED: ("some positions are selected", "all positions alike", RULES),
    ONE_AXIS: ("rows and columns are treated differently", "both alike", (QUARTER_TURN,)),
}
"""Obstacle, remedy, and the symmetries that it breaks."""

POSITION_DEPENDENT = frozenset(_FINDINGS[kind][0] for kind in (RUNNING, JOINED, PICKED))
"""Obstacles of operations that distinguish positions without weights."""


@dataclass(frozen=True, kw_only=True)
class Misalignment:
    """One obstacle to equivariance.

    Args:
        layer: the submodule in which it is performed.
        operation: its name.
        rule: one of `RULES`.
        reason: the obstacle.
        remedy: what would remove it.
        by_size: whether another size alone would remove it.
    """

    layer: str
    operation: str
    rule: str
    reason: str
    remedy: str
    by_size: bool

    @property
    def is_border(self) -> bool:
        """Whether it is padding or cropping."""
        return self.reason.startswith("padding is") or self.reason.endswith(
            ("some are cropped", "some are added")
        )


class EquivarianceObstacle(Exception):
    """An obstacle to the requested symmetry: no need to run the rest."""


class MisalignmentWatch(Observer):
    """Follows one run, and looks at each operation by itself.

    Args:
        x: the sample.
        module: that runs.
        stop: a rule; the run ends with `EquivarianceObstacle` where something breaks it.
    """

    def __init__(self, x: Tensor, module: nn.Module, stop: str | None = None) -> None:
        self.positions = Positions(x, module)
        self.axes = self.positions.axes
        self.stop = stop
        self.rows: list[Misalignment] = []
        self.maps: list[tuple[int, ...]] = []
        self.bordered: dict[Any, Bordered] = {}
        self._reported = 0
        self.choosing = 0
        self.windows: Tensor | None = None
        if self.axes == 2 and x.shape[2] != x.shape[3]:
            reason = f"an image of {times(x.shape[2:])} is not square"
            self._add("", "input", QUARTER_TURN, reason, "a square", by_size=True)

    @property
    def stride(self) -> int | None:
        """Of the whole network, in samples of the image; None where something is unknown."""
        results = self.positions.stride
        return None if results is None else math.lcm(*results)

    @property
    def unknown(self) -> set[str]:
        """Operations that were not understood."""
        return self.positions.unknown

    def start(self, call: Call) -> None:
        """A submodule begins."""
        self.choosing += isinstance(call.module, ChooseWindows)
        self.positions.start(call)

    def end(self, call: Call) -> None:
        """A submodule ends; one that declares its windows is looked at whole."""
        windows = geometry_of(call.module) if self.positions.declared == 1 else None
        x, out = (next(tensors_in(v), None) for v in (call.args, call.out))
        axes = None if x is None else self.positions.axis_of(x)
        self.positions.end(call)
        self.choosing -= isinstance(call.module, ChooseWindows)
        if isinstance(call.module, TakeWindows) and x is not None and axes is not None:
            self.windows = out
            self._taken(call.name, call.module, x, axes)
            return
        if windows is None or x is None or out is None or axes is None or x.dim() != out.dim():
            return
        kind = type(call.module).__name__
        for d in axes:
            if d is not None:
                r = declared(itself(x.shape, d, axes), windows, tuple(out.shape))
                self._symmetric(call.name, kind, x.shape[d], r, d)
                self._circular(call.name, kind, x.shape[d], r, frozenset())

    def _taken(self, layer: str, take: TakeWindows, x: Tensor, axes: Sequence[int | None]) -> None:
        """Windows from a phase, with the operator that sees them: they move along with the map."""
        sizes = [x.shape[d] for d in axes if d is not None]
        for n, stride in zip(sizes, take.stride, strict=True):
            if n % stride:
                reason = f"stride {stride} does not divide size {n}"
                remedy = f"{n // stride * stride + stride} or {n // stride * stride}"
                self._add(layer, "TakeWindows", CIRCULAR_SHIFT, reason, remedy, by_size=True)
        if self.axes == 2:
            reason = "the phase is selected by elements above and to the left"
            remedy = "a selection that rotates too, as `choose_phase`"
            self._add(layer, "TakeWindows", QUARTER_TURN, reason, remedy, by_size=False)

    def finish(self, out: Any) -> None:
        """The run is over."""
        self.positions.finish(out)
        self._findings()

    def left(self, name: str, t: Tensor) -> None:
        """Values are read by Python."""
        self.positions.left(name, t)

    def operation(self, op: Operation) -> None:
        """An operation was performed."""
        if self.positions.declared:
            return
        x, out = next(iter(op.tensors.values()), None), next(iter(op.outs), None)
        if op.name == "cat":
            x = next((t for t in op.tensors.values() if any(self.positions.axis_of(t) or ())), x)
        work = None
        if x is not None and out is not None and out.numel():
            axes = self.positions.axis_of(x)
            if axes is not None and any(d is not None for d in axes):
                border = self.bordered.get(key_of(x)) or by_hand(self.positions, op, x, axes)
                work = MapOperation(op, x, axes, border)
        summed = len(self.positions.whole)
        self.positions.operation(op)
        sources = self.choosing or (self.windows is not None and x is self.windows)
        if sources:  # no map, or one layer with what has been looked at
            pass
        elif work is not None and len(self.positions.whole) == summed:
            self._map(work)
        elif work is not None and work.border is not None and work.border.cropped:
            self._joined(work.x)
        if out is not None:
            self._sized(out)
        self._findings()

    def _sized(self, out: Tensor) -> None:
        """How many samples the maps have."""
        axes = self.positions.axis_of(out)
        if axes is not None and out.dim() == self.axes + 2 and all(d is not None for d in axes):
            self.maps.append(tuple(out.shape[d] for d in axes if d is not None))

    def _findings(self) -> None:
        """What takes positions apart, as rows."""
        results, self._reported = (
            self.positions.findings[self._reported :],
            len(self.positions.findings),
        )
        for f in results:
            reason, remedy, rules = _FINDINGS[f.kind]
            for rule in rules:
                if rule != QUARTER_TURN or self.axes == 2:
                    self._add(f.op.module, f.op.name, rule, reason, remedy, by_size=False)

    def _map(self, w: MapOperation) -> None:
        """An operation on a map."""
        how, resized = operator_of(w.op).on_map, w.out.shape != w.x.shape
        if how == "pads" or (w.op.name == "slice" and w.op.given["step"] == 1):
            if resized:
                self._borders(w)
        elif how == "reassembles":
            self._reassembled(w)
        elif how == "slides":
            if resized or w.op.name != "slice":
                self._slides(w)
        elif how == "keeps" and w.border is not None:
            b = w.border
            self.bordered[key_of(w.out)] = Bordered(w.out, b.op, b.before, b.reach, b.kinds)
        elif not w.op.is_view and how != "writes":
            for t in w.op.tensors.values():
                self._joined(t)

    def _borders(self, w: MapOperation) -> None:
        """Padded or cropped."""
        results = [w.local(k) for k in range(self.axes)]
        reach = tuple(r for r in results if r is not None)
        sizes = [(w.x.shape[d], w.out.shape[d]) for d in w.axes if d is not None]
        if len(reach) < self.axes or all(a == b for a, b in sizes):
            return  # only channels
        kind = operator_of(w.op).border
        kinds = w.border.kinds if w.border else frozenset()
        if kind and any(a < b for a, b in sizes):
            kinds |= {kind}
        before = tuple(w.before(k) for k in range(self.axes))
        self.bordered[key_of(w.out)] = Bordered(w.out, w.op, before, reach, kinds)

    def _reassembled(self, w: MapOperation) -> None:
        """Put together along an axis again: the other side of the map, or numbers, as a border."""
        after = self.positions.axis_of(w.out)
        where = w.op.given.get("dim", 0)
        along = [k for k, d in enumerate(after or ()) if d is not None and d == w.axes[k]]
        if w.op.name == "index":
            along = [k for k in along if self.positions.differ(w.x, w.out, k)]
        else:
            along = [k for k in along if after and after[k] == where % w.out.dim()]
        if after is None or not along:
            for t in w.op.tensors.values():
                self._joined(t)
            return
        borders = [b for t in w.op.tensors.values() if (b := self.bordered.get(key_of(t)))]
        before, reach = [0 if d is None else w.out.shape[d] for d in after], []
        kinds = frozenset(kind for b in borders for kind in b.kinds)
        for k, d in enumerate(after):
            r = itself(w.out.shape, d, after)
            if k not in along and borders:
                before[k], r = borders[0].before[k], borders[0].reach[k]
                r = Reach(r.lo, r.hi, tuple(w.out.shape), r.steps)
            if k in along:
                lowest = self.positions.lowest(list(w.op.tensors.values()), k)
                line = line_of(self.positions, w.out, k, lowest)
                if line is None:
                    return
                start, kind = line
                before[k] = self._uncut(w, k)
                kinds |= kind
                r = Reach(r.lo - start, r.hi - start, r.shape, r.steps)
            reach.append(r)
        for t in w.op.tensors.values():
            self.bordered.pop(key_of(t), None)
        results = Bordered(w.out, w.op, tuple(before), tuple(reach), kinds)
        self.bordered[key_of(w.out)] = results

    def _uncut(self, w: MapOperation, k: int) -> int:
        """Samples that the map had along one axis before it was taken apart."""
        sizes = []
        for t in w.op.tensors.values():
            axes, border = self.positions.axis_of(t), self.bordered.get(key_of(t))
            d = None if axes is None else axes[k]
            if border is not None or d is not None:
                sizes.append(border.before[k] if border else t.shape[d or 0])
        return max(sizes, default=0)

    def _slides(self, w: MapOperation) -> None:
        """Windows over a map, with the border that was put around it."""
        kinds = w.border.kinds if w.border else frozenset()
        repeats = rule_of(w.op) == "interpolation" and "nearest" not in w.op.name
        spans = []
        for k, d in enumerate(w.axes):
            r = None if d is None else w.local(k)
            if d is None or r is None or placed(r, self.axes) != (d,):
                continue
            around, n = w.around(k), w.before(k)
            beyond = bool(r.lo.min() < around.lo.min()) or bool(r.hi.max() > around.hi.max())
            pads = beyond and w.op.name != "roll"
            own = {operator_of(w.op).border or "left out"} if pads else set()
            spans.append((n, *(v.tolist() for v in span(r, d))))
            self._symmetric(w.op.module, w.op.name, n, r, d)
            if repeats and clipped(r, d):
                own = {"repeated"}
            self._circular(w.op.module, w.op.name, n, r, kinds | own)
        if len(spans) == 2 and w.op.name != "slice" and spans[0] != spans[1]:
            (rows, *_), (columns, *_) = spans
            if rows != columns:
                reason, remedy = f"a map of {rows}×{columns} is not square", "a square"
            else:
                reason = "the windows differ between rows and columns"
                remedy = "equal kernel, stride and padding on both"
            self._add(w.op.module, w.op.name, QUARTER_TURN, reason, remedy, by_size=rows != columns)

    def _symmetric(self, layer: str, name: str, n: int, r: Reach, d: int) -> None:
        """As many samples before the first window as behind the last."""
        lo, hi = span(r, d)
        sources, other = lo <= hi, n - 1 - hi.flip(0)
        alike = torch.equal(sources, sources.flip(0)) and torch.equal(lo[sources], other[sources])
        if self.axes < 2 or alike or not bool(sources.any()):
            return
        lo, hi = lo[sources], hi[sources]
        step, rest = r.steps[d], int((n - 1 - hi[-1]) - lo[0])
        stride = Fraction(step.advance, step.period) if step else Fraction(0)
        if stride > 1 and 0 < rest < stride:
            reason = f"stride {stride} at size {n} cannot be 4-fold symmetric"
            remedy = f"{n - rest + stride} can, or {n - rest}"
            self._add(layer, name, QUARTER_TURN, reason, remedy, by_size=True)
        else:
            reason = f"at size {n} the windows are not symmetric about the center"
            remedy = "an odd kernel with equal padding on both sides"
            self._add(layer, name, QUARTER_TURN, reason, remedy, by_size=False)

    def _circular(self, layer: str, name: str, n: int, r: Reach, kinds: frozenset[str]) -> None:
        """Whether windows that wrap around would fit."""
        moving = placed(r, self.axes)
        step = r.steps[moving[0]] if len(moving) == 1 else None
        if len(moving) != 1:
            return
        if step is None:
            reason, remedy = f"windows of unequal size on {n} elements", "a size that they divide"
            self._add(layer, name, CIRCULAR_SHIFT, reason, remedy, by_size=True)
            return
        if step.advance < 1:  # all see the same, or run backwards: there is no grid to fit
            return
        stride = Fraction(step.advance, step.period)
        for kind in sorted(kinds):
            reason = f"padding is {kind}"
            self._add(layer, name, CIRCULAR_SHIFT, reason, "circular padding", by_size=False)
        if (n / stride).denominator > 1:
            lower = n // stride * stride
            reason = f"stride {stride} does not divide size {n}"
            remedy = f"{lower + stride} or {lower}"
            self._add(layer, name, CIRCULAR_SHIFT, reason, remedy, by_size=True)
        elif r.shape[moving[0]] * stride != n:
            change = "cropped" if r.shape[moving[0]] * stride < n else "added"
            reason = (
                f"{n} elements become {r.shape[moving[0]]} at stride {stride}: some are {change}"
            )
            remedy = "circular padding that keeps the size"
            self._add(layer, name, CIRCULAR_SHIFT, reason, remedy, by_size=False)

    def _joined(self, t: Tensor) -> None:
        """A padded or cropped map that no window follows."""
        border = self.bordered.pop(key_of(t), None)
        axes = self.positions.axis_of(t) if border is not None else None
        if border is None or axes is None:
            return
        for k, d in enumerate(axes):
            if d is not None:
                r, n = border.reach[k], border.before[k]
                self._symmetric(border.op.module, border.op.name, n, r, d)
                self._circular(border.op.module, border.op.name, n, r, border.kinds)

    def _add(
        self, layer: str, operation: str, rule: str, reason: str, remedy: str, *, by_size: bool
    ) -> None:
        row = Misalignment(
            layer=layer,
            operation=operation,
            rule=rule,
            reason=reason,
            remedy=remedy,
            by_size=by_size,
        )
        self.rows.append(row)
        if rule == self.stop:
            raise EquivarianceObstacle
