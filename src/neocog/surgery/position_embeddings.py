"""Find position embeddings, after which no downsampling makes a network shift-invariant.

A table that varies with position and is added to a feature map or to tokens (a position embedding,
an attention bias, a per-pixel scale) makes features depend on position. Other downsampling before
it costs time and gains nothing: tokens that move with the image still meet other entries of the
table.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx, nn
from torch.nn import functional as F

from neocog.graph.ops import name_of
from neocog.surgery.graph import Traced, shape_of
from neocog.surgery.window import called, label

__all__ = ["PositionEmbedding", "position_embeddings_of", "upstream_of"]


@dataclass(frozen=True)
class PositionEmbedding:
    """A position embedding.

    Args:
        node: that adds it.
        name: of the parameter or buffer, or of its module.
        shape: of the table.
    """

    node: fx.Node
    name: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """Such as "`pos_embed`, 1×197×768"."""
        return f"`{self.name}`, {'×'.join(map(str, self.shape))}"


def position_embeddings_of(traced: Traced) -> list[PositionEmbedding]:
    """All position embeddings of a graph, in order.

    Args:
        traced: with shapes noted.
    """
    fixed: dict[fx.Node, str] = {}
    tables = []
    for node in traced.graph.nodes:
        inputs = node.all_input_nodes
        if node.op == "get_attr":
            fixed[node] = str(node.target)
        elif node.op not in ("placeholder", "output") and all(n in fixed for n in inputs):
            held = node.op == "call_module"
            fixed[node] = str(node.target) if held else next((fixed[n] for n in inputs), node.name)
        elif name_of(called(node, traced.root)) in ("add", "sub", "mul") and len(inputs) == 2:
            table = next((n for n in inputs if n in fixed), None)
            if table is not None and _varies(shape_of(table)):
                tables.append(PositionEmbedding(node, fixed[table], shape_of(table) or ()))
        elif (norm := _positional_norm(node, traced.root)) is not None:
            tables.append(PositionEmbedding(node, label(node, traced.root), norm))
    return tables


def upstream_of(embeddings: list[PositionEmbedding]) -> dict[fx.Node, PositionEmbedding]:
    """Nodes upstream of a position embedding, each to the first such table."""
    upstream: dict[fx.Node, PositionEmbedding] = {}
    for table in embeddings:
        todo = [table.node]
        while todo:
            for node in todo.pop().all_input_nodes:
                if node not in upstream:
                    upstream[node] = table
                    todo.append(node)
    return upstream


def _varies(shape: tuple[int, ...] | None) -> bool:
    """Whether a table varies along more axes than its channels."""
    return shape is not None and sum(n > 1 for n in shape) > 1


def _positional_norm(node: fx.Node, root: nn.Module) -> tuple[int, ...] | None:
    """Shape of the weights of a layer norm over positions and channels, one weight per position."""
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
