"""A model on show: its graph, what each node of it sees, and how it is run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import ModelError, printable
from neocog.explainers.arithmetic.unit import Arithmetic, arithmetic, understood
from neocog.explainers.layout import SpatialLayout, layout_of
from neocog.graph.cost import Cost, cost
from neocog.graph.moments import Moment
from neocog.graph.operations import Call, Operation, watching
from neocog.graph.preserve import exact
from neocog.graph.reach.intervals import Reach, of_input
from neocog.graph.reach.trace import Field, Tracer
from neocog.graph.replay import Keep, Rerun
from neocog.graph.structure import Node, Structure, follow, structure
from neocog.graph.walk import Follower
from neocog.jsonable import jsonable
from neocog.layers.symmetrized import CanonicalPose
from neocog.layers.windows import TakeWindows
from neocog.models.model import Model
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.saved_audit import fingerprint
from neocog.web.motions import Motion
from neocog.web.refused import Missing

__all__ = ["Network", "Seen"]


_ROOMS = 24
"""Sizes of memory that are kept: one a grid of the nodes that are compared."""


@dataclass(frozen=True)
class Seen:
    """What the elements of a node's output see of the image, a number per axis of space.

    Args:
        size: pixels from the first to the last, at most.
        jump: pixels from one element's field to the next one's; None where they do not move evenly.
        start: the first pixel that element 0 sees; negative in the padding.
        reaches: of every element, its first and last pixel along each axis.
        wraps: a circular border lies before it: what is seen beyond the image is its other side.
    """

    size: tuple[int, ...]
    jump: tuple[Fraction | None, ...]
    start: tuple[int | None, ...]
    reaches: tuple[Reach, ...]
    wraps: bool = False

    def field(self, index: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """First pixel that an element sees, and the one behind the last; not clipped.

        Args:
            index: of the element, without the batch axis.
        """
        spans = []
        for reach in self.reaches:
            held = tuple(reach.lo.shape)
            whole = (0, *index)[: len(held)]  # one number of the whole batch has no axis
            at = tuple(min(i, n - 1) for i, n in zip(whole, held, strict=True))
            spans.append((int(reach.lo[at]), int(reach.hi[at]) + 1))
        return tuple(spans)


class _Fields(Follower):
    """A network is followed, and its receptive fields with it.

    They end at the first operation that fails: a page without fields is better than none.
    """

    def __init__(self, module: nn.Module, x: Tensor, **given: Any) -> None:
        self.tracer: Tracer | None = Tracer(x)
        self.last: Field | None = None
        super().__init__(module, x, **given)

    def operation(self, op: Operation) -> None:
        """An operation was performed."""
        count = 0 if self.tracer is None else len(self.tracer.tensors)
        self._try(lambda tracer: tracer.operation(op))
        fields = [] if self.tracer is None else self.tracer.tensors
        self.last = fields[-1] if len(fields) > count else None
        super().operation(op)

    def start(self, call: Call) -> None:
        """A module begins."""
        self._try(lambda tracer: tracer.start(call))
        super().start(call)

    def end(self, call: Call) -> None:
        """A module ends."""
        self._try(lambda tracer: tracer.end(call))
        super().end(call)

    def of(self, layer: str) -> Field | None:
        """Of a module that has ended."""
        return None if self.tracer is None else self.tracer.layers.get(layer)

    def reaches(self, t: Tensor) -> tuple[Reach, ...]:
        """Of every element of a tensor; empty where unknown."""
        known = None if self.tracer is None else self.tracer.tracked.get(t)
        return known if isinstance(known, tuple) else ()

    def _try(self, work: Callable[[Tracer], object]) -> None:
        try:
            if self.tracer is not None:
                work(self.tracer)
        except (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError):
            self.tracer = None


class Network:
    """One model on show.

    Args:
        model: as it was opened; of a module that nothing is done to, the module itself is shown.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.module: nn.Module = model.network if model.bare else model.module
        self.name = printable(model.path.name if model.path.is_dir() else str(model.path))
        if isinstance(model.network, CanonicalPose):  # or maps would not lie over the image
            inner = model.network.inner
            self.module = inner if model.bare else SpecifiedNetwork(inner, model.spec).eval()
            self.name = f"{self.name} (network inside, image as it comes)"
        self.task, self.classes = model.task, model.classes
        self.size, self.channels = model.spec.input.size, model.spec.input.channels
        self.opaque = model.black_box
        like = next((p for p in self.module.parameters() if p.is_floating_point()), torch.zeros(()))
        self.device, self.dtype = like.device, like.dtype
        self._rooms: dict[tuple[int, ...], Tensor] = {}

    def blank(self) -> Tensor:
        """A sample of zeros."""
        blank = torch.zeros((1, self.channels, *self.size), device=self.device, dtype=self.dtype)
        return blank.to(memory_format=self._layout)

    def ready(self, x: Tensor) -> Tensor:
        """Samples where the model is, in its type, and in memory as `blank` lies there.

        Which operations run, a view or a copy, depends on the layout.
        """
        empty = torch.empty(x.shape, device=self.device, dtype=self.dtype)
        return empty.to(memory_format=self._layout).copy_(x)

    @property
    def _layout(self) -> torch.memory_format:
        """Of samples: images on a processor lie with their channels side by side."""
        beside = len(self.size) == 2 and self.device.type == "cpu"
        return torch.channels_last if beside else torch.contiguous_format

    def moved(self, x: Tensor, motion: Motion) -> Tensor:
        """A sample of this model, moved; what comes in is black, or the mean of raw values.

        Args:
            x: (1, C, *space).
            motion: that it is moved by.
        """
        spec = self.model.spec.input
        wraps = motion.padding == "circular" and motion.shifts  # nothing comes in from outside
        if motion.identity or wraps or spec.values != "raw":
            return x if motion.identity else motion.move(x)
        mean = x.new_tensor(spec.mean).view(-1, *(1,) * (x.dim() - 2))
        return motion.move(x - mean) + mean

    # ---- the graph

    @cached_property
    def graph(self) -> Structure:
        """Its nodes and edges."""
        return structure(self.module, self.blank())

    @cached_property
    def cost(self) -> Cost:
        """Parameters and MACs of one sample."""
        return cost(self.module, (self.channels, *self.size))

    @cached_property
    def fingerprint(self) -> str:
        """Of the opened model."""
        return fingerprint(self.model)

    def node(self, id: int) -> Node:
        """A node by its number.

        Raises:
            Missing: there is none.
        """
        if not 0 <= id < len(self.graph.nodes):
            raise Missing(f"The network has {len(self.graph.nodes)} nodes, counted from 0.")
        return self.graph.nodes[id]

    def named(self, name: str) -> str:
        """A submodule's name as the user knows it: without the wrapper that normalizes."""
        if not isinstance(self.module, SpecifiedNetwork):
            return name
        return "" if name == "network" else name.removeprefix("network.")

    def full(self, name: str) -> str:
        """The inverse of `named`."""
        return f"network.{name}" if isinstance(self.module, SpecifiedNetwork) and name else name

    @cached_property
    def layouts(self) -> dict[int, SpatialLayout]:
        """Nodes that are maps though their axes are elsewhere: the tokens of transformers."""
        layouts = {}
        for node in self.graph.nodes:
            if len(self.size) == 2 and len(node.shape) == 2 and not node.spatial:
                layout = layout_of((1, *node.shape), self.size, batch=1)
                if layout is not None:
                    layouts[node.id] = layout
        return layouts

    def shape(self, node: Node) -> tuple[int, ...]:
        """Of what is shown of a node: (C, *space), or (K,)."""
        layout = self.layouts.get(node.id)
        if layout is not None:
            return (node.shape[1], *layout.grid)
        if node.spatial or len(node.shape) == 1:
            return node.shape
        return (math.prod(node.shape),)

    def maps(self, node: Node, value: Tensor) -> Tensor | None:
        """A node's output as (1, C, *space); None where it has no space."""
        layout = self.layouts.get(node.id)
        if layout is not None:
            return layout.maps(value)
        return value if node.spatial else None

    def index(self, node: Node, channel: int, position: Sequence[int]) -> tuple[int, ...]:
        """Where in a node's output an element that is shown stands, without the batch axis."""
        layout = self.layouts.get(node.id)
        if layout is not None:
            row, column = position
            return (layout.skip + row * layout.grid[1] + column, channel)
        if node.spatial:
            return (channel, *position)
        if len(node.shape) == 1:
            return (channel,)
        left, at = channel, []
        for n in reversed(node.shape):
            left, i = divmod(left, n)
            at.append(i)
        return tuple(reversed(at))

    # ---- what was looked at once, on a blank sample

    @cached_property
    def _looked(self) -> tuple[dict[int, Seen], frozenset[int]]:
        """What each node sees, and of which nodes the numbers can be shown."""
        node_ids = {node.key: node.id for node in self.graph.nodes}
        x = self.blank()
        seen: dict[int, Seen] = {}
        known: set[int] = set()
        wraps: set[int] = set()

        def met(moment: Moment) -> None:
            at = node_ids.get(moment.key)
            if not at:  # not of the graph; or the input, which is met before there is a run
                return
            field = run.last if moment.free else run.of(moment.name)
            reaches = run.reaches(moment.out)
            if any(p.op.name == "_pad_circular" for p in moment.pieces) or moment.sources & wraps:
                wraps.add(moment.id)
            if field is not None and field.known and field.receptive_field and reaches:
                turns = moment.id in wraps
                seen[at] = Seen(field.receptive_field, field.jump, field.start, reaches, turns)
            if moment.pieces and understood(moment):
                known.add(at)

        run = _Fields(self.module, x, opened=self.graph.opened, on_node=met, pieces=True)
        with torch.no_grad(), exact(), watching(self.module, run):
            run.finish(self.module(x))
        axes = len(self.size)
        itself = tuple(of_input(x.shape, 2 + k) for k in range(axes))
        seen[0] = Seen((1,) * axes, (Fraction(1),) * axes, (0,) * axes, itself)
        output = self.graph.output
        if output.sources and output.sources[-1] in seen:
            seen[output.id] = seen[output.sources[-1]]
        return seen, frozenset(known)

    @property
    def seen(self) -> dict[int, Seen]:
        """What each node sees of the image, where that is known."""
        return self._looked[0]

    def shows(self, node: Node) -> bool:
        """Whether the numbers that make an element of a node can be shown."""
        return node.id in self._looked[1] or (node.kind == "output" and self.task == "classify")

    def jump(self, node: Node) -> tuple[float, ...] | None:
        """Pixels from one sample of a node's map to the next, along each axis.

        None for what has no map, and for the windows that an operator gets from a phase: only with
        the operator they move as a map does.
        """
        if node.op == TakeWindows.__name__:
            return None
        shape = self.shape(node)[1:]
        if len(shape) != len(self.size):
            return None
        seen = self.seen.get(node.id)
        if seen is not None and all(j is not None for j in seen.jump):
            return tuple(float(j) for j in seen.jump if j is not None)
        return self._jump_by_sizes(node, shape)

    def _jump_by_sizes(self, node: Node, shape: tuple[int, ...]) -> tuple[float, ...]:
        """Where fields are not known: a border moves no samples, a coarser map has whole steps."""
        before = next(
            (
                (jump, self.shape(source)[1:])
                for source in (self.graph.nodes[s] for s in node.sources)
                if (jump := self.jump(source)) is not None
            ),
            None,
        )
        if before is None:
            return tuple(n / m for n, m in zip(self.size, shape, strict=True))
        steps = zip(*before, shape, strict=True)
        return tuple(j * max(1, round(m / n)) / max(1, round(n / m)) for j, m, n in steps)

    def plain_seen(self, node: Node) -> dict[str, Any] | None:
        """`seen`, as JSON has it."""
        seen = self.seen.get(node.id)
        if seen is None:
            return None
        return {
            "size": list(seen.size),
            "jump": jsonable(seen.jump),
            "start": list(seen.start),
        }

    # ---- running it

    def room(self, shape: tuple[int, ...]) -> Tensor:
        """Memory for maps that are compared, kept from step to step: fresh pages cost much."""
        if shape not in self._rooms:
            if len(self._rooms) >= _ROOMS:
                self._rooms.clear()
            self._rooms[shape] = torch.empty(shape)
        return self._rooms[shape]

    @cached_property
    def _rerun(self) -> Rerun:
        return Rerun(self.module, self.graph)

    def run(self, x: Tensor, keep: Keep | None = None) -> list[Tensor | None]:
        """What every node gives out for a sample, or what is kept of it."""
        with exact():
            return self._rerun(self.ready(x), keep)

    def units(
        self, x: Tensor, wanted: Mapping[int, Sequence[Sequence[int]]]
    ) -> dict[int, list[Arithmetic]]:
        """How some elements of some nodes' outputs are computed, for a sample, in one pass.

        Args:
            x: a sample.
            wanted: of each node, indices into its output without the batch axis.

        Returns:
            In the same order; nothing of a node that this sample does not come by.
        """
        key = {self.graph.nodes[id].key: id for id in wanted}
        arithmetic_of: dict[int, list[Arithmetic]] = {}

        def met(moment: Moment) -> None:
            id = key.get(moment.key)
            if id is not None:
                arithmetic_of[id] = [arithmetic(moment, index) for index in wanted[id]]

        with exact():
            run = follow(
                self.module,
                self.ready(x).clone(),
                opened=self.graph.opened,
                on_node=met,
                pieces=True,
            )
        number = {m.id: self.graph.id_of(m.key) for m in run.moments}
        return {
            id: [
                replace(
                    a, terms=tuple(replace(t, node=_or(number.get(t.node), -1)) for t in a.terms)
                )
                for a in each
            ]
            for id, each in arithmetic_of.items()
        }

    def logits(self, batch: Tensor, *, module: nn.Module | None = None) -> Tensor:
        """Predictions for several samples, on the processor.

        Raises:
            ModelError: the module fails, or gives no tensor.
        """
        x = self.ready(batch)
        if x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), exact():
            out: Any = (module or self.module)(x)
        if not isinstance(out, Tensor):
            raise ModelError(f"A model returns a tensor; this one returned a {type(out).__name__}.")
        return out.float().cpu()


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
