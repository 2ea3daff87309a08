"""Maps drawn over images and series: uint8 images, each with its legend.

The image stays in color below the map. The scale is sequential and perceptually uniform, and
stretched over the map's own range, from its minimum to its maximum, so that differences within a
map are visible whatever its values are; the legend gives both ends, and where zero lies between
them.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from neocog.explainers.grad_cam import enlarge
from neocog.explainers.maps.cells import Cells
from neocog.render.color import paint
from neocog.render.pixels import as_image, numbers

__all__ = ["bare", "laid_over", "legend", "over_series", "sides"]

LEAST, STRENGTH = 0.25, 0.75
"""Opacity of the color at the map's minimum and at its maximum."""

SIDE = 384
"""Pixels of the longer side that small images are enlarged to."""

LEGEND = 48
"""Rows of a legend."""

BAR = 16
"""Of which the colors take so many."""


def sides(size: tuple[int, ...]) -> int:
    """Factor by which images are enlarged, an integer."""
    return max(1, round(SIDE / max(size)))


def laid_over(
    x: Tensor, map_: Tensor, *, unit: str = "", cells: Cells | None = None, keyed: bool = True
) -> np.ndarray:
    """A map over its image, with a legend below.

    Args:
        x: the image, (C, H, W) in [0, 1].
        map_: signed, on any grid, (h, w).
        unit: of its values, for the legend.
        cells: where they lie in the image; the grid is stretched over all of it if left out.
        keyed: with the legend; without it the caption has to say the range.
    """
    times = sides(tuple(x.shape[1:]))
    ground = _in_color(x).repeat(times, 0).repeat(times, 1)
    fine = numbers(enlarge(map_[None].float().cpu(), ground.shape[:2], _scaled(cells, times, 2))[0])
    ends = _ends(map_)
    image = _blend(ground, fine, ends)
    return _keyed(image, ends, unit) if keyed else image


def bare(
    map_: Tensor, size: tuple[int, int], *, unit: str = "", cells: Cells | None = None
) -> np.ndarray:
    """A map alone, its cells as they are, on the scale of the overlay, with a legend below.

    Args:
        map_: signed, (h, w).
        size: of the image, (H, W).
        unit: of its values, for the legend.
        cells: where they lie in the image, each as large as the step to the next; the outermost
            reach to its border, as in the overlay. They fill the image if left out.
    """
    times = sides(size)
    if cells is None:
        steps = tuple(n / g for n, g in zip(size, map_.shape, strict=True))
        cells = Cells(tuple((s - 1) / 2 for s in steps), steps)
    large = cells.scaled((times, times))
    ends = _ends(map_)
    rows, columns = (_nearest(large, axis, n * times, map_) for axis, n in enumerate(size))
    image = paint(_stretched(numbers(map_), ends), "heat")[rows][:, columns]
    return _keyed(np.ascontiguousarray(image), ends, unit)


def over_series(
    x: Tensor, map_: Tensor, *, unit: str = "", cells: Cells | None = None
) -> np.ndarray:
    """A series as lines on a background that the map colors, with a legend below.

    Args:
        x: (C, N).
        map_: signed, (n,).
        unit: of its values, for the legend.
        cells: where they lie in the series; they are stretched over all of it if left out.
    """
    from PIL import Image, ImageDraw

    values = numbers(x)
    width, height = max(640, values.shape[1]), 220
    large = None if cells is None else cells.scaled((width / values.shape[1],))
    fine = numbers(enlarge(map_[None].float().cpu(), (width,), large)[0])
    ground = np.full((height, width, 3), 255, np.uint8)
    ends = _ends(map_)
    image = Image.fromarray(_blend(ground, np.broadcast_to(fine, (height, width)), ends))
    draw = ImageDraw.Draw(image)
    low, high = float(values.min()), float(values.max())
    across = (np.arange(values.shape[1]) + 0.5) / values.shape[1] * width
    shades = [(20, 22, 26), (20, 60, 130), (10, 90, 60), (90, 90, 90)]
    for channel, row in enumerate(values):
        up = (row - low) / (high - low) if high > low else np.full_like(row, 0.5)
        points = list(
            zip(across.tolist(), (height - 12 - up * (height - 24)).tolist(), strict=True)
        )
        draw.line(points, fill=(255, 255, 255), width=5, joint="curve")  # visible on any background
        draw.line(points, fill=shades[channel % len(shades)], width=2, joint="curve")
    return _keyed(np.asarray(image), ends, unit)


def legend(width: int, low: float, high: float, unit: str = "") -> np.ndarray:
    """The scale from the minimum of a map to its maximum, (LEGEND, width, 3).

    Args:
        width: in pixels.
        low: the minimum.
        high: the maximum; equal to the minimum where the map is constant.
        unit: of the numbers.
    """
    from PIL import Image, ImageDraw, ImageFont

    strip = np.full((LEGEND, width, 3), 255, np.uint8)
    strip[4 : 4 + BAR] = paint(np.linspace(0, 1, width), "heat")
    image = Image.fromarray(strip)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(24 if width >= 300 else 18 if width >= 200 else 13)
    ink = (40, 44, 50)
    if not high > low:
        draw.rectangle((0, 4, width, 4 + BAR - 1), fill=(225, 226, 228))
        draw.text((3, LEGEND - 4), f"{low:.2g} everywhere", fill=ink, font=font, anchor="ls")
        return np.asarray(image)
    first, last = f"{low:.2g}", f"{high:.2g}{' ' + unit if unit else ''}"
    draw.text((3, LEGEND - 4), first, fill=ink, font=font, anchor="ls")
    draw.text((width - 3, LEGEND - 4), last, fill=ink, font=font, anchor="rs")
    zero = -low / (high - low) * (width - 1)
    clear = draw.textlength("0", font=font) + 8
    begin = 3 + draw.textlength(first, font=font) + clear
    end = width - 3 - draw.textlength(last, font=font) - clear
    if low < 0 < high:
        draw.line((zero, 2, zero, 4 + BAR + 2), fill=(255, 255, 255), width=3)
        draw.line((zero, 2, zero, 4 + BAR + 2), fill=ink, width=1)
        if begin <= zero <= end:
            draw.text((zero, LEGEND - 4), "0", fill=ink, font=font, anchor="ms")
    return np.asarray(image)


def _in_color(x: Tensor) -> np.ndarray:
    """An image with three channels; of one with other channels than one or three their mean."""
    image = as_image(x)
    return np.dstack([image] * 3) if image.ndim == 2 else image


def _scaled(cells: Cells | None, times: int, axes: int) -> Cells | None:
    return None if cells is None else cells.scaled((times,) * axes)


def _nearest(cells: Cells, axis: int, pixels: int, map_: Tensor) -> np.ndarray:
    """The cell that each pixel of an axis lies on, or that is nearest."""
    near: np.ndarray = np.floor(cells.at(axis, pixels).numpy() + 0.5).astype(int)
    return np.asarray(np.clip(near, 0, map_.shape[axis] - 1))


def _ends(map_: Tensor) -> tuple[float, float]:
    """The range of a map, on its own grid: enlarging it adds rounding."""
    values = numbers(map_)
    return float(values.min()), float(values.max())


def _stretched(values: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Values between the ends, scaled to 0 to 1; 0 where the ends are the same."""
    low, high = ends
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _blend(ground: np.ndarray, values: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """The colors of a map over a background; a constant map leaves the background as it is."""
    if not ends[1] > ends[0]:
        return ground
    share = np.clip(_stretched(values, ends), 0, 1)
    alpha = (LEAST + (STRENGTH - LEAST) * share)[..., None]
    mixed = ground * (1 - alpha) + paint(share, "heat") * alpha
    return np.asarray(np.rint(mixed), np.uint8)


def _keyed(image: np.ndarray, ends: tuple[float, float], unit: str) -> np.ndarray:
    return np.concatenate([image, legend(image.shape[1], *ends, unit)])
