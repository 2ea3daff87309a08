"""Pointwise operations, and the last one of a sequence of them."""

from __future__ import annotations

from torch import fx, nn

from neocog.graph.ops import ACTIVATIONS
from neocog.surgery.modes import NormByMode
from neocog.surgery.window import window_of

__all__ = ["behind"]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm, NormByMode)
_OTHERS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Identity)

_MODULES = frozenset(name.replace("_", "") for name in ACTIVATIONS)
_FUNCTIONS = ACTIVATIONS | {"dropout", "batch_norm"}
_METHODS = ACTIVATIONS | {"clamp", "contiguous"}


def behind(node: fx.Node, root: nn.Module) -> fx.Node:
    """The last of the norms and activations that only follow a node."""
    window = window_of(node, root)
    if window is None or window.kind != "convolution":
        return node
    while len(node.users) == 1:
        user = next(iter(node.users))
        if not _is_pointwise(user, root) or user.all_input_nodes[:1] != [node]:
            break
        node = user
    return node


def _is_pointwise(node: fx.Node, root: nn.Module) -> bool:
    """Whether a node is a norm, an activation or a dropout of PyTorch."""
    if node.op == "call_module":
        module = root.get_submodule(str(node.target))
        kind = type(module)
        activates = kind.__module__ == nn.modules.activation.__name__
        return isinstance(module, _NORMS + _OTHERS) or (
            activates and kind.__name__.lower() in _MODULES
        )
    if node.op == "call_method":
        return str(node.target).rstrip("_") in _METHODS
    if node.op != "call_function":
        return False
    home = getattr(node.target, "__module__", None) or "torch"  # builtins have none
    name = str(getattr(node.target, "__name__", "")).rstrip("_")
    return home.partition(".")[0] == "torch" and name in _FUNCTIONS
