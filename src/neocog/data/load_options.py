"""How data is to be opened, and the default size."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from neocog.data.split import ROLES
from neocog.errors import DataError, UsageError, did_you_mean
from neocog.types import LARGEST, RESIZE_MODES, VALUES

__all__ = ["LoadOptions", "usual_size"]

KEPT_SIZE = 160
"""Longest side, in pixels, up to which images of one size are served as they are."""
USUAL_SIZE = 128
LEAST_SIZE = 24
LARGEST_SIZE = 2048


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How data is to be opened; see `neocog.data.open.open_data`."""

    size: tuple[int, int] | None = None
    channels: int | None = None
    seed: int = 0
    strict: bool = False
    resize_mode: str = "crop"
    cut_test: bool = False
    part: str = ""
    values: str = ""

    @classmethod
    def checked(
        cls,
        *,
        size: tuple[int, int] | None,
        channels: int | None,
        seed: int,
        strict: bool,
        resize_mode: str,
        cut_test: bool = False,
        part: str = "",
        values: str = "",
    ) -> Self:
        """A wish that can be met.

        Raises:
            UsageError: a value that does not exist.
        """
        if size is not None and min(size) < 1:
            raise UsageError(
                f"`size` is (height, width) in pixels, both above zero; got {size}. "
                "Write size=(64, 64), for example."
            )
        if size is not None and max(size) > LARGEST_SIZE:
            raise UsageError(
                f"`size` is at most {LARGEST_SIZE} pixels per side, as every image is resized to "
                f"that size; got {size}. Write size=(128, 128), for example."
            )
        if channels is not None and not 1 <= channels <= LARGEST:
            raise UsageError(
                f"`channels` is 1 (gray), 3 (color), or the number that arrays have; got "
                f"{channels!r}. Leave it out to take what the images have."
            )
        if values not in ("", *VALUES):
            raise UsageError(
                f"`values` says what the numbers of arrays mean; got {values!r}. "
                f"{did_you_mean(values, VALUES)}"
            )
        if resize_mode not in RESIZE_MODES:
            raise UsageError(
                f"`resize_mode` is how images are resized; got {resize_mode!r}. "
                f"{did_you_mean(resize_mode, RESIZE_MODES)}"
            )
        if part not in ("", *ROLES):
            raise UsageError(f"`part` is a split; got {part!r}. {did_you_mean(part, ROLES)}")
        if seed < 0:
            raise UsageError(f"`seed` is an integer from zero; got {seed}. Write 0, for example.")
        return cls(
            size=None if size is None else (int(size[0]), int(size[1])),
            channels=channels,
            seed=int(seed),
            strict=strict,
            resize_mode=resize_mode,
            cut_test=cut_test,
            part=part,
            values=values,
        )

    def of_images(self) -> Self:
        """The same, for image files, which are gray or in color.

        Raises:
            DataError: raw values are needed.
            UsageError: other channels are.
        """
        if self.values == "raw":
            raise DataError(
                "The model takes raw values of float arrays, and image files hold pixels. Give an "
                ".npy, .npz or HDF5 file."
            )
        if self.channels not in (None, 1, 3):
            raise UsageError(
                f"`channels` is 1 (gray) or 3 (color) of image files; got {self.channels}. Give "
                "arrays of so many channels, as .npy, .npz or HDF5, or leave it out."
            )
        return replace(self, values="")

    def tag(self) -> str:
        """All of it but `strict`, which changes no pixel."""
        plain = [self.size, self.channels, self.seed, self.resize_mode, self.cut_test]
        return json.dumps([*plain, *filter(None, (self.part, self.values))])


def usual_size(heights: np.ndarray, widths: np.ndarray) -> tuple[int, int]:
    """The default size, from those of all images.

    Images of one size up to `KEPT_SIZE` stay as they are. Where all share an aspect, within a
    tenth, it is kept, at the area of a square of `USUAL_SIZE` or that of the median image. Else a
    square: the median of the shorter sides, at most `USUAL_SIZE`. No side is below `LEAST_SIZE`.

    Example:
        >>> import numpy as np
        >>> one = np.ones(3, int)
        >>> usual_size(28 * one, 28 * one), usual_size(40 * one, 1000 * one)
        ((28, 28), (26, 640))
        >>> usual_size(np.array([300, 400]), np.array([400, 300]))
        (128, 128)
    """
    h, w = int(heights[0]), int(widths[0])
    if max(h, w) <= KEPT_SIZE and (heights == h).all() and (widths == w).all():
        grow = max(1.0, LEAST_SIZE / min(h, w))
        return round(h * grow), round(w * grow)
    aspect = widths / heights
    middle = float(np.median(aspect))
    if aspect.max() <= 1.1 * aspect.min() and not 1 / 1.05 < middle < 1.05:
        area = min(USUAL_SIZE**2, float(np.median(heights * widths.astype(float))))
        height, width = (area / middle) ** 0.5, (area * middle) ** 0.5
        grow = max(1.0, LEAST_SIZE / min(height, width))
        grow = min(grow, LARGEST_SIZE / max(height, width))
        return _even(height * grow), _even(width * grow)
    median = int(np.median(np.minimum(heights, widths)))
    side = max(LEAST_SIZE, min(USUAL_SIZE, median))
    return side, side


def _even(side: float) -> int:
    """A multiple of four near, of two where the side is small: networks halve it without a rest."""
    step = 4 if side >= 64 else 2
    return int(min(LARGEST_SIZE, max(LEAST_SIZE, step * round(side / step))))
