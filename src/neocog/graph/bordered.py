"""Maps with a border, and one operation on a map; see `misalignment`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from neocog.graph.operations import Operation
from neocog.graph.reach.intervals import AxisStep, Reach, nothing, upto
from neocog.graph.reach.positions.follow import Positions
from neocog.graph.reach.positions.operation import rate_of
from neocog.graph.reach.positions.orders import unwrapped
from neocog.graph.reach.rules import perform
from neocog.graph.reach.trace import carriers

__all__ = ["Bordered", "MapOperation", "by_hand", "clipped", "itself", "line_of", "span"]


@dataclass(frozen=True)
class Bordered:
    """A map that was padded or cropped, and is looked at with the window that follows.

    Args:
        out: it, held so that its memory is not taken by another.
        op: the last that did.
        before: its size along each axis before.
        reach: what it sees of the map before, an axis.
        kinds: of padding.
    """

    out: Tensor
    op: Operation
    before: tuple[int, ...]
    reach: tuple[Reach, ...]
    kinds: frozenset[str]

    @property
    def cropped(self) -> bool:
        """Whether some of it is gone."""
        return any(
            int(r.lo.min()) > 0 or int(r.hi.max()) < n - 1
            for r, n in zip(self.reach, self.before, strict=True)
            if bool(r.seen.any())
        )


@dataclass(frozen=True)
class MapOperation:
    """One operation on a map.

    Args:
        op: it.
        x: the first of its tensors.
        axes: of `x`, for each axis of the input; None where there is not just one.
        border: what was put around `x`.
    """

    op: Operation
    x: Tensor
    axes: list[int | None]
    border: Bordered | None

    @property
    def out(self) -> Tensor:
        """Its first output."""
        return self.op.outs[0]

    def before(self, k: int) -> int:
        """Size of the map along axis k of the input, without its border."""
        d = self.axes[k]
        return self.border.before[k] if self.border else 0 if d is None else self.x.shape[d]

    def around(self, k: int) -> Reach:
        """What the map sees of the map without its border."""
        return (
            self.border.reach[k] if self.border else itself(self.x.shape, self.axes[k], self.axes)
        )

    def local(self, k: int) -> Reach | None:
        """What the output sees of the map without its border."""
        seen = {name: nothing(t.shape) for name, t in self.op.tensors.items()}
        seen[next(iter(seen))] = self.around(k)
        after = perform(self.op, seen)
        r, d = None if after is None else after[0], self.axes[k]
        if r is None or d is None or self.op.name != "roll":
            return r
        return unwrapped(r, d, self.before(k))


def by_hand(
    positions: Positions, op: Operation, x: Tensor, axes: Sequence[int | None]
) -> Bordered | None:
    """A border that was written round a map, by slices: seen by where its samples stand."""
    raw, known = positions.tracked.get(x), positions.known(x)
    if not isinstance(raw, tuple) or not isinstance(known, tuple):
        return None
    before, reach, kinds, written = [], [], set[str](), False
    for k, d in enumerate(axes):
        r, n = itself(x.shape, d, axes), 0 if d is None else x.shape[d]
        if d is not None and raw[k].steps[d] is None and known[k].steps[d] is not None:
            line, rate = span(raw[k], d)[0], rate_of(known[k], positions.axes)
            there = (line < 2**39).nonzero().flatten()
            if not rate or rate < 0:
                return None
            start, written = int(there[0]), True
            if len(there) == len(line):
                start = int(int(line.min() - span(known[k], d)[0][0]) / rate)
                n = int(int(line.max() - line.min()) / rate) + 1
            else:
                kinds.add("constant")
                n = len(there)
            r = Reach(r.lo - start, r.hi - start, r.shape, r.steps)
        before.append(n)
        reach.append(r)
    return Bordered(x, op, tuple(before), tuple(reach), frozenset(kinds)) if written else None


def itself(shape: Sequence[int], d: int | None, axes: Sequence[int | None]) -> Reach:
    """A tensor that sees itself along one of its axes."""
    if d is None:
        return nothing(shape)
    positions = upto(shape[d]).view([-1 if e == d else 1 for e in range(len(shape))])
    steps = tuple(
        AxisStep(1, 1) if e == d else AxisStep(1, 0) if e in axes else None
        for e in range(len(shape))
    )
    return Reach(positions, positions, tuple(shape), steps)


def clipped(r: Reach, d: int) -> bool:
    """Whether windows at the border hold less than those away from it."""
    lo, hi = span(r, d)
    step = r.steps[d]
    if step is None or len(lo) <= step.period:
        return True
    gaps = [v[step.period :] - v[: -step.period] for v in (lo, hi)]
    return not all(bool((g == step.advance).all()) for g in gaps)


def line_of(
    positions: Positions, t: Tensor, k: int, lowest: int
) -> tuple[int, frozenset[str]] | None:
    """Samples in front of the first of the map along one axis, and what stands there."""
    known = positions.known(t)
    if not isinstance(known, tuple):
        return None
    r = known[k]
    (d,) = carriers(r, positions.axes)
    rate = rate_of(r, positions.axes)
    if rate is None or rate <= 0:
        return None
    lo, _ = span(r, d)
    there = (lo < 2**39).nonzero().flatten()
    first = int(there[0])
    if len(there) < t.shape[d]:  # numbers in front of it, or behind
        return first, frozenset(("constant",))
    return int((lowest - int(lo[0])) / rate), frozenset()


def span(r: Reach, d: int) -> tuple[Tensor, Tensor]:
    """First and last sample of each window along one axis."""
    lo, hi = (v.movedim(d, 0).reshape(v.shape[d], -1) for v in (r.lo, r.hi))
    return lo.amin(1), hi.amax(1)
