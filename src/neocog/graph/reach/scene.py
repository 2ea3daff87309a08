"""One operation, as a rule sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from neocog.graph.operations import Operation
from neocog.graph.ops import rule_of
from neocog.graph.reach.intervals import Reach

__all__ = ["Rule", "Scene", "channels", "combined", "dims"]


@dataclass(frozen=True)
class Scene:
    """One operation, seen from one axis of the input.

    Args:
        op: the operation.
        reach: arguments that are tensors, by name, with what they see; nothing for what the
            input has no influence on.
    """

    op: Operation
    reach: dict[str, Reach]

    @property
    def given(self) -> dict[str, Any]:
        """Arguments by name, with defaults."""
        return self.op.given

    @property
    def out(self) -> tuple[int, ...]:
        """The shape of the first output."""
        return tuple(self.op.outs[0].shape)

    @property
    def first(self) -> Reach:
        """Of the first tensor."""
        return next(iter(self.reach.values()))

    def call(self, *values: Tensor) -> Any:
        """The operation, performed on values in place of its first tensors."""
        given = dict(self.given)
        tensors = [name for name in given if name in self.reach]
        given.update(zip(tensors, values, strict=False))
        return self.op.func(**given)


Rule = Callable[[Scene], "Reach | list[Reach] | None"]
"""What the first output, or each of several, sees; None where that is not understood."""


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


def combined(op: Operation) -> list[int]:
    """Axes of the first tensor along which an operation combines all elements.

    In evaluation mode a batch norm combines none; in training mode all but those of its channels.
    """
    rule, given = rule_of(op), op.given
    axes = next(iter(op.tensors.values())).dim()
    if rule == "batch norm":
        training = given.get("training", given.get("use_input_stats", False))
        return [d for d in range(axes) if d != 1] if training else []
    if rule == "layer norm":
        return list(range(axes - len(given["normalized_shape"]), axes))
    if rule == "group norm":
        return list(range(1, axes))
    return dims(given.get("dim"), axes)
