"""Places behind what joins tensors, moves elements about, or slides windows over a map."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from neocog.audits.reach import local_sums, moves, sums, windows
from neocog.audits.reach.intervals import Reach, Step, joined, nothing, spread
from neocog.audits.reach.local import (
    JOINED,
    PICKED,
    WEIGHTS,
    Rule,
    Slots,
    Work,
    each,
    mix,
    numbers_of,
    one_axis,
    placed,
    rate_of,
    unplaced,
)
from neocog.audits.reach.rules import rule_of
from neocog.audits.reach.scene import numbers
from neocog.probe.operations import Operation

__all__ = ["evened", "rule_for", "unwrapped"]

Found = list[Slots | None] | None


# Joined


def pointwise(w: Work) -> Found:
    """Element by element, with broadcasting."""
    if w.spectral():
        if w.op.name == "abs":
            return [tuple(_abs(r, s, w) for s, r in enumerate(w.first[1] or ()))]
        if not local_sums.joins_spectra(w):
            return None
    parts = [(n, t, k) for n, t in w.tensors.items() if (k := w.slots[n]) and not unplaced(k)]
    axes = len(w.shape)
    found = _together(w, [tuple(spread(r, w.shape) for r in k) for _, _, k in parts])
    if found is None:
        return None
    numbers_of(w, found)
    assert all(len(r.shape) == axes for r in found)
    return [found] * len(w.outs)


def _abs(r: Reach, s: int, w: Work) -> Reach:
    return nothing(w.shape) if s >= 2 * w.axes else r


def _together(w: Work, parts: list[Slots]) -> Slots | None:
    """Places of what is made of several tensors of one shape."""
    found = [nothing(parts[0][0].shape)] * (3 * w.axes)
    owners = [{d for r in p[: 2 * w.axes] for d in placed(r, w.axes)} for p in parts]
    for k in range(w.axes):
        groups: list[tuple[Reach, int]] = []
        for i, p in enumerate(parts):
            for r in (p[k], p[w.axes + k]):
                at = placed(r, w.axes)
                if not at:
                    continue
                near = [j for j, (g, _) in enumerate(groups) if set(placed(g, w.axes)) & set(at)]
                if not near:
                    if any(o != i and owners[o] & owners[i] for _, o in groups):
                        w.find(JOINED)
                    else:
                        groups.append((r, i))
                    continue
                held, owner = groups[near[0]]
                if not _move_alike(r, held, w.axes):
                    w.find(JOINED)
                elif len(at) > len(placed(held, w.axes)):
                    groups[near[0]] = (r, owner)
        if len(groups) > 2:
            return None
        for s, (r, _) in zip((k, w.axes + k), groups, strict=False):
            found[s] = r
    for s in range(2 * w.axes, 3 * w.axes):
        found[s] = next((p[s] for p in parts if bool(p[s].seen.any())), found[s])
    return tuple(found)


def _move_alike(a: Reach, b: Reach, axes: int) -> bool:
    """Whether they move by as many elements along the axes that both have."""
    for d in set(placed(a, axes)) & set(placed(b, axes)):
        one, other = a.steps[d], b.steps[d]
        if one is None or other is None:
            if (one is None) != (other is None):
                return False
        elif one.advance * other.period != other.advance * one.period:
            return False
    return True


def cat(w: Work) -> Found:
    """One behind the other: channels beside channels, or positions behind positions."""
    d = w.given["dim"] % len(w.shape)
    if w.op.name == "stack":
        w.tensors = {n: t.unsqueeze(d) for n, t in w.tensors.items()}
        w.slots = {n: k and tuple(_opened(r, d) for r in k) for n, k in w.slots.items()}
    named = [n for n, t in w.tensors.items() if t.dim() == len(w.shape)]
    parts = [k for n in named if (k := w.slots[n]) and not unplaced(k)]
    if w.spectral() and len(parts) < len(named):  # zeros between frequencies
        parts = [k for k in parts if k]
    if not any(d in placed(r, w.axes) for k in parts for r in k):
        found = _together(w, [tuple(_widened(r, d, w.shape) for r in k) for k in parts])
        if found is not None:
            numbers_of(w, found)
        return [found]
    out = []
    for s in range(3 * w.axes):
        rows = [k[s] if (k := w.slots[n]) else nothing(w.tensors[n].shape) for n in named]
        r = joined(rows, d)
        there = [x for x in rows if placed(x, w.axes)]
        if d in {e for x in there for e in placed(x, w.axes)}:
            if len(there) == 1:  # a token, or numbers as a border
                r = _with_step(r, d, there[0].steps[d])
            elif s < 2 * w.axes:
                r = unwrapped(r, d, _extent(there, d))
                if there[0].steps[d] is not None and r.steps[d] is None:
                    w.find(JOINED)
        out.append(r)
    return [tuple(out)]


def _opened(r: Reach, d: int) -> Reach:
    return Reach(
        r.lo.unsqueeze(d),
        r.hi.unsqueeze(d),
        (*r.shape[:d], 1, *r.shape[d:]),
        (*r.steps[:d], None, *r.steps[d:]),
    )


def _widened(r: Reach, d: int, shape: tuple[int, ...]) -> Reach:
    """The same for all channels of a wider tensor."""
    lo, hi = r.lo, r.hi
    if lo.shape[d] > 1:
        lo, hi = lo.amin(d, True), hi.amax(d, True)
    return Reach(lo, hi, shape, tuple(None if e == d else s for e, s in enumerate(r.steps)))


def _with_step(r: Reach, d: int, step: Step | None) -> Reach:
    return Reach(r.lo, r.hi, r.shape, tuple(step if e == d else s for e, s in enumerate(r.steps)))


def _extent(parts: Sequence[Reach], d: int) -> int:
    """Pixels that a map covers, of which these are parts along one axis."""
    low = min(int(r.lo[r.seen].min()) for r in parts)
    high = max(int(r.lo[r.seen].max()) for r in parts)
    steps = [s for r in parts if (s := r.steps[d]) is not None]
    return high - low + max((abs(s.advance) // s.period for s in steps), default=0)


def evened(r: Reach, axes: int) -> Reach:
    """With a step where places go on evenly but for a border: numbers, or the other side."""
    for d in placed(r, axes):
        if r.steps[d] is not None or r.lo.shape[d] < 3:
            continue
        rest = [e for e in range(r.lo.dim()) if e != d]
        line = r.lo.amin(rest) if rest else r.lo
        there = (line < _UNSEEN).nonzero().flatten()
        inner = line[there]
        if len(there) < 3:
            continue
        gaps = inner.diff()
        first = int(gaps.mode().values)
        together = int(there[-1] - there[0]) + 1 == len(there)
        if len(there) < len(line) and together and first and bool((gaps == first).all()):
            r = _with_step(r, d, Step(1, first))
        elif len(there) == len(line):
            size = int(inner.max() - inner.min()) + abs(first)
            if first and len(line) < 2 * size // abs(first):  # rows one behind the other come again
                r = _round(r, d, line, size)
    return r


def _round(r: Reach, d: int, line: Tensor, size: int) -> Reach:
    """The same places in every row, counted on beyond the border, where that is even."""
    view = [-1 if e == d else 1 for e in range(r.lo.dim())]
    seen, one = r.seen, tuple(1 if e != d else n for e, n in enumerate(r.shape))
    if not bool(((r.lo == line.view(view)) | ~seen).all()):
        return r
    alone = Reach(line.view(view), line.view(view), one, (None,) * len(one))
    counted = unwrapped(alone, d, size)
    if counted.steps[d] is None:
        return r
    far = counted.lo - line.view(view)
    lo, hi = torch.where(seen, r.lo + far, r.lo), torch.where(seen, r.hi + far, r.hi)
    return Reach(lo, hi, r.shape, _with_step(r, d, counted.steps[d]).steps)


_UNSEEN = 2**39
"""Beyond all places."""


def unwrapped(r: Reach, d: int, size: int) -> Reach:
    """Places that come round from the other side, counted on beyond it, where that is even."""
    if size < 1 or r.steps[d] is not None or r.lo.shape[d] < 2 or not bool(r.seen.all()):
        return r
    gaps = r.lo.diff(dim=d) % size
    first = int(gaps.flatten().mode().values)
    first = first if first <= size // 2 else first - size
    if not bool((gaps == first % size).all()) or not first:
        return r
    view = [-1 if e == d else 1 for e in range(r.lo.dim())]
    start = r.lo.narrow(d, 0, 1)
    start = start - (start + first * (r.shape[d] - 1) // 2) // size * size  # most of it inside
    at = torch.arange(r.shape[d], device="cpu").view(view) * first
    far = r.hi - r.lo
    return _with_step(Reach(start + at, start + at + far, r.shape, r.steps), d, Step(1, first))


# Moved


def moved(w: Work) -> Found:
    """Elements in other places: an even order is kept, round the border too."""
    _, slots = w.first
    found = each(w)
    if found is None or slots is None or (w.spectral() and w.op.name not in ("roll", *_CUTS)):
        return found if found is None or not w.spectral() else None
    out: list[Slots | None] = []
    for known in found:
        if known is None:
            return None
        rows = list(known)
        for s in range(2 * w.axes):
            before = placed(slots[s], w.axes)
            for d in placed(rows[s], w.axes):
                if len(before) == 1 and slots[s].steps[before[0]] is not None:
                    rows[s] = unwrapped(rows[s], d, _extent([slots[s]], before[0]))
            if rate_of(slots[s], w.axes) and placed(rows[s], w.axes) and _uneven(rows[s], w.axes):
                w.find(PICKED)
                w.grids.append((s % w.axes, Fraction(w.size[s % w.axes])))
        out.append(tuple(rows))
    return out


_CUTS = ("slice", "index", "index_select")


def _uneven(r: Reach, axes: int) -> bool:
    return all(r.steps[d] is None for d in placed(r, axes))


def picked(w: Work) -> Found:
    """One position, or each by itself."""
    x, slots = w.first
    found = each(w)
    d = w.given["dim"] % max(x.dim(), 1)
    if found is None or slots is None or w.spectral():
        return found if not w.spectral() or _untouched(w, slots or (), d) else None
    return _cut(w, slots, found, d)


def _untouched(w: Work, slots: Slots, d: int) -> bool:
    return not any(d in placed(r, w.axes) for r in slots[2 * w.axes :])


def _cut(w: Work, slots: Slots, found: list[Slots | None], d: int) -> Found:
    """After some places along one axis were taken out."""
    outs = [list(k) if k is not None else None for k in found]
    for s in range(2 * w.axes):
        if d not in placed(slots[s], w.axes):
            continue
        there = [k for k in outs if k is not None and bool(k[s].seen.any())]
        how = mix(w, s, slots[s], [d], PICKED) if there else "whole"
        if how == "whole":
            for k, t in zip(outs, w.outs, strict=True):
                if k is not None:
                    k[s] = nothing(t.shape)
    return [None if k is None else tuple(k) for k in outs]


def sliced(w: Work) -> Found:
    """Every s-th element of a part of an axis; a border that is cut off is looked at elsewhere."""
    x, slots = w.first
    found = each(w)
    if found is None or slots is None or found[0] is None:
        return None
    d, step = w.given["dim"] % x.dim(), w.given["step"]
    if x.shape[d] == w.shape[d] and step == 1:
        return found
    hit = [r for r in slots[: 2 * w.axes] if d in placed(r, w.axes)]
    if not hit:
        return found
    lost = any(_places(r) > _places(f) for r, f in zip(slots, found[0], strict=True))
    others = any(len(placed(r, w.axes)) > 1 for r in hit) or len(hit) > 1
    if step > 1 and others:
        return None
    if lost and step == 1 and others:
        return _cut(w, slots, found, d)
    return found


def _places(r: Reach) -> int:
    """How many elements have a place."""
    return int(r.seen.sum())


def splitted(w: Work) -> Found:
    """Parts of an axis."""
    x, slots = w.first
    found = each(w)
    d = w.given["dim"] % x.dim()
    if found is None or slots is None or len(w.outs) == 1:
        return found
    if any(d in placed(r, w.axes) for r in slots):
        if w.spectral():
            return None
        return _cut(w, slots, found, d)
    return found


def viewed(w: Work) -> Found:
    """The same elements, seen otherwise."""
    return None if w.op.name == "_conj" and w.spectral() else each(w)


def plain(w: Work) -> Found:
    """By the rule of its field."""
    return None if w.spectral() else each(w)


def copied(w: Work) -> Found:
    """As it was."""
    return each(w)


def put(w: Work) -> Found:
    """Some elements are those of another tensor."""
    return each(w)


# Windows


def window(w: Work) -> Found:
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
        elif rate_of(slots[s], w.axes) and placed(rows[s], w.axes) and _uneven(rows[s], w.axes):
            w.grids.append((s % w.axes, Fraction(w.size[s % w.axes])))
        elif set(placed(slots[s], w.axes)) & set(sliding) and _uneven(slots[s], w.axes):
            w.find(PICKED)  # a map that was put together in an order of its own
            w.grids.append((s % w.axes, Fraction(w.size[s % w.axes])))
    if whole:
        w.reduces = True
        one_axis(w, slots, whole)
    return [tuple(rows) if t.shape == w.outs[0].shape else None for t in w.outs]


def folded(w: Work) -> Found:
    """Windows summed up where they came from."""
    return None if w.spectral() else each(w)


def _sliding(w: Work, x: Tensor) -> int:
    """Axes that windows slide along."""
    name = w.op.name
    if "output_size" in w.given and "adaptive" in name:
        return len(w.given["output_size"])
    digits = [c for c in name.removesuffix("_with_indices") if c.isdigit()]
    if digits:
        return min(int(digits[-1]), x.dim() - 1)
    return 2 if name.startswith("pixel") or name in ("im2col", "col2im") else x.dim() - 2


def _all_along(w: Work, x: Tensor, d: int) -> bool:
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


_BY_NAME: dict[str, Rule] = {
    **dict.fromkeys(("_softmax", "_log_softmax", "_safe_softmax"), local_sums.softmax),
    **dict.fromkeys(("native_layer_norm", "_fused_rms_norm"), local_sums.layer_norm),
    "native_group_norm": local_sums.group_norm,
    **dict.fromkeys(("sort", "argsort", "topk"), local_sums.picks),
    "mm": local_sums.product("self", "mat2"),
    "bmm": local_sums.product("self", "mat2"),
    "mv": local_sums.product("self", "vec"),
    "dot": local_sums.product("self", "tensor"),
    "addmm": local_sums.product("mat1", "mat2", "self"),
    "addmv": local_sums.product("mat", "vec", "self"),
    "baddbmm": local_sums.product("batch1", "batch2", "self"),
    "linear": local_sums.linear,
    **dict.fromkeys(("cat", "stack"), cat),
    **dict.fromkeys(("select", "unbind"), picked),
    **dict.fromkeys(
        ("split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes"), splitted
    ),
    "slice": sliced,
}

_BY_KIND: dict[object, Rule] = {
    moves.of_pointwise: pointwise,
    moves.of_same: copied,
    moves.of_source: copied,
    moves.of_none: copied,
    moves.of_any_move: moved,
    moves.of_flip: plain,
    moves.of_fft: local_sums.fourier,
    moves.of_put: put,
    sums.of_reduction: local_sums.reduction,
    sums.of_up_to: local_sums.running,
    sums.of_batch_norm: local_sums.batch_norm,
    sums.of_attention: local_sums.attention,
    windows.of_convolution: window,
    windows.of_pool: window,
    windows.of_adaptive_pool: window,
    windows.of_im2col: window,
    windows.of_col2im: folded,
    windows.of_recurrent: local_sums.recurrent,
    windows.of_interpolation: window,
    windows.of_pad: window,
    moves.of_pixel_shuffle: window,
}


def rule_for(op: Operation) -> Rule:
    """How an operation moves places."""
    if op.name in _BY_NAME and rule_of(op) is not None:
        return _BY_NAME[op.name]
    found = _BY_KIND.get(rule_of(op))
    if found is not None and not (op.is_view and found is moved):
        return found
    return viewed if op.is_view else plain
