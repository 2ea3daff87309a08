"""The result of activation maximization, and its exhibits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from neocog.errors import printable
from neocog.exhibits import Cell, Curve, Exhibit, Gallery, Section, Table
from neocog.explainers.units import headed
from neocog.jsonable import Jsonable, keys
from neocog.render.pixels import as_image

__all__ = ["ActivationMaximization"]


@dataclass(frozen=True, kw_only=True)
class ActivationMaximization(Jsonable):
    """Images optimized to excite units; P of them, all seeds of a unit one after the other.

    Args:
        layer: whose units; "" is the model itself.
        where: what of a unit's map was maximized: its mean, its middle or its largest element.
        units: (P,), the unit of each image.
        seeds: (P,), the seed of each image.
        images: (P, C, *size), in [0, 1].
        activations: (P,), of the unit for the image, without random transformations.
        awake: (P,), False where the unit stayed at zero whatever was tried.
        way: (steps, P), activations for transformed images during the optimization, in standard
            deviations on noise.
        largest_index: (P,), the sample that reaches it.
        largest_images: (U, C, *size), those samples, one per unit.
        source: where the statistics of the images are from.
    """

    JSON = keys(
        "layer",
        "where",
        "source",
        "units",
        "seeds",
        "activations",
        "awake",
        "largest",
        "largest_index",
    )

    layer: str
    where: str
    units: np.ndarray
    seeds: np.ndarray
    images: np.ndarray = field(repr=False)
    activations: np.ndarray
    awake: np.ndarray
    way: np.ndarray = field(repr=False)
    largest: np.ndarray | None = None
    largest_index: np.ndarray | None = None
    largest_images: np.ndarray | None = field(default=None, repr=False)
    source: str = ""

    def sections(self, names: Sequence[str] = ()) -> list[Section]:
        """For a report.

        Args:
            names: of all units of the layer, such as the classes; their numbers if left out.
        """
        exhibits: list[Exhibit] = [self._gallery(names), *self._real(names), self._table(names)]
        of = {"mean": "the mean", "middle": "the middle", "largest": "the largest element"}
        text = (
            f"Images optimized to maximize a unit, of a map {of[self.where]}. They start as noise "
            f"with the mean, standard deviation, spectrum and colors of {printable(self.source)}, "
            "and are slightly transformed at random in every step."
        )
        if not self.awake.all():
            text += " Units that stayed at zero from every start are marked as silent."
        return [Section(title=f"What excites {headed(self.layer)}", exhibits=exhibits, text=text)]

    def name(self, unit: int, names: Sequence[str]) -> str:
        """A unit as the user knows it."""
        return printable(names[unit]) if unit < len(names) else str(unit)

    def _gallery(self, names: Sequence[str]) -> Exhibit:
        captions = []
        for i, unit in enumerate(self.units.tolist()):
            text = f"{self.activations[i]:.3g}" if self.awake[i] else "silent"
            captions.append(f"{self.name(unit, names)}\n{text}")
        if self.images.ndim == 3:
            return self._lines(captions)
        return Gallery(
            title="Optimized images",
            images=[as_image(p) for p in self.images],
            captions=captions,
            pixelated=False,
            note="The caption is the activation of the unit.",
        )

    def _lines(self, captions: Sequence[str]) -> Curve:
        """Series: the first channel of the first few."""
        count = self.images.shape[2]
        lines = {
            " · ".join(dict.fromkeys(c.split("\n"))) + ("" if i == 0 else f" ({i})"): p[0].tolist()
            for i, (c, p) in enumerate(zip(captions[:8], self.images, strict=False))
        }
        return Curve(
            title="Optimized series",
            x=list(range(count)),
            lines=lines,
            x_label="sample",
            y_label="value",
        )

    def _real(self, names: Sequence[str]) -> list[Exhibit]:
        if self.largest is None or self.largest_images is None or self.images.ndim == 3:
            return []
        seeds = len(self.units) // len(self.largest_images)
        units, values = self.units[::seeds].tolist(), self.largest[::seeds].tolist()
        return [
            Gallery(
                title="Real images",
                images=[as_image(p) for p in self.largest_images],
                captions=[
                    f"{self.name(u, names)}\n{v:.3g}" for u, v in zip(units, values, strict=True)
                ],
                pixelated=False,
                note="The sample with the highest activation of each unit.",
            )
        ]

    def _table(self, names: Sequence[str]) -> Table:
        rows: list[list[Cell]] = []
        for i, unit in enumerate(self.units.tolist()):
            most = None if self.largest is None else float(self.largest[i])
            reached = float(self.activations[i])
            rows.append([self.name(unit, names), int(self.seeds[i]), reached, most])
        return Table(
            title="Activations",
            columns=("unit", "seed", "optimized image", "max on data"),
            rows=rows,
        )
