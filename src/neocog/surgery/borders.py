"""Operators at another stride or with another border, in place, in a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn
from torch.nn import functional as F

from neocog.layers.blocks import extend
from neocog.surgery.graph import Traced, shape_of
from neocog.surgery.window import FUNCTIONS, OperatorWindow, arguments, label

__all__ = [
    "ELSEWHERE",
    "PAD_MODULES",
    "OperatorChange",
    "OperatorChanges",
    "far_samples",
    "is_pad",
    "wraps_pads",
]

ELSEWHERE = "its border does not lie in space: its input is not laid out as (B, C, space)"
"""Why a border cannot wrap around."""

Sides = tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class OperatorChange:
    """What is to become of one node.

    Args:
        node: that has a window.
        window: as it is now.
        circular: its border is to wrap around.
        dense: it is to give every sample.
        taken: its windows are taken from a phase before it, padding included; it keeps its stride.
        far: samples that its border gets beside its own, behind each axis.
    """

    node: fx.Node
    window: OperatorWindow
    circular: bool
    dense: bool
    taken: bool
    far: tuple[int, ...]

    @property
    def sides(self) -> Sides:
        """The whole border."""
        return tuple((a, b + f) for (a, b), f in zip(self.window.padding, self.far, strict=True))

    @property
    def mode(self) -> str:
        """What stands there."""
        return "circular" if self.circular else self.window.mode

    @property
    def apart(self) -> bool:
        """Whether the border must be a node of its own, before the operator."""
        if not any(map(any, self.sides)):
            return False
        # PyTorch's own wrapping, a convolution's `padding_mode`, costs as much as the convolution.
        wraps = self.mode == "circular" and self.window.mode != "circular"
        return self.taken or any(self.far) or wraps


def far_samples(
    window: OperatorWindow, size: tuple[int, ...], out: tuple[int, ...]
) -> tuple[int, ...]:
    """Samples to be added behind each axis, so that every sample there gives `stride` phases.

    An operator of stride s with an even window gives n / s samples, each the first of s windows;
    the last of these windows ends beyond the border. Where the stride divides the size, as many
    samples are added as make the map at stride 1 as large as n; where windows were rounded up,
    as many as the last window needs.

    Args:
        window: of the operator.
        size: of what comes in, without batch and channels.
        out: of what goes out at its stride.
    """
    far = []
    for n, o, s, r, pads in zip(
        size, out, window.stride, window.reach, window.padding, strict=True
    ):
        dense = n + sum(pads) - r + 1
        whole = o * s - dense if o * s == n else 0
        far.append(max(0, whole, (o - 1) * s + 1 - dense))
    return tuple(far)


@dataclass
class OperatorChanges:
    """Changes of one graph: collected, then made, since nodes may share a module.

    Args:
        traced: what is changed.
        planned: node to change.
    """

    traced: Traced
    planned: dict[fx.Node, OperatorChange] = field(default_factory=dict)

    def plan(
        self, node: fx.Node, window: OperatorWindow, *, circular: bool, dense: bool, taken: bool
    ) -> OperatorChange:
        """Note what is to become of a node."""
        size = (shape_of(node.all_input_nodes[0]) or ())[2:]
        out = (shape_of(node) or ())[2:]
        full = dense or taken
        far = far_samples(window, size, out) if full else (0,) * len(window.stride)
        change = OperatorChange(
            node=node, window=window, circular=circular, dense=dense, taken=taken, far=far
        )
        self.planned[node] = change
        return change

    def make(self) -> None:
        """Make them all."""
        apart = {str(c.node.target) for c in self.planned.values() if c.apart and _is_module(c)}
        for change in self.planned.values():
            own = str(change.node.target) in apart if _is_module(change) else change.apart
            if own and not change.taken:
                self._border(change)
            if _is_module(change):
                _set_module(self.traced.root.get_submodule(str(change.node.target)), change, own)
            else:
                _set_arguments(change, own)

    def _border(self, change: OperatorChange) -> None:
        node = change.node
        x = node.all_input_nodes[0]
        outside = change.window.kind == "max pool" and change.mode == "zeros"
        with self.traced.graph.inserting_before(node):
            if outside:  # a largest value is never outside
                flat = [n for side in reversed(change.sides) for n in side]
                wide = self.traced.graph.call_function(F.pad, (x, flat), {"value": float("-inf")})
            else:
                wide = self.traced.graph.call_function(
                    extend, (x, change.sides), {"padding": change.mode}
                )
        node.replace_input_with(x, wide)


def _is_module(change: OperatorChange) -> bool:
    return change.node.op == "call_module"


def _set_module(module: nn.Module, change: OperatorChange, apart: bool) -> None:
    axes = len(change.window.stride)
    settings: Any = module
    single = isinstance(getattr(settings, "kernel_size", 1), int)  # also for a pool by p-norm
    if change.dense:
        settings.stride = 1 if single else (1,) * axes
    if (change.dense or change.taken) and hasattr(settings, "ceil_mode"):
        settings.ceil_mode = False
    if apart and hasattr(settings, "padding"):
        settings.padding = 0 if single else (0,) * axes
        if hasattr(settings, "padding_mode"):
            settings.padding_mode = "zeros"
            settings._reversed_padding_repeated_twice = [0] * (2 * axes)


def _set_arguments(change: OperatorChange, apart: bool) -> None:
    node = change.node
    assert callable(node.target)
    _, axes, names = FUNCTIONS[node.target]
    given = arguments(node, names)
    if change.dense:
        given["stride"] = (1,) * axes
    if (change.dense or change.taken) and "ceil_mode" in given:
        given["ceil_mode"] = False
    if apart and "padding" in names:
        given["padding"] = (0,) * axes
    node.args = (given.pop("input"),)
    node.kwargs = given


PAD_MODULES = (
    nn.ZeroPad1d,
    nn.ZeroPad2d,
    nn.ReflectionPad1d,
    nn.ReflectionPad2d,
    nn.ReplicationPad1d,
    nn.ReplicationPad2d,
    nn.ConstantPad1d,
    nn.ConstantPad2d,
)
"""What does nothing but pad, and not by wrapping around."""


def wraps_pads(
    traced: Traced, axes: int, pads: Mapping[fx.Node, bool]
) -> list[tuple[str, str, str]]:
    """Let nodes that only pad space wrap around.

    Args:
        traced: is changed.
        axes: of space.
        pads: each node that pads, and whether its input is laid out as (B, C, space).

    Returns:
        (name, what, reason) of those that cannot.
    """
    left = []
    for node, inside in pads.items():
        sides = _pad_of(node, traced.root)
        if sides is None or not any(sides[: 2 * axes]):
            continue
        name = label(node, traced.root)
        if not inside:
            left.append((name, "padding", ELSEWHERE))
            continue
        if any(sides[2 * axes :]) or min(sides) < 0 or len(sides) > 2 * axes + 4:
            left.append((name, "padding", "it pads channels too, or cuts"))
            continue
        pairs = tuple(
            (sides[2 * i], sides[2 * i + 1]) if 2 * i < len(sides) else (0, 0)
            for i in reversed(range(axes))
        )
        x = node.all_input_nodes[0]
        with traced.graph.inserting_before(node):
            new = traced.graph.call_function(extend, (x, pairs), {"padding": "circular"})
        new.meta = dict(node.meta)
        node.replace_all_uses_with(new)
        traced.graph.erase_node(node)
    return left


def is_pad(node: fx.Node, root: nn.Module) -> bool:
    """Whether a node does nothing but pad."""
    return node.target is extend or _pad_of(node, root) is not None


def _pad_of(node: fx.Node, root: nn.Module) -> list[int] | None:
    """What a node pads, from the last axis on, where it does nothing else."""
    if node.op == "call_module":
        module = root.get_submodule(str(node.target))
        return list(module.padding) if isinstance(module, PAD_MODULES) else None
    if node.op != "call_function" or node.target is not F.pad:
        return None
    given = arguments(node, ("input", "pad", "mode", "value"))
    if given.get("mode", "constant") == "circular":
        return None
    flat = given.get("pad")
    if not isinstance(flat, (list, tuple)) or not all(type(n) is int for n in flat):
        return None
    return [int(n) for n in flat]
