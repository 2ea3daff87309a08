"""What one forward pass of any module costs: parameters, multiplications, memory.

One sample of zeros is sent through, on the device where the parameters are, while every operation
that reaches PyTorch's dispatcher is looked up in the table of `graph.ops`. A module built on the
*meta* device, where tensors have shapes and no values, is counted without memory or arithmetic.

    convolution, matrix products, attention    MACs = products that are summed; FLOPs = 2·MACs,
                                                and one more an output where a bias is added
    pointwise (add, ReLU, tanh, …)             1 FLOP per output
    batch norm (evaluation)                    2 an output: one factor, one summand
    layer norm, group norm                     7 an output: mean 1, variance 3, scale 1, affine 2
    softmax                                    5 an input
    log-sum-exp                                4 an input
    sort of n values                           ⌈log₂ n⌉ comparisons a value
    max pool                                   K - 1 comparisons an output, for K samples a window
    average pool                               K an output
    sums, means, adaptive pools                1 an input
    interpolation                              1 an output for nearest, 2ᵈ⁺¹ - 1 linear in d axes
    moving, padding, indexing, views           0

An operation in no line of the table is named in `unknown`, and the status is then `partial`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from neocog.graph.operations import Call, Observer, Operation, watching
from neocog.graph.ops import cost_of
from neocog.graph.preserve import blank_sample
from neocog.keywords import known_keywords

__all__ = ["Cost", "LayerCost", "cost"]


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """What one submodule does itself, without the modules inside it.

    Args:
        name: in the module; "" for the module itself.
        kind: its class.
        output: shape of its output for one sample, without the batch axis; empty where it was
            never called or gives no tensor.
        params: numbers in its own parameters, each parameter once.
        macs: products that are summed.
        flops: 2·macs and everything else.
        activations: floating numbers in the tensors it creates.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    macs: int
    flops: int
    activations: int


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one sample costs in evaluation mode.

    Args:
        params: numbers in all parameters, each parameter once.
        trainable: of these, in parameters that take a gradient.
        buffers: numbers in fixed tensors (codes, running averages).
        macs: products that are summed.
        flops: 2·macs and everything else.
        activations: floating numbers in all tensors that are created on the way.
        layers: in the order of their first call; what was never called comes last.
        unknown: names of operations that are in no line of the table.
        status: "complete", or "partial" where something is unknown.
    """

    params: int
    trainable: int
    buffers: int
    macs: int
    flops: int
    activations: int
    layers: tuple[LayerCost, ...]
    unknown: tuple[str, ...]
    status: str


@known_keywords
def cost(module: nn.Module, size: Sequence[int]) -> Cost:
    """Count parameters, MACs, FLOPs and activations of one forward pass of one sample.

    The module keeps its mode, parameters, buffers, gradients and hooks.

    Args:
        module: any module that takes one tensor.
        size: of one sample, without the batch axis: (C, H, W).

    Raises:
        ModelError: the module fails on a sample of that size.

    Example:
        >>> c = cost(nn.Conv2d(3, 6, 5), (3, 32, 32))
        >>> c.params, c.macs, c.flops
        (456, 352800, 710304)
    """
    with blank_sample(module, size, "Counting needs") as x:
        count = _Count()
        with watching(module, count):
            module(x)
        return _sums(module, count)


def _sums(module: nn.Module, count: _Count) -> Cost:
    own, parts = _own_params(module), dict(module.named_modules())
    if any(map(_is_frozen, parts.values())):
        count.unknown.add("prim.Constant")  # weights that are not parameters any more
    layers = [
        LayerCost(
            name=name,
            kind=type(parts[name]).__name__,
            output=tally.output,
            params=own.get(name, 0),
            macs=tally.macs,
            flops=tally.flops,
            activations=tally.activations,
        )
        for name, tally in count.tallies.items()
        if tally.ops or own.get(name) or not any(parts[name].children())
    ]
    layers += [
        LayerCost(
            name=name,
            kind=type(parts[name]).__name__,
            output=(),
            params=params,
            macs=0,
            flops=0,
            activations=0,
        )
        for name, params in own.items()
        if name not in count.tallies
    ]
    return Cost(
        params=sum(p.numel() for p in module.parameters()),
        trainable=sum(p.numel() for p in module.parameters() if p.requires_grad),
        buffers=sum(b.numel() for b in module.buffers()),
        macs=sum(x.macs for x in layers),
        flops=sum(x.flops for x in layers),
        activations=sum(x.activations for x in layers),
        layers=tuple(layers),
        unknown=tuple(sorted(count.unknown)),
        status="partial" if count.unknown else "complete",
    )


@dataclass
class _Tally:
    output: tuple[int, ...] = ()
    macs: int = 0
    flops: int = 0
    activations: int = 0
    ops: int = 0


@dataclass
class _Count(Observer):
    """Books every operation on the innermost module that is running."""

    tallies: dict[str, _Tally] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def start(self, call: Call) -> None:
        self.tallies.setdefault(call.name, _Tally())

    def end(self, call: Call) -> None:
        if isinstance(call.out, Tensor):
            self.tallies[call.name].output = tuple(call.out.shape[1:])

    def operation(self, op: Operation) -> None:
        tally = self.tallies.setdefault(op.module, _Tally())
        tally.ops += 1
        out = op.out
        first = out[0] if isinstance(out, (tuple, list)) and out else out
        fresh = isinstance(first, Tensor) and not op.is_view and not op.in_place
        if fresh and first.is_floating_point():
            tally.activations += first.numel()
        cost = cost_of(op)
        if cost is None:
            self.unknown.add(op.full_name)
        else:
            tally.macs += cost[0]
            tally.flops += 2 * cost[0] + cost[1]


def _is_frozen(module: nn.Module) -> bool:
    """Whether a scripted module has tensors as constants, as `torch.jit.freeze` leaves it."""
    graph: Any = getattr(module, "graph", None)
    if not isinstance(module, torch.jit.ScriptModule) or not hasattr(graph, "findAllNodes"):
        return False
    constants = graph.findAllNodes("prim::Constant", recurse=True)
    return any(str(n.output().type()).startswith(("Tensor", "Float(")) for n in constants)


def _own_params(module: nn.Module) -> dict[str, int]:
    """Name of a submodule to the numbers in parameters that it is the first to hold."""
    own: dict[str, int] = {}
    for name, p in module.named_parameters():
        holder = name.rpartition(".")[0]
        own[holder] = own.get(holder, 0) + p.numel()
    return own
