"""What one forward pass of any module costs: parameters, multiplications, memory.

One sample of zeros is sent through, on the device where the parameters are, while every operation
that reaches PyTorch's dispatcher is looked up in a table. A module built on the *meta* device,
where tensors have shapes and no values, is counted without memory or arithmetic.

    convolution, matrix products, attention    MACs = products that are summed; FLOPs = 2·MACs,
                                                and one more an output where a bias is added
    pointwise (add, ReLU, tanh, …)             1 FLOP an output
    batch norm (evaluation)                    2 an output: one factor, one summand
    layer norm, group norm                     7 an output: mean 1, variance 3, scale 1, affine 2
    softmax                                    5 an input
    max pool                                   K - 1 comparisons an output, for K samples a window
    average pool                               K an output
    sums, means, adaptive pools                1 an input
    interpolation                              1 an output for nearest, 7 linear in two axes
    moving, padding, indexing, views           0

An operation in no line of the table is named in `unknown`, and the status is then `partial`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import ModelError
from neocog.graph.found import as_found
from neocog.graph.operations import Call, Operation, watching

__all__ = ["Cost", "LayerCost", "cost"]


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """What one sub-module does itself, without the modules inside it.

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
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))
    x = torch.zeros((1, *size), device=like.device, dtype=like.dtype)
    try:
        with as_found(module, x):  # inside, a lazy module has its parameters
            return _sums(module, _run(module, x))
    except Exception as e:  # of any kind: an external forward may raise anything
        shape = "×".join(str(n) for n in size)
        raise ModelError(
            "Counting needs one forward pass of one sample; the module fails on one of "
            f"{shape} ({type(e).__name__}: {e}). Give the size that it takes."
        ) from e


def _sums(module: nn.Module, count: _Count) -> Cost:
    own, parts = _own_params(module), dict(module.named_modules())
    if any(map(_is_frozen, parts.values())):
        count.unknown.add("prim.Constant")  # weights that are no parameters any more
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
class _Count:
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
        priced = _price(op, first)
        if priced is None:
            self.unknown.add(str(getattr(op.func, "overloadpacket", op.name)))
        else:
            tally.macs += priced[0]
            tally.flops += 2 * priced[0] + priced[1]


def _is_frozen(module: nn.Module) -> bool:
    """Whether a scripted module has tensors as constants, as `torch.jit.freeze` leaves it."""
    graph: Any = getattr(module, "graph", None)
    if not isinstance(module, torch.jit.ScriptModule) or not hasattr(graph, "findAllNodes"):
        return False
    constants = graph.findAllNodes("prim::Constant", recurse=True)
    return any(str(n.output().type()).startswith(("Tensor", "Float(")) for n in constants)


def _own_params(module: nn.Module) -> dict[str, int]:
    """Name of a sub-module to the numbers in parameters that it is the first to hold."""
    own: dict[str, int] = {}
    for name, p in module.named_parameters():
        holder = name.rpartition(".")[0]
        own[holder] = own.get(holder, 0) + p.numel()
    return own


def _run(module: nn.Module, x: Tensor) -> _Count:
    count = _Count()
    watched = watching(module, count.operation, on_start=count.start, on_end=count.end)
    with torch.no_grad(), watched:
        module(x)
    return count


Price = Callable[[Any, Tensor], tuple[int, int]]
"""(positional arguments, first output) to (MACs, FLOPs beside 2·MACs)."""


def _price(op: Operation, out: Any) -> tuple[int, int] | None:
    if op.name in _FREE or op.is_view:
        return 0, 0
    if not isinstance(out, Tensor) or getattr(op.func, "namespace", "aten") != "aten":
        return None
    if op.name in _TABLE:
        return _TABLE[op.name](op.args, out)
    pointwise = torch.Tag.pointwise in getattr(op.func, "tags", ())
    return (0, out.numel()) if pointwise else None


def _convolution(args: Any, out: Tensor) -> tuple[int, int]:
    x, weight, bias, transposed = args[0], args[1], args[2], args[6]
    macs = (x if transposed else out).numel() * math.prod(weight.shape[1:])
    return macs, 0 if bias is None else out.numel()


def _matrix_product(args: Any, out: Tensor) -> tuple[int, int]:
    return out.numel() * args[0].shape[-1], 0


def _matrix_product_and_sum(args: Any, out: Tensor) -> tuple[int, int]:
    return out.numel() * args[1].shape[-1], out.numel()


def _linear(args: Any, out: Tensor) -> tuple[int, int]:
    bias = len(args) > 2 and args[2] is not None
    return out.numel() * args[0].shape[-1], out.numel() if bias else 0


def _attention(args: Any, out: Tensor) -> tuple[int, int]:
    query, key = args[0], args[1]
    scores = query.numel() // query.shape[-1] * key.shape[-2]
    return scores * query.shape[-1] + out.numel() * key.shape[-2], 5 * scores


def _lstm(args: Any, out: Tensor) -> tuple[int, int]:
    """Four gates an element; 13 for their sums and functions, two biases a gate."""
    steps = out.numel() // out.shape[-1]
    biases = 8 if args[12] else 0
    return steps * (args[1].numel() + args[2].numel()), out.numel() * (13 + biases)


def _window(args: Any, out: Tensor) -> int:
    axes, kernel = out.dim() - 2, args[1]
    return math.prod(kernel) if len(kernel) > 1 else int(kernel[0]) ** axes


def _max_pool(args: Any, out: Tensor) -> tuple[int, int]:
    return 0, out.numel() * (_window(args, out) - 1)


def _average_pool(args: Any, out: Tensor) -> tuple[int, int]:
    return 0, out.numel() * _window(args, out)


def _each_output(flops: int) -> Price:
    return lambda args, out: (0, flops * out.numel())


def _each_input(flops: int) -> Price:
    return lambda args, out: (0, flops * args[0].numel())


_TABLE: dict[str, Price] = {
    "convolution": _convolution,
    "_convolution": _convolution,  # of a traced module
    "mm": _matrix_product,
    "mv": _matrix_product,
    "bmm": _matrix_product,
    "dot": lambda args, out: (args[0].numel(), 0),
    "addmm": _matrix_product_and_sum,
    "addmv": _matrix_product_and_sum,
    "baddbmm": _matrix_product_and_sum,
    "linear": _linear,
    "mkldnn_rnn_layer": _lstm,
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_fused_attention_overrideable",
        ),
        _attention,
    ),
    **dict.fromkeys(
        (
            "native_batch_norm",
            "cudnn_batch_norm",
            "_native_batch_norm_legit",
            "_native_batch_norm_legit_no_training",
            "_batch_norm_no_update",
        ),
        _each_output(2),
    ),
    **dict.fromkeys(("native_layer_norm", "native_group_norm"), _each_output(7)),
    **dict.fromkeys(("_softmax", "_log_softmax", "_safe_softmax"), _each_input(5)),
    **dict.fromkeys(
        ("max_pool1d", "max_pool2d_with_indices", "max_pool3d_with_indices"), _max_pool
    ),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _average_pool),
    **dict.fromkeys(
        ("sum", "mean", "amax", "amin", "max", "min", "prod", "argmax", "argmin", "cumsum"),
        _each_input(1),
    ),
    **dict.fromkeys(
        ("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_max_pool2d"), _each_input(1)
    ),
    **dict.fromkeys(("var", "std", "var_mean"), _each_input(3)),
    "linalg_vector_norm": _each_input(2),
    **dict.fromkeys(
        (
            "floor_divide",
            "hardswish",
            "mish",
            "rrelu",
            "rrelu_with_noise",
            "threshold",
            "celu",
            "log_sigmoid_forward",
            "_prelu_kernel",
            "glu",
        ),
        _each_output(1),
    ),
    **dict.fromkeys(
        ("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"), _each_output(1)
    ),
    "upsample_bilinear2d": _each_output(7),
}

_MOVES = (
    "_record_function_enter_new _record_function_exit "
    "_local_scalar_dense _pad_circular _reshape_alias _reshape_copy _to_copy _unsafe_index "
    "_unsafe_view alias_copy arange bernoulli bitwise_not cat channel_shuffle clone col2im "
    "constant_pad_nd copy detach dropout embedding empty empty_like empty_strided expand_copy "
    "eye fill flip full full_like gather im2col index index_put index_select is_same_size "
    "lift_fresh lift_fresh_copy masked_fill native_dropout new_empty new_empty_strided new_full "
    "new_ones new_zeros ones ones_like pixel_shuffle pixel_unshuffle rand rand_like randn "
    "randn_like reflection_pad1d reflection_pad2d repeat replication_pad1d replication_pad2d "
    "resize roll scalar_tensor scatter select_scatter slice_scatter squeeze stack sym_numel "
    "sym_size sym_stride t transpose tril triu unsafe_split unsafe_split_with_sizes unsqueeze "
    "where zero zeros zeros_like"
)
_FREE = frozenset(_MOVES.split())
