"""Positions behind what slides windows over a map."""

from __future__ import annotations

from fractions import Fraction

from torch import Tensor

from neocog.graph.ops import rule_of, window_of
from neocog.graph.reach.intervals import nothing
from neocog.graph.reach.positions.operation import (
    PICKED,
    WEIGHTS,
    PositionedOperation,
    PositionsAfter,
    each,
    mix,
    one_axis,
    placed,
    rate_of,
    unplaced,
)
from neocog.graph.reach.positions.orders import uneven

__all__ = ["folded", "window"]


def window(w: PositionedOperation) -> PositionsAfter:
    """Windows along the last axes."""
    x, slots = w.first
    if rule_of(w.op) == "convolution" and (known := w.slots["weight"]) and not unplaced(known):
        return None
    if slots is None:
        return each(w)
    if w.spectral():
        return None
    sliding = range(x.dim() - _sliding(w, x), x.dim())
    carrying = [d for r in slots for d in placed(r, w.axes)]
    if any(carrying.count(d) > 1 for d in sliding):
        return None  # rows and columns in one axis, or two positions
    inner = [d for d in range(x.dim()) if d not in sliding]
    if rule_of(w.op) == "convolution":
        for s in range(2 * w.axes):
            if any(d in inner[1:] for d in placed(slots[s], w.axes)):
                mix(w, s, slots[s], inner[1:], WEIGHTS)
    after = each(w)
    if after is None or after[0] is None:
        return None
    rows = list(after[0])
    whole = [d for d in sliding if _all_along(w, x, d)]
    for s in range(2 * w.axes):
        if set(placed(slots[s], w.axes)) & set(whole):
            rows[s] = nothing(w.shape)
        elif rate_of(slots[s], w.axes) and placed(rows[s], w.axes) and uneven(rows[s], w.axes):
            w.grids.append((s % w.axes, Fraction(w.size[s % w.axes])))
        elif set(placed(slots[s], w.axes)) & set(sliding) and uneven(slots[s], w.axes):
            w.find(PICKED)  # a map that was put together in an order of its own
            w.grids.append((s % w.axes, Fraction(w.size[s % w.axes])))
    if whole:
        w.reduces = True
        one_axis(w, slots, whole)
    return [tuple(rows) if t.shape == w.outs[0].shape else None for t in w.outs]


def folded(w: PositionedOperation) -> PositionsAfter:
    """Windows summed where they lie."""
    return None if w.spectral() else each(w)


def _sliding(w: PositionedOperation, x: Tensor) -> int:
    """Axes that windows slide along."""
    if rule_of(w.op) == "adaptive pool":
        return len(w.given["output_size"])
    digits = [c for c in w.op.name.removesuffix("_with_indices") if c.isdigit()]
    if digits:
        return min(int(digits[-1]), x.dim() - 1)
    return 2 if rule_of(w.op) in ("im2col", "pixel shuffle") else x.dim() - 2


def _all_along(w: PositionedOperation, x: Tensor, d: int) -> bool:
    """Whether one window holds the whole axis and nothing else."""
    at = d - x.dim()
    if w.shape[at] != 1 or x.shape[d] == 1:
        return False
    if (rule := rule_of(w.op)) != "pool":
        return rule == "adaptive pool"
    kernel, _, padding, dilation = (axis[at] for axis in window_of(w.op))
    return kernel == x.shape[d] and padding == 0 and dilation == 1
