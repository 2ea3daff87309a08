"""The terms of one output value, and helpers for the rules that collect them.

Each rule takes an operation with its actual tensors and the position of one output element, gathers
the terms of that element, and computes it again in double precision from them. None where it does
not apply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neocog.graph.moments import Link, Piece
from neocog.graph.ops import rule_of

__all__ = [
    "Position",
    "Rule",
    "Worked",
    "argument",
    "border_before",
    "double",
    "gathered",
    "pair",
    "spread",
    "window_of",
]

Position = tuple[int, ...]
"""Index of an element in a tensor, with the batch axis."""


@dataclass(kw_only=True)
class Worked:
    """The terms of an element.

    Args:
        kind: conv, linear, max_pool, avg_pool, norm, add, softmax, product.
        computed: the element, from the numbers here.
        patch: inputs in the window, (terms, rows, columns); NaN where there are none.
        kernel: weights, of the same shape.
        products: patch times kernel, or what else is summed.
        channels: of the inputs, one for each term.
        links: the argument that each term comes from, one for all or one for each term.
        bias: added to the sum.
        total: the sum before the bias.
        window: rows and columns of the input map, (r0, r1, c0, c1), ends excluded; outside of the
            map in its padding.
        stride: of the window, (rows, columns).
        padding: samples around the map, (rows, columns).
        dilation: of the window.
        formula: the computation, a sentence.
        steps: intermediate numbers, in order.
    """

    kind: str
    computed: float
    patch: np.ndarray
    links: tuple[Link, ...]
    formula: str
    kernel: np.ndarray | None = None
    products: np.ndarray | None = None
    channels: np.ndarray | None = None
    bias: float | None = None
    total: float | None = None
    window: tuple[int, int, int, int] | None = None
    stride: tuple[int, int] | None = None
    padding: tuple[int, int] | None = None
    dilation: tuple[int, int] | None = None
    steps: list[tuple[str, float]] = field(default_factory=list)


Rule = Callable[[Piece, Position, Sequence[Piece]], Worked | None]
"""From (operation, position in its output, all operations of the node) to the terms."""


def double(t: Tensor) -> np.ndarray:
    """The same numbers in double precision."""
    values: np.ndarray = t.detach().to("cpu", torch.float64).numpy()
    return values


def argument(piece: Piece, k: int, default: Any = None) -> Any:
    """A positional argument, or its default."""
    return piece.op.args[k] if len(piece.op.args) > k else default


def pair(numbers: Sequence[int], first: int) -> tuple[int, int]:
    """For two axes; of a series, rows are one."""
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (first, numbers[0])


def border_before(piece: Piece, pieces: Sequence[Piece], axes: int) -> list[int] | None:
    """Samples that earlier paddings of the same node add before the map, on each axis of space.

    None where they add anything but a border of space.
    """
    before = [0] * axes
    link = piece.links[0]
    while link.piece >= 0 and rule_of(pieces[link.piece].op) == "pad":
        pad = pieces[link.piece]
        pads = [int(n) for n in pad.op.args[1]]
        if len(pads) > 2 * axes and any(pads[2 * axes :]):
            return None
        for a in range(min(axes, len(pads) // 2)):
            before[axes - 1 - a] += pads[2 * a]
        link = pad.links[0]
    return before


def gathered(
    x: Tensor, rows: Sequence[np.ndarray], sizes: Sequence[int], outside: float
) -> np.ndarray:
    """Samples (C, rows, columns) of a map (C, *space); `outside` beyond the map."""
    at, known = [], []
    for r, n in zip(rows, sizes, strict=True):
        at.append(np.clip(r, 0, n - 1))
        known.append((r >= 0) & (r < n))
    if len(at) == 1:
        at.insert(0, np.zeros(1, np.int64))
        known.insert(0, np.ones(1, bool))
        x = x.unsqueeze(1)
    some = x[:, torch.from_numpy(at[0])][:, :, torch.from_numpy(at[1])]
    return np.where(known[0][:, None] & known[1][None, :], double(some), outside)


def window_of(seen: Sequence[tuple[int, int]]) -> tuple[int, int, int, int]:
    """Rows and columns, ends excluded; of a series, one row."""
    rows, columns = (seen[0], seen[1]) if len(seen) == 2 else ((0, 1), seen[0])
    return (*rows, *columns)


def spread(position: Position, t: Tensor) -> Position:
    """The position in an operand that is broadcast along axes of size 1."""
    own = position[len(position) - t.dim() :]
    return tuple(0 if n == 1 else i for i, n in zip(own, t.shape, strict=True))
