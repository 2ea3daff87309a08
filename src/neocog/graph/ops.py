"""One table of PyTorch's operators: a row holds all that is known of one.

    rule       how an output element depends on elements of the operands. Receptive fields
               (`reach.rules`), positions (`reach.positions`) and the arithmetic of one element
               (`explainers.arithmetic`) each have one function a rule
    kind       what a node is drawn as
    word       what it is called, where its name is no word
    cost       MACs and other FLOPs of one call; see `graph.cost`
    operands   of a product: the names of its two factors, then of what is added
    on_map     what it does to a feature map: see `ON_MAP`
    border     what it sees beyond the border of a map

Kernel, stride, padding and dilation are read off the arguments by `window_of`.
An operator of PyTorch without a row is known by PyTorch's own marks: a view moves elements, and
what is tagged pointwise changes each by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from neocog.graph.operations import Operation

__all__ = [
    "ACTIVATIONS",
    "ARITHMETIC",
    "ON_MAP",
    "OPERATORS",
    "RELABELS",
    "Operator",
    "OperatorWindow",
    "cost_of",
    "is_heavy",
    "is_library",
    "is_pointwise",
    "kind_of",
    "label_of",
    "moves",
    "numbers",
    "operator_of",
    "reshapes",
    "rule_of",
    "window_of",
]

ON_MAP = ("pads", "slides", "reassembles", "writes", "keeps")
"""Pads or crops a map, slides windows over it, puts it together along an axis again, writes into
it, or keeps its border as it is; "" for anything else."""

Cost = Callable[[Operation, Tensor], tuple[int, int]]
"""(operation, its first output) to (MACs, FLOPs beside 2·MACs)."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    """A row of the table; see the head of this module."""

    rule: str = ""
    kind: str = "other"
    word: str = ""
    cost: Cost | None = None
    operands: tuple[str, ...] = ()
    on_map: str = ""
    border: str = ""


class OperatorWindow(NamedTuple):
    """The window of a convolution or pooling, a number an axis of space."""

    kernel: list[int]
    stride: list[int]
    padding: list[int]
    dilation: list[int]


def window_of(op: Operation) -> OperatorWindow:
    """Kernel, stride, padding and dilation of an operation that has a window.

    Example:
        >>> from neocog.graph.operations import watching
        >>> ops, x = [], torch.zeros(1, 1, 8, 8)
        >>> with watching(net := nn.MaxPool2d(3, 2), ops.append), torch.no_grad():
        ...     _ = net(x)
        >>> window_of(ops[0])
        OperatorWindow(kernel=[3, 3], stride=[2, 2], padding=[0, 0], dilation=[1, 1])
    """
    g = op.given
    if "weight" in g:
        kernel: Any = list(g["weight"].shape[2:])
        axes = len(kernel)
    else:
        kernel = g["kernel_size"]
        axes = 2 if "im" in op.name else int(op.name.partition("pool")[2][0])
    return OperatorWindow(
        numbers(kernel, axes),
        numbers(g.get("stride") or kernel, axes),
        numbers(g.get("padding", 0), axes),
        numbers(g.get("dilation", 1), axes),
    )


def numbers(value: int | Sequence[int], axes: int) -> list[int]:
    """One number an axis, from one number or a list.

    Example:
        >>> numbers(2, 3), numbers([1, 2], 2)
        ([2, 2, 2], [1, 2])
    """
    each = [value] if isinstance(value, int) else [int(v) for v in value]
    return each * axes if len(each) == 1 else each


# ---- costs


def _free(op: Operation, out: Tensor) -> tuple[int, int]:
    return 0, 0


def _an_output(flops: int) -> Cost:
    return lambda op, out: (0, flops * out.numel())


def _an_input(flops: int) -> Cost:
    return lambda op, out: (0, flops * op.args[0].numel())


def _convolution(op: Operation, out: Tensor) -> tuple[int, int]:
    g = op.given
    macs = (g["input"] if g["transposed"] else out).numel() * math.prod(g["weight"].shape[1:])
    return macs, 0 if g["bias"] is None else out.numel()


def _product(op: Operation, out: Tensor) -> tuple[int, int]:
    left, _, *added = OPERATORS[op.name].operands
    sums = any(op.given.get(name) is not None for name in added)
    return out.numel() * op.given[left].shape[-1], out.numel() if sums else 0


def _attention(op: Operation, out: Tensor) -> tuple[int, int]:
    """Scores of all queries by all keys, their softmax (5 a score), and the values they weigh."""
    query, key = op.given["query"], op.given["key"]
    scores = query.numel() // query.shape[-1] * key.shape[-2]
    return scores * query.shape[-1] + out.numel() * key.shape[-2], 5 * scores


def _lstm(op: Operation, out: Tensor) -> tuple[int, int]:
    """Four gates an element; 13 for their sums and functions, two biases a gate."""
    g, steps = op.given, out.numel() // out.shape[-1]
    biases = 8 if g["has_biases"] else 0
    return steps * (g["weight0"].numel() + g["weight1"].numel()), out.numel() * (13 + biases)


def _pool(op: Operation, out: Tensor) -> tuple[int, int]:
    """Comparisons of K elements, or their sum and its quotient."""
    compared = "max" in op.name
    return 0, out.numel() * (math.prod(window_of(op).kernel) - compared)


# ---- the table

OPERATORS: dict[str, Operator] = {}
"""Name without overload and mark of in-place work, to its row."""


def _rows(names: str, **facts: Any) -> None:
    OPERATORS.update(dict.fromkeys(names.split(), Operator(**facts)))


# What has weights, or a window.
_rows("_convolution", cost=_convolution)  # of a traced module
_rows(
    "convolution",
    rule="convolution",
    kind="conv",
    word="conv",
    cost=_convolution,
    on_map="slides",
    border="zero",
)
for _names, _operands, _kind in (
    ("mm bmm", ("self", "mat2"), "product"),
    ("mv", ("self", "vec"), ""),
    ("dot", ("self", "tensor"), ""),
    ("addmm", ("mat1", "mat2", "self"), "linear"),
    ("addmv", ("mat", "vec", "self"), ""),
    ("baddbmm", ("batch1", "batch2", "self"), "product"),
):
    _rows(_names, rule="product", kind="linear", word=_kind, cost=_product, operands=_operands)
_rows("linear", rule="linear", kind="linear", cost=_product, operands=("input", "weight", "bias"))
_rows("mkldnn_rnn_layer", rule="recurrent", cost=_lstm)
_ATTENTION = (
    "_scaled_dot_product_flash_attention _scaled_dot_product_efficient_attention "
    "_scaled_dot_product_cudnn_attention _scaled_dot_product_fused_attention_overrideable"
)
_rows(_ATTENTION, rule="attention", kind="attention", cost=_attention)
_rows(
    "_scaled_dot_product_flash_attention_for_cpu",
    rule="attention",
    kind="attention",
    word="attention",
    cost=_attention,
)
_rows("_scaled_dot_product_attention_math", kind="attention")
_MAX = "max_pool2d max_pool1d max_pool3d max_pool3d_with_indices"
_rows(_MAX, rule="pool", kind="pool", cost=_pool, on_map="slides")
_rows(
    "max_pool2d_with_indices",
    rule="pool",
    kind="pool",
    word="max pool",
    cost=_pool,
    on_map="slides",
)
for _names, _word in (("avg_pool2d", "average pool"), ("avg_pool1d avg_pool3d", "")):
    _rows(
        _names,
        rule="pool",
        kind="pool",
        word=_word,
        cost=_pool,
        on_map="slides",
        border="zero",
    )
_ADAPTIVE = "_adaptive_avg_pool3d adaptive_avg_pool1d adaptive_max_pool2d adaptive_max_pool3d"
for _names, _word in (("_adaptive_avg_pool2d", "average pool"), (_ADAPTIVE, "")):
    _rows(_names, rule="adaptive pool", kind="pool", word=_word, cost=_an_input(1), on_map="slides")
_rows(
    "im2col",
    rule="im2col",
    kind="move",
    cost=_free,
    on_map="slides",
    border="zero",
)
_rows("col2im", rule="col2im", cost=_free)
for _names, _border in (
    ("constant_pad_nd", "zero"),
    ("reflection_pad1d reflection_pad2d reflection_pad3d", "reflected"),
    ("replication_pad1d replication_pad2d replication_pad3d", "replicated"),
    ("_pad_circular", ""),  # the other side of the map
):
    _word = "pad" if _names in ("constant_pad_nd", "_pad_circular") else ""
    _rows(_names, rule="pad", kind="pad", word=_word, cost=_free, on_map="pads", border=_border)
for _names, _flops, _word in (
    ("upsample_nearest1d upsample_nearest2d", 1, "enlarge"),
    ("upsample_nearest3d", 1, ""),
    ("_upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d", 1, ""),
    ("upsample_linear1d", 3, "enlarge"),
    ("upsample_bilinear2d", 7, "enlarge"),
    ("upsample_trilinear3d", 15, ""),
):
    _rows(_names, rule="interpolation", word=_word, cost=_an_output(_flops), on_map="slides")
_rows(
    "upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa",
    rule="interpolation",
    on_map="slides",
)

# What looks all along some axes.
_NORM = "cudnn_batch_norm miopen_batch_norm _native_batch_norm_legit _batch_norm_no_update"
_rows(_NORM, rule="batch norm", kind="norm", cost=_an_output(2))
for _names, _word in (
    ("native_batch_norm", "batch norm"),
    ("_native_batch_norm_legit_no_training", ""),
):
    _rows(_names, rule="batch norm", kind="norm", word=_word, cost=_an_output(2), on_map="keeps")
_rows("batch_norm", rule="batch norm", kind="norm")
_rows("native_layer_norm", rule="layer norm", kind="norm", word="layer norm", cost=_an_output(7))
_rows("_fused_rms_norm", rule="layer norm", kind="norm")
_rows("native_group_norm", rule="group norm", kind="norm", word="group norm", cost=_an_output(7))
_rows("_softmax", rule="softmax", kind="softmax", word="softmax", cost=_an_input(5))
_rows("_log_softmax", rule="softmax", kind="softmax", word="log softmax", cost=_an_input(5))
_rows("_safe_softmax", rule="softmax", kind="softmax", cost=_an_input(5))
_rows("sort argsort topk", rule="sort")
_rows("mean", rule="reduction", kind="pool", cost=_an_input(1))
_rows("amax", rule="reduction", kind="pool", word="max", cost=_an_input(1))
_rows("sum amin max min prod argmax argmin", rule="reduction", cost=_an_input(1))
_rows("var std var_mean std_mean", rule="reduction", cost=_an_input(3))
_rows("linalg_vector_norm", rule="reduction", cost=_an_input(2))
_rows("logsumexp norm any all median nanmedian mode aminmax nansum count_nonzero", rule="reduction")
_rows("cumsum cumprod cummax cummin", rule="cumulative", cost=_an_input(1))
_rows("logcumsumexp", rule="cumulative")
_rows("_fft_r2c _fft_c2r _fft_c2c", rule="fft")

# What changes each element by itself; all others are tagged pointwise by PyTorch.
_ACTIVATIONS = (
    "leaky_relu elu celu selu gelu sigmoid tanh silu mish hardtanh hardswish hardsigmoid "
    "softplus log_sigmoid log_sigmoid_forward _prelu_kernel prelu rrelu relu6 threshold "
    "hardshrink softshrink rrelu_with_noise"
)
_rows(_ACTIVATIONS, rule="pointwise", kind="activation", cost=_an_output(1))
_rows("relu", rule="pointwise", kind="activation", cost=_an_output(1), on_map="keeps")
_rows("lerp addcmul addcdiv floor_divide", rule="pointwise", cost=_an_output(1))
_rows("where masked_fill tril triu bernoulli", rule="pointwise", cost=_free)
_rows("bitwise_not", cost=_free)
_rows("glu", rule="glu", cost=_an_output(1))

# What carries elements elsewhere and leaves them as they are. Those of kind "reshape" and "cut"
# compute nothing: the same elements in another form, or some of them.
_SAME = "_to_copy dropout native_dropout detach alias lift_fresh contiguous dequantize"
_rows(_SAME, rule="same", kind="reshape", cost=_free)
_rows("clone", rule="same", kind="reshape", cost=_free, on_map="keeps")
_rows("alias_copy lift_fresh_copy", rule="same", cost=_free)
_VIEWS = "view _unsafe_view reshape _reshape_alias _reshape_copy"
_rows(_VIEWS, rule="view", kind="reshape", cost=_free)
_rows("chunk narrow flatten unflatten movedim unsafe_chunk", kind="reshape")
for _names, _rule in (
    ("expand expand_copy", "expand"),
    ("permute", "permute"),
    ("split split_with_sizes unsafe_split unsafe_split_with_sizes", "split"),
    ("squeeze", "squeeze"),
    ("t", "t"),
    ("transpose", "transpose"),
    ("unbind", "unbind"),
    ("unsqueeze", "unsqueeze"),
    ("diagonal", "move"),
):
    _rows(_names, rule=_rule, kind="reshape", cost=_free)
_rows("unfold", rule="move", kind="reshape", cost=_free, on_map="slides")
_rows("slice", rule="slice", kind="cut", word="every n-th", cost=_free, on_map="slides")
_rows("select", rule="select", kind="cut", cost=_free)
_rows("view_as_real", rule="parts", cost=_free)
_rows("cat", rule="cat", kind="cat", cost=_free, on_map="reassembles")
_rows("stack", rule="stack", kind="cat", cost=_free)
_rows("index index_select", rule="move", kind="move", cost=_free, on_map="reassembles")
_rows("gather repeat channel_shuffle pixel_unshuffle", rule="move", kind="move", cost=_free)
_rows("_unsafe_index rot90 native_channel_shuffle take", rule="move", cost=_free)
_rows("roll", rule="move", kind="move", cost=_free, on_map="slides")
_rows("flip", rule="flip", kind="move", cost=_free)
_rows("pixel_shuffle", rule="pixel shuffle", kind="move", cost=_free, on_map="slides")
_rows("index_put slice_scatter select_scatter", rule="put", cost=_free, on_map="writes")
_rows("copy", rule="copy", cost=_free, on_map="writes")
_rows("scatter resize", cost=_free)
_rows("embedding", rule="embedding", cost=_free)

# What does not depend on its operands' elements.
_MAKES = (
    "arange empty empty_like empty_strided exponential eye fill full full_like new_empty "
    "new_empty_strided new_full new_ones new_zeros normal ones ones_like rand rand_like "
    "randint_like randn randn_like random scalar_tensor uniform zero zeros zeros_like"
)
_rows(_MAKES, rule="none", cost=_free)
_ASKS = "_local_scalar_dense is_same_size sym_numel sym_size sym_stride"
_rows(f"{_ASKS} _record_function_enter_new _record_function_exit", cost=_free)

_NOTHING = Operator()
_OF_PYTORCH = ("aten", "prims")

ACTIVATIONS = frozenset(name for name, row in OPERATORS.items() if row.kind == "activation")

ARITHMETIC = ("add", "sub", "rsub", "mul", "div")
"""Operations of two numbers, with a constant too."""

RELABELS = ("transpose", "t", "squeeze", "unsqueeze", "swapaxes", "swapdims", "as_strided")
"""In place these write nothing: the same memory in another form."""

_RESHAPES = ("reshape", "cut")
_MOVES = (*_RESHAPES, "pad", "move", "cat")
_HEAVY = ("conv", "linear", "softmax", "norm", "pool", "attention")


# ---- what is read off it


def operator_of(op: Operation) -> Operator:
    """The row of an operation of PyTorch itself; an empty one where there is none."""
    if getattr(op.func, "namespace", "aten") not in _OF_PYTORCH:  # of the same name, by others
        return _NOTHING
    return OPERATORS.get(op.name, _NOTHING)


def rule_of(op: Operation) -> str:
    """How its output elements depend on its operands; "" where that is not known."""
    if getattr(op.func, "namespace", "aten") not in _OF_PYTORCH:
        return ""
    rule = OPERATORS.get(op.name, _NOTHING).rule
    return rule or ("move" if op.is_view else "pointwise" if _tagged(op) else "")


def cost_of(op: Operation) -> tuple[int, int] | None:
    """MACs, and FLOPs beside 2·MACs, of one call; None where nobody knows."""
    cost = OPERATORS.get(op.name, _NOTHING).cost
    if cost is _free or op.is_view:
        return 0, 0
    out = op.out[0] if isinstance(op.out, (tuple, list)) and op.out else op.out
    if not isinstance(out, Tensor) or getattr(op.func, "namespace", "aten") != "aten":
        return None
    if cost is not None:
        return cost(op, out)
    return (0, out.numel()) if _tagged(op) else None


def reshapes(name: str) -> bool:
    """Whether an operation computes nothing: the same elements in another form, or some of them."""
    return OPERATORS.get(name, _NOTHING).kind in _RESHAPES


def moves(name: str) -> bool:
    """Whether it carries elements from one position to another and leaves them as they are."""
    return OPERATORS.get(name, _NOTHING).kind in _MOVES


def is_heavy(name: str) -> bool:
    """Whether a layer has one of it: a module with two of them is a network."""
    return OPERATORS.get(name, _NOTHING).kind in _HEAVY


def is_pointwise(op: Operation) -> bool:
    """Whether each output element depends on the elements at its own position alone."""
    return op.name in ACTIVATIONS or _tagged(op)


def _tagged(op: Operation) -> bool:
    return torch.Tag.pointwise in getattr(op.func, "tags", ())


def kind_of(ops: Sequence[Operation], operands: int) -> str:
    """What a node is drawn as.

    Args:
        ops: its operations on data, in order.
        operands: how many tensors that depend on the input the last of them takes.
    """
    kinds = [OPERATORS.get(op.name, _NOTHING).kind for op in ops]
    for kind in (*_HEAVY, "activation", "cat"):
        if kind in kinds:
            return "other" if kind == "attention" else kind
    if kinds and all(kind in _MOVES for kind in kinds):
        return "reshape" if set(kinds) == {"reshape"} else "other"
    return "add" if ops and ops[-1].name == "add" and operands > 1 else "other"


def label_of(name: str, kind: str, op: str, *, free: bool) -> str:
    """A short name: the last part of the module's that is a word, or what is done."""
    if free or not name:
        return OPERATORS.get(op, _NOTHING).word or op.strip("_").replace("_", " ")
    parts = name.split(".")
    first = next((k for k in range(len(parts) - 1, -1, -1) if not parts[k].isdigit()), None)
    return f"{op} {name}" if first is None else ".".join(parts[first:])


def is_library(module: nn.Module) -> bool:
    """Whether PyTorch itself says what the module is."""
    return type(module).__module__.startswith("torch.nn.modules.")
