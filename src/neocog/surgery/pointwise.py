"""Pointwise operations, and the last one of a sequence of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from neocog.surgery.modes import NormByMode
from neocog.surgery.window import window_of

__all__ = ["behind"]

_POINTWISE_MODULES = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.SyncBatchNorm,
    NormByMode,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Sigmoid,
    nn.Tanh,
    nn.Softplus,
    nn.Hardtanh,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Identity,
)
_POINTWISE_FUNCTIONS: frozenset[Any] = frozenset(
    (
        F.relu,
        F.relu6,
        F.leaky_relu,
        F.elu,
        F.selu,
        F.gelu,
        F.silu,
        F.mish,
        F.sigmoid,
        F.tanh,
        F.hardtanh,
        F.hardswish,
        F.softplus,
        F.dropout,
        F.batch_norm,
        torch.relu,
        torch.relu_,
        torch.sigmoid,
        torch.tanh,
    )
)
_POINTWISE_METHODS = frozenset(("relu", "relu_", "sigmoid", "tanh", "clamp", "contiguous"))


def behind(node: fx.Node, root: nn.Module) -> fx.Node:
    """The last of the norms and activations that only follow a node."""
    window = window_of(node, root)
    if window is None or window.kind != "convolution":
        return node
    while len(node.users) == 1:
        user = next(iter(node.users))
        known = (
            (user.op == "call_function" and user.target in _POINTWISE_FUNCTIONS)
            or (user.op == "call_method" and user.target in _POINTWISE_METHODS)
            or (
                user.op == "call_module"
                and isinstance(root.get_submodule(str(user.target)), _POINTWISE_MODULES)
            )
        )
        if not known or user.all_input_nodes[:1] != [node]:
            break
        node = user
    return node
