"""Numbers as small images: uint8, (H, W) gray or (H, W, 3) color, for galleries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neocog.render.color import paint

if TYPE_CHECKING:  # drawing needs no PyTorch
    from torch import Tensor

__all__ = [
    "amounts",
    "as_image",
    "beside",
    "enlarged",
    "framed",
    "gray_or_color",
    "numbers",
    "shaded",
    "sheet",
    "signed",
    "stretched",
]

Window = Sequence[int]
"""(first row, row behind the last, first column, column behind the last)."""


def as_image(x: Tensor | np.ndarray, *, values: str = "pixels") -> np.ndarray:
    """Values, (C, H, W) with 1 or 3 channels, as an image; of others the mean.

    Args:
        x: the values.
        values: `pixels`, drawn from 0 to 1; or `raw`, drawn from their smallest to their largest.

    Example:
        >>> as_image(np.ones((1, 2, 2))).tolist()
        [[255, 255], [255, 255]]
    """
    plain = numbers(x)
    if plain.shape[0] not in (1, 3):
        plain = plain.mean(0, keepdims=True)
    plain = stretched(plain) if values == "raw" else plain
    levels = np.rint(np.clip(np.nan_to_num(plain), 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0))


def stretched(values: np.ndarray) -> np.ndarray:
    """Raw values as shades: the smallest is 0, the largest 1.

    Example:
        >>> stretched(np.array([-100.0, 0.0, 300.0])).tolist()
        [0.0, 0.25, 1.0]
    """
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return np.asarray((values - low) / ((high - low) or 1.0))


def shaded(x: Tensor, values: str) -> Tensor:
    """Images as `as_image` draws them without being told their values, (B, C, H, W) in [0, 1].

    Args:
        x: images; series are left as they are.
        values: `pixels`, left as they are; or `raw`, each image from its smallest to its largest
            value, of other channels than 1 and 3 the mean.
    """
    if values != "raw" or x.ndim != 4:
        return x
    x = x if x.shape[1] in (1, 3) else x.mean(1, keepdim=True)
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return (x - low) / (high - low).where(high > low, 1.0)


def amounts(
    values: Tensor | np.ndarray, *, least: float | None = None, most: float | None = None
) -> np.ndarray:
    """A map (h, w) as colors from dark to bright.

    Args:
        values: the map.
        least: drawn darkest; the smallest value if left out.
        most: drawn brightest; the largest value if left out.
    """
    plain = np.nan_to_num(numbers(values))
    low = float(plain.min()) if least is None else least
    high = float(plain.max()) if most is None else most
    share = np.clip((plain - low) / (high - low), 0, 1) if high > low else np.zeros_like(plain)
    return paint(share, "heat")


def signed(values: Tensor | np.ndarray, *, most: float | None = None) -> np.ndarray:
    """A map (h, w) as colors: blue below zero, nearly white at zero, orange above.

    Args:
        values: the map.
        most: the amount of the fullest colors; the largest of the map if left out.
    """
    plain = np.nan_to_num(numbers(values))
    top = float(np.abs(plain).max(initial=0)) if most is None else most
    share = np.clip(plain / top, -1, 1) if top > 0 else np.zeros_like(plain)
    return paint((share + 1) / 2, "both")


def gray_or_color(values: Tensor | np.ndarray) -> np.ndarray:
    """Weights (1 or 3, h, w) as an image: zero is the middle gray, the largest black or white.

    Args:
        values: of one filter, a plane an input channel.
    """
    plain = np.nan_to_num(numbers(values))
    top = float(np.abs(plain).max(initial=0)) or 1.0
    return as_image(plain / top / 2 + 0.5)


def sheet(images: Sequence[np.ndarray], *, columns: int | None = None, gap: int = 1) -> np.ndarray:
    """Images of one size side by side on a gray ground, as square as it goes.

    Args:
        images: all of one shape.
        columns: images in a row; about as many as rows if left out, of three or fewer one row.
        gap: pixels between two of them.
    """
    across = columns or (len(images) if len(images) < 4 else math.ceil(math.sqrt(len(images))))
    down = math.ceil(len(images) / across)
    height, width = images[0].shape[:2]
    shape = (down * (height + gap) - gap, across * (width + gap) - gap)
    ground = np.full((*shape, *images[0].shape[2:]), 128, np.uint8)
    for i, image in enumerate(images):
        row, column = divmod(i, across)
        top, left = row * (height + gap), column * (width + gap)
        ground[top : top + height, left : left + width] = image
    return ground


def beside(*images: np.ndarray, gap: int = 2, ground: int = 128) -> np.ndarray:
    """Images of one height from left to right, all in color where one is.

    Args:
        images: of one height.
        gap: pixels between two of them.
        ground: the gray of the gap.
    """
    if any(p.ndim == 3 for p in images):
        images = tuple(p if p.ndim == 3 else np.dstack([p] * 3) for p in images)
    space = np.full((images[0].shape[0], gap, *images[0].shape[2:]), ground, np.uint8)
    parts = [part for p in images for part in (space, p)][1:]
    return np.concatenate(parts, axis=1)


def enlarged(image: np.ndarray, times: int) -> np.ndarray:
    """Each pixel as a square of `times` × `times`."""
    return np.ascontiguousarray(image.repeat(times, 0).repeat(times, 1))


def framed(
    image: np.ndarray, window: Window, *, color: tuple[int, int, int] = (255, 210, 0)
) -> np.ndarray:
    """An image with the outline of a window on it, drawn just outside where there is room.

    Args:
        image: gray or in color; what comes back is in color.
        window: (first row, row behind the last, first column, column behind the last).
        color: of the line.
    """
    out = np.dstack([image] * 3) if image.ndim == 2 else image.copy()
    height, width = out.shape[:2]
    thick = max(1, round(min(height, width) / 120))
    for k in range(thick):
        top, bottom = (min(max(n, 0), height - 1) for n in (window[0] - 1 - k, window[1] + k))
        left, right = (min(max(n, 0), width - 1) for n in (window[2] - 1 - k, window[3] + k))
        for row in (top, bottom):
            out[row, left : right + 1] = color
        for column in (left, right):
            out[top : bottom + 1, column] = color
    return out


def numbers(x: Tensor | np.ndarray) -> np.ndarray:
    """As double precision in the processor's memory."""
    if isinstance(x, np.ndarray):
        return np.asarray(x, np.float64)
    return np.asarray(x.detach().to("cpu").double().numpy(), np.float64)
