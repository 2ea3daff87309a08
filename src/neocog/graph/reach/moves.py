"""Rules of what changes single elements, or only moves them about."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from neocog.graph.reach.intervals import (
    Reach,
    joined,
    moved,
    nothing,
    permuted,
    reshaped,
    spread,
    union,
    upto,
    windows,
)
from neocog.graph.reach.scene import Scene, channels, dims

__all__ = [
    "of_any_move",
    "of_cat",
    "of_embedding",
    "of_expand",
    "of_flip",
    "of_glu",
    "of_none",
    "of_parts",
    "of_permute",
    "of_pixel_shuffle",
    "of_pointwise",
    "of_put",
    "of_same",
    "of_select",
    "of_slice",
    "of_source",
    "of_split",
    "of_squeeze",
    "of_stack",
    "of_t",
    "of_transpose",
    "of_unbind",
    "of_unsqueeze",
    "of_view",
]


def of_pointwise(s: Scene) -> Reach:
    """Each element of any operand, with broadcasting."""
    return union(list(s.reach.values()), s.out)


def of_same(s: Scene) -> Reach:
    """The first tensor, in the shape of the output."""
    return spread(s.first, s.out)


def of_source(s: Scene) -> Reach:
    """A copy: what was there before is gone."""
    return spread(s.reach["src"], s.out) if "src" in s.reach else nothing(s.out)


def of_none(s: Scene) -> Reach:
    """What does not depend on the input."""
    return nothing(s.out)


def of_view(s: Scene) -> Reach:
    """The same elements in the same order."""
    return reshaped(s.first, s.out)


def of_unsqueeze(s: Scene) -> Reach:
    """One more axis, of one element."""
    x, d = s.first, s.given["dim"] % len(s.out)
    lo, hi = x.lo.unsqueeze(d), x.hi.unsqueeze(d)
    return Reach(lo, hi, s.out, (*x.steps[:d], None, *x.steps[d:]))


def of_squeeze(s: Scene) -> Reach:
    """Axes of one element go."""
    x = s.first
    goes = [d for d in dims(s.given.get("dim"), len(x.shape)) if x.shape[d] == 1]
    for d in reversed(goes):
        x = _without(x, d, 0)
    return x


def of_permute(s: Scene) -> Reach:
    """Axes in another order."""
    axes = len(s.out)
    return permuted(s.first, [d % axes for d in s.given["dims"]])


def of_transpose(s: Scene) -> Reach:
    """Two axes change places."""
    order = list(range(len(s.out)))
    if order:
        a, b = (s.given[k] % len(order) for k in ("dim0", "dim1"))
        order[a], order[b] = order[b], order[a]
    return permuted(s.first, order)


def of_t(s: Scene) -> Reach:
    """A matrix on its side."""
    return permuted(s.first, list(reversed(range(len(s.out)))))


def of_slice(s: Scene) -> Reach:
    """Every s-th element of an axis."""
    x, g = s.first, s.given
    d = g["dim"] % len(x.shape)
    start, _, step = slice(g["start"], g["end"], g["step"]).indices(x.shape[d])
    places = upto(s.out[d]).unsqueeze(1) * step + start
    return windows(x, d, places, ratio=Fraction(step))


def of_flip(s: Scene) -> Reach:
    """Axes run backwards."""
    x = s.first
    for d in dims(s.given["dims"], len(x.shape)):
        places = x.shape[d] - 1 - upto(x.shape[d]).unsqueeze(1)
        x = windows(x, d, places, ratio=Fraction(-1))
    return x


def of_expand(s: Scene) -> Reach:
    """One element stands for many."""
    return spread(s.first, s.out)


def of_parts(s: Scene) -> Reach:
    """Real and imaginary parts, along a new last axis."""
    return spread(reshaped(s.first, (*s.first.shape, 1)), s.out)


def of_split(s: Scene) -> list[Reach]:
    """Parts of an axis."""
    x, g = s.first, s.given
    d = g["dim"] % len(x.shape)
    sizes = g["split_sizes"] if "split_sizes" in g else g["split_size"]
    if isinstance(sizes, int):
        sizes = [min(sizes, x.shape[d] - a) for a in range(0, x.shape[d], sizes)]
    parts, start = [], 0
    for size in sizes:
        places = start + upto(size).unsqueeze(1)
        parts.append(windows(x, d, places, ratio=Fraction(1)))
        start += size
    return parts


def of_select(s: Scene) -> Reach:
    """One element of an axis, which goes."""
    return _without(s.first, s.given["dim"], s.given["index"])


def of_unbind(s: Scene) -> list[Reach]:
    """All elements of an axis, one by one."""
    d = s.given["dim"] % len(s.first.shape)
    return [_without(s.first, d, i) for i in range(s.first.shape[d])]


def _without(x: Reach, dim: int, index: int) -> Reach:
    """One element of an axis, which goes."""
    dim %= len(x.shape)
    kept = [d for d in range(len(x.shape)) if d != dim]
    lo, hi = (v.select(dim, index if v.shape[dim] > 1 else 0) for v in (x.lo, x.hi))
    return Reach(lo, hi, tuple(x.shape[d] for d in kept), tuple(x.steps[d] for d in kept))


def of_cat(s: Scene) -> Reach:
    """One behind the other."""
    parts = [r for r in s.reach.values() if len(r.shape) == len(s.out)]  # an empty one is (0,)
    return joined(parts, s.given["dim"] % len(s.out))


def of_stack(s: Scene) -> Reach:
    """One behind the other along a new axis."""
    d = s.given["dim"] % len(s.out)
    shapes = [(*r.shape[:d], 1, *r.shape[d:]) for r in s.reach.values()]
    parts = [reshaped(r, shape) for r, shape in zip(s.reach.values(), shapes, strict=True)]
    return joined(parts, d)


def of_any_move(s: Scene) -> Reach:
    """Performed on the numbers, which are moved like the elements."""
    same = [d for d in range(len(s.out)) if s.first.shape[d : d + 1] == s.out[d : d + 1] == (1,)]
    return moved(s.first, s.call, kept=same if len(s.out) == len(s.first.shape) else ())


def of_put(s: Scene) -> Reach | None:
    """Some elements of the first tensor are those of another now."""
    into, *index, values = s.reach.values()
    if s.given.get("accumulate") or any(bool(r.seen.any()) for r in index):
        return None
    ends = zip(into.full, values.full, strict=True)
    func = torch.ops.aten.index_put.default if s.op.name == "index_put" else s.op.func
    given = dict(s.given)
    first, second = ("self", "values") if s.op.name == "index_put" else ("self", "src")

    def put(numbers: Tensor) -> Any:
        a, b = next(ends)
        return func(**{**given, first: a.clone(), second: b})

    return moved(into, put)


def of_pixel_shuffle(s: Scene) -> Reach:
    """Channels become samples in between."""
    x, r = s.first, s.given["upscale_factor"]
    if x.lo.shape[-3] > 1:
        return of_any_move(s)
    for d in (len(s.out) - 2, len(s.out) - 1):
        x = windows(x, d, upto(s.out[d]).unsqueeze(1) // r, ratio=Fraction(1, r))
    return channels(x, s.out[-3], len(s.out) - 3)


def of_glu(s: Scene) -> Reach:
    """One half of an axis and the other."""
    x = s.first
    d = s.given["dim"] % len(s.out)
    places = upto(s.out[d]).unsqueeze(1) + torch.tensor([0, s.out[d]], device="cpu")
    return windows(x, d, places, ratio=Fraction(1))


def of_embedding(s: Scene) -> Reach:
    """Each row of a table sees what its number sees."""
    x = s.reach["indices"]
    return spread(reshaped(x, (*x.shape, 1)), s.out)
