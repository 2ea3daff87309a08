"""Positions behind what looks all along an axis: sums, norms, products, attention, spectra."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

from neocog.graph.ops import operator_of, rule_of
from neocog.graph.reach.intervals import AxisStep, Reach, hull, nothing, permuted, spread, upto
from neocog.graph.reach.positions.operation import (
    NUMBERS,
    ONE_AXIS,
    RUNNING,
    WEIGHTS,
    ElementPositions,
    PositionedOperation,
    PositionsAfter,
    each,
    invariant,
    left_of,
    mix,
    numbers_of,
    one_axis,
    placed,
    rate_of,
    unplaced,
    width,
)
from neocog.graph.reach.scene import combined
from neocog.graph.reach.sums import contracted

__all__ = [
    "attention",
    "fourier",
    "joins_spectra",
    "kept",
    "linear",
    "picks",
    "product",
    "recurrent",
    "reduction",
]


def kept(w: PositionedOperation) -> PositionsAfter:
    """Each element stays where it is, and is combined with others: softmax, norms, running sums."""
    _, slots = w.first
    if slots is None or w.spectral():
        return None
    along = combined(w.op)
    for s in range(2 * w.axes):
        mix(w, s, slots[s], along, RUNNING if rule_of(w.op) == "cumulative" else None)
    one_axis(w, slots, along)
    same = tuple(spread(r, w.shape) for r in slots)
    if rule_of(w.op) == "layer norm":  # its weights may be those of positions
        numbers_of(w, same)
    rest: list[ElementPositions | None] = [
        same if t.shape == w.outs[0].shape else None for t in w.outs[1:]
    ]
    return [same, *rest]


def recurrent(w: PositionedOperation) -> PositionsAfter:
    """A state that runs from one side; what is left of it at the end has no position."""
    _, slots = w.first
    if slots is None or w.spectral():
        return None
    for s in range(2 * w.axes):
        mix(w, s, slots[s], [0], RUNNING)
        if 2 in placed(slots[s], w.axes):
            mix(w, s, slots[s], [2], WEIGHTS)
    one_axis(w, slots, [0])
    same = []
    for r in slots:
        r = hull(r, [2]) if r.lo.shape[2] > 1 else r
        same.append(Reach(r.lo, r.hi, w.shape, r.steps))
    return [tuple(same), *(invariant(t, w.axes) for t in w.outs[1:])]


def reduction(w: PositionedOperation) -> PositionsAfter:
    """A sum, a mean, a norm, the largest."""
    x, slots = w.first
    if slots is None or w.spectral():
        return None
    w.reduces = True
    along = combined(w.op)
    one_axis(w, slots, along)
    kept = [d for d in range(x.dim()) if d not in along]
    after = []
    for s, r in enumerate(slots):
        how = mix(w, s, r, along) if s < 2 * w.axes and bool(r.seen.any()) else "whole"
        r = left_of(r, along, how)
        if len(w.shape) < x.dim():
            lo, hi = (v.squeeze(tuple(along)) if along else v for v in (r.lo, r.hi))
            shape, steps = tuple(r.shape[d] for d in kept), tuple(r.steps[d] for d in kept)
            r = Reach(lo, hi, shape, steps)
        after.append(spread(r, w.shape))
    # which position it was is not a value
    which = w.op.name in _INDICES or (len(w.outs) > 1 and w.op.name in _WITH_INDICES)
    hit = any(set(placed(r, w.axes)) & set(along) for r in slots[: 2 * w.axes])
    outs: list[ElementPositions | None] = [tuple(after)] * len(w.outs)
    if which and hit:
        outs[-1] = None
    return outs


_INDICES = ("argmax", "argmin")
_WITH_INDICES = ("max", "min", "median", "nanmedian", "mode")


def picks(w: PositionedOperation) -> PositionsAfter:
    """Sorted, or the largest few: without positions where it is along them."""
    _, slots = w.first
    along = combined(w.op)
    if slots is None or w.spectral():
        return None
    if not any(set(placed(r, w.axes)) & set(along) for r in slots):
        return each(w)
    if any(mix(w, s, slots[s], along) not in ("none", "whole") for s in range(2 * w.axes)):
        return None
    one_axis(w, slots, along)
    if any(set(placed(r, w.axes)) - set(along) for r in slots):
        return None
    return [invariant(w.outs[0], w.axes), *([None] * (len(w.outs) - 1))]


# Products


def product(w: PositionedOperation) -> PositionsAfter:
    """(…, n, k) · (…, k, m); a vector is (k,)."""
    left, right, *added = operator_of(w.op).operands
    a, b = w.tensors[left], w.tensors[right]
    after = _product(w, (a, w.slots[left]), (b, w.slots[right]), w.shape, (left, right))
    if after is None:
        return None
    for name in added:
        other = w.slots.get(name)
        if other is not None and not unplaced(other):
            return None if not unplaced(after) else [other]
    w.tensors = {k: v for k, v in w.tensors.items() if k in added}
    numbers_of(w, after)
    return [after]


def linear(w: PositionedOperation) -> PositionsAfter:
    """All along the last axis, with weights."""
    (a, slots), weight = w.first, w.tensors["weight"]
    if w.slots["weight"] is not None:
        return None
    w.tensors = {**w.tensors, "weight": weight.t()}
    after = _product(w, (a, slots), (weight.t(), None), w.shape, ("input", "weight"))
    return None if after is None else [after]


Operand = tuple[Tensor, ElementPositions | None]


def _product(
    w: PositionedOperation,
    a: Operand,
    b: Operand,
    out: tuple[int, ...],
    names: tuple[str, str] | None = None,
) -> ElementPositions | None:
    """Rows of the one, columns of the other; what is summed up goes."""
    da = a[0].dim() - 1
    db = b[0].dim() - 2 if b[0].dim() > 1 else 0
    one = invariant(torch.empty(out, device="meta"), w.axes)
    after = list(one)
    for k in range(2 * w.axes, 3 * w.axes):  # frequencies are mixed by weights, channel by channel
        parts = [s[k] for _, s in (a, b) if s is not None and bool(s[k].seen.any())]
        if len(parts) > 1 or (parts and not _spectral_product(w, k, a, b, da, db)):
            return None
        if parts:
            first = a[1] is not None and parts[0] is a[1][k]
            after[k] = _spread_out(parts[0], (da if first else db), out, a, b, first)
    for k in range(w.axes):
        rows, hit_a = _sides(w, a, k, da)
        columns, hit_b = _sides(w, b, k, db)
        if len(hit_a) > 1 or len(hit_b) > 1:
            return None
        if hit_a and hit_b and not _alike(hit_a[0], da, hit_b[0], db):
            return None
        for hit, copies, d, other, at in ((hit_a, rows, da, b, db), (hit_b, columns, db, a, da)):
            if not hit:
                continue
            lone = not (hit_a and hit_b)
            name = None if names is None else names[0 if other is a else 1]
            uneven = lone and (name is None or w.varies(name, {at}))
            how = mix(w, k, hit[0], [d], WEIGHTS if uneven else None)
            if how != "whole":
                rest = left_of(hit[0], [d], how)
                if bool(placed(rest, w.axes)):
                    copies.append(rest)
        sides = [(r, da, True) for r in rows] + [(r, db, False) for r in columns]
        spreads = [_spread_out(r, d, out, a, b, first) for r, d, first in sides]
        kept = _distinct(spreads, w.axes)
        if len(kept) > 2:
            return None
        for s, r in zip((k, w.axes + k), kept, strict=False):
            after[s] = r
    if w.axes == 2:
        sums = [bool(_sides(w, a, k, da)[1]) or bool(_sides(w, b, k, db)[1]) for k in (0, 1)]
        there = [any(bool(s[k].seen.any()) for _, s in (a, b) if s is not None) for k in (0, 1)]
        if all(there) and sums[0] != sums[1]:
            w.find(ONE_AXIS)
    return tuple(after)


def _spectral_product(
    w: PositionedOperation, k: int, a: Operand, b: Operand, da: int, db: int
) -> bool:
    """Whether a spectrum is multiplied by what is not a spectrum, and not summed up."""
    for (t, s), d in ((a, da), (b, db)):
        if s is not None and bool(s[k].seen.any()):
            return t.is_complex() and d not in placed(s[k], w.axes)
    return True


def _sides(w: PositionedOperation, x: Operand, k: int, dim: int) -> tuple[list[Reach], list[Reach]]:
    """Positions along one axis that stay, and those that are summed up."""
    slots = x[1]
    copies = [] if slots is None else [slots[k], slots[w.axes + k]]
    real = [r for r in copies if placed(r, w.axes)]
    hit = [r for r in real if dim in placed(r, w.axes)]
    return [r for r in real if dim not in placed(r, w.axes)], hit


def _alike(a: Reach, da: int, b: Reach, db: int) -> bool:
    """Whether two lie alike along the axes that are summed up."""
    lines = []
    for r, d in ((a, da), (b, db)):
        index = tuple(slice(None) if e == d else 0 for e in range(r.lo.dim()))
        line, seen = r.lo[index], r.seen[index]
        lines.append(torch.where(seen, line - line[seen][:1].sum(), -1))
    return torch.equal(lines[0], lines[1])


def _spread_out(
    r: Reach, d: int, out: tuple[int, ...], a: Operand, b: Operand, first: bool
) -> Reach:
    dropped = (b if first else a)[0].dim() == 1
    return contracted(r, d, out, dropped=dropped) if out else nothing(out)


def _distinct(copies: list[Reach], axes: int) -> list[Reach]:
    """Positions that differ along axes of their own; one that differs along fewer goes."""
    kept: list[Reach] = []
    for r in sorted(copies, key=lambda r: -len(placed(r, axes))):
        if placed(r, axes) and not any(set(placed(r, axes)) <= set(placed(o, axes)) for o in kept):
            kept.append(r)
    return [r for r in copies if any(r is o for o in kept)]


def attention(w: PositionedOperation) -> PositionsAfter:
    """Scores of queries by keys, and the values that they weigh."""
    names = ("query", "key", "value")
    q, k, v = (w.tensors[n] for n in names)
    if w.spectral():
        return None
    turned = w.slots["key"]
    order = [*range(k.dim() - 2), k.dim() - 1, k.dim() - 2]
    if turned is not None:
        turned = tuple(permuted(r, order) for r in turned)
    shape = (*q.shape[:-1], k.shape[-2])
    scores = _product(w, (q, w.slots["query"]), (k.permute(order), turned), tuple(shape))
    if scores is None:
        return None
    of_scores = torch.empty(shape, device="meta")
    if w.given.get("is_causal") and any(placed(r, w.axes) for r in scores):
        w.find(RUNNING)
    for name in ("attn_bias", "attn_mask"):
        t = w.tensors.get(name)
        if t is None:
            continue
        known = w.slots[name]
        if known is not None and not unplaced(known):
            return None
        for s in range(2 * w.axes):
            own = [d for d in placed(scores[s], w.axes) if d - len(shape) + t.dim() >= 0]
            varying = [d for d in own if w.varies(name, {d - len(shape) + t.dim()})]
            if varying:
                mix(w, s, scores[s], varying, NUMBERS)
    out = _product(w, (of_scores, scores), (v, w.slots["value"]), w.shape)
    return None if out is None else [out, *([None] * (len(w.outs) - 1))]


# Spectra


def fourier(w: PositionedOperation) -> PositionsAfter:
    """Positions become frequencies, and frequencies positions."""
    x, slots = w.first
    along = combined(w.op)
    if slots is None:
        return None
    after = [
        Reach(r.lo, r.hi, w.shape, r.steps) if not set(placed(r, w.axes)) & set(along) else None
        for r in slots
    ]
    if any(after[s] is None for s in range(w.axes, 2 * w.axes)):
        return None
    taken = [d for r in slots for d in placed(r, w.axes)]
    if any(taken.count(d) > 1 for d in along):
        return None  # rows and columns in one axis
    for k in range(w.axes):
        position, spectrum = slots[k], slots[2 * w.axes + k]
        if after[k] is None:
            rate, at = rate_of(position, w.axes), placed(position, w.axes)
            if rate is None or len(at) != 1:
                return None
            w.extent[k] = abs(rate) * x.shape[at[0]]
            after[2 * w.axes + k] = _line(w.shape, at[0], Fraction(1))
            after[k] = nothing(w.shape)
        elif after[2 * w.axes + k] is None:
            at = tuple(d for d in placed(spectrum, w.axes) if width(spectrum, d))
            if len(at) != 1 or not _in_order(spectrum, at[0], w.shape[at[0]]):
                return None
            after[k] = _line(w.shape, at[0], w.extent[k] / w.shape[at[0]])
            after[2 * w.axes + k] = nothing(w.shape)
    return [tuple(r for r in after if r is not None)]


def _line(shape: tuple[int, ...], d: int, rate: Fraction) -> Reach:
    """Even positions along one axis."""
    at = upto(shape[d]) * rate.numerator // rate.denominator
    at = at.view([-1 if e == d else 1 for e in range(len(shape))])
    steps = tuple(
        AxisStep(rate.denominator, rate.numerator) if e == d else AxisStep(1, 0) if e > 1 else None
        for e in range(len(shape))
    )
    return Reach(at, at, shape, steps)


def _in_order(r: Reach, d: int, n: int) -> bool:
    """Whether every frequency is in order: the low ones in front, the negative ones behind."""
    positions = upto(r.shape[d]).view([-1 if e == d else 1 for e in range(len(r.shape))])
    away = (r.lo - positions)[r.seen.expand_as(r.lo - positions)]
    return len(torch.unique(away)) <= 2 and bool((away >= 0).all())


def joins_spectra(w: PositionedOperation) -> bool:
    """Whether a pointwise operation on spectra keeps them spectra of what moved."""
    there = [
        name
        for name, k in w.slots.items()
        if k and any(bool(r.seen.any()) for r in k[2 * w.axes :])
    ]
    if not all(w.tensors[name].is_complex() for name in there):
        return False
    if w.op.name in ("add", "sub"):
        return len(there) == len(w.tensors)
    return len(there) == 1 and (
        w.op.name in ("mul", "neg") or (w.op.name == "div" and there[0] == next(iter(w.tensors)))
    )
