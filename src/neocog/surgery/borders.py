"""Change stride and padding of operators of a graph, in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn
from torch.nn import functional as F

from neocog.graph.ops import name_of
from neocog.layers.blocks import CircularConv2d, extend
from neocog.surgery.graph import Traced, shape_of
from neocog.surgery.window import NodeWindow, arguments, called, label, windowed

__all__ = [
    "NOT_SPATIAL",
    "OperatorChange",
    "OperatorChanges",
    "extra_samples",
    "is_pad",
    "only_pads",
    "wraps",
    "wraps_pads",
]

NOT_SPATIAL = "it does not pad spatial axes: its input is not laid out as (B, C, spatial axes)"
"""Why padding cannot become circular."""

Sides = tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class OperatorChange:
    """The planned change of one node.

    Args:
        node: with a window.
        window: its current window.
        circular: its padding becomes circular.
        dense: its stride becomes 1.
        presampled: its windows are gathered from a phase before it, padding included; it keeps
            its stride.
        extra: samples of padding to add at the end of each axis.
    """

    node: fx.Node
    window: NodeWindow
    circular: bool
    dense: bool
    presampled: bool
    extra: tuple[int, ...]

    @property
    def sides(self) -> Sides:
        """Padding on both sides of each axis."""
        return tuple((a, b + f) for (a, b), f in zip(self.window.padding, self.extra, strict=True))

    @property
    def mode(self) -> str:
        """Padding mode."""
        return "circular" if self.circular else self.window.mode

    @property
    def separate(self) -> bool:
        """Whether padding needs a node of its own before the operator."""
        if not any(map(any, self.sides)):
            return False
        # The circular `padding_mode` of a PyTorch convolution costs as much as the convolution.
        wraps = self.mode == "circular" and self.window.mode != "circular"
        return self.presampled or any(self.extra) or wraps

    @property
    def wraps_itself(self) -> bool:
        """Whether its circular padding is that of the operator, the same on both sides."""
        return self.circular and not (self.presampled or any(self.extra))


def wraps(module: nn.Module) -> bool:
    """Make a convolution of two axes a `CircularConv2d`, in place; False where it can't be one."""
    if type(module) is not nn.Conv2d or isinstance(module.padding, str):
        return False
    module.__class__ = CircularConv2d
    module.padding_mode = "circular"
    return True


def extra_samples(
    window: NodeWindow, size: tuple[int, ...], out: tuple[int, ...]
) -> tuple[int, ...]:
    """Samples to add at the end of each axis, so that every output has `stride` phases.

    An operator of stride s with an even window gives n / s samples, each the first of s windows;
    the last of these windows ends beyond the border. Where the stride divides the size, as many
    samples are added as make the map at stride 1 as large as n; where windows were rounded up,
    as many as the last window needs.

    Args:
        window: of the operator.
        size: spatial size of the input.
        out: spatial size of the output at its stride.
    """
    extra = []
    for n, o, s, r, pads in zip(
        size, out, window.stride, window.reach, window.padding, strict=True
    ):
        dense = n + sum(pads) - r + 1
        whole = o * s - dense if o * s == n else 0
        extra.append(max(0, whole, (o - 1) * s + 1 - dense))
    return tuple(extra)


@dataclass
class OperatorChanges:
    """Changes of one graph: planned first, then applied, since nodes may share a module.

    Args:
        traced: the graph; changed in place.
        planned: node to change.
    """

    traced: Traced
    planned: dict[fx.Node, OperatorChange] = field(default_factory=dict)

    def plan(
        self,
        node: fx.Node,
        window: NodeWindow,
        *,
        circular: bool,
        dense: bool,
        presampled: bool,
    ) -> OperatorChange:
        """Plan the change of a node."""
        size = (shape_of(node.all_input_nodes[0]) or ())[2:]
        out = (shape_of(node) or ())[2:]
        full = dense or presampled
        extra = extra_samples(window, size, out) if full else (0,) * len(window.stride)
        change = OperatorChange(
            node=node,
            window=window,
            circular=circular,
            dense=dense,
            presampled=presampled,
            extra=extra,
        )
        self.planned[node] = change
        return change

    def make(self) -> None:
        """Apply all changes."""
        separate = {
            str(c.node.target) for c in self.planned.values() if c.separate and _is_module(c)
        }
        self._wrap(separate)
        for change in self.planned.values():
            split = str(change.node.target) in separate if _is_module(change) else change.separate
            if split and not change.presampled:
                self._border(change)
            if _is_module(change):
                _set_module(self.traced.root.get_submodule(str(change.node.target)), change, split)
            else:
                _set_arguments(change, split)

    def _wrap(self, separate: set[str]) -> None:
        """Convolutions that can wrap their input themselves do: they are faster than PyTorch's."""
        planned = [c for c in self.planned.values() if _is_module(c)]
        for target in sorted(separate):
            fits = all(c.wraps_itself for c in planned if c.node.target == target)
            if fits and wraps(self.traced.root.get_submodule(target)):
                separate.discard(target)

    def _border(self, change: OperatorChange) -> None:
        node = change.node
        x = node.all_input_nodes[0]
        negative_infinity = change.window.kind == "max pool" and change.mode == "zeros"
        with self.traced.graph.inserting_before(node):
            if negative_infinity:  # a max is never taken from padding
                sizes = [n for side in reversed(change.sides) for n in side]
                padded = self.traced.graph.call_function(
                    F.pad, (x, sizes), {"value": float("-inf")}
                )
            else:
                padded = self.traced.graph.call_function(
                    extend, (x, change.sides), {"padding": change.mode}
                )
        node.replace_input_with(x, padded)


def _is_module(change: OperatorChange) -> bool:
    return change.node.op == "call_module"


def _set_module(module: nn.Module, change: OperatorChange, separate: bool) -> None:
    axes = len(change.window.stride)
    settings: Any = module
    single = isinstance(getattr(settings, "kernel_size", 1), int)  # also for a pool by p-norm
    if change.dense:
        settings.stride = 1 if single else (1,) * axes
    if (change.dense or change.presampled) and hasattr(settings, "ceil_mode"):
        settings.ceil_mode = False
    if separate and hasattr(settings, "padding"):
        settings.padding = 0 if single else (0,) * axes
        if hasattr(settings, "padding_mode"):
            settings.padding_mode = "zeros"
            settings._reversed_padding_repeated_twice = [0] * (2 * axes)


def _set_arguments(change: OperatorChange, separate: bool) -> None:
    node = change.node
    row = windowed(node.target)
    assert row
    _, axes, names = row
    given = arguments(node, names)
    if change.dense:
        given["stride"] = (1,) * axes
    if (change.dense or change.presampled) and "ceil_mode" in given:
        given["ceil_mode"] = False
    if separate and "padding" in names:
        given["padding"] = (0,) * axes
    node.args = (given.pop("input"),)
    node.kwargs = given


def only_pads(module: nn.Module) -> bool:
    """Whether a module of PyTorch only pads, but not circularly."""
    name = name_of(module)
    return name.endswith(("pad1d", "pad2d")) and not name.startswith("circular")


def wraps_pads(
    traced: Traced, axes: int, pads: Mapping[fx.Node, bool]
) -> list[tuple[str, str, str]]:
    """Make nodes that only pad spatial axes circular.

    Args:
        traced: the graph; changed in place.
        axes: number of spatial axes.
        pads: each node that pads, and whether its input is laid out as (B, C, spatial axes).

    Returns:
        (name, what, reason) of those that were skipped.
    """
    skipped = []
    for node, spatial in pads.items():
        sides = _pad_of(node, traced.root)
        if sides is None or not any(sides[: 2 * axes]):
            continue
        name = label(node, traced.root)
        if not spatial:
            skipped.append((name, "padding", NOT_SPATIAL))
            continue
        if any(sides[2 * axes :]) or min(sides) < 0 or len(sides) > 2 * axes + 4:
            skipped.append((name, "padding", "it pads channels too, or crops"))
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
    return skipped


def is_pad(node: fx.Node, root: nn.Module) -> bool:
    """Whether a node only pads."""
    return node.target is extend or _pad_of(node, root) is not None


def _pad_of(node: fx.Node, root: nn.Module) -> list[int] | None:
    """Padding of a node that only pads, from the last axis on; else None."""
    if node.op == "call_module":
        module: Any = called(node, root)
        return list(module.padding) if only_pads(module) else None
    if node.op != "call_function" or node.target is not F.pad:
        return None
    given = arguments(node, ("input", "pad", "mode", "value"))
    if given.get("mode", "constant") == "circular":
        return None
    sizes = given.get("pad")
    if not isinstance(sizes, (list, tuple)) or not all(type(n) is int for n in sizes):
        return None
    return [int(n) for n in sizes]
