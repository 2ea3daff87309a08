"""One table of PyTorch's operators: a row holds all that is known of one.

    rule       how an output element depends on elements of the operands. Receptive fields
               (`reach.rules`), positions (`reach.positions`) and the arithmetic of one element
               (`explainers.arithmetic`) each have one function a rule
    kind       what a node is drawn as
    word       what it is called, where its name is not a word
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
import re
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
    "name_of",
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
    """The window of a convolution or pooling, a number per axis of space."""

    kernel_size: list[int]
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
        OperatorWindow(kernel_size=[3, 3], stride=[2, 2], padding=[0, 0], dilation=[1, 1])
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
    """One number per axis, from one number or a list.

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
    """Four gates per element; 13 for their sums and functions, two biases a gate."""
    g, steps = op.given, out.numel() // out.shape[-1]
    biases = 8 if g["has_biases"] else 0
    return steps * (g["weight0"].numel() + g["weight1"].numel()), out.numel() * (13 + biases)


def _pool(op: Operation, out: Tensor) -> tuple[int, int]:
    """Comparisons of K elements, or their sum and its quotient."""
    compared = "max" in op.name
    return 0, out.numel() * (math.prod(window_of(op).kernel_size) - compared)


def _sort(op: Operation, out: Tensor) -> tuple[int, int]:
    """As many comparisons a value as halvings of the axis make one of it."""
    values: Tensor = op.args[0]
    axis = int(op.given.get("dim", -1))
    length = values.shape[axis] if values.ndim else 1
    return 0, values.numel() * (length - 1).bit_length()


# ---- the table

_COSTS: dict[str, Cost] = {
    "free": _free,
    "convolution": _convolution,
    "product": _product,
    "attention": _attention,
    "lstm": _lstm,
    "pool": _pool,
    "sort": _sort,
    **{f"{n}/in": _an_input(n) for n in (1, 2, 3, 4, 5)},
    **{f"{n}/out": _an_output(n) for n in (1, 2, 3, 7, 15)},
}
"""FLOPs of an element of the input, or of the output, where no function says more."""

_TABLE = """
rule           kind        on_map           cost         operators

convolution    conv        slides,zero      convolution  convolution
-              other       -                convolution  _convolution
product        linear      -                product      mm bmm mv dot addmm addmv baddbmm
linear         linear      -                product      linear
recurrent      other       -                lstm         mkldnn_rnn_layer
attention      attention   -                attention    _scaled_dot_product_flash_attention
    _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_efficient_attention
    _scaled_dot_product_cudnn_attention _scaled_dot_product_fused_attention_overrideable
-              attention   -                -            _scaled_dot_product_attention_math
pool           pool        slides           pool         max_pool1d max_pool2d max_pool3d
    max_pool2d_with_indices max_pool3d_with_indices
pool           pool        slides,zero      pool         avg_pool1d avg_pool2d avg_pool3d
adaptive pool  pool        slides           1/in         _adaptive_avg_pool2d _adaptive_avg_pool3d
    adaptive_avg_pool1d adaptive_max_pool2d adaptive_max_pool3d
im2col         move        slides,zero      free         im2col
col2im         other       -                free         col2im

pad            pad         pads,zero        free         constant_pad_nd
pad            pad         pads,reflected   free         reflection_pad1d reflection_pad2d
    reflection_pad3d
pad            pad         pads,replicated  free         replication_pad1d replication_pad2d
    replication_pad3d
pad            pad         pads             free         _pad_circular

interpolation  other       slides           1/out        upsample_nearest1d upsample_nearest2d
    upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d
interpolation  other       slides           3/out        upsample_linear1d
interpolation  other       slides           7/out        upsample_bilinear2d
interpolation  other       slides           15/out       upsample_trilinear3d
interpolation  other       slides           -            upsample_bicubic2d _upsample_bilinear2d_aa
    _upsample_bicubic2d_aa

batch norm     norm        keeps            2/out        native_batch_norm
    _native_batch_norm_legit_no_training
batch norm     norm        -                2/out        cudnn_batch_norm miopen_batch_norm
    _native_batch_norm_legit _batch_norm_no_update
batch norm     norm        -                -            batch_norm
layer norm     norm        -                7/out        native_layer_norm
layer norm     norm        -                -            _fused_rms_norm
group norm     norm        -                7/out        native_group_norm
softmax        softmax     -                5/in         _softmax _log_softmax _safe_softmax
sort           other       -                sort         sort argsort
sort           other       -                -            topk
reduction      pool        -                1/in         mean amax
reduction      other       -                1/in         sum amin max min prod argmax argmin
reduction      other       -                2/in         linalg_vector_norm
reduction      other       -                3/in         var std var_mean std_mean
reduction      other       -                4/in         logsumexp
reduction      other       -                -            norm any all median nanmedian mode aminmax
    nansum count_nonzero
cumulative     other       -                1/in         cumsum cumprod cummax cummin
cumulative     other       -                -            logcumsumexp
fft            other       -                -            _fft_r2c _fft_c2r _fft_c2c

pointwise      activation  keeps            1/out        relu
pointwise      activation  -                1/out        leaky_relu elu celu selu gelu sigmoid tanh
    silu mish hardtanh hardswish hardsigmoid softplus log_sigmoid log_sigmoid_forward prelu
    relu6 _prelu_kernel rrelu rrelu_with_noise threshold hardshrink softshrink
pointwise      other       -                1/out        lerp addcmul addcdiv floor_divide
pointwise      other       -                free         where masked_fill tril triu bernoulli
    bitwise_not
glu            other       -                1/out        glu

same           reshape     keeps            free         clone
same           reshape     -                free         _to_copy dropout native_dropout detach
    alias lift_fresh contiguous dequantize
same           other       -                free         alias_copy lift_fresh_copy
view           reshape     -                free         view _unsafe_view reshape _reshape_alias
    _reshape_copy
expand         reshape     -                free         expand expand_copy
permute        reshape     -                free         permute
transpose      reshape     -                free         transpose
t              reshape     -                free         t
squeeze        reshape     -                free         squeeze
unsqueeze      reshape     -                free         unsqueeze
split          reshape     -                free         split split_with_sizes unsafe_split
    unsafe_split_with_sizes
unbind         reshape     -                free         unbind
move           reshape     -                free         diagonal
move           reshape     slides           free         unfold
-              reshape     -                -            chunk narrow flatten unflatten movedim
    unsafe_chunk
slice          cut         slides           free         slice
select         cut         -                free         select
parts          other       -                free         view_as_real
cat            cat         reassembles      free         cat
stack          cat         -                free         stack
move           move        reassembles      free         index index_select
move           move        -                free         gather repeat channel_shuffle
    pixel_unshuffle
move           move        slides           free         roll
move           other       -                free         _unsafe_index rot90 native_channel_shuffle
    take
flip           move        -                free         flip
pixel shuffle  move        slides           free         pixel_shuffle
put            other       writes           free         index_put slice_scatter select_scatter
copy           other       writes           free         copy
embedding      other       -                free         embedding
-              other       -                free         scatter resize _local_scalar_dense
    is_same_size sym_numel sym_size sym_stride _record_function_enter_new _record_function_exit

none           other       -                free         arange empty empty_like empty_strided eye
    fill exponential full full_like new_empty new_full new_empty_strided new_ones new_zeros
    normal ones ones_like rand rand_like randint_like randn randn_like random scalar_tensor
    uniform zero zeros zeros_like
"""
"""`-` for nothing; behind a comma, what is seen beyond the border; indented lines go on."""

_WORDS = {
    "convolution": "conv",
    "addmm": "linear",
    **dict.fromkeys(("mm", "bmm", "baddbmm"), "product"),
    "_scaled_dot_product_flash_attention_for_cpu": "attention",
    "max_pool2d_with_indices": "max pool",
    **dict.fromkeys(("avg_pool2d", "_adaptive_avg_pool2d"), "average pool"),
    "native_batch_norm": "batch norm",
    "native_layer_norm": "layer norm",
    "native_group_norm": "group norm",
    "_softmax": "softmax",
    "_log_softmax": "log softmax",
    **dict.fromkeys(("constant_pad_nd", "_pad_circular"), "pad"),
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d"), "enlarge"),
    **dict.fromkeys(("upsample_linear1d", "upsample_bilinear2d"), "enlarge"),
    "amax": "max",
    "slice": "every n-th",
}

_OPERANDS = {
    **dict.fromkeys(("mm", "bmm"), ("self", "mat2")),
    "mv": ("self", "vec"),
    "dot": ("self", "tensor"),
    "addmm": ("mat1", "mat2", "self"),
    "addmv": ("mat", "vec", "self"),
    "baddbmm": ("batch1", "batch2", "self"),
    "linear": ("input", "weight", "bias"),
}


def _read(table: str) -> dict[str, Operator]:
    """Its rows, by the names of operators."""
    rows = {}
    for line in filter(None, table.replace("\n    ", " ").splitlines()[2:]):
        rule, kind, on_map, cost, names = (
            "" if cell == "-" else cell for cell in re.split(r"\s{2,}", line)
        )
        how, _, border = on_map.partition(",")
        for name in names.split():
            rows[name] = Operator(
                rule=rule,
                kind=kind,
                word=_WORDS.get(name, ""),
                cost=_COSTS.get(cost),
                operands=_OPERANDS.get(name, ()),
                on_map=how,
                border=border,
            )
    return rows


OPERATORS = _read(_TABLE)
"""Name without overload and mark of in-place work, to its row."""

_NOTHING = Operator()
_OF_PYTORCH = ("aten", "prims")

ACTIVATIONS = frozenset(name for name, row in OPERATORS.items() if row.kind == "activation")

ARITHMETIC = ("add", "sub", "rsub", "mul", "div")
"""Operations of two numbers, with a constant too."""

RELABELS = ("transpose", "t", "squeeze", "unsqueeze", "swapaxes", "swapdims", "as_strided")
"""In place these write nothing: the same memory in another form."""

_IN_PLACE = ("iadd", "isub", "imul", "itruediv")
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
    """MACs, and FLOPs beside 2·MACs, of one call; None where they are not known."""
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


def name_of(called: object) -> str:
    """What is called, by one name for a function, a method and a module of PyTorch; "" of others.

    Args:
        called: a function, the name of a method, or a module; of a module of ours that derives
            from one of PyTorch it is that of PyTorch.

    Example:
        >>> name_of(nn.MaxPool2d(2)), name_of(torch.max_pool2d), name_of("relu_"), name_of(print)
        ('maxpool2d', 'maxpool2d', 'relu', '')
    """
    if isinstance(called, nn.Module):
        theirs = (k for k in type(called).__mro__ if k.__module__.startswith("torch.nn.modules."))
        name = next(theirs, nn.Module).__name__
    elif isinstance(called, str):
        name = called
    else:
        home = getattr(called, "__module__", None) or "torch"  # builtins of PyTorch have none
        name = str(getattr(called, "__name__", ""))
        if home == "_operator":  # `a += b` is that of `a + b`
            name = name[1:] if name in _IN_PLACE else name
        elif home.partition(".")[0] != "torch":
            return ""
    return name.replace("_", "").lower()


def is_library(module: nn.Module) -> bool:
    """Whether PyTorch itself says what the module is."""
    return type(module).__module__.startswith("torch.nn.modules.")
