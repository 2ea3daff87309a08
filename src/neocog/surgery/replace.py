"""Replace the downsamplers of a trained network, keeping its weights.

    operator at stride s   →   operator at stride 1, then the new downsampling

Names of submodules and keys of the state dict stay. For a pointwise operator (a 1×1 convolution, a
slice) the downsampling comes first, which is equal and cheaper. With circular padding, polyphase
downsampling comes first at every operator whose stride divides its feature map: the phase is
selected from the input, and the operator keeps its stride and its MACs (`layers.windows`).
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
from neocog.keywords import known_keywords
from neocog.layers.downsample import Downsampling, downsampling_of
from neocog.layers.windows import TakeWindows
from neocog.surgery.borders import (
    NOT_SPATIAL,
    OperatorChange,
    OperatorChanges,
    extra_samples,
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
from neocog.surgery.position_embeddings import position_embeddings_of, upstream_of
from neocog.surgery.reasons import can_presample, divides, reasons_to_stay
from neocog.surgery.result import Replaced, Skipped, Surgery
from neocog.surgery.untraced import check_groups, replace_untraced
from neocog.surgery.window import label, window_of

__all__ = ["PADDING_CHOICES", "Surgeon", "replace"]

PADDING_CHOICES = ("keep", "circular")
"""Keep the padding mode, or make it circular."""


@known_keywords
def replace(
    module: nn.Module,
    example: Tensor,
    *,
    downsampling: str | Downsampling,
    padding: str = "keep",
    only: Collection[str] | None = None,
) -> Surgery:
    """A copy of a network with other downsampling.

    Args:
        module: takes one tensor (B, C, spatial axes); not changed.
        example: two samples or more of the intended size.
        downsampling: a key of `layers.downsample.DOWNSAMPLINGS`, or your own `Downsampling`.
        padding: "circular" makes all padding circular; "keep" keeps it.
        only: names of groups (see `Replaced.group`) to be replaced, each with those that share a
            module with it; all if left out.

    Raises:
        UsageError: unknown downsampling, padding or group, or `stride`, which changes nothing.
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
            "A fix needs another downsampling than `stride`, which the network already uses. "
            "Use `blur` or `polyphase`."
        )
    if padding not in PADDING_CHOICES:
        raise UsageError(
            f"`{padding}` is not a padding choice. {did_you_mean(padding, PADDING_CHOICES)}"
        )
    scripted = any(isinstance(m, torch.jit.ScriptModule) for m in module.modules())
    if scripted or not all(isinstance(v, Tensor) for v in module.state_dict().values()):
        what = "compiled by TorchScript" if scripted else "quantized"
        raise ModelError(
            f"A fix replaces modules of a network; this one is {what} and cannot be changed. "
            "Use the "
            "original network."
        )
    try:
        traced = trace(module, example)
    except Untraceable as e:
        return replace_untraced(
            module,
            example,
            downsampling=name,
            kind=kind,
            padding=padding,
            only=only,
            reason_untraced=str(e),
        )
    surgeon = Surgeon(traced, kind, name, circular=padding == "circular")
    return surgeon.operate(example, only)


@dataclass
class _Phase:
    """The phase of a group: its leader's name, and the node that selects it, once it exists."""

    leader: str
    node: fx.Node | None = None


class Surgeon:
    """Converts one traced network.

    Args:
        traced: the graph; changed in place.
        kind: the new downsampling.
        name: of the new downsampling.
        circular: make padding circular.
    """

    def __init__(self, traced: Traced, kind: Downsampling, name: str, *, circular: bool) -> None:
        self.traced, self.kind, self.name, self.circular = traced, kind, name, circular
        self.graph, self.root = traced.graph, traced.root
        self.grids = grids_of(traced)
        upstream = upstream_of(position_embeddings_of(traced))
        self.reasons = reasons_to_stay(self.grids, kind, circular, upstream)
        self.phases: dict[int, _Phase] = {}
        for sampler in self.grids.samplers:
            self.phases.setdefault(self.grids.find(sampler.group), _Phase(sampler.name))
        self.container = free_name(self.root, "samplers")
        self.skipped = [
            Skipped(name=s.name, what=s.what, reason=self.reasons[s.node])
            for s in self.grids.samplers
            if s.node in self.reasons
        ]

    def group(self, sampler: Sampler) -> str:
        """The name of the first downsampler of the group."""
        return self.phases[self.grids.find(sampler.group)].leader

    def operate(self, example: Tensor, only: Collection[str] | None) -> Surgery:
        """Convert the graph."""
        chosen = self._chosen(only)
        before = _output_shape(self.graph)
        remarks = list(self.grids.remarks)
        pads = {n: self._in_space(n) for n in self.graph.nodes if is_pad(n, self.root)}
        if self.circular:
            remarks += self._shrinking()
        presampled = self._presampled({s.node: s for s in chosen})
        changes = self._changes({s.node for s in chosen}, presampled)
        self.root.add_module(self.container, nn.ModuleDict())
        device = example.device
        replaced = [self._convert(s, changes, device) for s in chosen]
        changes.make()
        if self.circular:
            rest = wraps_pads(self.traced, self.grids.space, pads)
            self.skipped += [Skipped(name=n, what=w, reason=r) for n, w, r in rest]
        if not len(self._samplers):
            delattr(self.root, self.container)
        self.graph.lint()
        note_shapes(self.traced, example)
        assert _output_shape(self.graph) == before, "the new downsampling gives another size"
        for node in self.graph.nodes:
            node.meta.clear()  # its stack of modules is out of date, and exporters read it
        module = Rewired(self.root, self.graph)
        return Surgery(
            module=module.eval(),
            replaced=tuple(replaced),
            skipped=tuple(self.skipped),
            remarks=tuple(remarks),
        )

    def _chosen(self, only: Collection[str] | None) -> list[Sampler]:
        """Downsamplers to convert, with all that share a module with one of them."""
        convertible = [s for s in self.grids.samplers if s.node not in self.reasons]
        if only is None:
            return convertible
        check_groups(only, {self.group(s) for s in convertible})
        selected, count = set(only), -1
        while count != len(selected):  # a module that is called twice has one stride
            count = len(selected)
            modules = {
                s.node.target
                for s in convertible
                if s.node.op == "call_module" and self.group(s) in selected
            }
            selected |= {self.group(s) for s in convertible if s.node.target in modules}
        return [s for s in convertible if self.group(s) in selected]

    @property
    def _samplers(self) -> nn.ModuleDict:
        container = self.root.get_submodule(self.container)
        assert isinstance(container, nn.ModuleDict)
        return container

    def _presampled(self, chosen: Mapping[fx.Node, Sampler]) -> set[fx.Node]:
        """Downsamplers whose windows can be gathered before they run.

        Phases are equivalent under circular padding only; otherwise the output is the better
        choice.
        """
        if self.kind.choose_windows is None or self.kind.prepare or not self.circular:
            return set()
        convertible = {
            n
            for n, s in chosen.items()
            if s.window is not None and self._in_space(n) and can_presample(n, s.window)
        }
        modules = {n.target for n in chosen if n.op == "call_module" and n not in convertible}
        return {n for n in convertible if n.op != "call_module" or n.target not in modules}

    def _changes(self, chosen: set[fx.Node], presampled: set[fx.Node]) -> OperatorChanges:
        changes = OperatorChanges(self.traced)
        for node in self.graph.nodes:
            window = window_of(node, self.root)
            if window is None or window.kind == "slicing":
                continue
            inside = self._in_space(node)
            wraps = self.circular and any(map(any, window.padding))
            if wraps and not inside and node not in self.reasons:
                name = label(node, self.root)
                self.skipped.append(Skipped(name=name, what=str(window), reason=NOT_SPATIAL))
            if node in chosen or wraps:
                changes.plan(
                    node,
                    window,
                    circular=self.circular and inside,
                    dense=node in chosen - presampled,
                    presampled=node in presampled,
                )
        return changes

    def _in_space(self, node: fx.Node) -> bool:
        """Whether the input of a node is laid out as (B, C, spatial axes)."""
        x = node.all_input_nodes[0]
        shape, layout = shape_of(x) or (), self.grids.layouts.get(x)
        if layout is None or not layout.axes:  # a single element fills space
            return len(shape) == 2 + self.grids.space and all(n == 1 for n in shape[2:])
        return layout.axes == tuple(range(2, 2 + self.grids.space))

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
            extra = extra_samples(window, size, after) if window.downsamples else (0,) * len(size)
            dense = tuple(
                n + sum(p) - r + 1 + f
                for n, p, r, f in zip(size, window.padding, window.reach, extra, strict=True)
            )
            uneven = [n for n, s in zip(size, window.stride, strict=True) if n % s]
            if uneven:
                out.append(
                    f"`{label(node, self.root)}` has a stride that does not divide its "
                    f"size {uneven[0]}: phases differ at the border, so predictions are only "
                    "approximately invariant"
                )
            elif dense != size and not is_pad(x, self.root):
                out.append(
                    f"`{label(node, self.root)}` has less padding than its window needs: the "
                    "feature map shrinks, so it does not wrap around"
                )
        return out

    def _convert(
        self, sampler: Sampler, changes: OperatorChanges, device: torch.device
    ) -> Replaced:
        window, node = sampler.window, sampler.node
        assert window is not None
        x, mean = node.all_input_nodes[0], self._is_mean(sampler)
        change = changes.planned.get(node)
        if change is not None and change.presampled:
            node.replace_input_with(x, self._windows(sampler, x, change, device))
            return self._replaced(sampler, mean, first=True)
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
        return self._replaced(sampler, mean, first=False)

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
        """Insert nodes that downsample a tensor before a node."""
        assert sampler.window is not None
        kind, stride = self.kind, sampler.window.stride
        channels = (shape_of(full) or (0, 0))[1]
        padding_mode = "circular" if self.circular else "zeros"
        with self.graph.inserting_before(before):
            if kind.choose is None or kind.take is None:
                return self._call(
                    sampler, "down", kind.reduce(channels, stride, padding_mode), full, device
                )
            phase = self._phase(sampler, full, device, before=sampler.window.pointwise)
            if kind.prepare is not None:
                full = self._call(
                    sampler, "prepare", kind.prepare(stride, padding_mode), full, device
                )
            out = self._call(sampler, "take", kind.take(stride), full, device)
            out.args = (full, phase)
            return out

    def _phase(
        self, sampler: Sampler, x: fx.Node, device: torch.device, *, before: bool
    ) -> fx.Node:
        """The node that selects the phase of a group, created at its first downsampler.

        Args:
            sampler: of the group.
            x: node of the feature map to select from.
            device: of the network.
            before: the feature map is the input of the operator, else its output.
        """
        assert sampler.window is not None
        phase = self.phases[self.grids.find(sampler.group)]
        if phase.node is None:
            shape, stride = shape_of(x) or (0, 0), sampler.window.stride
            before = before and self.circular and divides(stride, shape[2:])
            selector = self.kind.choose_windows if before else None
            if selector is not None:
                choice = selector(stride)
            else:
                assert self.kind.choose is not None
                padding_mode = "circular" if self.circular else "zeros"
                choice = self.kind.choose(shape[1], stride, padding_mode)
            phase.node = self._call(sampler, "phase", choice, x, device)
        return phase.node

    def _windows(
        self, sampler: Sampler, x: fx.Node, change: OperatorChange, device: torch.device
    ) -> fx.Node:
        """The node that gathers the windows of an operator from their phase."""
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
        slug = re.sub(r"[^0-9A-Za-z]", "_", sampler.name)
        name = free_name(self._samplers, f"{slug}_{what}")
        self._samplers.add_module(name, module.to(device))
        return self.graph.call_module(f"{self.container}.{name}", (x,))

    def _replaced(self, sampler: Sampler, mean: bool, *, first: bool) -> Replaced:
        window = sampler.window
        assert window is not None
        steps = "×".join(map(str, sorted(set(window.stride))))
        now = str(window).rpartition(",")[0] + ", stride 1" if window.kind != "slicing" else ""
        if mean:
            now = ""
        group = self.group(sampler)
        description = f"{self.name} by {steps}"
        if self.kind.choose is not None and group != sampler.name:
            description += f" with the phase of `{group}`"
        parts = [description, now] if window.pointwise else [now, description]
        if first:
            parts = [description, str(window)]
        return Replaced(
            name=sampler.name,
            was=sampler.what,
            now=", then ".join(p for p in parts if p),
            group=group,
        )


def _output_shape(graph: fx.Graph) -> Any:
    return [shape_of(n) for n in graph.output_node().all_input_nodes]
