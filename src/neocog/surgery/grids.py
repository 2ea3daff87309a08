"""Which samples of the input a tensor's samples stand on, and who has to keep the same ones.

Every downsampler opens a *group*: from then on a sample stands on every s-th one before, from a
phase that the group has chosen. A tensor's *grid* is the groups it has come through, in order.
Where two tensors meet (a sum, a product, a concatenation) their samples are paired, so their
grids must be the same: the groups are joined, pair by pair, and a joined group has one phase.
That is how both branches of a residual block come to share theirs, whatever the block is called.
Grids that cannot be paired have their groups barred, with the reason; so have those that are not
the same where a tensor comes in whose axes of space have been lost on the way.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from neocog.layers.windows import TakeWindows
from neocog.surgery.axes import blocks, joined, moved, paired, stacked, summed
from neocog.surgery.graph import Traced, shape_of
from neocog.surgery.window import OperatorWindow, label, window_of

__all__ = ["Place", "SampleGrids", "Sampler", "grids_of"]


@dataclass(frozen=True)
class Place:
    """Where the samples of a tensor stand.

    Args:
        grid: the groups it has come through.
        axes: of the tensor that are space; () where space was laid out anew and is not followed.
    """

    grid: tuple[int, ...]
    axes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """A node that downsamples.

    Args:
        node: of the graph.
        name: for people.
        what: for people: operator, window and stride.
        window: how, where it is a known kind.
        group: it has opened.
        reason: why it cannot be converted whatever the sampling, or "".
    """

    node: fx.Node
    name: str
    what: str
    window: OperatorWindow | None
    group: int
    reason: str = ""


@dataclass
class SampleGrids:
    """The groups of a graph.

    Args:
        samplers: in the order of the graph.
        barred: group to why it cannot have a phase of its own choice.
        remarks: what a reader of the result should know.
        places: node to where its samples stand.
        space: number of axes of the input that are space.
    """

    samplers: list[Sampler] = field(default_factory=list)
    barred: dict[int, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    places: dict[fx.Node, Place | None] = field(default_factory=dict)
    space: int = 0
    _parent: list[int] = field(default_factory=list)
    _stride: list[tuple[int, ...]] = field(default_factory=list)

    def open(self, stride: tuple[int, ...]) -> int:
        """A new group."""
        self._parent.append(len(self._parent))
        self._stride.append(stride)
        return len(self._parent) - 1

    def find(self, group: int) -> int:
        """The first of the groups that it has been joined with."""
        while self._parent[group] != group:
            group = self._parent[group]
        return group

    def join(self, one: int, other: int, where: str) -> None:
        """Two groups must keep the same samples."""
        one, other = sorted((self.find(one), self.find(other)))
        if one == other:
            return
        reason = self.barred.pop(other, "") or self.barred.get(one, "")
        if self._stride[one] != self._stride[other]:
            strides = f"{self._stride[one]} and {self._stride[other]}"
            reason = reason or f"at `{where}` it meets a branch of another stride ({strides})"
        self._parent[other] = one
        if reason:
            self.bar(one, reason)

    def bar(self, group: int, reason: str) -> None:
        """A group cannot choose; the first reason stays."""
        self.barred.setdefault(self.find(group), reason)

    def meet(self, places: list[Place], where: str) -> tuple[int, ...]:
        """The grid of what comes of several tensors."""
        grids = [p.grid for p in places]
        longest = max(grids, key=len)
        if any(len(g) != len(longest) for g in grids):
            self._part(grids, f"at `{where}` it meets a branch that was sampled otherwise")
            return longest
        for grid in grids[1:]:
            for one, other in zip(grids[0], grid, strict=True):
                self.join(one, other, where)
        return longest

    def mingle(self, places: list[Place], where: str) -> tuple[int, ...]:
        """The grid of what comes of several tensors where it is unknown which samples are paired.

        Groups that all have come through keep their samples in all; the others cannot choose.
        """
        grids = [p.grid for p in places]
        self._part(grids, f"at `{where}` it meets a branch whose samples were laid out anew")
        return max(grids, key=len)

    def _part(self, grids: list[tuple[int, ...]], reason: str) -> None:
        """Bar the groups that are not in all grids."""
        alike = self._alike(grids)
        for group in {g for grid in grids for g in grid[alike:]}:
            self.bar(group, reason)

    def _alike(self, grids: list[tuple[int, ...]]) -> int:
        """How many groups from the first on are the same in all."""
        count = 0
        for groups in zip(*grids, strict=False):
            if len({self.find(g) for g in groups}) > 1:
                break
            count += 1
        return count


def grids_of(traced: Traced) -> SampleGrids:
    """Walk along a graph whose shapes are noted."""
    grids = SampleGrids()
    walk = _Walk(traced, grids)
    for node in traced.graph.nodes:
        grids.places[node] = walk.place(node)
    return grids


_TRICKS: dict[Any, str] = {
    nn.PixelUnshuffle: "pixels moved into channels",
    nn.Unfold: "windows moved into channels",
    F.pixel_unshuffle: "pixels moved into channels",
    torch.pixel_unshuffle: "pixels moved into channels",
    F.unfold: "windows moved into channels",
    nn.FractionalMaxPool2d: "windows at random places",
    nn.Conv3d: "three axes of space",
}
_ADAPTIVE = {
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
    F.adaptive_avg_pool1d,
    F.adaptive_avg_pool2d,
    F.adaptive_max_pool1d,
    F.adaptive_max_pool2d,
}
_AGAIN = "its windows are taken from a phase that moves with the map already"
_ELSEWHERE = "its input is not laid out as (B, C, space)"
_RESHAPES = ("view", "reshape", "flatten", "unflatten", "unsqueeze", "squeeze", "expand", "repeat")


class _Walk:
    """One pass over a graph."""

    def __init__(self, traced: Traced, grids: SampleGrids) -> None:
        self.root, self.grids = traced.root, grids

    def place(self, node: fx.Node) -> Place | None:
        """Where the samples of a node's result stand; None where it has no space."""
        shape = shape_of(node)
        if node.op == "placeholder":
            return self._entry(shape)
        if node.op == "output":
            self._answer(node)
            return None
        inputs = [(n, p) for n in node.all_input_nodes if (p := self.grids.places.get(n))]
        window = window_of(node, self.root)
        came = (shape_of(node.all_input_nodes[0]) if node.all_input_nodes else None) or ()
        drops = window is not None and window.drops and not window.sums_up(came[2:])
        if shape is None or not inputs:
            if window is not None and drops and _many(shape_of(node.all_input_nodes[0])):
                self._note(node, Place((), ()), window, _ELSEWHERE, str(window))
            return None
        if window is not None and drops:
            return self._sampler(node, inputs[0][1], window)
        where, places = label(node, self.root), [p for _, p in inputs]
        before, place = next(((n, p) for n, p in inputs if p.axes), inputs[0])
        axes = self._axes(node, place, shape, shape_of(before) or ()) if place.axes else None
        if axes is None:
            grid = self.grids.mingle(places, where)
            return self._lost(node, Place(grid, place.axes), shape, before)
        met = [p for n, p in inputs if p.axes or paired(shape_of(n) or (), shape, axes)]
        known = all(p.axes for p in met)
        grid = (self.grids.meet if known else self.grids.mingle)(met, where)
        if all(shape[a] == 1 for a in axes):
            return None
        return self._sized(node, Place(grid, axes), shape, before, place)

    def _entry(self, shape: tuple[int, ...] | None) -> Place | None:
        if shape is None or len(shape) not in (3, 4) or self.grids.space:
            return None
        self.grids.space = len(shape) - 2
        return Place((), tuple(range(2, len(shape))))

    def _answer(self, node: fx.Node) -> None:
        for n in node.all_input_nodes:
            place = self.grids.places.get(n)
            if place is None or (not place.axes and len(shape_of(n) or ()) < 3):
                continue
            for group in place.grid:
                self.grids.bar(group, "the answer is a map, and its samples must keep their places")

    def _sampler(self, node: fx.Node, place: Place, window: OperatorWindow) -> Place | None:
        reason = _AGAIN if self._what(node.all_input_nodes[0]) is TakeWindows else ""
        usual = tuple(range(2, 2 + self.grids.space))
        if place.axes != usual or len(window.stride) != self.grids.space:
            reason = _ELSEWHERE
        shape = shape_of(node) or ()
        after = self._note(node, place, window, reason, str(window))
        return None if all(shape[a] == 1 for a in usual if a < len(shape)) else after

    def _note(
        self, node: fx.Node, place: Place, window: OperatorWindow | None, reason: str, what: str
    ) -> Place:
        group = self.grids.open(window.stride if window else ())
        name = label(node, self.root)
        taken = {s.name for s in self.grids.samplers}
        name = name if name not in taken else f"{name}_{node.name}"
        if reason:
            self.grids.bar(group, reason)
        self.grids.samplers.append(
            Sampler(node=node, name=name, what=what, window=window, group=group, reason=reason)
        )
        return Place((*place.grid, group), place.axes)

    def _axes(
        self, node: fx.Node, place: Place, shape: tuple[int, ...], before: tuple[int, ...]
    ) -> tuple[int, ...] | None:
        """Which axes of the result are space; None where they are gone."""
        name = node.target if node.op == "call_method" else getattr(node.target, "__name__", "")
        if name in ("permute", "transpose", "swapaxes"):
            return moved(node, place.axes, len(before))
        if name == "getitem" and isinstance(node.args[1], int):
            return place.axes if len(shape) == len(before) else None
        if name == "stack" and (at := stacked(node, len(shape))) is not None:
            return tuple(a + (a >= at) for a in place.axes)
        gone = summed(node, len(before))
        if gone and len(shape) == len(before) - len(gone) and not gone & set(place.axes):
            return tuple(a - sum(g < a for g in gone) for a in place.axes)
        last = tuple(range(len(shape) - self.grids.space, len(shape)))
        ours = tuple(before[a] for a in place.axes)
        lays_out = name in _RESHAPES or self._what(node) in (nn.Flatten, nn.Unflatten)
        if len(shape) != len(before) and not lays_out:
            return None
        if lays_out:
            kept = place.axes == tuple(range(len(before) - self.grids.space, len(before)))
            same = len(shape) > self.grids.space and tuple(shape[a] for a in last) == ours
            return last if kept and same else None
        return place.axes

    def _lost(
        self, node: fx.Node, place: Place, shape: tuple[int, ...], before: fx.Node
    ) -> Place | None:
        """Space is gone: summed up, into a vector, or into other axes."""
        ours, unknown = shape_of(before) or (), Place(place.grid, ())
        if not place.axes:
            return unknown
        if set(place.axes) <= summed(node, len(ours)):
            return None
        space = [ours[a] for a in place.axes]
        if trick := self._trick(node):
            return self._note(node, unknown, None, f"it is written as {trick}", trick)
        # Rows and columns cut into blocks: (…, h/s, s, w/s, s).
        parts = len(shape) - len(ours)
        if parts >= self.grids.space and blocks(shape, space):
            what = "blocks cut out by reshaping"
            return self._note(node, unknown, None, f"it is written as {what}", what)
        if len(shape) == 2 and any(n > 1 for n in space) and joined(shape, ours):
            size = "×".join(map(str, space))
            self.grids.remarks.append(
                f"`{label(node, self.root)}` lays a map of {size} samples out as a vector: what "
                "comes after it sees where each sample stands, so the answer still depends on place"
            )
            return None
        return unknown

    def _trick(self, node: fx.Node) -> str:
        return _TRICKS.get(self._what(node), "")

    def _what(self, node: fx.Node) -> Any:
        """The function, or the class of the module."""
        if node.op == "call_module":
            return type(self.root.get_submodule(str(node.target)))
        return node.target

    def _sized(
        self, node: fx.Node, after: Place, shape: tuple[int, ...], before: fx.Node, place: Place
    ) -> Place:
        """Notice what changes the rate of samples and is no known window."""
        ours = shape_of(before) or ()
        old = [ours[a] for a in place.axes]
        new = [shape[a] for a in after.axes]
        what = self._what(node)
        if any(2 * n >= 3 * o for o, n in zip(old, new, strict=True) if o > 1):
            group = self.grids.open(())
            self.grids.bar(group, "it adds samples")
            return Place((*after.grid, group), after.axes)
        window = window_of(node, self.root)
        if window is not None or all(3 * n > 2 * o for o, n in zip(old, new, strict=True)):
            return after
        trick = _TRICKS.get(what, "")
        size = "×".join(map(str, new))
        if what in _ADAPTIVE:
            named = f"adaptive pool to {size}"
            reason = "its windows differ in size, and only a pool to 1 is the same for all shifts"
        elif what is operator.getitem:
            if not any(isinstance(i, slice) and i.step not in (None, 1) for i in _index(node)):
                return after
            named, reason = "slicing", _ELSEWHERE
        elif what is F.interpolate or what is nn.Upsample:
            named, reason = f"interpolation to {size}", "it takes samples from between samples"
        else:
            named = trick or getattr(what, "__name__", str(what))
            reason = f"it is written as {trick}" if trick else "no operator that is known here"
        return self._note(node, after, None, reason, named)


def _index(node: fx.Node) -> tuple[Any, ...]:
    index = node.args[1]
    return index if isinstance(index, tuple) else (index,)


def _many(shape: tuple[int, ...] | None) -> bool:
    return any(n > 1 for n in (shape or ())[2:])
