"""Functions that depend on the mode, in a graph that was traced in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, fx, nn
from torch.nn import functional as F

from neocog.surgery.window import arguments, enclosing

__all__ = ["NormByMode", "follow_modes", "free_name"]

_DROPOUTS: dict[Callable[..., Any], type[nn.Module]] = {
    F.dropout: nn.Dropout,
    F.dropout2d: nn.Dropout2d,
}
_NORM = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")


class NormByMode(nn.Module):
    """Batch normalization with running statistics and weights as arguments.

    Args:
        momentum: weight of the batch in the running statistics.
        eps: added to the variance.
    """

    def __init__(self, momentum: float, eps: float) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps

    def forward(
        self,
        x: Tensor,
        mean: Tensor,
        var: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """Normalize by the batch in training, and update the statistics; else by the statistics."""
        return F.batch_norm(x, mean, var, weight, bias, self.training, self.momentum, self.eps)


def follow_modes(root: nn.Module, graph: fx.Graph) -> None:
    """Make functions that were traced with `training=False` follow the mode of the network.

    A norm that does not read the mode in its own `forward` is frozen on purpose, and stays so.

    Args:
        root: gets a module for each such function.
        graph: changed in place.
    """
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        if node.target in _DROPOUTS:
            given = arguments(node, ("input", "p", "training"))
            module = _DROPOUTS[node.target](given.get("p", 0.5))
            inputs: tuple[Any, ...] = (given["input"],)
        elif node.target is F.batch_norm and _reads_mode(root.get_submodule(enclosing(node))):
            given = arguments(node, _NORM)
            module = NormByMode(given.get("momentum", 0.1), given.get("eps", 1e-5))
            inputs = tuple(given.get(key) for key in _NORM[:5])
        else:
            continue
        if given.get("training", node.target in _DROPOUTS) is not False:
            continue
        what = "dropout" if node.target in _DROPOUTS else "norm"
        name = free_name(root, f"{what}_{node.name}")
        root.add_module(name, module)
        with graph.inserting_before(node):
            new = graph.call_module(name, inputs)
        new.meta = dict(node.meta)
        node.replace_all_uses_with(new)
        graph.erase_node(node)


def _reads_mode(module: nn.Module) -> bool:
    code = getattr(type(module).forward, "__code__", None)
    return code is not None and "training" in code.co_names


def free_name(root: nn.Module, name: str) -> str:
    """The name, with underscores appended until no attribute of the module has it."""
    while hasattr(root, name):
        name += "_"
    return name
