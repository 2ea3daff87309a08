"""What every node of a network gives out for one sample."""

from __future__ import annotations

from torch import Tensor, nn

from neocog.graph.moments import Moment
from neocog.graph.structure import Structure, follow
from neocog.graph.tensor_table import memory

__all__ = ["outputs"]


def outputs(module: nn.Module, x: Tensor, found: Structure) -> list[Tensor | None]:
    """The output of every node, as it was when it was computed.

    Operations that work in place write over what came before them; such outputs are copied first.
    All others are the network's own tensors.

    Args:
        module: the network, in the mode in which it shall run.
        x: a sample, (1, C, *space).
        found: its graph.

    Returns:
        One a node of `found`; None where this run, of a network that takes its way by the numbers,
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
    place = {node.key: node.id for node in found.nodes}
    values: list[Tensor | None] = [None] * len(found.nodes)
    sharing: dict[int, set[int]] = {}

    def computed(moment: Moment) -> None:
        at = place.get(moment.key)
        if at is not None:
            values[at] = moment.out
            sharing.setdefault(memory(moment.out), set()).add(at)

    def copied(t: Tensor) -> None:
        for at in sharing.pop(memory(t), ()):
            value = values[at]
            values[at] = None if value is None else value.clone()

    follow(module, x.clone(), opened=found.opened, on_node=computed, on_write=copied)
    return values
