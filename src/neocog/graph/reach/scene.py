"""One operation, as a rule sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from neocog.graph.operations import Operation
from neocog.graph.reach.intervals import Reach

__all__ = ["Rule", "Scene", "bound", "channels", "dims", "numbers"]


@dataclass(frozen=True)
class Scene:
    """One operation, seen from one axis of the input.

    Args:
        name: of the operation.
        func: what was called.
        given: arguments by name, with defaults.
        reach: arguments that are tensors, by name, with what they see; nothing for what the
            input has no influence on.
        out: the shape of the first output.
    """

    name: str
    func: Callable[..., Any]
    given: dict[str, Any]
    reach: dict[str, Reach]
    out: tuple[int, ...]

    @property
    def first(self) -> Reach:
        """Of the first tensor."""
        return next(iter(self.reach.values()))

    def call(self, *numbers: Tensor) -> Any:
        """The operation, performed on numbers in place of its first tensors."""
        given = dict(self.given)
        tensors = [name for name in given if name in self.reach]
        given.update(zip(tensors, numbers, strict=False))
        return self.func(**given)


Rule = Callable[[Scene], "Reach | list[Reach] | None"]
"""What the first output, or each of several, sees; None where that is not understood."""


def bound(op: Operation) -> dict[str, Any]:
    """The arguments of an operation by their names, with defaults."""
    schema = op.func._schema  # type: ignore[attr-defined]
    given = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    names = [a.name for a in schema.arguments if not a.kwarg_only]
    given.update(zip(names, op.args, strict=False))
    return given | op.kwargs


def numbers(value: int | Sequence[int], axes: int) -> list[int]:
    """One number an axis, from one number or a list."""
    found = [value] if isinstance(value, int) else [int(v) for v in value]
    return found * axes if len(found) == 1 else found


def dims(value: int | Sequence[int] | None, axes: int) -> list[int]:
    """Axes that are named, all where none is, counted from the front."""
    if value is None or (not isinstance(value, int) and len(value) == 0):
        return list(range(axes))
    return sorted({d % max(axes, 1) for d in ([value] if isinstance(value, int) else value)})


def channels(x: Reach, channels: int, dim: int = 1) -> Reach:
    """As many channels, all the same or as they are; beyond them is nothing."""
    shape, steps = list(x.shape), list(x.steps)
    shape[dim], steps[dim] = channels, None
    return replace(x, shape=tuple(shape), steps=tuple(steps))
