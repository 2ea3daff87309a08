"""Sums of products, number by number: convolutions and products of matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from neocog.explainers.arithmetic.worked import (
    Position,
    Worked,
    border_before,
    double,
    gathered,
    pair,
    window_of,
)
from neocog.graph.moments import Link, Piece
from neocog.graph.ops import operator_of
from neocog.graph.ops import window_of as operator_window

__all__ = ["convolution", "matrix"]


def convolution(piece: Piece, position: Position, pieces: Sequence[Piece]) -> Worked | None:
    """A kernel on its patch, also strided, dilated, in groups or transposed; one axis or two."""
    g = piece.op.given
    x, weight, bias, transposed, groups = (
        g[name] for name in ("input", "weight", "bias", "transposed", "groups")
    )
    axes = weight.dim() - 2
    if axes not in (1, 2) or x.dim() != weight.dim() or piece.links[0].path != (0,):
        return None
    _, s, p, d = operator_window(piece.op)
    k, sizes = position[1], tuple(x.shape[2:])
    before = border_before(piece, pieces, axes)
    if before is None:
        return None
    outs = weight.shape[1] * groups if transposed else weight.shape[0]
    group, each = k // (outs // groups), x.shape[1] // groups
    channels = np.arange(group * each, (group + 1) * each)
    if transposed:
        kernel = weight[group * each : (group + 1) * each, k % weight.shape[1]]
        taps = [
            (position[2 + a] + p[a] - d[a] * np.arange(kernel.shape[1 + a])) for a in range(axes)
        ]
        rows = [np.where(t % s[a] == 0, t // s[a], -1) for a, t in enumerate(taps)]
        sentence = "each input value is spread by the kernel; what falls on this position is summed"
    else:
        kernel = weight[k]
        rows = [
            position[2 + a] * s[a] - p[a] + d[a] * np.arange(kernel.shape[1 + a])
            for a in range(axes)
        ]
        sentence = "patch × kernel, summed over all input channels"
    patch = gathered(x[0, channels[0] : channels[-1] + 1], rows, sizes, 0.0)
    kernel = double(kernel).reshape(patch.shape)
    products = patch * kernel
    total = float(products.sum())
    added = None if bias is None else float(bias[k])
    seen = [(int(r.min()) - b, int(r.max()) + 1 - b) for r, b in zip(rows, before, strict=True)]
    steps = [("sum of the products", total)]
    if added is not None:
        steps.append(("plus the bias", total + added))
    return Worked(
        kind="conv",
        computed=total + (added or 0.0),
        patch=patch,
        kernel=kernel,
        products=products,
        channels=channels,
        links=piece.links[:1],
        bias=added,
        total=total,
        window=window_of(seen),
        stride=pair(s, 1),
        padding=pair([a + b for a, b in zip(p, before, strict=True)], 0),
        dilation=pair(d, 1),
        formula=sentence + (", plus the bias" if added is not None else ""),
        steps=steps,
    )


def _products(
    x: Tensor, y: Tensor, bias: float | None, links: tuple[Link, ...], both: bool
) -> Worked:
    """A row times a column."""
    patch, kernel = double(x).reshape(-1, 1, 1), double(y).reshape(-1, 1, 1)
    products = patch * kernel
    total = float(products.sum())
    steps = [("sum of the products", total)]
    if bias is not None:
        steps.append(("plus the bias", total + bias))
    what = "a row of one input times a column of the other" if both else "every input value times"
    return Worked(
        kind="product" if both else "linear",
        computed=total + (bias or 0.0),
        patch=patch,
        kernel=kernel,
        products=products,
        channels=np.arange(len(patch)),
        links=links,
        bias=bias,
        total=total,
        formula=f"{what}, summed"
        if both
        else f"{what} its weight, summed" + (", plus the bias" if bias is not None else ""),
        steps=steps,
    )


def matrix(piece: Piece, position: Position, pieces: Sequence[Piece]) -> Worked | None:
    """Products of matrices and vectors, and what is added to them."""
    op, g = piece.op, piece.op.given
    if any(float(g.get(name, 1)) != 1 for name in ("alpha", "beta")):
        return None
    left, right, *added = operator_of(op).operands
    a, b = g[left], g[right]
    x = a[position[: a.dim() - 1]]
    if op.name == "linear":
        y = b[position[-1]]
    else:
        y = b if b.dim() == 1 else b[(*position[: b.dim() - 2], slice(None), position[-1])]
    terms = [g[name] for name in added if g[name] is not None]
    bias = float(terms[0].expand(op.out.shape)[position]) if terms else None
    at = [(list(g).index(name),) for name in (left, right)]
    inner = [link for link in piece.links if link.path in at]
    if not inner:
        return None
    if len(inner) == 1 and inner[0].path == at[1]:
        x, y = y, x
    return _products(x, y, bias, tuple(inner), len(inner) > 1)
