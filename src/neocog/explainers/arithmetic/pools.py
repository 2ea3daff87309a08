"""Windows without weights, number by number: pools, means and sums over axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neocog.explainers.arithmetic.worked import (
    Position,
    Worked,
    border_before,
    double,
    gathered,
    pair,
    window_of,
)
from neocog.graph.moments import Piece
from neocog.graph.ops import numbers
from neocog.graph.ops import window_of as operator_window

__all__ = ["adaptive_pool", "pool", "reduction"]


def pool(piece: Piece, position: Position, pieces: Sequence[Piece]) -> Worked | None:
    """The maximum of a window, or its mean."""
    g = piece.op.given
    x = g["self"]
    axes = x.dim() - 2
    before = border_before(piece, pieces, axes) if axes in (1, 2) else None
    if before is None:
        return None
    k, s, p, d = operator_window(piece.op)
    rows = [position[2 + a] * s[a] - p[a] + d[a] * np.arange(k[a]) for a in range(axes)]
    seen = [(int(r[0]) - b, int(r[-1]) + 1 - b) for r, b in zip(rows, before, strict=True)]
    facts = {
        "window": window_of(seen),
        "stride": pair(s, 1),
        "padding": pair([a + b for a, b in zip(p, before, strict=True)], 0),
        "dilation": pair(d, 1),
        "channels": np.array([position[1]]),
        "links": piece.links[:1],
    }
    averages = "avg" in piece.op.name
    channel = x[0, position[1] : position[1] + 1]
    patch = gathered(channel, rows, x.shape[2:], 0.0 if averages else math.nan)
    if not averages:
        return _largest_of(patch, float(np.nanmax(patch)), facts)
    # The border is part of what the sum is divided by, or not, and never what lies beyond it.
    size = inside = 1
    for r, n, pad in zip(rows, x.shape[2:], p, strict=True):
        size *= int(((r >= -pad) & (r < n + pad)).sum())
        inside *= int(((r >= 0) & (r < n)).sum())
    by = g.get("divisor_override") or (size if g["count_include_pad"] else inside)
    return _mean_of(patch, float(np.nansum(patch)), int(by), facts)


def _largest_of(
    patch: np.ndarray,
    largest: float,
    facts: dict[str, Any],
    *,
    of: str = "the values of the window",
) -> Worked:
    return Worked(
        kind="max_pool",
        computed=largest,
        patch=patch,
        formula=f"the max of {of}",
        steps=[("max", largest)],
        **facts,
    )


def _mean_of(patch: np.ndarray, total: float, by: int, facts: dict[str, Any]) -> Worked:
    return Worked(
        kind="avg_pool",
        computed=total / by,
        patch=patch,
        total=total,
        formula=f"the sum of the window, divided by {by}",
        steps=[("sum", total), (f"divided by {by}", total / by)],
        **facts,
    )


def adaptive_pool(piece: Piece, position: Position, pieces: Sequence[Piece]) -> Worked | None:
    """Windows that divide a map of any size evenly."""
    x = piece.op.args[0]
    out = piece.op.out[0] if isinstance(piece.op.out, (tuple, list)) else piece.op.out
    axes = x.dim() - 2
    if axes not in (1, 2):
        return None
    rows = []
    for a in range(axes):
        n, m, i = x.shape[2 + a], out.shape[2 + a], position[2 + a]
        rows.append(np.arange(i * n // m, -(-(i + 1) * n // m)))
    patch = gathered(x[0, position[1] : position[1] + 1], rows, x.shape[2:], math.nan)
    facts: dict[str, Any] = {
        "window": window_of([(int(r[0]), int(r[-1]) + 1) for r in rows]),
        "channels": np.array([position[1]]),
        "links": piece.links[:1],
    }
    if "max" in piece.op.name:
        return _largest_of(patch, float(patch.max()), facts)
    return _mean_of(patch, float(patch.sum()), patch.size, facts)


def reduction(piece: Piece, position: Position, pieces: Sequence[Piece]) -> Worked | None:
    """mean, sum, amax over some axes."""
    x, name = piece.op.args[0], piece.op.name
    if name not in ("mean", "sum", "amax"):
        return None
    axes = piece.op.given.get("dim")
    dims = list(range(x.dim())) if axes in (None, [], ()) else numbers(axes, 1)
    dims = sorted(d % x.dim() for d in dims)
    keeps = bool(piece.op.given.get("keepdim", False))
    if 0 in dims:
        return None
    left = iter(position)
    at: list[Any] = []
    for d in range(x.dim()):
        if d in dims:
            at.append(slice(None))
            if keeps:
                next(left)
        else:
            at.append(next(left))
    some = double(x[tuple(at)])
    patch = some[None] if some.ndim == 2 else some.reshape(1, 1, -1)
    spatial = dims == list(range(2, x.dim())) and x.dim() in (3, 4)
    facts: dict[str, Any] = {
        "window": window_of([(0, n) for n in x.shape[2:]]) if spatial else None,
        "channels": np.array([at[1] if x.dim() > 1 and isinstance(at[1], int) else 0]),
        "links": piece.links[:1],
    }
    total = float(patch.sum())
    if name == "mean":
        return _mean_of(patch, total, patch.size, facts)
    if name == "sum":
        return Worked(
            kind="sum",
            computed=total,
            patch=patch,
            total=total,
            formula="the sum of the values",
            steps=[("sum", total)],
            **facts,
        )
    return _largest_of(patch, float(patch.max()), facts, of="the values")
