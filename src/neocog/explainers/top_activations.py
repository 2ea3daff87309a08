"""The real patches that excite each unit of a layer most.

All samples pass once. For each unit and sample the position with the highest activation counts, so
that a unit shows patches of different samples; the best are kept in a list of fixed length, so
memory does not grow with the number of samples. What is cut is what the unit sees: its receptive
field.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.samples import Samples, batch_of
from neocog.errors import ModelError, UsageError, printable
from neocog.exhibits import Curve, Exhibit, Gallery, Section
from neocog.explainers.layout import SpatialLayout
from neocog.explainers.units import check_units, finite, headed, layout_for, output_of
from neocog.graph.activations import device_and_dtype
from neocog.graph.preserve import preserved
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords
from neocog.render.pixels import as_image, framed

__all__ = ["PatchGeometry", "TopPatches", "cut", "gallery", "top_patches"]

_BEYOND = 0.5
"""Color beyond the border of the image."""


@dataclass(frozen=True)
class PatchGeometry:
    """Which part of a sample the unit at each position of a map sees, a number per axis of space.

    Args:
        size: samples from the first to the last that it sees.
        jump: samples from one unit's field to the next one's.
        start: the first sample that unit 0 sees; negative in the padding.
    """

    size: tuple[int, ...]
    jump: tuple[int | float | Fraction | None, ...]
    start: tuple[int | None, ...]

    def window(self, position: Sequence[int], whole: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """First sample, and the one behind the last, along each axis.

        Args:
            position: of the unit on the map.
            whole: samples of the image along each axis: seen where fields do not move evenly.

        Example:
            >>> PatchGeometry((3, 3), (2, 2), (-1, -1)).window((0, 4), (28, 28))
            ((-1, 2), (7, 10))
        """
        out = []
        for i, n, size, jump, start in zip(
            position, whole, self.size, self.jump, self.start, strict=True
        ):
            if jump is None or start is None or size < 1:
                out.append((0, n))
            else:
                first = start + math.floor(jump * i)
                out.append((first, first + size))
        return tuple(out)


@dataclass(frozen=True, kw_only=True)
class TopPatches(Jsonable):
    """The k strongest samples of each unit and where in them it is.

    Args:
        layer: whose units.
        units: (U,).
        scores: (U, k), activations, the largest first.
        index: (U, k), of the sample.
        position: (U, k, axes), of the activation on the map; no axes for a vector.
        window: (U, k, axes of the sample, 2), what the unit sees: first sample and the one behind
            the last. Beyond the border where it sees padding.
        names: of the samples, (U, k).
        count: samples that were looked at.
    """

    JSON = keys("layer", "count", "units=ranked")

    layer: str
    units: np.ndarray
    scores: np.ndarray
    index: np.ndarray
    position: np.ndarray
    window: np.ndarray
    names: tuple[tuple[str, ...], ...] = field(repr=False)
    size: tuple[int, ...]
    count: int

    @property
    def clipped(self) -> np.ndarray:
        """`window`, within the sample."""
        return np.asarray(np.clip(self.window, 0, np.array(self.size)[:, None]))

    @property
    def ranked(self) -> list[dict[str, Any]]:
        """A row per unit: its number and its patches, the strongest first."""
        return [
            {
                "unit": u,
                "patches": [
                    {
                        "score": self.scores[i, j],
                        "index": self.index[i, j],
                        "name": printable(self.names[i][j]),
                        "position": self.position[i, j],
                        "window": self.clipped[i, j],
                    }
                    for j in range(self.scores.shape[1])
                ],
            }
            for i, u in enumerate(self.units.tolist())
        ]


@known_keywords
def top_patches(
    model: nn.Module,
    samples: Samples,
    layer: str,
    *,
    k: int = 9,
    units: Sequence[int] | None = None,
    batch: int | None = None,
    seen: PatchGeometry | None = None,
) -> TopPatches:
    """The samples, and the positions in them, with the highest activations of each unit of a layer.

    Args:
        model: from values in [0, 1] to outputs; left as it is.
        samples: all are looked at, once.
        layer: a submodule's name; "" for the model's own outputs.
        k: patches per unit; fewer where there are fewer samples.
        units: channels of a map or elements of a vector; all if left out.
        batch: batch size; what is found does not depend on it, but for rounding.
        seen: what the units see; the whole sample if left out. With
            `f = graph.receptive_field.receptive_field(model, size).of(layer)` it is
            `PatchGeometry(f.receptive_field, f.jump, f.start)`.

    Raises:
        UsageError: there is no such unit, or k is not positive.
        ModelError: the layer does not run, or its output is not finite.

    Example:
        >>> x = torch.zeros(3, 1, 4, 4)
        >>> x[2, 0, 3, 1] = 1.0
        >>> found = top_patches(
        ...     nn.Conv2d(1, 1, 1),
        ...     Samples.of(x),
        ...     "",
        ...     k=1,
        ...     seen=PatchGeometry((1, 1), (1, 1), (0, 0)),
        ... )
        >>> found.window.shape
        (1, 1, 2, 2)
    """
    if k < 1:
        raise UsageError(f"Each unit needs at least one patch; got k={k}. Give 1 or more.")
    device, dtype = device_and_dtype(model)
    step = batch_of(samples, batch)
    best: _Best | None = None
    layout: SpatialLayout | None = None
    with preserved(model), torch.no_grad():
        for start in range(0, len(samples), step):
            x = samples.take(slice(start, start + step)).to(device, dtype)
            if best is None:
                layout = layout_for(model, model, layer, x)
            out = output_of(model, model, layer, x, layout=layout)
            if best is None:
                chosen = list(range(out.shape[1])) if units is None else [int(u) for u in units]
                check_units(chosen, out.shape[1], layer)
                best = _Best(chosen, min(k, len(samples)), tuple(out.shape[2:]))
            best.look(finite(out, layer), start)
            del x, out
    assert best is not None  # there are no empty Samples
    return _collected(best, samples, layer, seen)


def cut(patches: TopPatches, samples: Samples, row: int) -> list[np.ndarray]:
    """The patches of one unit, as values (C, *size), what lies beyond the border in middle gray.

    Args:
        patches: the patches.
        samples: the same that they were found in.
        row: which of `patches.units`, counted from 0.
    """
    out = []
    for j, i in enumerate(patches.index[row].tolist()):
        x = samples.take(slice(i, i + 1))[0].numpy()
        full, inside = _frame(patches.window[row, j], patches.size), patches.clipped[row, j]
        patch = np.full((x.shape[0], *(full[:, 1] - full[:, 0])), _BEYOND, np.float32)
        into = tuple(slice(a, b) for a, b in (inside - full[:, :1]).tolist())
        patch[(slice(None), *into)] = x[(slice(None), *(slice(a, b) for a, b in inside.tolist()))]
        out.append(patch)
    return out


def gallery(
    patches: TopPatches,
    samples: Samples,
    *,
    most: int = 16,
    whole: bool = False,
    values: str = "pixels",
) -> list[Section]:
    """For a report: a row of patches per unit.

    Args:
        patches: the patches.
        samples: the same that they were found in.
        most: units that are shown.
        whole: draw the whole images, what the unit sees framed.
        values: of the samples, `pixels` or `raw`, which are stretched for eyes.
    """
    exhibits: list[Exhibit] = []
    for row, unit in enumerate(patches.units[:most].tolist()):
        captions = [f"{s:.3g}" for s in patches.scores[row].tolist()]
        if len(patches.size) == 1:
            exhibits.append(_lines(cut(patches, samples, row), unit, captions))
            continue
        if whole:
            images = [
                framed(
                    as_image(samples.take(slice(i, i + 1))[0], values=values),
                    patches.clipped[row, j].flatten().tolist(),
                )
                for j, i in enumerate(patches.index[row].tolist())
            ]
        else:
            images = [as_image(patch, values=values) for patch in cut(patches, samples, row)]
        exhibits.append(Gallery(title=f"Unit {unit}", images=images, captions=captions))
    left = len(patches.units) - len(exhibits)
    text = (
        f"Of {patches.count} samples the patches with the highest activations, at most one per "
        "sample, strongest first; cropped to the unit's receptive field, gray beyond the border."
        + (f" {left} more units are not shown." if left > 0 else "")
    )
    return [
        Section(title=f"Patches that excite {headed(patches.layer)}", exhibits=exhibits, text=text)
    ]


class _Best:
    """The k largest of each unit so far; nothing else is kept."""

    def __init__(self, units: Sequence[int], k: int, space: tuple[int, ...]) -> None:
        self.units, self.k, self.space = list(units), k, space
        self.scores = torch.full((len(units), 0), -torch.inf)
        self.index = torch.zeros((len(units), 0), dtype=torch.int64)
        self.position = torch.zeros((len(units), 0), dtype=torch.int64)

    def look(self, out: Tensor, start: int) -> None:
        """A batch: (B, U) or (B, U, *space), whose first sample has the number `start`."""
        if tuple(out.shape[2:]) != self.space:
            raise ModelError(
                "The feature map of a layer must have one size for all samples; got one of "
                f"{tuple(out.shape[2:])} after {self.space}. Name a layer that has."
            )
        some = out[:, self.units] if len(self.units) != out.shape[1] else out
        if self.space:
            value, position = some.flatten(2).max(2)
        else:
            value, position = some, torch.zeros_like(some, dtype=torch.int64)
        number = torch.arange(start, start + len(out))
        self.scores = torch.cat([self.scores, value.T.float().cpu()], 1)
        self.position = torch.cat([self.position, position.T.cpu()], 1)
        self.index = torch.cat([self.index, number.expand(len(self.units), -1)], 1)
        # Stable, so that of equal ones the earlier samples stay, whatever the batches are.
        order = self.scores.argsort(dim=1, descending=True, stable=True)[:, : self.k]
        self.scores, self.position, self.index = (
            t.gather(1, order) for t in (self.scores, self.position, self.index)
        )


def _collected(best: _Best, samples: Samples, layer: str, seen: PatchGeometry | None) -> TopPatches:
    size = tuple(int(n) for n in samples.size)
    shape = best.scores.shape
    if best.space:
        position = np.stack(np.unravel_index(best.position.numpy(), best.space), -1)
    else:
        position = np.zeros((*shape, 0), np.int64)
    window = np.zeros((*shape, len(size), 2), np.int64)
    for i, j in np.ndindex(*shape):
        if seen is None or position.shape[2] != len(size):
            window[i, j] = [(0, n) for n in size]
        else:
            window[i, j] = seen.window(position[i, j].tolist(), size)
    index = best.index.numpy()
    return TopPatches(
        layer=layer,
        units=np.asarray(best.units),
        scores=best.scores.numpy(),
        index=index,
        position=position,
        window=window,
        names=tuple(tuple(samples.name(i) for i in row) for row in index.tolist()),
        size=size,
        count=len(samples),
    )


def _lines(patches: list[np.ndarray], unit: int, captions: Sequence[str]) -> Curve:
    """Series: the first channel of the best few."""
    leading = patches[:5]
    return Curve(
        title=f"Unit {unit}",
        x=list(range(max(p.shape[1] for p in leading))),
        lines={
            f"{j + 1}: {c}": _padded(p[0], max(q.shape[1] for q in leading))
            for j, (p, c) in enumerate(zip(leading, captions, strict=False))
        },
        x_label="sample of the patch",
        y_label="value",
    )


def _padded(values: np.ndarray, count: int) -> list[float | None]:
    plain: list[float | None] = [float(v) for v in values]
    return plain + [None] * (count - len(plain))


def _frame(window: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Shown along each axis: the window; the sample where the window is larger."""
    whole = np.array([(0, n) for n in size])
    larger = window[:, 1] - window[:, 0] > whole[:, 1]
    return np.where(larger[:, None], whole, window)
