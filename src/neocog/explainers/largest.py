"""The samples that excite units most: one pass, one number per unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.samples import Samples, batch_of
from neocog.explainers.layout import SpatialLayout
from neocog.explainers.units import check_units, finite, layout_for, output_of, unit_values
from neocog.graph.activations import device_and_dtype
from neocog.graph.preserve import preserved

__all__ = ["Largest", "largest_on"]


@dataclass(frozen=True, kw_only=True)
class Largest:
    """The maximum activation of each unit on data.

    Args:
        units: (U,).
        values: (U,), the maximum activation.
        index: (U,), the sample that reaches it.
        images: (U, C, *size), those samples.
    """

    units: np.ndarray
    values: np.ndarray
    index: np.ndarray
    images: np.ndarray = field(repr=False)


def largest_on(
    model: nn.Module,
    samples: Samples,
    layer: str,
    units: Sequence[int],
    *,
    where: str = "mean",
    batch: int | None = None,
) -> Largest:
    """The sample that activates each unit most.

    Args:
        model: from values in [0, 1] to outputs; left as it is.
        samples: all are run.
        layer: a submodule's name; "" for the model's own outputs.
        units: channels of a map or elements of a vector.
        where: of a feature map, its "mean", its "middle" or its "largest" element.
        batch: batch size.

    Raises:
        UsageError: there is no such unit.
        ModelError: the layer does not run, or its output is not finite.
    """
    device, dtype = device_and_dtype(model)
    best = torch.full((len(units),), -torch.inf)
    index = torch.zeros(len(units), dtype=torch.int64)
    step = batch_of(samples, batch)
    layout: SpatialLayout | None = None
    with preserved(model), torch.no_grad():
        for start in range(0, len(samples), step):
            x = samples.take(slice(start, start + step)).to(device, dtype)
            if start == 0:
                layout = layout_for(model, model, layer, x)
            values = finite(
                unit_values(output_of(model, model, layer, x, layout=layout), where), layer
            )
            check_units(units, values.shape[1], layer)
            most, row = values[:, list(units)].float().cpu().max(0)
            better = most > best
            best = torch.where(better, most, best)
            index = torch.where(better, row + start, index)
    rows = index.tolist()
    images: list[Tensor] = [samples.take(slice(i, i + 1)) for i in rows]
    return Largest(
        units=np.asarray(units),
        values=best.numpy(),
        index=index.numpy(),
        images=torch.cat(images).numpy(),
    )
