"""What samples and their smallest parts are called: an image has pixels, a series steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Nouns", "nouns", "times"]


class Nouns(NamedTuple):
    """Words for samples of a number of axes that move."""

    one: str
    """A sample."""
    many: str
    """Samples."""
    unit: str
    """The smallest shift."""
    units: str
    """Several."""
    nothing: str
    """What a shift with zero fill brings in."""
    larger: str
    """What two windows are cut out of."""


_IMAGES = Nouns("image", "images", "pixel", "pixels", "black", "larger image")
_SERIES = Nouns("series", "series", "step", "steps", "zeros", "longer series")


def nouns(axes: int) -> Nouns:
    """The words for samples with so many axes that move.

    Example:
        >>> nouns(2).units, nouns(1).units
        ('pixels', 'steps')
    """
    return _SERIES if axes == 1 else _IMAGES


def times(size: Sequence[int]) -> str:
    """A size in words.

    Example:
        >>> times((3, 224, 224))
        '3×224×224'
    """
    return "×".join(str(n) for n in size)
