"""Which downsamplers are skipped, and why; which can have their phase selected first."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import fx

from neocog.layers.downsample import Downsampling
from neocog.surgery.borders import extra_samples
from neocog.surgery.graph import shape_of
from neocog.surgery.grids import SampleGrids, Sampler
from neocog.surgery.position_embeddings import PositionEmbedding
from neocog.surgery.window import NodeWindow

__all__ = ["can_presample", "divides", "reasons_to_stay"]


def divides(stride: tuple[int, ...], size: tuple[int, ...]) -> bool:
    """Whether all phases of a feature map have the same size."""
    return len(stride) == len(size) and not any(n % s for n, s in zip(size, stride, strict=True))


def can_presample(node: fx.Node, window: NodeWindow) -> bool:
    """Whether the windows of an operator can be gathered from any phase before it."""
    size, out = (shape_of(node.all_input_nodes[0]) or ())[2:], (shape_of(node) or ())[2:]
    if window.pointwise or not divides(window.stride, size) or len(out) != len(size):
        return False
    partial = not window.whole and any(map(any, window.padding))  # divided by the elements inside
    count = all(o * s == n for n, o, s in zip(size, out, window.stride, strict=True))
    return count and not partial and not window.ceil


def reasons_to_stay(
    grids: SampleGrids,
    kind: Downsampling,
    circular: bool,
    upstream: Mapping[fx.Node, PositionEmbedding],
) -> dict[fx.Node, str]:
    """Downsamplers to skip, each with the reason."""
    out: dict[fx.Node, str] = {}
    for s in grids.samplers:
        barred = grids.barred.get(grids.find(s.group), "") if kind.choose is not None else ""
        placed = _placed(upstream[s.node]) if s.node in upstream else ""
        if reason := placed or s.reason or barred or _refusal(s, circular):
            out[s.node] = reason
    calls: dict[str, list[Sampler]] = {}
    for s in grids.samplers:
        if s.node.op == "call_module":
            calls.setdefault(str(s.node.target), []).append(s)
    size = -1
    while size != len(out):  # those that share a phase or module with a skipped one are skipped
        size = len(out)
        for s in grids.samplers:
            if s.node in out:
                continue
            joined = [o for o in grids.samplers if grids.find(o.group) == grids.find(s.group)]
            joined = joined if kind.choose is not None else []
            same = calls.get(str(s.node.target), []) if s.node.op == "call_module" else []
            for other in (*joined, *same):
                if other.node in out:
                    out[s.node] = f"it shares its phase with `{other.name}`, which is skipped"
                    break
    return out


def _placed(table: PositionEmbedding) -> str:
    """Why downsampling before a position embedding gains nothing, and what would."""
    return (
        f"a position embedding follows ({table}), so predictions depend on position whatever the "
        "downsampling. Circular relative positions with circular polyphase tokens would not"
    )


def _refusal(sampler: Sampler, circular: bool) -> str:
    window = sampler.window
    if window is None:
        return "an unknown operator"
    x = sampler.node.all_input_nodes[0]
    size, after = (shape_of(x) or ())[2:], (shape_of(sampler.node) or ())[2:]
    expected = tuple(math.ceil(n / s) for n, s in zip(size, window.stride, strict=True))
    if window.kind == "slicing" and after != expected:
        return "it starts so late that an element is lost"
    if window.kind not in ("average pool", "p-norm pool") or circular:
        return ""
    extra = extra_samples(window, size, after)
    if any(extra) and (window.ceil or (any(map(any, window.padding)) and not window.whole)):
        return "its last windows average fewer elements than the others"
    return ""
