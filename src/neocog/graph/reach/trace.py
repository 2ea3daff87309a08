"""Follows one run of a module and books what each of its tensors sees of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from neocog.graph.operations import Call, Operation, tensors_in
from neocog.graph.reach.follow import Geometry, TensorFollower, declared
from neocog.graph.reach.intervals import Reach, nothing, of_input
from neocog.graph.reach.rules import perform
from neocog.graph.reach.tracked import UNKNOWN, Known, Unknown, whole_or_unknown
from neocog.jsonable import Jsonable

__all__ = ["Field", "Tracer", "carriers"]


@dataclass(frozen=True, kw_only=True)
class Field(Jsonable):
    """What the elements of one tensor see, a number per axis of space.

    Args:
        name: of the submodule that made it.
        kind: the submodule's class, or the operation.
        output: shape of the tensor for one sample, without the batch axis.
        receptive_field: samples from the first to the last that one element sees, at most; 0
            where the input has no influence.
        jump: samples from one element to the next; None where the fields do not move evenly, or
            each element sees the same.
        step: samples from the place of one element to that of the next, also where each sees the
            whole image (see `reach.positions`); None where there are no even places.
        start: the first sample that element 0 sees; negative in the padding.
        whole: whether each element sees the whole image because all of it was summed up.
        middle: first and last sample that the element in the middle sees, within the image.
        known: False where an operation was not understood; all lists are empty then.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    receptive_field: tuple[int, ...] = ()
    jump: tuple[Fraction | None, ...] = ()
    start: tuple[int | None, ...] = ()
    whole: tuple[bool, ...] = ()
    middle: tuple[tuple[int, int] | None, ...] = ()
    known: bool = True
    step: tuple[Fraction | None, ...] = ()

    @property
    def stepped(self) -> tuple[Fraction | None, ...]:
        """The jumps; the steps of places where fields have none."""
        steps = self.step or (None,) * len(self.jump)
        return tuple(a or b for a, b in zip(self.jump, steps, strict=True))


class Tracer(TensorFollower):
    """Follows what elements see.

    Args:
        x: the sample, (1, C, *space).
    """

    def __init__(self, x: Tensor) -> None:
        self.size = tuple(x.shape[2:])
        super().__init__(len(self.size))
        self.tracked.put(x, tuple(of_input(x.shape, 2 + k) for k in range(len(self.size))))
        self.layers: dict[str, Field] = {}
        self.tensors: list[Field] = []
        self.lost = False

    def end(self, call: Call) -> None:
        """A submodule ends: its output is a layer."""
        super().end(call)
        out = next(tensors_in(call.out), None)
        if out is not None:
            self.layers.pop(call.name, None)
            kind = type(call.module).__name__
            self.layers[call.name] = self._field(call.name, kind, out)

    def left(self, name: str, t: Tensor) -> None:
        """Values are read by Python: they may come back in anything."""
        if not self.declared and self.tracked.get(t) is not None:
            self.unknown.add(name)
            self.lost = True

    def operation(self, op: Operation) -> bool:
        """An operation was performed."""
        made = super().operation(op)
        if made and self.tracked.get(op.outs[0]) is not None:
            self.tensors.append(self._field(op.module, op.name, op.outs[0]))
        return made

    def after(self, op: Operation) -> list[Known]:
        """What each output sees."""
        outs = op.outs
        known = {name: self.tracked.get(t) for name, t in op.tensors.items()}
        if all(k is None for k in known.values()):
            return [None] * len(outs)
        if any(isinstance(k, Unknown) for k in known.values()):
            return [UNKNOWN] * len(outs)
        axes = []
        for axis in range(len(self.size)):
            reach = {
                name: k[axis] if isinstance(k, tuple) else nothing(op.tensors[name].shape)
                for name, k in known.items()
            }
            seen = perform(op, reach)
            if seen is None:
                self.unknown.add(op.full_name)
                return [UNKNOWN] * len(outs)
            axes.append(seen)
        return [whole_or_unknown(rs) for rs in zip(*axes, strict=True)]

    def by_declaration(self, known: Known, geometry: Geometry, x: Tensor, out: Tensor) -> Known:
        """By the windows that a module declares."""
        if not isinstance(known, tuple):
            return known
        return tuple(declared(r, geometry, tuple(out.shape)) for r in known)

    def _field(self, name: str, kind: str, t: Tensor) -> Field:
        known, output = self.tracked.get(t), tuple(t.shape[1:])
        if isinstance(known, Unknown) or self.lost:
            return Field(name=name, kind=kind, output=output, known=False)
        reaches = known or tuple(nothing(t.shape) for _ in self.size)
        moving = [carriers(r, len(self.size)) for r in reaches]
        parts = []
        for k, (r, n) in enumerate(zip(reaches, self.size, strict=True)):
            others = {d for j, m in enumerate(moving) if j != k for d in m}
            parts.append(_numbers(r, n, moving[k], others))
        sizes, jumps, starts, wholes, middles = zip(*parts, strict=True) if parts else ((),) * 5
        return Field(
            name=name,
            kind=kind,
            output=output,
            receptive_field=sizes,
            jump=jumps,
            start=starts,
            whole=wholes,
            middle=middles,
        )


def carriers(r: Reach, axes: int) -> tuple[int, ...]:
    """Axes of a tensor along which its fields move, for an input of so many axes of space.

    In a map, (B, C, …), what differs between channels does not move.
    """
    moving = r.moving
    in_space = tuple(d for d in moving if d > 1) if len(r.shape) == axes + 2 else ()
    return in_space or moving


def _numbers(
    r: Reach, n: int, moving: Sequence[int], others: set[int]
) -> tuple[int, Fraction | None, int | None, bool, tuple[int, int] | None]:
    """Size, jump, start, whether whole, and the field of the middle element."""
    lo, hi = r.lo, r.hi
    if not bool(r.seen.any()):
        return 0, None, None, False, None
    if not moving:
        lo, hi = lo.clamp(min=0), hi.clamp(max=n - 1)
    size = int((hi - lo)[r.seen].max()) + 1
    step = r.steps[moving[0]] if len(moving) == 1 and moving[0] not in others else None
    first = tuple(0 if d in moving else slice(None) for d in range(lo.dim()))
    middle = tuple(m // 2 if held > 1 else 0 for m, held in zip(r.shape, lo.shape, strict=True))
    a, b = max(int(lo[middle]), 0), min(int(hi[middle]), n - 1)
    return (
        size,
        Fraction(step.advance, step.period) if step is not None else None,
        int(lo[first].min()) if bool(r.seen[first].any()) else None,
        not moving and size == n,
        (a, b) if a <= b else None,
    )
