"""What operations are called by those who draw a network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from neocog.graph.operations import Operation

__all__ = [
    "ACTIVATIONS",
    "FOLDED",
    "HEAVY",
    "MOVES",
    "PADS",
    "is_library",
    "is_pointwise",
    "kind_of",
    "label_of",
    "macs_of",
]

PADS = [
    "constant_pad_nd",
    "_pad_circular",
    "reflection_pad1d",
    "reflection_pad2d",
    "replication_pad1d",
    "replication_pad2d",
]
"""Operations that put a border around a map."""

FOLDED = frozenset(
    [
        "alias",
        "clone",
        "contiguous",
        "detach",
        "dropout",
        "expand",
        "expand_copy",
        "lift_fresh",
        "permute",
        "_reshape_alias",
        "_reshape_copy",
        "reshape",
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "t",
        "_to_copy",
        "transpose",
        "unbind",
        "unfold",
        "unsafe_chunk",
        "unsafe_split",
        "_unsafe_view",
        "unsqueeze",
        "view",
        "chunk",
        "narrow",
        "select",
        "native_dropout",
        "flatten",
        "unflatten",
        "diagonal",
        "movedim",
    ]
)
"""Operations that compute nothing: the same numbers in another form."""

MOVES = frozenset(
    (
        *FOLDED,
        *PADS,
        *[
            "cat",
            "channel_shuffle",
            "flip",
            "gather",
            "im2col",
            "index",
            "index_select",
            "pixel_shuffle",
            "pixel_unshuffle",
            "repeat",
            "roll",
            "stack",
        ],
    )
)
"""Operations that carry numbers from one place to another and leave them as they are."""

ACTIVATIONS = frozenset(
    [
        "relu",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "gelu",
        "sigmoid",
        "tanh",
        "silu",
        "mish",
        "hardtanh",
        "hardswish",
        "hardsigmoid",
        "softplus",
        "softsign",
        "log_sigmoid",
        "log_sigmoid_forward",
        "_prelu_kernel",
        "prelu",
        "rrelu",
        "relu6",
        "threshold",
        "hardshrink",
        "softshrink",
        "rrelu_with_noise",
    ]
)

_SETS: dict[str, frozenset[str]] = {
    "conv": frozenset(["convolution"]),
    "linear": frozenset(["addmm", "mm", "linear", "bmm", "baddbmm", "mv", "addmv", "dot"]),
    "softmax": frozenset(["_softmax", "_safe_softmax", "_log_softmax"]),
    "norm": frozenset(
        [
            "native_batch_norm",
            "cudnn_batch_norm",
            "_native_batch_norm_legit",
            "_native_batch_norm_legit_no_training",
            "_batch_norm_no_update",
            "native_layer_norm",
            "native_group_norm",
        ]
    ),
    "pool": frozenset(
        [
            "max_pool1d",
            "max_pool2d_with_indices",
            "max_pool3d_with_indices",
            "avg_pool1d",
            "avg_pool2d",
            "avg_pool3d",
            "_adaptive_avg_pool2d",
            "_adaptive_avg_pool3d",
            "adaptive_max_pool2d",
            "adaptive_avg_pool1d",
            "mean",
            "amax",
            "max_pool2d",
        ]
    ),
    "other": frozenset(
        [
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_attention_math",
            "_scaled_dot_product_fused_attention_overrideable",
        ]
    ),
}

HEAVY = frozenset().union(*_SETS.values())
"""Operations of which a layer has one; a module with two of them is a network."""

_WORDS = {
    "addmm": "linear",
    "mm": "product",
    "bmm": "product",
    "baddbmm": "product",
    "convolution": "conv",
    "max_pool2d_with_indices": "max pool",
    "avg_pool2d": "average pool",
    "_adaptive_avg_pool2d": "average pool",
    "native_batch_norm": "batch norm",
    "native_layer_norm": "layer norm",
    "native_group_norm": "group norm",
    "_softmax": "softmax",
    "_log_softmax": "log softmax",
    "constant_pad_nd": "pad",
    "_pad_circular": "pad",
    "_scaled_dot_product_flash_attention_for_cpu": "attention",
    "upsample_nearest2d": "enlarge",
    "upsample_bilinear2d": "enlarge",
    "upsample_nearest1d": "enlarge",
    "upsample_linear1d": "enlarge",
    "amax": "max",
    "slice": "every n-th",
}


def is_pointwise(op: Operation) -> bool:
    """Whether each output number depends on the numbers at its own place alone."""
    return op.name in ACTIVATIONS or torch.Tag.pointwise in getattr(op.func, "tags", ())


def kind_of(ops: Sequence[Operation], operands: int) -> str:
    """What a node is drawn as.

    Args:
        ops: its operations on data, in order.
        operands: how many tensors that depend on the input the last of them takes.
    """
    names = [op.name for op in ops]
    for kind, known in _SETS.items():
        if any(n in known for n in names):
            return kind
    if any(n in ACTIVATIONS for n in names):
        return "activation"
    if "cat" in names or "stack" in names:
        return "cat"
    if names and all(n in MOVES for n in names):
        return (
            "other"
            if any(n not in FOLDED or n in ("slice", "select") for n in names)
            else ("reshape")
        )
    if names and names[-1] == "add" and operands > 1:
        return "add"
    return "other"


def label_of(name: str, kind: str, op: str, *, free: bool) -> str:
    """A short name: the last part of the module's that is a word, or what is done."""
    if free or not name:
        return _WORDS.get(op, op.strip("_").replace("_", " "))
    parts = name.split(".")
    first = next((k for k in range(len(parts) - 1, -1, -1) if not parts[k].isdigit()), None)
    return f"{op} {name}" if first is None else ".".join(parts[first:])


def macs_of(op: Operation) -> int:
    """MACs of one operation; 0 for those without."""
    out = op.out[0] if isinstance(op.out, (tuple, list)) else op.out
    if not isinstance(out, Tensor):
        return 0
    if op.name == "convolution":
        x, weight, transposed = op.args[0], op.args[1], op.args[6]
        return int((x if transposed else out).numel() * math.prod(weight.shape[1:]))
    if op.name in ("mm", "mv", "bmm", "linear"):
        return int(out.numel() * op.args[0].shape[-1])
    if op.name in ("addmm", "addmv", "baddbmm"):
        return int(out.numel() * op.args[1].shape[-1])
    if op.name.startswith("_scaled_dot_product"):
        query, keys = op.args[0], op.args[1].shape[-2]
        return int(query.numel() * keys + out.numel() * keys)
    return 0


def is_library(module: nn.Module) -> bool:
    """Whether PyTorch itself says what the module is."""
    return type(module).__module__.startswith("torch.nn.modules.")
