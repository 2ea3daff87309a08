"""Claim A9: one output number of any layer, with every number that makes it.

An output of a convolution is the dot product of a kernel and a patch, summed over the input
channels, plus a bias; a pool takes the maximum or the mean of a window; batch norm subtracts a mean
and divides. For one element of the output of any node of a network (see `graph.structure`) this
gathers the patch, the kernel, the products, their sums, the bias and the steps after them, and
computes the element again, in double precision, from the numbers that it shows. That number and
PyTorch's differ by rounding alone.

What a node computes is read off the operations that ran, not off the class of the module, so that a
convolution called as a function is understood too, with padding of any mode, strides, dilation,
groups or transposed. Where a node holds operations that no rule understands, its kind is `other`,
and only its value is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neocog.errors import UsageError
from neocog.explainers.arithmetic.norms import (
    batch_norm,
    group_norm,
    layer_norm,
    of_two,
    softmax,
    softmax_of,
)
from neocog.explainers.arithmetic.pointwise import step
from neocog.explainers.arithmetic.pools import adaptive_pool, pool, reduction
from neocog.explainers.arithmetic.products import convolution, matrix
from neocog.explainers.arithmetic.worked import Position, Rule, Worked, spread
from neocog.graph.moments import Link, Moment, Piece
from neocog.graph.ops import ACTIVATIONS, is_pointwise, moves, rule_of

__all__ = ["Arithmetic", "Term", "arithmetic", "share_of", "understood"]

MOST = 64
"""Terms that are shown one by one."""

_RULES: dict[str, Rule] = {
    "convolution": convolution,
    "product": matrix,
    "linear": matrix,
    "pool": pool,
    "adaptive pool": adaptive_pool,
    "reduction": reduction,
    "batch norm": batch_norm,
    "layer norm": layer_norm,
    "group norm": group_norm,
    "softmax": softmax,
}
"""The function that explains one output, by the rule of its operator in `graph.ops`."""

_TWO = ("add", "sub", "mul", "div", "maximum", "minimum")


@dataclass(frozen=True, kw_only=True)
class Term:
    """The contribution of one input channel.

    Args:
        channel: of the input.
        patch: the inputs in the window, rows of columns; None where there are none.
        kernel: the weights; None where there are none.
        products: patch times kernel, or what else is summed; None where nothing is.
        sum: of the products, or of the patch.
        node: that the inputs come from; -1 where they are made within the node.
    """

    channel: int
    patch: tuple[tuple[float | None, ...], ...]
    kernel: tuple[tuple[float | None, ...], ...] | None
    products: tuple[tuple[float | None, ...], ...] | None
    sum: float | None
    node: int


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """One output value and its terms.

    Args:
        kind: conv, linear, max_pool, avg_pool, sum, norm, add, product, activation, scale,
            softmax, move, or other where only the value is known.
        value: what PyTorch computed.
        computed: the same from the shown numbers, in double precision; None for `other`.
        terms: one for each input channel; the `MOST` largest where there are more.
        rest: how many terms are not shown, and their sum; None where all are.
        bias: added to the sum.
        total: the sum of all terms.
        window: of the input map, (r0, r1, c0, c1), ends excluded; negative in its border.
        stride: of the window, (rows, columns).
        padding: of the map, (rows, columns).
        dilation: of the window, (rows, columns).
        formula: the computation, in words.
        steps: numbers from the terms to the value, each with a description.
    """

    kind: str
    value: float
    computed: float | None = None
    terms: tuple[Term, ...] = ()
    rest: tuple[int, float] | None = None
    bias: float | None = None
    total: float | None = None
    window: tuple[int, int, int, int] | None = None
    stride: tuple[int, int] | None = None
    padding: tuple[int, int] | None = None
    dilation: tuple[int, int] | None = None
    formula: str = "the computation of this value is unknown"
    steps: tuple[tuple[str, float], ...] = field(default=())


def arithmetic(moment: Moment, index: Sequence[int]) -> Arithmetic:
    """The terms of one element of a node's output.

    Args:
        moment: the node while it is computed, from a run that keeps its pieces
            (`graph.structure.follow` with `pieces=True` and `on_node`).
        index: of the element, without the batch axis: (channel, row, column), (channel, step) or
            (unit,).

    Raises:
        UsageError: the output has no such element.

    Example:
        >>> from torch import nn
        >>> from neocog.graph.structure import follow
        >>> net = nn.Conv2d(1, 1, 2, bias=False)
        >>> _ = net.weight.data.copy_(torch.tensor([[[[0., 1.], [2., 3.]]]]))
        >>> x, seen = torch.arange(9.).reshape(1, 1, 3, 3), []
        >>> def look(moment):
        ...     if moment.kind == "conv":
        ...         seen.append(arithmetic(moment, (0, 1, 1)))
        >>> _ = follow(net, x, on_node=look, pieces=True)
        >>> seen[0].value, seen[0].computed, seen[0].terms[0].products
        (43.0, 43.0, ((0.0, 5.0), (14.0, 24.0)))
    """
    # One number of the whole batch has no axis, not even that of the batch.
    position = (0, *(int(i) for i in index)) if moment.out.dim() else tuple(map(int, index))
    inside = len(position) == moment.out.dim() and all(
        0 <= i < n for i, n in zip(position, moment.out.shape, strict=True)
    )
    if not inside:
        raise UsageError(
            f"A unit is one of {' × '.join(map(str, moment.shape))}, counted from 0; "
            f"got {tuple(index)}. Name another."
        )
    value = float(moment.out[position])
    worked = _walk(moment, position)
    if worked is None or not math.isfinite(value):
        return Arithmetic(kind="other", value=value)
    return _largest_terms(worked, value)


def understood(moment: Moment) -> bool:
    """Whether the numbers of a node can be shown: tried on the last element of its output."""
    if moment.out.numel() == 0:
        return False
    try:
        return arithmetic(moment, [n - 1 for n in moment.shape]).kind != "other"
    except UsageError:
        return False  # an output of an unknown form


def share_of(logits: Tensor, k: int) -> Arithmetic:
    """The probability of one class, from the outputs of a classifier.

    Args:
        logits: (K,).
        k: the class.

    Example:
        >>> share_of(torch.tensor([0.0, 0.0]), 1).value
        0.5
    """
    z = logits.detach().double().cpu()
    worked = softmax_of(z.numpy(), k, (Link((0,), -1, -1),))
    return _largest_terms(worked, float(z.softmax(0)[k]))


# ---- from the end of a node to what makes it


def _walk(moment: Moment, position: Position) -> Worked | None:
    """Go back from an output to the operation with a rule, or to the input."""
    pieces, k, after = moment.pieces, moment.made, list[tuple[Piece, Position, Link]]()
    if k < 0:
        return None
    while True:
        piece = pieces[k]
        name, links = piece.op.name, piece.links
        rule = of_two if name in _TWO and len(links) > 1 else _RULES.get(rule_of(piece.op))
        if rule is not None:
            worked = _ruled(rule, piece, position, pieces)
            return None if worked is None else _onwards(worked, after)
        if len(links) == 1 and is_pointwise(piece.op):
            link = links[0]
            after.append((piece, position, link))
            position = spread(position, piece.operand(link))
        elif moves(name) or piece.op.is_view:
            source = _moved(piece, position)
            if isinstance(source, float):
                return _onwards(_border(piece, source), after)
            if source is None:
                return None
            link, position = source
        else:
            return None
        k = link.piece
        if k < 0:
            return _onwards(_passed_through(piece, link, position, after), after)


def _ruled(rule: Rule, piece: Piece, position: Position, pieces: Sequence[Piece]) -> Worked | None:
    try:
        return rule(piece, position, pieces)
    except (RuntimeError, TypeError, ValueError, IndexError):
        return None  # a call that the rule does not cover


def _passed_through(piece: Piece, link: Link, position: Position, after: Sequence[Any]) -> Worked:
    """A node without sums: a number comes in and is changed, or not even that."""
    number = float(piece.operand(link)[position])
    done = {p.op.name for p, _, _ in after}
    kind = "move" if not after else "activation" if done & ACTIVATIONS else "scale"
    at = position[1:]
    names = ("channel", "step") if len(at) == 2 else ("channel", "row", "column")
    where = ", ".join(f"{word} {i}" for word, i in zip(names, at, strict=False))
    return Worked(
        kind=kind,
        computed=number,
        patch=np.array(number).reshape(1, 1, 1),
        channels=np.array([at[0] if at else 0]),
        links=(link,),
        formula=f"the value at {where}, unchanged" if kind == "move" else "",
        steps=[("input", number)],
    )


def _onwards(worked: Worked, after: Sequence[tuple[Piece, Position, Link]]) -> Worked:
    """What is done with a number one after the other, after it was summed."""
    words = [worked.formula] if worked.formula else []
    for piece, position, link in reversed(after):
        label, worked.computed = step(piece, position, link, worked.computed)
        worked.steps.append((label, worked.computed))
        words.append(label)
    worked.formula = "; then ".join(words)
    return worked


def _border(piece: Piece, value: float) -> Worked:
    """A number that comes from nowhere."""
    return Worked(
        kind="move",
        computed=value,
        patch=np.zeros((0, 1, 1)),
        links=piece.links[:1],
        formula="a value of the padding",
        steps=[("padding", value)],
    )


def _moved(piece: Piece, position: Position) -> tuple[Link, Position] | float | None:
    """Where a number was before it was moved; the number itself, if padding put it there.

    The operation is performed again on indices instead of values.
    """
    first, bases = 1.0, []
    args: list[Any] = list(piece.op.args)
    for link in piece.links:
        t = piece.operand(link)
        count = torch.arange(first, first + t.numel(), dtype=torch.float64)
        numbers = torch.empty_like(t, dtype=torch.float64, device="cpu")
        numbers.copy_(count.view(t.shape))
        bases.append((first, t, link))
        first += t.numel()
        where = link.path[0]
        if not isinstance(where, int):
            return None
        if len(link.path) > 1:
            inner = list(args[where])
            inner[int(link.path[1])] = numbers
            args[where] = inner
        else:
            args[where] = numbers
    if piece.op.name == "constant_pad_nd":
        args = [*args[:2], 0.0]
    try:
        out = piece.op.func(*args, **piece.op.kwargs)
        if not isinstance(out, Tensor):
            return None  # one of several: ambiguous
        number = float(out[position])
    except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
        return None
    if piece.op.name == "constant_pad_nd" and number == 0:
        return float(piece.op.args[2]) if len(piece.op.args) > 2 else 0.0
    for begin, t, link in reversed(bases):
        if number >= begin:
            at = np.unravel_index(int(number - begin), tuple(t.shape))
            return link, tuple(int(i) for i in at)
    return None


# ---- as it is shown


def _largest_terms(worked: Worked, value: float) -> Arithmetic:
    n = len(worked.patch)
    summed = worked.products if worked.products is not None else worked.patch
    sums = np.nansum(summed, axis=(1, 2))
    order = np.arange(n)
    rest = None
    if n > MOST:
        order = np.sort(np.argsort(-np.abs(sums), kind="stable")[:MOST])
        left = np.setdiff1d(np.arange(n), order)
        rest = (len(left), float(sums[left].sum()))
    channels = np.arange(n) if worked.channels is None else worked.channels
    links = worked.links
    terms = tuple(
        Term(
            channel=int(channels[i]),
            patch=_rows(worked.patch[i]),
            kernel=None if worked.kernel is None else _rows(worked.kernel[i]),
            products=None if worked.products is None else _rows(worked.products[i]),
            sum=float(sums[i]),
            node=links[i].node if len(links) == n else links[0].node,
        )
        for i in order
    )
    return Arithmetic(
        kind=worked.kind,
        value=value,
        computed=worked.computed,
        terms=terms,
        rest=rest,
        bias=worked.bias,
        total=worked.total,
        window=worked.window,
        stride=worked.stride,
        padding=worked.padding,
        dilation=worked.dilation,
        formula=worked.formula,
        steps=tuple(worked.steps),
    )


def _rows(a: np.ndarray) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(v if math.isfinite(v) else None for v in row) for row in a.tolist())
