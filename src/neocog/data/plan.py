"""What is known of an image file before a decoder is started."""

from __future__ import annotations

from typing import NamedTuple

from neocog.data.pixel_format import PixelFormat

__all__ = ["DecodePlan"]


class DecodePlan(NamedTuple):
    """How a file is to be read."""

    form: PixelFormat
    height: int
    width: int
    """As stored; the orientation is applied later."""
    orientation: int
    """How the camera was held, 1 to 8, as EXIF numbers it."""
    payload: bytes
    """What the decoder gets: the bytes that have to do with pixels."""
    marks: tuple[str, ...] = ()
    """Notes on it, see `neocog.data.pixel_format.MARKS`."""
    key: tuple[int, ...] = ()
    """The color that stands for transparent, as numbers of the file."""
    white: float = 0
    """The value of white, where the file gives it."""
    start: int = 0
    """Where the pixels begin in the payload, where no decoder is needed."""
