"""Sums of products, number by number: convolutions and products of matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

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
from neocog.graph.moments import Link, Piece

__all__ = ["convolution", "matrix"]


def convolution(piece: Piece, place: Place, pieces: Sequence[Piece]) -> Worked | None:
    """A kernel on its patch, also strided, dilated, in groups or transposed; one axis or two."""
    x, weight, bias, stride, padding, dilation, transposed, _, groups = piece.op.args[:9]
    axes = weight.dim() - 2
    if axes not in (1, 2) or x.dim() != weight.dim() or piece.links[0].path != (0,):
        return None
    s, p, d = each_axis(stride, axes), each_axis(padding, axes), each_axis(dilation, axes)
    k, sizes = place[1], tuple(x.shape[2:])
    before = border_before(piece, pieces, axes)
    if before is None:
        return None
    outs = weight.shape[1] * groups if transposed else weight.shape[0]
    group, each = k // (outs // groups), x.shape[1] // groups
    channels = np.arange(group * each, (group + 1) * each)
    if transposed:
        kernel = weight[group * each : (group + 1) * each, k % weight.shape[1]]
        taps = [(place[2 + a] + p[a] - d[a] * np.arange(kernel.shape[1 + a])) for a in range(axes)]
        rows = [np.where(t % s[a] == 0, t // s[a], -1) for a, t in enumerate(taps)]
        sentence = "each input value is spread by the kernel; what falls on this position is summed"
    else:
        kernel = weight[k]
        rows = [
            place[2 + a] * s[a] - p[a] + d[a] * np.arange(kernel.shape[1 + a]) for a in range(axes)
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


def matrix(piece: Piece, place: Place, pieces: Sequence[Piece]) -> Worked | None:
    """mm, bmm, addmm, baddbmm, linear, mv."""
    name, args = piece.op.name, piece.op.args
    if any(float(v) != 1 for k, v in piece.op.kwargs.items() if k in ("alpha", "beta")):
        return None
    bias: float | None = None
    if name == "linear":
        x, y = args[0][place[:-1]], args[1][place[-1]]
        first, given = 0, argument(piece, 2)
        bias = None if given is None else float(given[place[-1]])
    elif name == "mv":
        x, y, first = args[0][place[0]], args[1], 0
    else:
        first = 1 if name in ("addmm", "baddbmm") else 0
        a, b = args[first], args[first + 1]
        x = a[place[0]] if a.dim() == 2 else a[place[0], place[1]]
        y = b[:, place[-1]] if b.dim() == 2 else b[place[0], :, place[-1]]
        if first:
            given = args[0].expand(piece.op.out.shape)
            bias = float(given[place])
    inner = [link for link in piece.links if link.path in ((first,), (first + 1,))]
    if not inner:
        return None
    if len(inner) == 1 and inner[0].path == (first + 1,):
        x, y = y, x
    return _products(x, y, bias, tuple(inner), len(inner) > 1)
