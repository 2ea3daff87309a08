"""Positions behind what joins tensors or moves elements about, and the rule of every operation."""

from __future__ import annotations

from fractions import Fraction

from neocog.graph.operations import Operation
from neocog.graph.ops import rule_of
from neocog.graph.reach.intervals import Reach, joined, nothing, spread
from neocog.graph.reach.positions import sums
from neocog.graph.reach.positions.operation import (
    JOINED,
    PICKED,
    ElementPositions,
    PositionedOperation,
    PositionsAfter,
    Rule,
    each,
    mix,
    numbers_of,
    placed,
    rate_of,
    unplaced,
)
from neocog.graph.reach.positions.orders import extent_of, uneven, unwrapped, with_step
from neocog.graph.reach.positions.windows import folded, window

__all__ = ["rule_for"]

# Joined


def pointwise(w: PositionedOperation) -> PositionsAfter:
    """Element by element, with broadcasting."""
    if w.spectral():
        if w.op.name == "abs":
            return [tuple(_abs(r, s, w) for s, r in enumerate(w.first[1] or ()))]
        if not sums.joins_spectra(w):
            return None
    parts = [(n, t, k) for n, t in w.tensors.items() if (k := w.slots[n]) and not unplaced(k)]
    axes = len(w.shape)
    after = _together(w, [tuple(spread(r, w.shape) for r in k) for _, _, k in parts])
    if after is None:
        return None
    numbers_of(w, after)
    assert all(len(r.shape) == axes for r in after)
    return [after] * len(w.outs)


def _abs(r: Reach, s: int, w: PositionedOperation) -> Reach:
    return nothing(w.shape) if s >= 2 * w.axes else r


def _together(w: PositionedOperation, parts: list[ElementPositions]) -> ElementPositions | None:
    """Positions of what is made of several tensors of one shape."""
    after = [nothing(parts[0][0].shape)] * (3 * w.axes)
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
            after[s] = r
    for s in range(2 * w.axes, 3 * w.axes):
        after[s] = next((p[s] for p in parts if bool(p[s].seen.any())), after[s])
    return tuple(after)


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


def cat(w: PositionedOperation) -> PositionsAfter:
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
        after = _together(w, [tuple(_widened(r, d, w.shape) for r in k) for k in parts])
        if after is not None:
            numbers_of(w, after)
        return [after]
    out = []
    for s in range(3 * w.axes):
        rows = [k[s] if (k := w.slots[n]) else nothing(w.tensors[n].shape) for n in named]
        r = joined(rows, d)
        there = [x for x in rows if placed(x, w.axes)]
        if d in {e for x in there for e in placed(x, w.axes)}:
            if len(there) == 1:  # a token, or numbers as a border
                r = with_step(r, d, there[0].steps[d])
            elif s < 2 * w.axes:
                r = unwrapped(r, d, extent_of(there, d))
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


# Moved


def moved(w: PositionedOperation) -> PositionsAfter:
    """Elements in other positions: an even order is kept, round the border too."""
    _, slots = w.first
    after = each(w)
    if after is None or slots is None or (w.spectral() and w.op.name not in ("roll", *_CUTS)):
        return after if after is None or not w.spectral() else None
    out: list[ElementPositions | None] = []
    for known in after:
        if known is None:
            return None
        rows = list(known)
        for s in range(2 * w.axes):
            before = placed(slots[s], w.axes)
            for d in placed(rows[s], w.axes):
                if len(before) == 1 and slots[s].steps[before[0]] is not None:
                    rows[s] = unwrapped(rows[s], d, extent_of([slots[s]], before[0]))
            if rate_of(slots[s], w.axes) and placed(rows[s], w.axes) and uneven(rows[s], w.axes):
                w.find(PICKED)
                w.grids.append((s % w.axes, Fraction(w.size[s % w.axes])))
        out.append(tuple(rows))
    return out


_CUTS = ("slice", "index", "index_select")


def picked(w: PositionedOperation) -> PositionsAfter:
    """One position, or each by itself."""
    x, slots = w.first
    after = each(w)
    d = w.given["dim"] % max(x.dim(), 1)
    if after is None or slots is None or w.spectral():
        return after if not w.spectral() or _untouched(w, slots or (), d) else None
    return _cut(w, slots, after, d)


def _untouched(w: PositionedOperation, slots: ElementPositions, d: int) -> bool:
    return not any(d in placed(r, w.axes) for r in slots[2 * w.axes :])


def _cut(
    w: PositionedOperation, slots: ElementPositions, after: list[ElementPositions | None], d: int
) -> PositionsAfter:
    """After some positions along one axis were taken out."""
    outs = [list(k) if k is not None else None for k in after]
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


def sliced(w: PositionedOperation) -> PositionsAfter:
    """Every s-th element of a part of an axis; a border that is cut off is looked at elsewhere."""
    x, slots = w.first
    after = each(w)
    if after is None or slots is None or after[0] is None:
        return None
    d, step = w.given["dim"] % x.dim(), w.given["step"]
    if x.shape[d] == w.shape[d] and step == 1:
        return after
    hit = [r for r in slots[: 2 * w.axes] if d in placed(r, w.axes)]
    if not hit:
        return after
    lost = any(_positions(r) > _positions(f) for r, f in zip(slots, after[0], strict=True))
    others = any(len(placed(r, w.axes)) > 1 for r in hit) or len(hit) > 1
    if step > 1 and others:
        return None
    if lost and step == 1 and others:
        return _cut(w, slots, after, d)
    return after


def _positions(r: Reach) -> int:
    """How many elements have a position."""
    return int(r.seen.sum())


def splitted(w: PositionedOperation) -> PositionsAfter:
    """Parts of an axis."""
    x, slots = w.first
    after = each(w)
    d = w.given["dim"] % x.dim()
    if after is None or slots is None or len(w.outs) == 1:
        return after
    if any(d in placed(r, w.axes) for r in slots):
        if w.spectral():
            return None
        return _cut(w, slots, after, d)
    return after


def viewed(w: PositionedOperation) -> PositionsAfter:
    """The same elements, seen otherwise."""
    return None if w.op.name == "_conj" and w.spectral() else each(w)


def plain(w: PositionedOperation) -> PositionsAfter:
    """By the rule of its field."""
    return None if w.spectral() else each(w)


_RULES: dict[str, Rule] = {
    "pointwise": pointwise,
    "same": each,
    "copy": each,
    "none": each,
    "put": each,
    "move": moved,
    "cat": cat,
    "stack": cat,
    "select": picked,
    "unbind": picked,
    "split": splitted,
    "slice": sliced,
    "flip": plain,
    "softmax": sums.kept,
    "sort": sums.picks,
    "reduction": sums.reduction,
    "cumulative": sums.kept,
    "batch norm": sums.kept,
    "layer norm": sums.kept,
    "group norm": sums.kept,
    "product": sums.product,
    "linear": sums.linear,
    "attention": sums.attention,
    "recurrent": sums.recurrent,
    "fft": sums.fourier,
    "convolution": window,
    "pool": window,
    "adaptive pool": window,
    "im2col": window,
    "col2im": folded,
    "interpolation": window,
    "pad": window,
    "pixel shuffle": window,
}
"""Rules of positions; any other moves elements as `reach.rules` says."""


def rule_for(op: Operation) -> Rule:
    """How an operation moves positions."""
    rule = _RULES.get(rule_of(op))
    if rule is None or (op.is_view and rule is moved):
        return viewed if op.is_view else plain
    return rule
