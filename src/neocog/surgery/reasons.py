"""Which downsamplers of a graph stay, and why; which can have their phase chosen first."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import fx

from neocog.layers.downsample import Downsampling
from neocog.surgery.borders import far_samples
from neocog.surgery.graph import shape_of
from neocog.surgery.grids import SampleGrids, Sampler
from neocog.surgery.positions import Positions
from neocog.surgery.window import OperatorWindow

__all__ = ["divides", "reasons_to_stay", "takes"]


def divides(stride: tuple[int, ...], size: tuple[int, ...]) -> bool:
    """Whether all phases of a map have as many samples."""
    return len(stride) == len(size) and not any(n % s for n, s in zip(size, stride, strict=True))


def takes(node: fx.Node, window: OperatorWindow) -> bool:
    """Whether the windows of an operator can be taken from any phase before it runs."""
    size, out = (shape_of(node.all_input_nodes[0]) or ())[2:], (shape_of(node) or ())[2:]
    if window.pointwise or not divides(window.stride, size) or len(out) != len(size):
        return False
    partial = not window.whole and any(map(any, window.padding))  # divided by what is inside
    count = all(o * s == n for n, o, s in zip(size, out, window.stride, strict=True))
    return count and not partial and not window.ceil


def reasons_to_stay(
    grids: SampleGrids, kind: Downsampling, circular: bool, ahead: Mapping[fx.Node, Positions]
) -> dict[fx.Node, str]:
    """Which samplers stay, and why."""
    out: dict[fx.Node, str] = {}
    for s in grids.samplers:
        barred = grids.barred.get(grids.find(s.group), "") if kind.choose is not None else ""
        placed = _placed(ahead[s.node]) if s.node in ahead else ""
        if reason := placed or s.reason or barred or _refusal(s, circular):
            out[s.node] = reason
    calls: dict[str, list[Sampler]] = {}
    for s in grids.samplers:
        if s.node.op == "call_module":
            calls.setdefault(str(s.node.target), []).append(s)
    size = -1
    while size != len(out):  # what shares a phase or a module with one that stays, stays
        size = len(out)
        for s in grids.samplers:
            if s.node in out:
                continue
            kin = [o for o in grids.samplers if grids.find(o.group) == grids.find(s.group)]
            kin = kin if kind.choose is not None else []
            same = calls.get(str(s.node.target), []) if s.node.op == "call_module" else []
            for other in (*kin, *same):
                if other.node in out:
                    out[s.node] = f"it keeps the samples of `{other.name}`, which stays"
                    break
    return out


def _placed(table: Positions) -> str:
    """Why nothing is gained ahead of a table of positions, and what would."""
    return (
        f"what comes of it meets a table of positions ({table}): its answer depends on place "
        "whatever the sampling. Relative positions that wrap around, with circular polyphase "
        "tokens, would not"
    )


def _refusal(sampler: Sampler, circular: bool) -> str:
    window = sampler.window
    if window is None:
        return "no operator that is known here"
    x = sampler.node.all_input_nodes[0]
    size, after = (shape_of(x) or ())[2:], (shape_of(sampler.node) or ())[2:]
    rounded = tuple(math.ceil(n / s) for n, s in zip(size, window.stride, strict=True))
    if window.kind == "slicing" and after != rounded:
        return "it starts so late that a sample is lost"
    if window.kind not in ("average pool", "p-norm pool") or circular:
        return ""
    far = far_samples(window, size, after)
    if any(far) and (window.ceil or (any(map(any, window.padding)) and not window.whole)):
        return "its last windows are divided by fewer samples than the others"
    return ""
