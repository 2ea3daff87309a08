"""Follows one run of a module and books what each of its tensors sees of the input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from torch import Tensor, nn

from neocog.graph.operations import Call, Operation
from neocog.graph.reach.intervals import Reach, hull, nothing, of_input, upto, windows
from neocog.graph.reach.rules import rule_of, sees_first_only
from neocog.graph.reach.scene import Scene, bound
from neocog.graph.reach.tracked import UNKNOWN, Known, Tracked, Unknown
from neocog.jsonable import Jsonable
from neocog.types import FieldWindow

__all__ = [
    "Field",
    "Tracer",
    "carriers",
    "declared",
    "geometry_of",
    "named_in",
    "perform",
    "tensors_in",
]


@dataclass(frozen=True, kw_only=True)
class Field(Jsonable):
    """What the elements of one tensor see, a number an axis of space.

    Args:
        name: of the sub-module that made it.
        kind: the sub-module's class, or the operation.
        output: shape of the tensor for one sample, without the batch axis.
        receptive_field: samples from the first to the last that one element sees, at most; 0
            where the input has no influence.
        jump: samples from one element to the next; None where the fields do not move evenly, or
            each element sees the same.
        step: samples from the place of one element to that of the next, also where each sees the
            whole image (see `reach.places`); None where there are no even places.
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


_SEEN_ANEW = ("transpose", "t", "squeeze", "unsqueeze", "swapaxes", "swapdims", "as_strided")
"""In place these write nothing: the same memory in another form."""


class Tracer:
    """Follows one run."""

    def __init__(self, x: Tensor) -> None:
        self.size = tuple(x.shape[2:])
        self.tracked = Tracked(len(self.size))
        self.tracked.put(x, tuple(of_input(x.shape, 2 + k) for k in range(len(self.size))))
        self.declared = 0
        self.layers: dict[str, Field] = {}
        self.tensors: list[Field] = []
        self.unknown: set[str] = set()
        self.lost = False

    def start(self, call: Call) -> None:
        """A sub-module begins."""
        self.declared += geometry_of(call.module) is not None

    def end(self, call: Call) -> None:
        """A sub-module ends: its output is a layer."""
        geometry = geometry_of(call.module)
        if geometry is not None:
            self.declared -= 1
            if not self.declared:
                self._declare(call, geometry)
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

    def operation(self, op: Operation) -> None:
        """An operation was performed."""
        if self.declared:
            return
        if op.name == "_local_scalar_dense":
            self.left("Tensor.item", op.args[0])
        outs = list(tensors_in(op.out))
        if not outs or (op.name == "as_strided" and self.tracked.has(outs[0])):
            return  # a place in memory that is known
        if op.in_place and op.name in _SEEN_ANEW:
            return
        for t, known in zip(outs, self._after(op, outs), strict=True):
            if op.in_place:
                self.tracked.write(t, known)
            else:
                self.tracked.put(t, known)
        if self.tracked.get(outs[0]) is not None:
            self.tensors.append(self._field(op.module, op.name, outs[0]))

    def _after(self, op: Operation, outs: list[Tensor]) -> list[Known]:
        """What each output sees."""
        given = bound(op)
        tensors = dict(named_in(given))
        known = {name: self.tracked.get(t) for name, t in tensors.items()}
        if all(k is None for k in known.values()):
            return [None] * len(outs)
        if any(isinstance(k, Unknown) for k in known.values()):
            return [UNKNOWN] * len(outs)
        found = []
        for axis in range(len(self.size)):
            reach = {
                name: k[axis] if isinstance(k, tuple) else nothing(tensors[name].shape)
                for name, k in known.items()
            }
            scene = Scene(op.name, op.func, given, reach, tuple(outs[0].shape))
            found.append(perform(op, scene, outs))
        if any(f is None for f in found):
            self.unknown.add(str(getattr(op.func, "overloadpacket", op.name)))
            return [UNKNOWN] * len(outs)
        by_out = zip(*(f for f in found if f is not None), strict=True)
        return [
            UNKNOWN if any(r is None for r in rs) else tuple(r for r in rs if r is not None)
            for rs in by_out
        ]

    def _declare(self, call: Call, geometry: Sequence[FieldWindow | None]) -> None:
        ins, outs = list(tensors_in(call.args)), list(tensors_in(call.out))
        pairs = (
            zip(ins, outs, strict=False) if len(ins) == len(outs) else ((ins[0], o) for o in outs)
        )
        for x, out in pairs:
            known = self.tracked.get(x)
            if isinstance(known, tuple):
                known = tuple(declared(r, geometry, tuple(out.shape)) for r in known)
            self.tracked.write(out, known)

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


def perform(op: Operation, scene: Scene, outs: list[Tensor]) -> list[Reach | None] | None:
    """What each output sees along one axis; None where no rule understands the operation."""
    rule = rule_of(op)
    operands = list(scene.reach.values())[1:]
    if rule is None or any(t.numel() == 0 for t in outs[:1]):
        return None
    if sees_first_only(rule) and any(bool(r.seen.any()) for r in operands):
        return None
    try:
        found = rule(scene)
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError, NotImplementedError):
        return None  # an operation, or a way of calling it, that the rule was not made for
    if found is None:
        return None
    several = found if isinstance(found, list) else [found] * len(outs)
    fitting = [r if r.shape == tuple(t.shape) else None for r, t in zip(several, outs, strict=True)]
    return fitting if fitting[0] is not None else None


def declared(reach: Reach, geometry: Sequence[FieldWindow | None], shape: tuple[int, ...]) -> Reach:
    """By what a module says of itself."""
    if len(geometry) == 1:
        geometry = tuple(geometry) * max(1, len(reach.shape) - 2)
    first = len(reach.shape) - len(geometry)
    if len(shape) != len(reach.shape):  # summed up to another shape
        whole = hull(reach, range(len(reach.shape)))
        return Reach(
            whole.lo.reshape([1] * len(shape)),
            whole.hi.reshape([1] * len(shape)),
            shape,
            (None,) * len(shape),
        )
    for k, window in enumerate(geometry):
        d = first + k
        if window is None:
            reach = windows(
                hull(reach, [d]),
                d,
                0 * upto(shape[d]).unsqueeze(1),
                ratio=Fraction(1),
            )
            continue
        at = upto(shape[d]).unsqueeze(1) // window.up * window.stride + window.start
        places = at + upto(window.kernel)
        reach = windows(reach, d, places, ratio=Fraction(window.stride, window.up))
    if reach.shape != shape:  # other channels: each may come from any
        reach = hull(reach, [d for d in range(first) if reach.shape[d] != shape[d]])
        reach = Reach(reach.lo, reach.hi, shape, reach.steps)
    return reach


def geometry_of(module: nn.Module) -> Sequence[FieldWindow | None] | None:
    """What a module declares; see `graph.operations`."""
    found = getattr(module, "geometry", None)
    if isinstance(found, tuple) and all(w is None or isinstance(w, FieldWindow) for w in found):
        return found
    return None


def carriers(r: Reach, axes: int) -> tuple[int, ...]:
    """Axes of a tensor along which its fields move, for an input of so many axes of space.

    In a map, (B, C, …), what differs between channels is no movement.
    """
    found = tuple(
        d
        for d, (n, held, step) in enumerate(zip(r.shape, r.lo.shape, r.steps, strict=True))
        if held > 1 or (n == 1 and step is not None and step.advance)
    )
    in_space = tuple(d for d in found if d > 1) if len(r.shape) == axes + 2 else ()
    return in_space or found


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


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors of an argument or output, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from tensors_in(v)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def named_in(given: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """Tensors among arguments; those of a list as name.0, name.1, …"""
    for name, value in given.items():
        if isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, (tuple, list)):
            yield from ((f"{name}.{i}", v) for i, v in enumerate(value) if isinstance(v, Tensor))
