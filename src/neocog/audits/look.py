"""Measures inside a network: its geometry, its layers, and what aliases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from neocog.audits.aliasing import Aliasing, aliasing
from neocog.audits.config import AuditConfig
from neocog.audits.layers import LayerError, layer_errors
from neocog.audits.lie import LieError, lie_errors
from neocog.audits.plan import LIE_SAMPLES
from neocog.data.samples import Samples, batch_of
from neocog.graph.alignment import Alignment, alignment
from neocog.graph.cost import Cost, cost
from neocog.graph.receptive_field import ReceptiveField, receptive_field
from neocog.layers.symmetrized import inside_of, upright
from neocog.models.exact import ExactModel

__all__ = ["Geometry", "Inside", "geometry_of", "look_inside"]

_FOR_LAYERS = 0.8
"""Fraction of the time of this part that goes into the errors of layers, about."""


@dataclass(frozen=True)
class Geometry:
    """What needs no data; empty for a black box."""

    stride: int | None = None
    alignment: Alignment | None = None
    cost: Cost | None = None
    field: ReceptiveField | None = None
    notes: tuple[str, ...] = ("This model only gives outputs, so no layer was measured.",)

    @property
    def macs(self) -> int | None:
        """MACs of a forward pass; None where not all operations are understood."""
        whole = self.cost is not None and self.cost.status == "complete"
        return self.cost.macs if self.cost is not None and whole else None

    def jumps(self, model: ExactModel) -> dict[str, tuple[Fraction, ...]]:
        """Of layers whose outputs shift evenly, by their names in the whole model."""
        if self.field is None:
            return {}
        inner = model.network is not model.module
        jumps = {}
        for f in self.field.layers:
            if f.jump and all(j is not None for j in f.stepped):
                name = f"network.{f.name}".rstrip(".") if inner else f.name
                jumps[name] = tuple(j for j in f.stepped if j is not None)
        return jumps


def geometry_of(model: ExactModel, shape: tuple[int, ...]) -> Geometry:
    """Cost, receptive fields and alignment of a network.

    Args:
        model: the model.
        shape: of a sample, (C, H, W) or (C, N).
    """
    network = model.network
    spent = cost(network, shape)
    with upright():
        seen, aligned = receptive_field(network, shape), alignment(network, shape)
    return Geometry(aligned.total_stride, aligned, spent, seen, ())


@dataclass(frozen=True)
class Inside:
    """What was measured inside a network."""

    layers: tuple[LayerError, ...] = ()
    lie: tuple[LieError, ...] = ()
    aliasing: tuple[Aliasing, ...] = ()
    notes: tuple[str, ...] = ()


@upright()
def look_inside(
    model: ExactModel,
    few: Samples,
    config: AuditConfig,
    geometry: Geometry,
    *,
    turns: bool,
    lie: bool,
    progress: Callable[[float], None],
) -> Inside:
    """Layers alone and with all before them, and what aliases.

    Of a network that is run on several poses, those of one pass: in the frame of the image.

    Args:
        model: the model.
        few: samples that are used.
        config: the maximum shift, the seed and the batch size.
        geometry: of the network.
        turns: measure quarter turns of layers too.
        lie: compute Lie derivatives.
        progress: called with the fraction that is done.
    """
    errors = layer_errors(
        model,
        few,
        max_shift=config.max_shift,
        seed=config.seed,
        batch=min(16, batch_of(few, config.batch)),
        jumps=geometry.jumps(model),
        turns=turns,
        progress=lambda fraction: progress(_FOR_LAYERS * fraction),
    )
    lie_layers = lie_errors(model, few.first(LIE_SAMPLES, seed=config.seed)) if lie else ()
    notes: tuple[str, ...] = ()
    if lie and not lie_layers:
        notes = ("An operation has no forward-mode derivative: no Lie derivatives.",)
    return Inside(
        _named(model, errors),
        _named(model, lie_layers),
        _named(model, aliasing(model, few)),
        (*inside_of(model.network), *notes),
    )


Named = TypeVar("Named", LayerError, LieError, Aliasing)


def _named(model: ExactModel, rows: tuple[Named, ...]) -> tuple[Named, ...]:
    """With the names that the user knows."""
    return tuple(replace(row, name=model.label(row.name)) for row in rows)
