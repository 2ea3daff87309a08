"""Swap the downsamplers of a trained network for others, keeping its weights.

    operator at stride s   →   operator at stride 1, then a sampler of the kind that is asked for

Names of parts and keys of the state dict stay. Where the operator looks at one sample at a time
(a 1×1 convolution, a slice) the sampler comes first, which is equal and cheaper. Where padding
becomes circular, polyphase downsampling comes first at every operator whose stride divides its map:
the phase is chosen from what goes in, and the operator keeps its stride and its MACs
(`layers.windows`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from neocog.errors import ModelError, UsageError, did_you_mean
from neocog.layers.downsample import Downsampling, downsampling_of
from neocog.layers.windows import TakeWindows
from neocog.surgery.borders import (
    ELSEWHERE,
    OperatorChange,
    OperatorChanges,
    far_samples,
    is_pad,
    wraps_pads,
)
from neocog.surgery.graph import (
    Rewired,
    Traced,
    Untraceable,
    note_shapes,
    shape_of,
    trace,
)
from neocog.surgery.grids import Sampler, grids_of
from neocog.surgery.modes import free_name
from neocog.surgery.pointwise import behind
from neocog.surgery.positions import ahead_of, positions_of
from neocog.surgery.reasons import divides, reasons_to_stay, takes
from neocog.surgery.result import Replaced, Skipped, Surgery
from neocog.surgery.untraced import check_groups, replace_loose
from neocog.surgery.window import label, window_of

__all__ = ["PADDING_CHOICES", "Surgeon", "replace"]

PADDING_CHOICES = ("keep", "circular")
"""What may become of the borders: stay as they are, or wrap around."""


def replace(
    module: nn.Module,
    example: Tensor,
    *,
    downsampling: str | Downsampling,
    padding: str = "keep",
    only: Collection[str] | None = None,
) -> Surgery:
    """A copy of a network that downsamples in another way.

    Args:
        module: takes one tensor (B, C, space); is left as it is.
        example: two samples or more of the size that is meant.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`, or a kind of one's own.
        padding: "circular" lets every border wrap around; "keep" leaves them.
        only: names of groups (see `Replaced.group`) to be replaced, each with those that share a
            module with it; all if left out.

    Raises:
        UsageError: an unknown sampling, padding or group, or the kind that changes nothing.
        ModelError: the network fails on the example.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.AdaptiveAvgPool2d(1))
        >>> x = torch.zeros(2, 1, 8, 8)
        >>> done = replace(net, x, downsampling="polyphase", padding="circular")
        >>> [(r.name, r.was) for r in done.replaced]
        [('0', 'convolution 3×3, stride 2')]
    """
    kind = downsampling_of(downsampling) if isinstance(downsampling, str) else downsampling
    name = downsampling if isinstance(downsampling, str) else "sampler"
    if kind.folded:
        raise UsageError(
            "A fix changes how samples are dropped, and `stride` is how they are dropped already. "
            "Take `blur` or `polyphase`."
        )
    if padding not in PADDING_CHOICES:
        raise UsageError(
            f"`{padding}` is no choice of padding. {did_you_mean(padding, PADDING_CHOICES)}"
        )
    scripted = any(isinstance(m, torch.jit.ScriptModule) for m in module.modules())
    if scripted or not all(isinstance(v, Tensor) for v in module.state_dict().values()):
        what = "TorchScript has compiled" if scripted else "was quantized"
        raise ModelError(
            f"A fix exchanges modules of a network, and what {what} cannot be changed. Take the "
            "network that it was made of."
        )
    try:
        traced = trace(module, example)
    except Untraceable as e:
        return replace_loose(
            module, example, downsampling=name, kind=kind, padding=padding, only=only, why=str(e)
        )
    surgeon = Surgeon(traced, kind, name, circular=padding == "circular")
    return surgeon.operate(example, only)


@dataclass
class _Phase:
    """A group's choice: its leader's name, and the node that holds it once it is made."""

    leader: str
    node: fx.Node | None = None


class Surgeon:
    """One operation on one traced network.

    Args:
        traced: is changed.
        kind: of the samplers that come in.
        name: of that kind.
        circular: let borders wrap around.
    """

    def __init__(self, traced: Traced, kind: Downsampling, name: str, *, circular: bool) -> None:
        self.traced, self.kind, self.name, self.circular = traced, kind, name, circular
        self.graph, self.root = traced.graph, traced.root
        self.grids = grids_of(traced)
        ahead = ahead_of(positions_of(traced))
        self.reasons = reasons_to_stay(self.grids, kind, circular, ahead)
        self.phases: dict[int, _Phase] = {}
        for sampler in self.grids.samplers:
            self.phases.setdefault(self.grids.find(sampler.group), _Phase(sampler.name))
        self.home = free_name(self.root, "samplers")
        self.skipped = [
            Skipped(name=s.name, what=s.what, reason=self.reasons[s.node])
            for s in self.grids.samplers
            if s.node in self.reasons
        ]

    def group(self, sampler: Sampler) -> str:
        """The name of the first of those that share a phase."""
        return self.phases[self.grids.find(sampler.group)].leader

    def operate(self, example: Tensor, only: Collection[str] | None) -> Surgery:
        """Do it all."""
        chosen = self._chosen(only)
        before = _answer_shape(self.graph)
        remarks = list(self.grids.remarks)
        pads = {n: self._in_space(n) for n in self.graph.nodes if is_pad(n, self.root)}
        if self.circular:
            remarks += self._shrinking()
        taken = self._taken({s.node: s for s in chosen})
        changes = self._changes({s.node for s in chosen}, taken)
        self.root.add_module(self.home, nn.ModuleDict())
        device = example.device
        replaced = [self._convert(s, changes, device) for s in chosen]
        changes.make()
        if self.circular:
            kept = wraps_pads(self.traced, self.grids.space, pads)
            self.skipped += [Skipped(name=n, what=w, reason=r) for n, w, r in kept]
        if not len(self._samplers):
            delattr(self.root, self.home)
        self.graph.lint()
        note_shapes(self.traced, example)
        assert _answer_shape(self.graph) == before, "a sampler gives another size"
        for node in self.graph.nodes:
            node.meta.clear()  # which modules were running no longer holds, and exporters read it
        module = Rewired(self.root, self.graph)
        return Surgery(
            module=module.eval(),
            replaced=tuple(replaced),
            skipped=tuple(self.skipped),
            remarks=tuple(remarks),
        )

    def _chosen(self, only: Collection[str] | None) -> list[Sampler]:
        """Those to be converted, with all that share a module with one of them."""
        able = [s for s in self.grids.samplers if s.node not in self.reasons]
        if only is None:
            return able
        check_groups(only, {self.group(s) for s in able})
        wanted, count = set(only), -1
        while count != len(wanted):  # a module that is called twice has one stride
            count = len(wanted)
            modules = {
                s.node.target
                for s in able
                if s.node.op == "call_module" and self.group(s) in wanted
            }
            wanted |= {self.group(s) for s in able if s.node.target in modules}
        return [s for s in able if self.group(s) in wanted]

    @property
    def _samplers(self) -> nn.ModuleDict:
        home = self.root.get_submodule(self.home)
        assert isinstance(home, nn.ModuleDict)
        return home

    def _taken(self, chosen: Mapping[fx.Node, Sampler]) -> set[fx.Node]:
        """Of those to be converted, the operators whose windows can be taken before they run.

        Only on a circle are all phases alike; beside a border, what comes out tells more.
        """
        if self.kind.choose_windows is None or self.kind.prepare or not self.circular:
            return set()
        able = {
            n
            for n, s in chosen.items()
            if s.window is not None and self._in_space(n) and takes(n, s.window)
        }
        modules = {n.target for n in chosen if n.op == "call_module" and n not in able}
        return {n for n in able if n.op != "call_module" or n.target not in modules}

    def _changes(self, chosen: set[fx.Node], taken: set[fx.Node]) -> OperatorChanges:
        changes = OperatorChanges(self.traced)
        for node in self.graph.nodes:
            window = window_of(node, self.root)
            if window is None or window.kind == "slicing":
                continue
            inside = self._in_space(node)
            wraps = self.circular and any(map(any, window.padding))
            if wraps and not inside and node not in self.reasons:
                name = label(node, self.root)
                self.skipped.append(Skipped(name=name, what=str(window), reason=ELSEWHERE))
            if node in chosen or wraps:
                changes.plan(
                    node,
                    window,
                    circular=self.circular and inside,
                    dense=node in chosen - taken,
                    taken=node in taken,
                )
        return changes

    def _in_space(self, node: fx.Node) -> bool:
        """Whether what a node gets is laid out as (B, C, space)."""
        x = node.all_input_nodes[0]
        shape, place = shape_of(x) or (), self.grids.places.get(x)
        if place is None or not place.axes:  # one sample is all of space, wherever it is
            return len(shape) == 2 + self.grids.space and all(n == 1 for n in shape[2:])
        return place.axes == tuple(range(2, 2 + self.grids.space))

    def _shrinking(self) -> list[str]:
        out = []
        for node in self.graph.nodes:
            window = window_of(node, self.root)
            if window is None or window.kind == "slicing" or not self._in_space(node):
                continue
            x = node.all_input_nodes[0]
            size, after = (shape_of(x) or ())[2:], (shape_of(node) or ())[2:]
            if len(size) != len(window.stride) or window.sums_up(size):
                continue
            far = far_samples(window, size, after) if window.drops else (0,) * len(size)
            dense = tuple(
                n + sum(p) - r + 1 + f
                for n, p, r, f in zip(size, window.padding, window.reach, far, strict=True)
            )
            uneven = [n for n, s in zip(size, window.stride, strict=True) if n % s]
            if uneven:
                out.append(
                    f"`{label(node, self.root)}` has a stride that does not divide its "
                    f"{uneven[0]} samples: around the border phases are unequal, and the answer is "
                    "the same only nearly"
                )
            elif dense != size and not is_pad(x, self.root):
                out.append(
                    f"`{label(node, self.root)}` has a border narrower than its window: the map "
                    "shrinks, and what leaves it on one side does not come in on the other"
                )
        return out

    def _convert(
        self, sampler: Sampler, changes: OperatorChanges, device: torch.device
    ) -> Replaced:
        window, node = sampler.window, sampler.node
        assert window is not None
        x, mean = node.all_input_nodes[0], self._is_mean(sampler)
        change = changes.planned.get(node)
        if change is not None and change.taken:
            node.replace_input_with(x, self._windows(sampler, x, change, device))
            return self._told(sampler, mean, first=True)
        if window.pointwise:
            end = self._sample(sampler, self._rolled(node, x, window.offset), device, node)
            if window.kind == "slicing":
                node.replace_all_uses_with(end)
                self.graph.erase_node(node)
            else:
                node.replace_input_with(x, end)
        elif mean:
            end = self._sample(sampler, x, device, node)
            node.replace_all_uses_with(end)
            self.graph.erase_node(node)
            del changes.planned[node]
        else:
            tail = node if self.kind.choose is not None else behind(node, self.root)
            users = list(tail.users)
            end = self._sample(sampler, tail, device, tail.next)
            for user in users:
                user.replace_input_with(tail, end)
        end.meta["shape"] = shape_of(node)
        return self._told(sampler, mean, first=False)

    def _is_mean(self, sampler: Sampler) -> bool:
        """A mean before a blur would blur twice (Zhang 2019)."""
        window = sampler.window
        assert window is not None
        if self.name != "blur" or window.kind != "average pool":
            return False
        size = (shape_of(sampler.node.all_input_nodes[0]) or ())[2:]
        after = (shape_of(sampler.node) or ())[2:]
        return after == tuple(math.ceil(n / s) for n, s in zip(size, window.stride, strict=True))

    def _rolled(self, node: fx.Node, x: fx.Node, offset: tuple[int, ...]) -> fx.Node:
        if not any(offset):
            return x
        axes = tuple(range(2, 2 + len(offset)))
        with self.graph.inserting_before(node):
            out = self.graph.call_function(torch.roll, (x, tuple(-o for o in offset), axes))
        out.meta["shape"] = shape_of(x)
        return out

    def _sample(
        self, sampler: Sampler, full: fx.Node, device: torch.device, before: fx.Node
    ) -> fx.Node:
        """The nodes that downsample of a tensor at its full rate, put in before a node."""
        assert sampler.window is not None
        kind, stride = self.kind, sampler.window.stride
        channels = (shape_of(full) or (0, 0))[1]
        word = "circular" if self.circular else "zeros"
        with self.graph.inserting_before(before):
            if kind.choose is None or kind.take is None:
                return self._call(
                    sampler, "down", kind.reduce(channels, stride, word), full, device
                )
            phase = self._phase(sampler, full, device, before=sampler.window.pointwise)
            if kind.prepare is not None:
                full = self._call(sampler, "prepare", kind.prepare(stride, word), full, device)
            out = self._call(sampler, "take", kind.take(stride), full, device)
            out.args = (full, phase)
            return out

    def _phase(
        self, sampler: Sampler, x: fx.Node, device: torch.device, *, before: bool
    ) -> fx.Node:
        """What all of a group go by, chosen where the first of them stands.

        Args:
            sampler: of the group.
            x: node of the map to choose from.
            device: of the network.
            before: this map goes into the operator; else it comes out of it.
        """
        assert sampler.window is not None
        phase = self.phases[self.grids.find(sampler.group)]
        if phase.node is None:
            shape, stride = shape_of(x) or (0, 0), sampler.window.stride
            before = before and self.circular and divides(stride, shape[2:])
            early = self.kind.choose_windows if before else None
            if early is not None:
                choice = early(stride)
            else:
                assert self.kind.choose is not None
                word = "circular" if self.circular else "zeros"
                choice = self.kind.choose(shape[1], stride, word)
            phase.node = self._call(sampler, "phase", choice, x, device)
        return phase.node

    def _windows(
        self, sampler: Sampler, x: fx.Node, change: OperatorChange, device: torch.device
    ) -> fx.Node:
        """The node that takes the windows of an operator from their phase."""
        with self.graph.inserting_before(sampler.node):
            take = TakeWindows(
                change.window.stride,
                reach=change.window.reach,
                sides=change.window.padding,
            )
            phase = self._phase(sampler, x, device, before=True)
            out = self._call(sampler, "take", take, x, device)
            out.args = (x, phase)
            return out

    def _call(
        self,
        sampler: Sampler,
        what: str,
        module: nn.Module,
        x: fx.Node,
        device: torch.device,
    ) -> fx.Node:
        words = re.sub(r"[^0-9A-Za-z]", "_", sampler.name)
        name = free_name(self._samplers, f"{words}_{what}")
        self._samplers.add_module(name, module.to(device))
        return self.graph.call_module(f"{self.home}.{name}", (x,))

    def _told(self, sampler: Sampler, mean: bool, *, first: bool) -> Replaced:
        window = sampler.window
        assert window is not None
        steps = "×".join(map(str, sorted(set(window.stride))))
        now = str(window).rpartition(",")[0] + ", stride 1" if window.kind != "slicing" else ""
        if mean:
            now = ""
        group = self.group(sampler)
        way = f"{self.name} by {steps}"
        if self.kind.choose is not None and group != sampler.name:
            way += f" with the phase of `{group}`"
        parts = [way, now] if window.pointwise else [now, way]
        if first:
            parts = [way, str(window)]
        return Replaced(
            name=sampler.name,
            was=sampler.what,
            now=", then ".join(p for p in parts if p),
            group=group,
        )


def _answer_shape(graph: fx.Graph) -> Any:
    return [shape_of(n) for n in graph.output_node().all_input_nodes]
