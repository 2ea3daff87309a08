"""The sampling grid of each tensor, and which downsamplers must keep the same phase.

Every downsampler opens a *group*: after it, elements lie on every s-th element before, from a phase
that the group selects. The *grid* of a tensor is the list of groups on its way, in order.

Where two tensors are combined (a sum, a product, a concatenation) their elements are paired, so
their grids must be equal: the groups are joined pair by pair, and a joined group has one phase.
So both branches of a residual block share theirs, whatever the block is called.
Grids that cannot be paired have their groups barred, with the reason; so have different grids
where a tensor joins whose spatial axes cannot be followed.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn

from neocog.graph.ops import name_of
from neocog.layers.windows import TakeWindows
from neocog.surgery.axes import blocks, joined, paired, permuted, stacked, summed
from neocog.surgery.graph import Traced, shape_of
from neocog.surgery.window import NodeWindow, arguments, called, label, window_of

__all__ = ["GridLayout", "SampleGrids", "Sampler", "grids_of"]


@dataclass(frozen=True)
class GridLayout:
    """The sampling grid and spatial axes of a tensor.

    Args:
        grid: the groups on its way.
        axes: spatial axes; () if space was rearranged and is not followed.
    """

    grid: tuple[int, ...]
    axes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """A node that downsamples.

    Args:
        node: of the graph.
        name: for messages.
        what: operator, window and stride, for messages.
        window: of a known operator.
        group: that it opens.
        reason: why no downsampling can replace it, or "".
    """

    node: fx.Node
    name: str
    what: str
    window: NodeWindow | None
    group: int
    reason: str = ""


@dataclass
class SampleGrids:
    """The groups of a graph.

    Args:
        samplers: in the order of the graph.
        barred: group to why it cannot select a phase.
        remarks: notes on the result.
        layouts: node to the layout of its output.
        space: number of spatial axes of the input.
    """

    samplers: list[Sampler] = field(default_factory=list)
    barred: dict[int, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    layouts: dict[fx.Node, GridLayout | None] = field(default_factory=dict)
    space: int = 0
    _parent: list[int] = field(default_factory=list)
    _stride: list[tuple[int, ...]] = field(default_factory=list)

    def open(self, stride: tuple[int, ...]) -> int:
        """Open a new group."""
        self._parent.append(len(self._parent))
        self._stride.append(stride)
        return len(self._parent) - 1

    def find(self, group: int) -> int:
        """The first of the groups that it was joined with."""
        while self._parent[group] != group:
            group = self._parent[group]
        return group

    def join(self, one: int, other: int, where: str) -> None:
        """Make two groups keep the same phase."""
        one, other = sorted((self.find(one), self.find(other)))
        if one == other:
            return
        reason = self.barred.pop(other, "") or self.barred.get(one, "")
        if self._stride[one] != self._stride[other]:
            strides = f"{self._stride[one]} and {self._stride[other]}"
            reason = reason or f"at `{where}` it joins a branch of another stride ({strides})"
        self._parent[other] = one
        if reason:
            self.bar(one, reason)

    def bar(self, group: int, reason: str) -> None:
        """A group cannot select a phase; the first reason is kept."""
        self.barred.setdefault(self.find(group), reason)

    def merge(self, layouts: list[GridLayout], where: str) -> tuple[int, ...]:
        """The grid of a combination of several tensors."""
        grids = [p.grid for p in layouts]
        longest = max(grids, key=len)
        if any(len(g) != len(longest) for g in grids):
            self._bar_unshared(grids, f"at `{where}` it joins a branch with other downsampling")
            return longest
        for grid in grids[1:]:
            for one, other in zip(grids[0], grid, strict=True):
                self.join(one, other, where)
        return longest

    def merge_unknown(self, layouts: list[GridLayout], where: str) -> tuple[int, ...]:
        """The grid of a combination of several tensors whose elements are paired in an unknown way.

        Groups that all share keep their phase; the others cannot select one.
        """
        grids = [p.grid for p in layouts]
        self._bar_unshared(grids, f"at `{where}` it joins a branch whose elements were rearranged")
        return max(grids, key=len)

    def _bar_unshared(self, grids: list[tuple[int, ...]], reason: str) -> None:
        """Bar groups that are not in all grids."""
        shared = self._shared(grids)
        for group in {g for grid in grids for g in grid[shared:]}:
            self.bar(group, reason)

    def _shared(self, grids: list[tuple[int, ...]]) -> int:
        """Length of the common prefix of the grids."""
        count = 0
        for groups in zip(*grids, strict=False):
            if len({self.find(g) for g in groups}) > 1:
                break
            count += 1
        return count


def grids_of(traced: Traced) -> SampleGrids:
    """The groups of a graph with shapes noted."""
    grids = SampleGrids()
    walk = _Walk(traced, grids)
    for node in traced.graph.nodes:
        grids.layouts[node] = walk.layout(node)
    return grids


_DISGUISED = {
    "pixelunshuffle": "pixels moved into channels",
    "unfold": "windows moved into channels",
    "fractionalmaxpool2d": "windows at random positions",
    "conv3d": "three spatial axes",
}
_PRESAMPLED = "its windows are gathered from an equivariant phase already"
_NOT_SPATIAL = "its input is not laid out as (B, C, spatial axes)"
_RESHAPES = ("view", "reshape", "flatten", "unflatten", "unsqueeze", "squeeze", "expand", "repeat")


class _Walk:
    """One pass over a graph."""

    def __init__(self, traced: Traced, grids: SampleGrids) -> None:
        self.root, self.grids = traced.root, grids

    def layout(self, node: fx.Node) -> GridLayout | None:
        """The layout of a node's output; None without spatial axes."""
        shape = shape_of(node)
        if node.op == "placeholder":
            return self._entry(shape)
        if node.op == "output":
            self._output(node)
            return None
        inputs = [(n, p) for n in node.all_input_nodes if (p := self.grids.layouts.get(n))]
        window = window_of(node, self.root)
        size = (shape_of(node.all_input_nodes[0]) if node.all_input_nodes else None) or ()
        downsamples = window is not None and window.downsamples and not window.sums_up(size[2:])
        if shape is None or not inputs:
            if window is not None and downsamples and _many(shape_of(node.all_input_nodes[0])):
                self._note(node, GridLayout((), ()), window, _NOT_SPATIAL, str(window))
            return None
        if window is not None and downsamples:
            return self._sampler(node, inputs[0][1], window)
        where, layouts = label(node, self.root), [p for _, p in inputs]
        before, layout = next(((n, p) for n, p in inputs if p.axes), inputs[0])
        axes = self._axes(node, layout, shape, shape_of(before) or ()) if layout.axes else None
        if axes is None:
            grid = self.grids.merge_unknown(layouts, where)
            return self._without_space(node, GridLayout(grid, layout.axes), shape, before)
        paired_layouts = [p for n, p in inputs if p.axes or paired(shape_of(n) or (), shape, axes)]
        known = all(p.axes for p in paired_layouts)
        grid = (self.grids.merge if known else self.grids.merge_unknown)(paired_layouts, where)
        if all(shape[a] == 1 for a in axes):
            return None
        return self._resized(node, GridLayout(grid, axes), shape, before, layout)

    def _entry(self, shape: tuple[int, ...] | None) -> GridLayout | None:
        if shape is None or len(shape) not in (3, 4) or self.grids.space:
            return None
        self.grids.space = len(shape) - 2
        return GridLayout((), tuple(range(2, len(shape))))

    def _output(self, node: fx.Node) -> None:
        for n in node.all_input_nodes:
            layout = self.grids.layouts.get(n)
            if layout is None or (not layout.axes and len(shape_of(n) or ()) < 3):
                continue
            for group in layout.grid:
                self.grids.bar(
                    group, "the output is a map, and its elements must keep their positions"
                )

    def _sampler(self, node: fx.Node, layout: GridLayout, window: NodeWindow) -> GridLayout | None:
        gathered = isinstance(called(node.all_input_nodes[0], self.root), TakeWindows)
        reason = _PRESAMPLED if gathered else ""
        usual = tuple(range(2, 2 + self.grids.space))
        if layout.axes != usual or len(window.stride) != self.grids.space:
            reason = _NOT_SPATIAL
        shape = shape_of(node) or ()
        after = self._note(node, layout, window, reason, str(window))
        return None if all(shape[a] == 1 for a in usual if a < len(shape)) else after

    def _note(
        self,
        node: fx.Node,
        layout: GridLayout,
        window: NodeWindow | None,
        reason: str,
        what: str,
    ) -> GridLayout:
        group = self.grids.open(window.stride if window else ())
        name = label(node, self.root)
        names = {s.name for s in self.grids.samplers}
        name = name if name not in names else f"{name}_{node.name}"
        if reason:
            self.grids.bar(group, reason)
        self.grids.samplers.append(
            Sampler(node=node, name=name, what=what, window=window, group=group, reason=reason)
        )
        return GridLayout((*layout.grid, group), layout.axes)

    def _axes(
        self, node: fx.Node, layout: GridLayout, shape: tuple[int, ...], before: tuple[int, ...]
    ) -> tuple[int, ...] | None:
        """Spatial axes of the output; None if they are lost."""
        name = self._name(node)
        if name in ("permute", "transpose", "swapaxes"):
            return permuted(node, layout.axes, len(before))
        if name == "getitem" and isinstance(node.args[1], int):
            return layout.axes if len(shape) == len(before) else None
        if name == "stack" and (at := stacked(node, len(shape))) is not None:
            return tuple(a + (a >= at) for a in layout.axes)
        reduced = summed(node, len(before))
        if reduced and len(shape) == len(before) - len(reduced) and not reduced & set(layout.axes):
            return tuple(a - sum(g < a for g in reduced) for a in layout.axes)
        last = tuple(range(len(shape) - self.grids.space, len(shape)))
        sizes = tuple(before[a] for a in layout.axes)
        lays_out = name in _RESHAPES
        if len(shape) != len(before) and not lays_out:
            return None
        if lays_out:
            trailing = layout.axes == tuple(range(len(before) - self.grids.space, len(before)))
            same = len(shape) > self.grids.space and tuple(shape[a] for a in last) == sizes
            return last if trailing and same else None
        return layout.axes

    def _without_space(
        self, node: fx.Node, layout: GridLayout, shape: tuple[int, ...], before: fx.Node
    ) -> GridLayout | None:
        """The layout if space is lost: reduced, flattened, or moved into other axes."""
        sizes, unknown = shape_of(before) or (), GridLayout(layout.grid, ())
        if not layout.axes:
            return unknown
        if set(layout.axes) <= summed(node, len(sizes)):
            return None
        space = [sizes[a] for a in layout.axes]
        if disguise := self._disguise(node, layout.axes, len(sizes)):
            return self._note(node, unknown, None, f"it is implemented as {disguise}", disguise)
        # Rows and columns cut into blocks: (…, h/s, s, w/s, s).
        parts = len(shape) - len(sizes)
        if parts >= self.grids.space and blocks(shape, space):
            what = "patches cut by reshaping"
            return self._note(node, unknown, None, f"it is implemented as {what}", what)
        if len(shape) == 2 and any(n > 1 for n in space) and joined(shape, sizes):
            size = "×".join(map(str, space))
            self.grids.remarks.append(
                f"`{label(node, self.root)}` flattens a {size} feature map: later layers have "
                "weights "
                "per position, so predictions still depend on position"
            )
            return None
        return unknown

    def _disguise(self, node: fx.Node, axes: tuple[int, ...], dimensions: int) -> str:
        """What a node that may downsample is written as; "" for others."""
        if node.op != "call_method" or node.target != "unfold":
            return _DISGUISED.get(self._name(node), "")
        given = arguments(node, ("input", "dimension", "size", "step"))
        axis, step = given.get("dimension"), given.get("step")
        if not isinstance(axis, int) or not isinstance(step, int) or step < 2:
            return ""
        return "windows moved into a new axis" if axis % dimensions in axes else ""

    def _name(self, node: fx.Node) -> str:
        return name_of(called(node, self.root))

    def _resized(
        self,
        node: fx.Node,
        after: GridLayout,
        shape: tuple[int, ...],
        before: fx.Node,
        layout: GridLayout,
    ) -> GridLayout:
        """Notice what changes the rate of samples and is not a known window."""
        sizes = shape_of(before) or ()
        old = [sizes[a] for a in layout.axes]
        new = [shape[a] for a in after.axes]
        what, name = called(node, self.root), self._name(node)
        if any(2 * n >= 3 * o for o, n in zip(old, new, strict=True) if o > 1):
            group = self.grids.open(())
            self.grids.bar(group, "it upsamples")
            return GridLayout((*after.grid, group), after.axes)
        window = window_of(node, self.root)
        if window is not None or all(3 * n > 2 * o for o, n in zip(old, new, strict=True)):
            return after
        disguise = _DISGUISED.get(name, "")
        size = "×".join(map(str, new))
        if name.startswith("adaptive"):
            named = f"adaptive pooling to {size}"
            reason = "its windows differ in size; only pooling to 1 is the same for all shifts"
        elif what is operator.getitem:
            if not any(isinstance(i, slice) and i.step not in (None, 1) for i in _index(node)):
                return after
            named, reason = "slicing", _NOT_SPATIAL
        elif name in ("interpolate", "upsample"):
            named, reason = f"interpolation to {size}", "it samples between grid points"
        else:
            kind = type(what) if isinstance(what, nn.Module) else what
            named = disguise or getattr(kind, "__name__", str(kind))
            reason = f"it is implemented as {disguise}" if disguise else "an unknown operator"
        return self._note(node, after, None, reason, named)


def _index(node: fx.Node) -> tuple[Any, ...]:
    index = node.args[1]
    return index if isinstance(index, tuple) else (index,)


def _many(shape: tuple[int, ...] | None) -> bool:
    return any(n > 1 for n in (shape or ())[2:])
