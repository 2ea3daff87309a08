"""Where a network is told the position of a sample, after which no sampling makes it invariant.

A table that differs from place to place and is added to a map or to tokens (a position embedding,
an attention bias, a per-pixel scale) ties what a sample means to where it stands. Downsampling in
another way before it then costs time and gains nothing: tokens that move along with the image still
meet other entries of the table.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from neocog.surgery.graph import Traced, shape_of
from neocog.surgery.window import label

__all__ = ["Positions", "ahead_of", "positions_of"]

_SUMS: frozenset[Any] = frozenset(
    (
        *(operator.add, operator.iadd, operator.sub, operator.isub, operator.mul, operator.imul),
        *(torch.add, torch.sub, torch.mul),
        *("add", "add_", "sub", "sub_", "mul", "mul_"),
    )
)
"""Functions and methods that meet two tensors element by element."""


@dataclass(frozen=True)
class Positions:
    """A table of positions.

    Args:
        node: that brings it in.
        name: of the parameter or buffer, or of the module that holds it.
        shape: of the table.
    """

    node: fx.Node
    name: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """Such as "`pos_embed`, 1×197×768"."""
        return f"`{self.name}`, {'×'.join(map(str, self.shape))}"


def positions_of(traced: Traced) -> list[Positions]:
    """Every table of positions in a graph, in its order.

    Args:
        traced: with the shapes noted.
    """
    fixed: dict[fx.Node, str] = {}
    found = []
    for node in traced.graph.nodes:
        inputs = node.all_input_nodes
        if node.op == "get_attr":
            fixed[node] = str(node.target)
        elif node.op not in ("placeholder", "output") and all(n in fixed for n in inputs):
            held = node.op == "call_module"
            fixed[node] = str(node.target) if held else next((fixed[n] for n in inputs), node.name)
        elif node.target in _SUMS and len(inputs) == 2:
            table = next((n for n in inputs if n in fixed), None)
            if table is not None and _varies(shape_of(table)):
                found.append(Positions(node, fixed[table], shape_of(table) or ()))
        elif (norm := _norm_of_places(node, traced.root)) is not None:
            found.append(Positions(node, label(node, traced.root), norm))
    return found


def ahead_of(positions: list[Positions]) -> dict[fx.Node, Positions]:
    """Each node whose result meets a table of positions further on, to the first such table."""
    ahead: dict[fx.Node, Positions] = {}
    for table in positions:
        todo = [table.node]
        while todo:
            for node in todo.pop().all_input_nodes:
                if node not in ahead:
                    ahead[node] = table
                    todo.append(node)
    return ahead


def _varies(shape: tuple[int, ...] | None) -> bool:
    """Whether a table has more than one entry along more than its channels."""
    return shape is not None and sum(n > 1 for n in shape) > 1


def _norm_of_places(node: fx.Node, root: nn.Module) -> tuple[int, ...] | None:
    """The shape of the weights of a layer norm over places and channels, which are one a place."""
    if node.op == "call_module":
        module = root.get_submodule(str(node.target))
        if isinstance(module, nn.LayerNorm) and module.elementwise_affine:
            shape = tuple(module.normalized_shape)
            return shape if _varies(shape) else None
    elif node.target is F.layer_norm:
        weight = node.kwargs.get("weight", node.args[2] if len(node.args) > 2 else None)
        shape = shape_of(weight) or () if isinstance(weight, fx.Node) else ()
        return shape if _varies(shape) else None
    return None
