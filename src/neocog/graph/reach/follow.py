"""Follows one run of a module and books what is known of each of its tensors.

What that is, is the subclass's: what its elements see of the image (`reach.trace`), or their
positions (`reach.positions`). Windows that a module declares are taken instead of the operations
inside it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction

from torch import Tensor, nn

from neocog.graph.operations import Call, Observer, Operation, tensors_in
from neocog.graph.ops import RELABELS
from neocog.graph.reach.intervals import Reach, hull, upto, windows
from neocog.graph.reach.tracked import Known, Tracked
from neocog.types import FieldWindow

__all__ = ["Geometry", "TensorFollower", "declared", "geometry_of"]

Geometry = Sequence[FieldWindow | None]
"""What a module declares of its windows; see `graph.operations`."""


class TensorFollower(Observer, ABC):
    """Observes one run.

    Args:
        values: how many a tensor has.
    """

    def __init__(self, values: int) -> None:
        self.tracked = Tracked(values)
        self.declared = 0
        self.unknown: set[str] = set()

    @abstractmethod
    def after(self, op: Operation) -> Sequence[Known]:
        """What is known of each output of an operation."""

    @abstractmethod
    def by_declaration(self, known: Known, geometry: Geometry, x: Tensor, out: Tensor) -> Known:
        """What is known of the output of a module that declares its windows."""

    @abstractmethod
    def left(self, name: str, t: Tensor) -> None:
        """Values of a tensor are read by Python, where nobody can follow them."""

    def start(self, call: Call) -> None:
        """A submodule begins."""
        self.declared += geometry_of(call.module) is not None

    def end(self, call: Call) -> None:
        """A submodule ends."""
        geometry = geometry_of(call.module)
        if geometry is None:
            return
        self.declared -= 1
        if self.declared:
            return
        ins, outs = list(tensors_in(call.args)), list(tensors_in(call.out))
        if len(ins) != len(outs):
            ins = ins[:1] * len(outs)
        for x, out in zip(ins, outs, strict=True):
            known = self.by_declaration(self.tracked.get(x), geometry, x, out)
            self.tracked.write(out, known)

    def operation(self, op: Operation) -> bool:
        """An operation was performed; whether it made or changed a tensor."""
        if self.declared:
            return False
        if op.name == "_local_scalar_dense":
            self.left("Tensor.item", op.args[0])
        if not op.outs or (op.name == "as_strided" and self.tracked.has(op.outs[0])):
            return False  # a part of memory that is known
        if op.in_place and op.name in RELABELS:
            return False
        book = self.tracked.write if op.in_place else self.tracked.put
        for t, known in zip(op.outs, self.after(op), strict=True):
            book(t, known)
        return True


def geometry_of(module: nn.Module) -> Geometry | None:
    """What a module declares; see `graph.operations`."""
    geometry = getattr(module, "geometry", None)
    if isinstance(geometry, tuple) and all(
        w is None or isinstance(w, FieldWindow) for w in geometry
    ):
        return geometry
    return None


def declared(reach: Reach, geometry: Geometry, shape: tuple[int, ...]) -> Reach:
    """What the output of a module sees by the windows that it declares."""
    if len(geometry) == 1:
        geometry = tuple(geometry) * max(1, len(reach.shape) - 2)
    first = len(reach.shape) - len(geometry)
    if len(shape) != len(reach.shape):  # reduced to another shape
        whole = hull(reach, range(len(reach.shape)))
        lo, hi = (v.reshape([1] * len(shape)) for v in (whole.lo, whole.hi))
        return Reach(lo, hi, shape, (None,) * len(shape))
    for k, window in enumerate(geometry):
        d = first + k
        if window is None:
            at = 0 * upto(shape[d]).unsqueeze(1)
            reach = windows(hull(reach, [d]), d, at, ratio=Fraction(1))
            continue
        at = upto(shape[d]).unsqueeze(1) // window.up * window.stride + window.start
        at = at + upto(window.kernel_size)
        reach = windows(reach, d, at, ratio=Fraction(window.stride, window.up))
    if reach.shape != shape:  # other channels: each may come from any
        reach = hull(reach, [d for d in range(first) if reach.shape[d] != shape[d]])
        reach = Reach(reach.lo, reach.hi, shape, reach.steps)
    return reach
