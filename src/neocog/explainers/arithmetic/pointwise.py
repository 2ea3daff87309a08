"""One number through one pointwise operation: its description, and the result."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from neocog.explainers.arithmetic.worked import Position, argument, spread
from neocog.graph.moments import Link, Piece
from neocog.graph.ops import ARITHMETIC

__all__ = ["step"]


def step(piece: Piece, position: Position, link: Link, number: float) -> tuple[str, float]:
    """Apply an operation to one number.

    Args:
        piece: the operation; all its arguments but one are constants.
        position: of the number in its output.
        link: the argument that the number stands for.
        number: the value.

    Returns:
        A description, and the result in double precision.
    """
    name = piece.op.name
    try:
        rounded = "rounding_mode" in piece.op.kwargs
        if name in ARITHMETIC and link.path in ((0,), (1,)) and not rounded:
            return _with_constant(piece, position, link, number)
        rule = _FUNCTIONS.get(name)
        if rule is not None and link.path == (0,):
            return rule(piece, number)
    except (TypeError, ValueError, ArithmeticError):
        pass  # a call, or a number, that the formula does not cover
    return _again(piece, position, link, number)


def _number(value: Any, position: Position) -> float:
    """A constant at a position of the output."""
    return float(value[spread(position, value)]) if isinstance(value, Tensor) else float(value)


def _with_constant(piece: Piece, position: Position, link: Link, x: float) -> tuple[str, float]:
    """Sums, differences, products and quotients with a constant on one side."""
    op, first = piece.op, link.path == (0,)
    c = _number(op.args[1 if first else 0], position)
    alpha = float(op.kwargs.get("alpha", argument(piece, 2, 1) if op.name == "rsub" else 1))
    name = op.name
    if name == "rsub":  # the second minus the first
        name, first = "sub", not first
    if name == "mul":
        return f"times {c:.6g}", x * c
    if name == "div":
        if first:
            return f"divided by {c:.6g}", x / c if c else math.nan
        return f"{c:.6g} divided by it", c / x if x else math.nan
    if name == "add":
        return f"plus {alpha * c if first else c:.6g}", x + alpha * c if first else c + alpha * x
    if first:
        return f"minus {alpha * c:.6g}", x - alpha * c
    return f"{c:.6g} minus it", c - alpha * x


Function = Callable[[Piece, float], tuple[str, float]]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _leaky(piece: Piece, x: float) -> tuple[str, float]:
    slope = float(argument(piece, 1, 0.01))
    return f"leaky ReLU: z where z > 0, else {slope:g}·z", x if x > 0 else slope * x


def _elu(piece: Piece, x: float) -> tuple[str, float]:
    alpha, scale, inner = (float(argument(piece, k, 1)) for k in (1, 2, 3))
    y = scale * x if x > 0 else scale * alpha * math.expm1(x * inner)
    return "ELU: z where z > 0, else a·(exp(z) − 1)", y


def _gelu(piece: Piece, x: float) -> tuple[str, float]:
    if piece.op.kwargs.get("approximate", "none") == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return "GELU, by its tanh formula", 0.5 * x * (1 + math.tanh(inner))
    return "GELU: z·Φ(z)", 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def _hardtanh(piece: Piece, x: float) -> tuple[str, float]:
    low, high = float(argument(piece, 1, -1)), float(argument(piece, 2, 1))
    return f"kept between {low:g} and {high:g}", min(max(x, low), high)


def _pow(piece: Piece, x: float) -> tuple[str, float]:
    power = float(piece.op.args[1])
    y = x**power if x >= 0 or power == int(power) else math.nan
    return f"to the power {power:g}", y


def _plain(words: str, function: Callable[[float], float]) -> Function:
    def rule(piece: Piece, x: float) -> tuple[str, float]:
        try:
            return words, function(x)
        except (ValueError, OverflowError, ZeroDivisionError):
            return words, math.nan

    return rule


_FUNCTIONS: dict[str, Function] = {
    "relu": _plain("ReLU: max(0, z)", lambda x: max(0.0, x)),
    "relu6": _plain("ReLU6: kept between 0 and 6", lambda x: min(max(x, 0.0), 6.0)),
    "sigmoid": _plain("sigmoid: 1 / (1 + exp(−z))", _sigmoid),
    "tanh": _plain("tanh(z)", math.tanh),
    "silu": _plain("SiLU: z·sigmoid(z)", lambda x: x * _sigmoid(x)),
    "mish": _plain("Mish: z·tanh(ln(1 + exp(z)))", lambda x: x * math.tanh(_softplus(x))),
    "hardswish": _plain(
        "hard swish: z·(z + 3 kept between 0 and 6) / 6",
        lambda x: x * min(max(x + 3, 0.0), 6.0) / 6,
    ),
    "hardsigmoid": _plain(
        "hard sigmoid: z + 3 kept between 0 and 6, / 6", lambda x: min(max(x + 3, 0.0), 6.0) / 6
    ),
    "leaky_relu": _leaky,
    "elu": _elu,
    "gelu": _gelu,
    "hardtanh": _hardtanh,
    "pow": _pow,
    "square": _plain("squared", lambda x: x * x),
    "sqrt": _plain("square root", math.sqrt),
    "rsqrt": _plain("1 / square root", lambda x: 1 / math.sqrt(x)),
    "exp": _plain("exp(z)", math.exp),
    "log": _plain("logarithm", math.log),
    "abs": _plain("without its sign", abs),
    "neg": _plain("with the other sign", lambda x: -x),
    "reciprocal": _plain("1 / z", lambda x: 1 / x),
}


def _softplus(x: float) -> float:
    return x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))


def _again(piece: Piece, position: Position, link: Link, number: float) -> tuple[str, float]:
    """The operation itself on single numbers, in double precision."""

    def single(k: int | str, value: Any) -> Any:
        if (k,) == link.path:
            return torch.tensor([number], dtype=torch.float64)
        if isinstance(value, Tensor):
            one = value[spread(position, value)].reshape(1)
            return one.double() if one.is_floating_point() else one
        return value

    op = piece.op
    try:
        out = op.func(
            *(single(k, v) for k, v in enumerate(op.args)),
            **{k: single(k, v) for k, v in op.kwargs.items()},
        )
        y = float(out[0] if isinstance(out, (tuple, list)) else out)
    except (RuntimeError, TypeError, ValueError, IndexError):
        y = math.nan
    return op.name.strip("_").replace("_", " "), y
