"""Windows without weights, number by number: pools, means and sums over axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neocog.explainers.arithmetic.worked import (
    Place,
    Worked,
    argument,
    border_before,
    double,
    each_axis,
    gathered,
    pair,
    window_of,
)
from neocog.graph.moments import Piece

__all__ = ["adaptive_pool", "average_pool", "max_pool", "reduction"]


def _pool_window(
    piece: Piece, place: Place, pieces: Sequence[Piece], *, dilated: bool
) -> tuple[list[np.ndarray], dict[str, Any]] | None:
    """Rows and columns that are seen, and what all pools say of their windows."""
    x = piece.op.args[0]
    axes = x.dim() - 2
    before = border_before(piece, pieces, axes) if axes in (1, 2) else None
    if before is None:
        return None
    k = each_axis(piece.op.args[1], axes)
    given = argument(piece, 2, ())
    s = each_axis(given, axes) if given not in ((), [], None) else k
    p = each_axis(argument(piece, 3, 0), axes)
    d = each_axis(argument(piece, 4, 1), axes) if dilated else [1] * axes
    rows = [place[2 + a] * s[a] - p[a] + d[a] * np.arange(k[a]) for a in range(axes)]
    seen = [(int(r[0]) - b, int(r[-1]) + 1 - b) for r, b in zip(rows, before, strict=True)]
    return rows, {
        "window": window_of(seen),
        "stride": pair(s, 1),
        "padding": pair([a + b for a, b in zip(p, before, strict=True)], 0),
        "dilation": pair(d, 1),
        "channels": np.array([place[1]]),
        "links": piece.links[:1],
    }


def max_pool(piece: Piece, place: Place, pieces: Sequence[Piece]) -> Worked | None:
    """The largest number of a window."""
    found = _pool_window(piece, place, pieces, dilated=True)
    if found is None:
        return None
    rows, said = found
    x = piece.op.args[0]
    patch = gathered(x[0, place[1] : place[1] + 1], rows, x.shape[2:], math.nan)
    return _largest_of(patch, float(np.nanmax(patch)), said)


def _largest_of(
    patch: np.ndarray,
    largest: float,
    said: dict[str, Any],
    *,
    of: str = "the values of the window",
) -> Worked:
    return Worked(
        kind="max_pool",
        computed=largest,
        patch=patch,
        formula=f"the max of {of}",
        steps=[("max", largest)],
        **said,
    )


def average_pool(piece: Piece, place: Place, pieces: Sequence[Piece]) -> Worked | None:
    """The mean of a window, by whatever number its border leaves to divide by."""
    found = _pool_window(piece, place, pieces, dilated=False)
    if found is None:
        return None
    rows, said = found
    x, axes = piece.op.args[0], len(rows)
    p = each_axis(argument(piece, 3, 0), axes)
    counts = argument(piece, 5, True)
    divisor = argument(piece, 6)
    size = inside = 1
    for r, n, pad in zip(rows, x.shape[2:], p, strict=True):
        size *= int(((r >= -pad) & (r < n + pad)).sum())
        inside *= int(((r >= 0) & (r < n)).sum())
    by = int(divisor) if divisor else (size if counts else inside)
    patch = gathered(x[0, place[1] : place[1] + 1], rows, x.shape[2:], 0.0)
    total = float(np.nansum(patch))
    return _mean_of(patch, total, by, said)


def _mean_of(patch: np.ndarray, total: float, by: int, said: dict[str, Any]) -> Worked:
    return Worked(
        kind="avg_pool",
        computed=total / by,
        patch=patch,
        total=total,
        formula=f"the sum of the window, divided by {by}",
        steps=[("sum", total), (f"divided by {by}", total / by)],
        **said,
    )


def adaptive_pool(piece: Piece, place: Place, pieces: Sequence[Piece]) -> Worked | None:
    """Windows that divide a map of any size evenly."""
    x = piece.op.args[0]
    out = piece.op.out[0] if isinstance(piece.op.out, (tuple, list)) else piece.op.out
    axes = x.dim() - 2
    if axes not in (1, 2):
        return None
    rows = []
    for a in range(axes):
        n, m, i = x.shape[2 + a], out.shape[2 + a], place[2 + a]
        rows.append(np.arange(i * n // m, -(-(i + 1) * n // m)))
    patch = gathered(x[0, place[1] : place[1] + 1], rows, x.shape[2:], math.nan)
    said: dict[str, Any] = {
        "window": window_of([(int(r[0]), int(r[-1]) + 1) for r in rows]),
        "channels": np.array([place[1]]),
        "links": piece.links[:1],
    }
    if "max" in piece.op.name:
        return _largest_of(patch, float(patch.max()), said)
    return _mean_of(patch, float(patch.sum()), patch.size, said)


def reduction(piece: Piece, place: Place, pieces: Sequence[Piece]) -> Worked | None:
    """mean, sum, amax over some axes."""
    x, name = piece.op.args[0], piece.op.name
    given = argument(piece, 1)
    dims = list(range(x.dim())) if given in (None, [], ()) else each_axis(given, 1)
    dims = sorted(d % x.dim() for d in dims)
    keeps = bool(argument(piece, 2, False))
    if 0 in dims:
        return None
    left = iter(place)
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
    said: dict[str, Any] = {
        "window": window_of([(0, n) for n in x.shape[2:]]) if spatial else None,
        "channels": np.array([at[1] if x.dim() > 1 and isinstance(at[1], int) else 0]),
        "links": piece.links[:1],
    }
    total = float(patch.sum())
    if name == "mean":
        return _mean_of(patch, total, patch.size, said)
    if name == "sum":
        return Worked(
            kind="sum",
            computed=total,
            patch=patch,
            total=total,
            formula="the sum of the values",
            steps=[("sum", total)],
            **said,
        )
    return _largest_of(patch, float(patch.max()), said, of="the values")
