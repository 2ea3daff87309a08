"""Track axes of a tensor through changes of its shape."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import fx

from neocog.graph.ops import OPERATORS

__all__ = ["blocks", "joined", "paired", "permuted", "stacked", "summed"]


def _name(node: fx.Node) -> str:
    """The name of a method or function."""
    return str(node.target if node.op == "call_method" else getattr(node.target, "__name__", ""))


def permuted(node: fx.Node, axes: tuple[int, ...], count: int) -> tuple[int, ...] | None:
    """Indices of some axes after `permute` or `transpose` of a tensor with `count` axes."""
    args: list[Any] = list(node.args[1:])
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        args = list(args[0])
    if not all(type(a) is int for a in args) or node.kwargs:
        return None
    order = [a % count for a in args]
    if _name(node) != "permute":
        one, other = order
        order = list(range(count))
        order[one], order[other] = other, one
    return tuple(order.index(a) for a in axes)


def summed(node: fx.Node, count: int) -> set[int]:
    """Axes of a reduction such as a sum, a mean or a max."""
    row = OPERATORS.get(_name(node))
    if row is None or row.rule != "reduction":
        return set()
    given = node.kwargs.get("dim", node.kwargs.get("axis"))
    given = node.args[1] if len(node.args) > 1 else given
    axes = list(given) if isinstance(given, (tuple, list)) else [given]
    return {a % count for a in axes if isinstance(a, int)}


def stacked(node: fx.Node, count: int) -> int | None:
    """The axis that `torch.stack` inserts."""
    at = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    return at % count if isinstance(at, int) else None


def paired(ours: tuple[int, ...], shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Whether a tensor has more than one element along some axes of its broadcast shape."""
    ours = (1,) * (len(shape) - len(ours)) + ours
    return any(ours[a] > 1 for a in axes)


def blocks(shape: tuple[int, ...], space: Iterable[int]) -> bool:
    """Whether each spatial axis is split into two factors of a shape, neither of them 1."""
    rest = list(shape)
    for n in space:
        pairs = [(i, rest[i], rest[i + 1]) for i in range(1, len(rest) - 1)]
        at = next((i for i, a, b in pairs if a * b == n and a < n > b), None)
        if at is None:
            return False
        del rest[at : at + 2]
    return True


def joined(shape: tuple[int, ...], ours: tuple[int, ...]) -> bool:
    """Whether all axes but the batch were flattened into one."""
    count = 1
    for n in ours[1:]:
        count *= n
    return shape[1] == count
