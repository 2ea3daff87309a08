"""Places behind what slides windows over a map."""

from __future__ import annotations

from fractions import Fraction

from torch import Tensor

from neocog.graph.reach.intervals import nothing
from neocog.graph.reach.local import (
    PICKED,
    WEIGHTS,
    OperationPlaces,
    Slots,
    each,
    mix,
    one_axis,
    placed,
    rate_of,
    unplaced,
)
from neocog.graph.reach.local_orders import uneven
from neocog.graph.reach.scene import numbers

__all__ = ["folded", "window"]

Found = list[Slots | None] | None


def window(w: OperationPlaces) -> Found:
    """Windows along the last axes."""
    x, slots = w.first
    if w.op.name == "convolution" and (known := w.slots["weight"]) and not unplaced(known):
        return None
    if slots is None:
        return each(w)
    if w.spectral():
        return None
    sliding = range(x.dim() - _sliding(w, x), x.dim())
    carrying = [d for r in slots for d in placed(r, w.axes)]
    if any(carrying.count(d) > 1 for d in sliding):
        return None  # rows and columns in one axis, or two places
    inner = [d for d in range(x.dim()) if d not in sliding]
    if w.op.name == "convolution":
        for s in range(2 * w.axes):
            if any(d in inner[1:] for d in placed(slots[s], w.axes)):
                mix(w, s, slots[s], inner[1:], WEIGHTS)
    found = each(w)
    if found is None or found[0] is None:
        return None
    rows = list(found[0])
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


def folded(w: OperationPlaces) -> Found:
    """Windows summed up where they came from."""
    return None if w.spectral() else each(w)


def _sliding(w: OperationPlaces, x: Tensor) -> int:
    """Axes that windows slide along."""
    name = w.op.name
    if "output_size" in w.given and "adaptive" in name:
        return len(w.given["output_size"])
    digits = [c for c in name.removesuffix("_with_indices") if c.isdigit()]
    if digits:
        return min(int(digits[-1]), x.dim() - 1)
    return 2 if name.startswith("pixel") or name in ("im2col", "col2im") else x.dim() - 2


def _all_along(w: OperationPlaces, x: Tensor, d: int) -> bool:
    """Whether one window holds the whole axis and nothing else."""
    at = d - x.dim()
    if w.shape[at] != 1 or x.shape[d] == 1:
        return False
    if "adaptive" in w.op.name:
        return True
    if "pool" not in w.op.name or "lp" in w.op.name:
        return False
    axes = _sliding(w, x)
    k = axes + at
    kernel = numbers(w.given["kernel_size"], axes)[k]
    padding = numbers(w.given.get("padding", 0), axes)[k]
    dilation = numbers(w.given.get("dilation", 1), axes)[k]
    return kernel == x.shape[d] and padding == 0 and dilation == 1
