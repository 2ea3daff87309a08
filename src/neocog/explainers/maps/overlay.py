"""Maps drawn over images and series: uint8 images with a key of their own.

Orange speaks for the answer, blue against it, as strongly as the value is large beside the largest
of the map; where nothing speaks the image shows, in gray so that its colors do not mix in.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from neocog.explainers.grad_cam import enlarge
from neocog.explainers.maps.cells import Cells
from neocog.explainers.shown import as_image, numbers, signed

__all__ = ["bare", "key", "laid_over", "over_series", "sides"]

FOR, AGAINST = (255, 122, 0), (30, 110, 255)
"""Colors of what speaks for the answer, and against it."""

STRENGTH = 0.75
"""Of the color at the largest value of a map."""

DARK, BRIGHT = 50, 240
"""Grays of black and white below a map: on black itself no color would be bright."""

SIDE = 384
"""Pixels of the longer side that small images are enlarged to."""

NOWHERE = (200, 203, 208)
"""What no cell lies on, beside a bare map."""

KEY = 44
"""Rows of a key."""


def sides(size: tuple[int, ...]) -> int:
    """By how much images are enlarged, a whole number."""
    return max(1, round(SIDE / max(size)))


def laid_over(
    x: Tensor, map_: Tensor, *, unit: str = "", cells: Cells | None = None, keyed: bool = True
) -> np.ndarray:
    """A map over its image, with a key below.

    Args:
        x: the image, (C, H, W) in [0, 1].
        map_: signed, on any grid, (h, w).
        unit: of its values, for the key.
        cells: where they lie in the image; the grid is stretched over all of it if left out.
        keyed: with the key; without it the caption has to say the largest amount.
    """
    times = sides(tuple(x.shape[1:]))
    gray = _gray(x).repeat(times, 0).repeat(times, 1)
    large = None if cells is None else cells.scaled((times, times))
    fine = numbers(enlarge(map_[None].float().cpu(), gray.shape, large)[0])
    most = float(map_.abs().max())
    image = _blend(np.dstack([gray] * 3), fine, most)
    return _keyed(image, most, unit) if keyed else image


def bare(
    map_: Tensor, size: tuple[int, int], *, unit: str = "", cells: Cells | None = None
) -> np.ndarray:
    """A map alone, its cells as they are, with a key below.

    Args:
        map_: signed, (h, w).
        size: of the image, (H, W).
        unit: of its values, for the key.
        cells: where they lie in the image, each as large as the step to the next; gray where
            none lies. They fill the image if left out.
    """
    times = sides(size)
    if cells is None:
        steps = tuple(n / g for n, g in zip(size, map_.shape, strict=True))
        cells = Cells(tuple((s - 1) / 2 for s in steps), steps)
    large = cells.scaled((times, times))
    colors = np.pad(signed(map_), ((0, 1), (0, 1), (0, 0)))
    colors[-1], colors[:, -1] = NOWHERE, NOWHERE
    rows, columns = (_nearest(large, axis, n * times, map_) for axis, n in enumerate(size))
    image = np.ascontiguousarray(colors[rows][:, columns])
    return _keyed(image, float(map_.abs().max()), unit, plain=True)


def _nearest(cells: Cells, axis: int, pixels: int, map_: Tensor) -> np.ndarray:
    """The cell that each pixel of an axis lies on; the one behind the last for none."""
    near = np.floor(cells.at(axis, pixels).numpy() + 0.5).astype(int)
    count = map_.shape[axis]
    return np.where((near < 0) | (near >= count), count, near)


def over_series(
    x: Tensor, map_: Tensor, *, unit: str = "", cells: Cells | None = None
) -> np.ndarray:
    """A series as lines on a ground that the map colors, with a key below.

    Args:
        x: (C, N).
        map_: signed, (n,).
        unit: of its values, for the key.
        cells: where they lie in the series; they are stretched over all of it if left out.
    """
    from PIL import Image, ImageDraw

    values = numbers(x)
    width, height = max(640, values.shape[1]), 220
    large = None if cells is None else cells.scaled((width / values.shape[1],))
    fine = numbers(enlarge(map_[None].float().cpu(), (width,), large)[0])
    most = float(map_.abs().max())
    ground = np.full((height, width, 3), 255, np.uint8)
    image = Image.fromarray(_blend(ground, np.broadcast_to(fine, (height, width)), most))
    draw = ImageDraw.Draw(image)
    low, high = float(values.min()), float(values.max())
    across = (np.arange(values.shape[1]) + 0.5) / values.shape[1] * width
    shades = [(20, 22, 26), (110, 60, 130), (60, 110, 60), (120, 120, 120)]
    for channel, row in enumerate(values):
        up = (row - low) / (high - low) if high > low else np.full_like(row, 0.5)
        points = list(
            zip(across.tolist(), (height - 12 - up * (height - 24)).tolist(), strict=True)
        )
        draw.line(points, fill=shades[channel % len(shades)], width=2, joint="curve")
    return _keyed(np.asarray(image), most, unit)


def key(width: int, most: float, unit: str = "", *, plain: bool = False) -> np.ndarray:
    """A bar from what speaks against the answer to what speaks for it, (KEY, width, 3).

    Args:
        width: in pixels.
        most: the largest amount of the map.
        unit: of the numbers.
        plain: the colors of a bare map instead of those of one that is laid over an image.
    """
    from PIL import Image, ImageDraw, ImageFont

    share = np.linspace(-1, 1, width)[None].repeat(14, 0)
    if plain:
        bar = signed(share, most=1.0)
    else:
        bar = _blend(np.full((14, width, 3), 128, np.uint8), share, 1.0)
    strip = np.full((KEY, width, 3), 255, np.uint8)
    strip[4:18] = bar
    image = Image.fromarray(strip)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(18)
    ink = (40, 44, 50)
    number = f"{most:.3g}{' ' + unit if unit else ''}"
    room = draw.textlength(f"against -{number}  0  for +{number}", font=font) + 24 <= width
    left, right = (
        (f"against -{number}", f"for +{number}") if room else (f"-{most:.2g}", f"+{most:.2g}")
    )
    draw.text((3, KEY - 4), left, fill=ink, font=font, anchor="ls")
    draw.text((width / 2, KEY - 4), "0", fill=ink, font=font, anchor="ms")
    draw.text((width - 3, KEY - 4), right, fill=ink, font=font, anchor="rs")
    return np.asarray(image)


def _gray(x: Tensor) -> np.ndarray:
    """An image in gray; of one with other channels than three their mean."""
    shown = as_image(x).astype(np.float64)
    if shown.ndim == 3:
        shown = shown @ np.array([0.299, 0.587, 0.114])
    gray: np.ndarray = np.rint(DARK + shown * (BRIGHT - DARK) / 255).astype(np.uint8)
    return gray


def _blend(ground: np.ndarray, values: np.ndarray, most: float) -> np.ndarray:
    share = np.clip(values / most, -1, 1) if most > 0 else np.zeros_like(values)
    color = np.where(share[..., None] > 0, np.array(FOR), np.array(AGAINST))
    alpha = STRENGTH * np.abs(share)[..., None]
    return np.rint(ground * (1 - alpha) + color * alpha).astype(np.uint8)


def _keyed(image: np.ndarray, most: float, unit: str, *, plain: bool = False) -> np.ndarray:
    return np.concatenate([image, key(image.shape[1], most, unit, plain=plain)])
