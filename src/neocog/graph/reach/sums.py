"""Rules of what looks all along an axis: sums, norms, products, attention."""

from __future__ import annotations

from neocog.graph.ops import OPERATORS
from neocog.graph.reach.intervals import Reach, hull, reshaped, spread, union, upto, windows
from neocog.graph.reach.scene import Scene, channels, combined

__all__ = [
    "contracted",
    "of_along",
    "of_attention",
    "of_group_norm",
    "of_linear",
    "of_matrix_product",
    "of_reduction",
    "of_up_to",
]


def of_reduction(s: Scene) -> Reach:
    """All along the axes that are summed up."""
    x = s.first
    summed = combined(s.op)
    x = hull(x, summed)
    if len(s.out) < len(x.shape):
        kept = [d for d in range(len(x.shape)) if d not in summed]
        x = Reach(
            x.lo.squeeze(tuple(summed)),
            x.hi.squeeze(tuple(summed)),
            tuple(x.shape[d] for d in kept),
            tuple(x.steps[d] for d in kept),
        )
    return spread(x, s.out)


def of_along(s: Scene) -> Reach:
    """Each element sees all along some axes, as in a softmax or a norm."""
    return spread(hull(s.first, combined(s.op)), s.out)


def of_up_to(s: Scene) -> Reach:
    """Each element sees all before it and itself, as in a running sum."""
    x = s.first
    d = combined(s.op)[0]
    places = upto(x.shape[d])
    index = places.unsqueeze(0).expand(len(places), -1)
    return windows(x, d, index, ratio=None, taken=index <= places.unsqueeze(1))


def of_group_norm(s: Scene) -> Reach:
    """All of its group of channels."""
    x = hull(s.first, combined(s.op), groups=s.given["group"])
    return channels(spread(x, s.out), s.out[1])


# Products


def of_matrix_product(s: Scene) -> Reach:
    """(…, n, k) · (…, k, m); a vector is (k,)."""
    left, right, *added = OPERATORS[s.op.name].operands
    a, b = s.reach[left], s.reach[right]
    parts = [s.reach[name] for name in added if name in s.reach]
    if bool(a.seen.any()):
        parts.append(contracted(a, -1, s.out, dropped=len(b.shape) == 1))
    if bool(b.seen.any()):
        inner = -2 if len(b.shape) > 1 else -1
        parts.append(contracted(b, inner, s.out, dropped=len(a.shape) == 1))
    return channels(union(parts, s.out), s.out[-1], -1) if s.out else union(parts, s.out)


def contracted(x: Reach, dim: int, out: tuple[int, ...], *, dropped: bool) -> Reach:
    """One operand of a product: all along one axis, in the shape of the product."""
    d = dim % len(x.shape)
    x = hull(x, [d])
    if dropped or len(x.shape) == 1:
        shape = tuple(n for e, n in enumerate(x.shape) if e != d)
        x = reshaped(x, shape)
        if len(x.shape) == 1 and len(out) == 1:
            return x
    return spread(x, out)


def of_linear(s: Scene) -> Reach:
    """All along the last axis."""
    x = spread(hull(s.first, [len(s.out) - 1]), s.out)
    return channels(x, s.out[-1], -1)


def of_attention(s: Scene) -> Reach:
    """The query, all keys and all values."""
    q, k, v = (s.reach[name] for name in ("query", "key", "value"))
    parts = [spread(hull(q, [len(s.out) - 1]), s.out)] if bool(q.seen.any()) else []
    for x in (k, v):
        if bool(x.seen.any()):
            x = hull(x, [len(s.out) - 2, len(s.out) - 1])
            if x.shape[1] != s.out[1]:  # fewer heads of keys than of queries
                x = spread(hull(x, [1]), s.out)
            parts.append(spread(x, s.out))
    return union(parts, s.out)
