"""Operators of an exported program as the functions of its source code.

An export has `aten.conv2d.default`; what analyzes networks knows `F.conv2d`. Both run the same
kernel on the same values.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx
from torch.nn import functional as F

__all__ = ["make_readable"]

_aten = torch.ops.aten

_SAME: dict[Any, Callable[..., Any]] = {
    _aten.conv1d.default: F.conv1d,
    _aten.conv2d.default: F.conv2d,
    _aten.conv1d.padding: F.conv1d,
    _aten.conv2d.padding: F.conv2d,
    _aten.max_pool1d.default: F.max_pool1d,
    _aten.max_pool2d.default: F.max_pool2d,
    _aten.avg_pool1d.default: F.avg_pool1d,
    _aten.avg_pool2d.default: F.avg_pool2d,
    _aten.adaptive_avg_pool1d.default: F.adaptive_avg_pool1d,
    _aten.adaptive_avg_pool2d.default: F.adaptive_avg_pool2d,
    _aten.linear.default: F.linear,
    _aten.dropout.default: F.dropout,
    _aten.relu.default: F.relu,
    _aten.relu_.default: torch.relu_,
    _aten.silu.default: F.silu,
    _aten.hardswish.default: F.hardswish,
    _aten.hardsigmoid.default: F.hardsigmoid,
    _aten.hardtanh.default: F.hardtanh,
    _aten.leaky_relu.default: F.leaky_relu,
    _aten.elu.default: F.elu,
    _aten.gelu.default: F.gelu,
    _aten.sigmoid.default: torch.sigmoid,
    _aten.tanh.default: torch.tanh,
    _aten.cat.default: torch.cat,
    _aten.flatten.using_ints: torch.flatten,
    _aten.mean.dim: torch.mean,
    _aten.pad.default: F.pad,
}
"""Operator to a function that takes the same arguments in the same order."""

_TWO = {
    _aten.add.Tensor: operator.add,
    _aten.sub.Tensor: operator.sub,
    _aten.mul.Tensor: operator.mul,
    _aten.div.Tensor: operator.truediv,
    _aten.add_.Tensor: operator.iadd,
}
"""Operator of two tensors to that of Python, without further arguments."""

_WHOLE = 2**63 - 1
"""The end of an open slice."""


def make_readable(graph: fx.Graph) -> None:
    """Replace operators by functions, in place; those without a counterpart stay.

    Args:
        graph: of an exported program.
    """
    for node in list(graph.nodes):
        if node.op != "call_function" or _has_aliases(node):
            continue
        if node.target in _SAME:
            node.target = _SAME[node.target]
        elif node.target in _TWO and len(node.args) == 2 and not node.kwargs:
            node.target = _TWO[node.target]
        elif node.target is _aten.batch_norm.default and len(node.args) == 9:
            given: list[Any] = list(node.args)
            x, weight, bias, mean, variance, training, momentum, eps, _ = given
            node.target = F.batch_norm
            node.args = (x, mean, variance, weight, bias, training, momentum, eps)
        elif node.target is _aten.slice.Tensor and not node.kwargs:
            _index(node)
    for node in list(graph.nodes):
        _join(graph, node)


def _index(node: fx.Node) -> None:
    """`x[:, ::2]` for a slice along one axis."""
    given: list[Any] = list(node.args)
    x, axis, start, end, step = given + [0, None, None, 1][len(given) - 1 :]
    if not isinstance(axis, int) or axis < 0:
        return
    one = slice(
        start or None,
        None if end == _WHOLE else end,
        None if step == 1 else step,
    )
    node.target = operator.getitem
    node.args = (x, (*(slice(None),) * axis, one))


def _join(graph: fx.Graph, node: fx.Node) -> None:
    """One index for slices along several axes, one after the other."""
    if not _is_index(node):
        return
    before: Any = node.args[0]
    if not _is_index(before) or len(before.users) > 1:
        return
    indices: list[Any] = [before.args[1], node.args[1]]
    inner, outer = list(indices[0]), list(indices[1])
    length = max(len(inner), len(outer))
    inner += [slice(None)] * (length - len(inner))
    outer += [slice(None)] * (length - len(outer))
    if any(a != slice(None) and b != slice(None) for a, b in zip(inner, outer, strict=True)):
        return
    both = tuple(a if b == slice(None) else b for a, b in zip(inner, outer, strict=True))
    node.args = (before.args[0], both)
    graph.erase_node(before)


def _has_aliases(node: fx.Node) -> bool:
    """Whether the result of an in-place operator is read under another name."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable:
        return False
    return not node.users or any(len(source.users) > 1 for source in node.all_input_nodes)


def _is_index(node: Any) -> bool:
    if not isinstance(node, fx.Node) or node.target is not operator.getitem:
        return False
    index: Any = node.args[1]
    return isinstance(index, tuple) and all(isinstance(i, slice) for i in index)
