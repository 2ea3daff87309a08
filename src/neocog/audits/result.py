"""The result of an audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from neocog.audits.aliasing import Aliasing
from neocog.audits.elastic import Deformation
from neocog.audits.layers import LayerError
from neocog.audits.lie import LieError
from neocog.audits.motion import Rotation, Scale
from neocog.audits.plan import LeftOut
from neocog.audits.shift import Shift
from neocog.audits.table import MEASURES, Measured
from neocog.graph.alignment import Alignment
from neocog.graph.cost import Cost
from neocog.graph.receptive_field import Field, ReceptiveField
from neocog.graph.wording import Nouns, nouns
from neocog.jsonable import Jsonable, keys

__all__ = ["Audit"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Audit(Jsonable):
    """What an audit found. Parts that were not requested, or cannot be measured, are None or empty.

    Args:
        task: of the model.
        n: samples.
        accuracy: fraction of correct predictions, unshifted; None without labels.
        accuracy_ci: its 95 % CI, by bootstrap over samples.
        classes: names, in the order of the outputs; may be empty.
        shift: results by kind of shift.
        extras: further measures, by name in `table.MEASURES`.
        layers: equivariance error of every layer.
        lie: its infinitesimal form.
        aliasing: every operation that downsamples.
        alignment: what the geometry alone rules out.
        cost: parameters and arithmetic.
        receptive_field: of every layer.
        seconds_per_image: of the forward pass, median over batches.
        seed: of all random numbers.
        protocol: how it was measured.
        notes: what to know when reading the figures.
        axes: of a sample that shift.
        left_out: what was not measured for want of time.
        full_seconds: that a full audit would take, about.
        available: samples that there were to choose from; 0 where nobody said.
    """

    JSON = keys(
        "task", "n", "accuracy", "accuracy_ci", "shift", "*measures", "layers=layer_rows",
        "aliasing", "*geometry", "cost=costs", "receptive_field=fields", "seed", "protocol",
        "left_out", "notes",
    )  # fmt: skip

    task: str
    n: int
    accuracy: float | None
    accuracy_ci: tuple[float, float] | None
    classes: tuple[str, ...]
    shift: dict[str, Shift]
    extras: Mapping[str, Measured]
    layers: tuple[LayerError, ...]
    lie: tuple[LieError, ...]
    aliasing: tuple[Aliasing, ...]
    alignment: Alignment | None
    cost: Cost | None
    receptive_field: ReceptiveField | None
    seconds_per_image: float
    seed: int
    protocol: dict[str, Any]
    notes: tuple[str, ...] = ()
    axes: int = 2
    left_out: tuple[LeftOut, ...] = ()
    full_seconds: float = 0.0
    available: int = 0

    def __repr__(self) -> str:
        from neocog.audits.headline import first_screen

        return first_screen(self).text()

    def _repr_html_(self) -> str:
        from neocog.audits.headline import first_screen
        from neocog.render.notebook import framed

        return framed(first_screen(self), title="Audit")

    @property
    def rotation(self) -> Rotation | None:
        """Rotated and mirrored."""
        return cast("Rotation | None", self.extras.get("rotation"))

    @property
    def scale(self) -> Scale | None:
        """Rescaled."""
        return cast("Scale | None", self.extras.get("scale"))

    @property
    def elastic(self) -> Deformation | None:
        """Bent."""
        return cast("Deformation | None", self.extras.get("elastic"))

    @property
    def nouns(self) -> Nouns:
        """Names for its samples and their parts."""
        return nouns(self.axes)

    @property
    def measures(self) -> dict[str, Measured | None]:
        """Every measure of the table; None for one that was not taken."""
        return {m.name: self.extras.get(m.name) for m in MEASURES}

    @property
    def layer_rows(self) -> list[dict[str, Any]]:
        """A row per layer: its errors, their infinitesimal form, and how far it aliases."""
        lie = {e.name: e for e in self.lie}
        energy = {a.name: a.aliased_energy for a in self.aliasing}
        return [
            {
                **layer.to_json(),
                "aliased_energy": energy.get(layer.name),
                "lie_shift": lie[layer.name].shift if layer.name in lie else None,
                "lie_rotation": lie[layer.name].rotation if layer.name in lie else None,
            }
            for layer in self.layers
        ]

    @property
    def geometry(self) -> dict[str, Any]:
        """What the geometry alone rules out; nothing is claimed where nobody looked."""
        unknown = Alignment(
            size=(), rows=(), nearest={}, total_stride=None, unknown=("the whole model",),
            status="unknown",
        )  # fmt: skip
        return (self.alignment or unknown).beside_others()

    @property
    def costs(self) -> dict[str, Any]:
        """Time of a sample; parameters and arithmetic where they were counted."""
        names = ("params", "macs", "flops", "activations", "status")
        counted = {} if self.cost is None else {k: getattr(self.cost, k) for k in names}
        return {**counted, "seconds_per_image": self.seconds_per_image}

    @property
    def fields(self) -> tuple[Field, ...]:
        """What each layer sees; empty where it was not requested."""
        return () if self.receptive_field is None else self.receptive_field.layers
