"""What every node of a network gives out for one sample."""

from __future__ import annotations

from torch import Tensor, nn

from neocog.graph.moments import Moment
from neocog.graph.structure import Structure, follow
from neocog.graph.tensor_table import memory

__all__ = ["CollectedOutputs", "outputs"]


def outputs(module: nn.Module, x: Tensor, graph: Structure) -> list[Tensor | None]:
    """The output of every node, as it was when it was computed.

    Operations that work in place write over earlier ones; such outputs are copied first.
    All others are the network's own tensors.

    Args:
        module: the network, in the mode in which it shall run.
        x: a sample, (1, C, *space).
        graph: its nodes.

    Returns:
        One a node of `graph`; None where this run, of a network that takes its way by the numbers,
        did not come by.

    Example:
        >>> import torch
        >>> from neocog.graph.structure import structure
        >>> net = nn.Sequential(nn.Tanh(), nn.ReLU(inplace=True)).eval()
        >>> x = torch.linspace(-1, 1, 5).view(1, 1, 5)
        >>> first, tanh, relu, out = outputs(net, x, structure(net, x))
        >>> bool((tanh < 0).any()), bool((relu < 0).any())
        (True, False)
    """
    collected = CollectedOutputs(graph)
    follow(
        module,
        x.clone(),
        opened=graph.opened,
        on_node=collected.computed,
        on_write=collected.copy,
    )
    return collected.values


class CollectedOutputs:
    """Outputs of nodes, each copied when an operation in place is about to write over it.

    Args:
        graph: the nodes.
    """

    def __init__(self, graph: Structure) -> None:
        self.values: list[Tensor | None] = [None] * len(graph.nodes)
        self._ids = {node.key: node.id for node in graph.nodes}
        self._sharing: dict[int, set[int]] = {}

    def computed(self, moment: Moment) -> int | None:
        """Keep the output of a node; its id in the graph, None where that has no such node."""
        at = self._ids.get(moment.key)
        if at is not None:
            self.values[at] = moment.out
            self._sharing.setdefault(memory(moment.out), set()).add(at)
        return at

    def copy(self, t: Tensor) -> list[int]:
        """Copy the outputs that lie in the memory of a tensor; their nodes."""
        nodes = sorted(self._sharing.pop(memory(t), ()))
        for at in nodes:
            value = self.values[at]
            self.values[at] = None if value is None else value.clone()
        return nodes
