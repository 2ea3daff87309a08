"""The receptive fields of a layer's cells, for maps over images."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from neocog.errors import NeocogError
from neocog.explainers.layout import SpatialLayout
from neocog.explainers.maps.cells import Cells
from neocog.explainers.top_activations import PatchGeometry
from neocog.graph.receptive_field import receptive_field
from neocog.layers.symmetrized import upright

__all__ = ["cells_of", "seen_by"]


def seen_by(module: nn.Module, size: Sequence[int], layer: str) -> PatchGeometry | None:
    """The receptive fields of a feature map; None where no rule gives them.

    Args:
        module: any module.
        size: (C, H, W) or (C, N) of a sample.
        layer: a submodule's name.

    Raises:
        NeocogError: the module fails on samples of that size, or the layer does not run.
    """
    with upright():
        field = receptive_field(module, size).of(layer)
    if not field.known or any(s is None for s in field.start):
        return None
    return PatchGeometry(field.receptive_field, field.jump, field.start)


def cells_of(
    module: nn.Module, size: Sequence[int], layer: str, layout: SpatialLayout
) -> Cells | None:
    """Where the cells of a map lie; None where no rule gives it, as behind attention.

    Args:
        module: any module.
        size: (C, H, W) or (C, N) of a sample.
        layer: a submodule's name.
        layout: of its output; tokens have none.
    """
    if layout.kind == "tokens":
        return None
    try:
        seen = seen_by(module, size, layer)
    except NeocogError:
        return None
    return None if seen is None else Cells.seeing(seen.size, seen.jump, seen.start)
