"""Follows one run of a network and books what it computes, node by node; see `graph.structure`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from torch import Tensor, nn

from neocog.graph.moments import Link, Moment, Piece, arguments, writes_over
from neocog.graph.operations import Call, Observer, Operation, tensors_in
from neocog.graph.ops import (
    ARITHMETIC,
    RELABELS,
    cost_of,
    is_heavy,
    is_library,
    is_pointwise,
    kind_of,
    label_of,
    moves,
    reshapes,
)
from neocog.graph.tensor_table import TensorTable, memory

__all__ = ["Follower"]

_TURNED = frozenset(
    [
        "permute",
        "transpose",
        "t",
        "movedim",
        "view",
        "reshape",
        "_unsafe_view",
        "_reshape_alias",
        "unsqueeze",
        "squeeze",
        "flatten",
        "unflatten",
        "unfold",
        "as_strided",
        "diagonal",
    ]
)
"""Views after which an axis may mean another thing."""


class _Known(NamedTuple):
    """What is booked of a tensor."""

    node: int
    spatial: bool


class _Layer:
    """A module that is running and is one node."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.depth = 0
        self.pieces: list[Piece] = []
        self.inner: TensorTable[int] = TensorTable()
        self.spatial = False


class Follower(Observer):
    """What `graph.operations.watching` calls back.

    Args:
        module: the network.
        x: its input.
        opened: names of modules that are taken apart.
        on_node: called with each node.
        on_write: called with what an operation in place is about to write over.
        pieces: keep what operations in place write over.
        counts: count parameters and MACs.
    """

    def __init__(
        self,
        module: nn.Module,
        x: Tensor,
        *,
        opened: frozenset[str],
        on_node: Callable[[Moment], object] | None = None,
        on_write: Callable[[Tensor], object] | None = None,
        pieces: bool = False,
        counts: bool = False,
    ) -> None:
        self.opened, self.keeps, self.counts = opened, pieces, counts
        self.on_node, self.on_write = on_node, on_write
        self.space = tuple(x.shape[2:])
        self.book: TensorTable[_Known] = TensorTable()
        self.moments: list[Moment] = []
        self.networks: set[str] = set()
        self._layer: _Layer | None = None
        self._counts: dict[tuple[str, str], int] = {}
        self._params: set[int] = set()
        self._weights = {memory(p): p for p in module.parameters()} if counts else {}
        self._was: Tensor | None = None
        self._scaling = -1
        first = Moment(
            0, ("", "input", 0), "", True, "input", "input", "input", [], -1, x, True, True
        )
        self.book.put(x, _Known(0, True))
        self._add(first)

    # ---- what is called back

    def write(self, t: Tensor) -> None:
        """An operation is about to write a tensor over."""
        if self.keeps:
            self._was = t.detach().clone()
        if self.on_write is not None:
            self.on_write(t)

    def start(self, call: Call) -> None:
        """A module begins."""
        if self._layer is not None:
            self._layer.depth += 1
        elif call.name not in self.opened and _is_one(call.module):
            self._layer = _Layer(call)

    def end(self, call: Call) -> None:
        """A module ends."""
        layer = self._layer
        if layer is None:
            return
        if layer.depth:
            layer.depth -= 1
            return
        self._layer = None
        if call.out is not None:
            self._leave(layer, call)

    def operation(self, op: Operation) -> None:
        """An operation was performed."""
        was, self._was = self._was, None
        outs = op.outs
        if not outs:
            return
        writes = writes_over(op)
        if writes and op.name in RELABELS:
            return
        layer = self._layer
        piece, spatial = self._piece(op, layer)
        if not piece.links:
            return
        if was is not None and writes:
            piece.op = replace(op, args=(was, *op.args[1:]))
        if layer is None:
            self._free(piece, op, outs, spatial)
            return
        layer.pieces.append(piece)
        layer.spatial |= spatial
        at, operands = len(layer.pieces) - 1, {memory(t) for _, t in arguments(op)}
        for t in outs:
            if writes:
                layer.inner.write(t, at)
            else:
                layer.inner.put(t, at, fresh=memory(t) not in operands)

    def finish(self, out: Any) -> None:
        """The whole run is over: its output is the last node."""
        t = next(tensors_in(out), None)
        if t is None:
            return
        known = self.book.get(t)
        self._add(
            Moment(
                id=len(self.moments),
                key=("", "output", 0),
                name="",
                free=True,
                kind="output",
                label="output",
                op="output",
                pieces=[],
                made=-1,
                out=t,
                spatial=known is not None and known.spatial,
                placed=False,
                sources=set() if known is None else {known.node},
            )
        )

    # ---- nodes

    def _piece(self, op: Operation, layer: _Layer | None) -> tuple[Piece, bool]:
        """An operation with where its arguments come from; whether one of them is a map."""
        links: list[Link] = []
        spatial = False
        for path, t in arguments(op):
            inside = None if layer is None else layer.inner.get(t)
            known = self.book.get(t) if inside is None else None
            if inside is not None:
                links.append(Link(path, inside, -1))
            elif known is not None:
                links.append(Link(path, -1, known.node))
                spatial |= known.spatial
        return Piece(op, tuple(links)), spatial

    def _free(self, piece: Piece, op: Operation, outs: list[Tensor], spatial: bool) -> None:
        """An operation outside of all layers."""
        writes = writes_over(op)
        source = self.moments[piece.sources[0]]
        operand = piece.operand(piece.links[0])
        if not outs[0].is_floating_point():  # a condition that Python code looks at
            for t in outs:
                self.book.put(t, _Known(source.id, False))
            return
        name = op.name
        if not writes and (op.is_view or reshapes(op.name)) and not self._drops(op, operand):
            flat = outs[0].dim() == 2 and spatial and operand.dim() > 2
            if not (flat and any(n > 1 for n in operand.shape[2:])):
                for t in outs:
                    self.book.put(
                        t, _Known(source.id, self._view_is_map(op, t, spatial, source.id))
                    )
                return
            name = "flatten"  # by whatever operation, which the layout in memory decides
        if self._joins(piece, op, source, operand):
            self._extend(source, piece, outs)
            return
        moment = self._moment(op.module, True, name, [piece], outs[0], spatial)
        if self._scales(piece, op):
            self._scaling = moment.id
            moment.kind, moment.label = "norm", "normalize"
        self._book(moment, outs, writes)
        self._add(moment)

    def _leave(self, layer: _Layer, call: Call) -> None:
        """A layer is over: a node, if it did anything."""
        outs = list(tensors_in(call.out))
        ins = [t for t in tensors_in(call.args) if self.book.get(t) is not None]
        if not outs or not (layer.pieces or ins):
            return
        if all(any(o is t for t in ins) for o in outs) and not layer.pieces:
            return  # its input, as it was
        if sum(is_heavy(p.op.name) for p in layer.pieces) > 1 and not (
            is_library(call.module) or _declared(call.module)
        ):
            self.networks.add(call.name)
        spatial = layer.spatial or any(k.spatial for t in ins if (k := self.book.get(t)))
        name = type(call.module).__name__
        moment = self._moment(call.name, False, name, layer.pieces, outs[0], spatial)
        moment.made = -1 if (at := layer.inner.get(outs[0])) is None else at
        if not layer.pieces:
            moment.sources = {k.node for t in ins if (k := self.book.get(t))}
        if self.counts:
            moment.params = self._count(call.module.parameters())
        self._book(moment, outs, any(writes_over(p.op) for p in layer.pieces))
        self._add(moment)

    def _moment(
        self, name: str, free: bool, op: str, pieces: list[Piece], out: Tensor, spatial: bool
    ) -> Moment:
        count = self._counts.get((name, op), 0)
        self._counts[name, op] = count + 1
        kind = kind_of([p.op for p in pieces], len(pieces[-1].links) if pieces else 0)
        sources = {s for p in pieces for s in p.sources}
        placed = self._places(pieces, sources)
        return Moment(
            id=len(self.moments),
            key=(name, op, count),
            name=name,
            free=free,
            kind=kind,
            label=label_of(name, kind, op, free=free),
            op=op,
            pieces=pieces,
            made=len(pieces) - 1,
            out=out,
            spatial=self._is_map(out, spatial and kind != "linear", pieces, placed),
            placed=placed,
            params=self._count(self._used(pieces)) if free and self.counts else 0,
            macs=sum((cost_of(p.op) or (0, 0))[0] for p in pieces) if self.counts else 0,
            sources=sources,
        )

    def _extend(self, moment: Moment, piece: Piece, outs: list[Tensor]) -> None:
        """A step more of a node that is a chain."""
        inside = len(moment.pieces) - 1
        piece.links = tuple(Link(link.path, inside, -1) for link in piece.links)
        moment.pieces.append(piece)
        moment.made, moment.out = len(moment.pieces) - 1, outs[0]
        self._book(moment, outs, False)
        if self.on_node is not None:
            self.on_node(moment)

    def _book(self, moment: Moment, outs: list[Tensor], writes: bool) -> None:
        for t in outs:
            known = _Known(moment.id, moment.spatial if t is outs[0] else False)
            (self.book.write if writes else self.book.put)(t, known)

    def _add(self, moment: Moment) -> None:
        self.moments.append(moment)
        if self.on_node is not None:
            self.on_node(moment)

    def _used(self, pieces: list[Piece]) -> Iterator[nn.Parameter]:
        """Parameters among the arguments, also as views."""
        for piece in pieces:
            for _, t in arguments(piece.op):
                p = self._weights.get(memory(t))
                if p is not None:
                    yield p

    def _count(self, parameters: Iterator[nn.Parameter]) -> int:
        """Numbers in parameters that no node before has used."""
        total = 0
        for p in parameters:
            if id(p) not in self._params:
                self._params.add(id(p))
                total += p.numel()
        return total

    # ---- what is what

    def _drops(self, op: Operation, operand: Tensor) -> bool:
        """Whether every n-th sample of a map is kept."""
        if op.name != "slice" or len(op.args) < 5 or int(op.args[4]) < 2:
            return False
        known = self.book.get(operand)
        return known is not None and known.spatial and int(op.args[1]) % operand.dim() >= 2

    def _scales(self, piece: Piece, op: Operation) -> bool:
        """Whether pixels are normalized: they come, and are added to or multiplied by constants."""
        return op.name in ARITHMETIC and len(piece.links) == 1 and piece.sources == (0,)

    def _joins(self, piece: Piece, op: Operation, source: Moment, operand: Tensor) -> bool:
        """Whether an operation goes on with what the one before it did."""
        if len(piece.links) > 1 or operand is not source.out or source is not self.moments[-1]:
            return False
        if not source.free or source.name != op.module:
            return False
        if source.id == self._scaling:
            return op.name in ARITHMETIC and is_pointwise(op) and not writes_over(op)
        return source.op == "slice" and op.name == "slice"

    def _places(self, pieces: list[Piece], sources: set[int]) -> bool:
        """Whether an output may still stand for places: not where two inputs were multiplied."""
        mixed = any(is_heavy(p.op.name) and len(p.links) > 1 for p in pieces)
        return not mixed and any(self.moments[s].placed for s in sources)

    def _is_map(self, t: Tensor, spatial: bool, pieces: list[Piece], placed: bool) -> bool:
        """Whether an output is a map: made of a map, or laid out as one."""
        if t.dim() != len(self.space) + 2 or all(n == 1 for n in t.shape[2:]):
            return False
        laid = bool(pieces) and placed and all(moves(p.op.name) for p in pieces)
        return spatial or (laid and self._tiles(t))

    def _tiles(self, t: Tensor) -> bool:
        if t.dim() != len(self.space) + 2 or all(n == 1 for n in t.shape[2:]):
            return False
        ratios = {divmod(n, m) for n, m in zip(self.space, t.shape[2:], strict=True) if m}
        return len(ratios) == 1 and all(q >= 1 and not r for q, r in ratios)

    def _view_is_map(self, op: Operation, t: Tensor, spatial: bool, source: int) -> bool:
        if op.name in _TURNED:
            return self._tiles(t) and self.moments[source].placed
        return spatial and t.dim() == len(self.space) + 2


def _is_one(module: nn.Module) -> bool:
    """Whether a call of a module is one node."""
    return _declared(module) or not any(True for _ in module.children())


def _declared(module: nn.Module) -> bool:
    return isinstance(getattr(module, "geometry", None), tuple)
