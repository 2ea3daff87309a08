"""Pointwise operations, and the last one of a sequence of them."""

from __future__ import annotations

from torch import fx, nn

from neocog.graph.ops import ACTIVATIONS, name_of
from neocog.surgery.modes import NormByMode
from neocog.surgery.window import called, window_of

__all__ = ["behind"]

_NAMES = {name.replace("_", "") for name in ACTIVATIONS} | {
    *("batchnorm", "batchnorm1d", "batchnorm2d", "syncbatchnorm"),
    *("dropout", "dropout1d", "dropout2d", "identity", "clamp", "contiguous"),
}
_CHANNELWISE = {"batchnorm", "batchnorm1d", "batchnorm2d", "syncbatchnorm", "prelu"}
"""Those whose further operands have one value per channel; of others they may be a map."""


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
    what = called(node, root)
    name = name_of(what)
    if isinstance(what, NormByMode):
        return True
    if len(node.all_input_nodes) > 1 and name not in _CHANNELWISE:
        return False  # such as a bound of clamp that is a map of the strided size
    return name in _NAMES
