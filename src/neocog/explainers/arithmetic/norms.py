"""Norms, sums of two inputs and the softmax, number by number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neocog.explainers.arithmetic.worked import Position, Worked, double, spread
from neocog.graph.moments import Link, Piece

__all__ = ["batch_norm", "group_norm", "layer_norm", "of_two", "softmax", "softmax_of"]


def _normed(
    x: float, mean: float, variance: float, eps: float, affine: tuple[Any, Any], **facts: Any
) -> Worked:
    weight, bias = affine
    steps = [("input", x), ("mean", mean), ("variance", variance)]
    centered = x - mean
    y = centered / math.sqrt(variance + eps)
    steps += [("minus the mean", centered), ("divided by √(variance + ε)", y)]
    if weight is not None:
        y *= float(weight)
        steps.append((f"times the weight {float(weight):.6g}", y))
    if bias is not None:
        y += float(bias)
        steps.append((f"plus the bias {float(bias):.6g}", y))
    return Worked(kind="norm", computed=y, steps=steps, **facts)


def batch_norm(piece: Piece, position: Position, pieces: Sequence[Piece]) -> Worked | None:
    """Mean and variance of a channel, kept from the training or those of this image."""
    g = piece.op.given
    x, weight, bias = g["input"], g["weight"], g["bias"]
    mean, variance = (g.get(f"running_{name}") for name in ("mean", "var"))
    eps, c = float(g["eps"] if "eps" in g else g["epsilon"]), position[1]
    if g.get("training", g.get("train")) or mean is None or variance is None:
        some = double(x.transpose(0, 1)[c])
        m, v, where = float(some.mean()), float(some.var()), "of this image"
    else:
        m, v, where = float(mean[c]), float(variance[c]), "running statistics of the training"
    return _normed(
        float(x[position]),
        m,
        v,
        eps,
        (None if weight is None else weight[c], None if bias is None else bias[c]),
        patch=double(x[position]).reshape(1, 1, 1),
        channels=np.array([c]),
        links=piece.links[:1],
        formula=f"mean and variance of the channel, {where}; then its own weight and bias",
    )


def layer_norm(piece: Piece, position: Position, pieces: Sequence[Piece]) -> Worked | None:
    """Mean and variance of the last axes."""
    x, shape, weight, bias, eps = piece.op.args[:5]
    n = len(shape)
    some = double(x[position[: x.dim() - n]])
    inner = position[x.dim() - n :]
    return _normed(
        float(x[position]),
        float(some.mean()),
        float(some.var()),
        float(eps),
        (None if weight is None else weight[inner], None if bias is None else bias[inner]),
        patch=double(x[position]).reshape(1, 1, 1),
        channels=np.array([position[-1]]),
        links=piece.links[:1],
        formula=f"mean and variance of {some.size} values at this position; then weight and bias",
    )


def group_norm(piece: Piece, position: Position, pieces: Sequence[Piece]) -> Worked | None:
    """Mean and variance of a group of channels."""
    x, weight, bias, _, channels, _, groups, eps = piece.op.args[:8]
    each, c = int(channels) // int(groups), position[1]
    g = c // each
    some = double(x[0, g * each : (g + 1) * each])
    return _normed(
        float(x[position]),
        float(some.mean()),
        float(some.var()),
        float(eps),
        (None if weight is None else weight[c], None if bias is None else bias[c]),
        patch=double(x[position]).reshape(1, 1, 1),
        channels=np.array([c]),
        links=piece.links[:1],
        formula=f"mean and variance of {each} channels of this image; then weight and bias",
    )


def of_two(piece: Piece, position: Position, pieces: Sequence[Piece]) -> Worked | None:
    """A sum, difference, product or quotient of two tensors that both depend on the input."""
    if piece.op.kwargs.get("rounding_mode"):
        return None
    if len(piece.links) != 2 or {link.path for link in piece.links} != {(0,), (1,)}:
        return None
    a, b = (float(t[spread(position, t)]) for t in piece.op.args[:2])
    alpha = float(piece.op.kwargs.get("alpha", 1))
    value = {
        "add": a + alpha * b,
        "sub": a - alpha * b,
        "mul": a * b,
        "div": a / b if b else math.nan,
        "maximum": max(a, b),
        "minimum": min(a, b),
    }[piece.op.name]
    word = {"add": "sum", "sub": "difference", "mul": "product", "div": "quotient"}
    name = word.get(piece.op.name, f"{piece.op.name} of the two")
    factor = "" if alpha == 1 else f", the second times {alpha:g}"
    return Worked(
        kind="add" if piece.op.name == "add" else "product",
        computed=value,
        patch=np.array([a, b]).reshape(2, 1, 1),
        channels=np.array([position[1] if len(position) > 1 else 0] * 2),
        links=piece.links,
        total=value if piece.op.name == "add" else None,
        formula=f"the {name} of two values at the same position{factor}",
        steps=[("first", a), ("second", b), (name, value)],
    )


def softmax(piece: Piece, position: Position, pieces: Sequence[Piece]) -> Worked | None:
    """Of one axis."""
    x, dim = piece.op.args[0], int(piece.op.args[1]) % piece.op.args[0].dim()
    z = double(x[(*position[:dim], slice(None), *position[dim + 1 :])])
    return softmax_of(z, position[dim], piece.links[:1], log="log" in piece.op.name)


def softmax_of(z: np.ndarray, k: int, links: tuple[Link, ...], *, log: bool = False) -> Worked:
    """The fraction of one number in the sum of the exponentials of all."""
    largest = float(z.max())
    powers = np.exp(z - largest)
    total = float(powers.sum())
    share = float(powers[k]) / total
    steps = [
        ("its logit", float(z[k])),
        ("max logit", largest),
        ("exp(logit − max)", float(powers[k])),
        ("sum of these over all", total),
        ("its fraction of the sum", share),
    ]
    if log:
        steps.append(("logarithm", float(z[k] - largest - math.log(total))))
    return Worked(
        kind="softmax",
        computed=steps[-1][1],
        patch=z.reshape(-1, 1, 1),
        products=(powers / total).reshape(-1, 1, 1),
        channels=np.arange(len(z)),
        links=links,
        formula="exp(logit − max), divided by the sum of these over all",
        steps=steps,
    )
