"""How a place is to be opened, and the size that is taken where none is asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

import numpy as np

from neocog.errors import UsageError, did_you_mean
from neocog.types import RESIZE_MODES

__all__ = ["Wish", "usual_size"]

KEPT_SIZE = 160
"""Longest side, in pixels, up to which pictures of one size are served as they are."""
USUAL_SIZE = 128
LEAST_SIZE = 24
LARGEST_SIZE = 2048


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How a place is to be opened; see `neocog.data.open.open_data`."""

    size: tuple[int, int] | None = None
    channels: int | None = None
    seed: int = 0
    strict: bool = False
    resize_mode: str = "crop"
    cut_test: bool = False

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
                f"`size` is at most {LARGEST_SIZE} pixels a side, as every picture is served at "
                f"that size; got {size}. Write size=(128, 128), for example."
            )
        if channels not in (None, 1, 3):
            raise UsageError(
                f"`channels` is 1 (grey) or 3 (colour); got {channels!r}. "
                "Leave it out to take what the pictures have."
            )
        if resize_mode not in RESIZE_MODES:
            raise UsageError(
                f"`resize_mode` says how sizes are met; got {resize_mode!r}. "
                f"{did_you_mean(resize_mode, RESIZE_MODES)}"
            )
        if seed < 0:
            raise UsageError(
                f"`seed` is a whole number from zero; got {seed}. Write 0, for example."
            )
        return cls(
            size=None if size is None else (int(size[0]), int(size[1])),
            channels=channels,
            seed=int(seed),
            strict=strict,
            resize_mode=resize_mode,
            cut_test=cut_test,
        )

    def tag(self) -> str:
        """All of it but `strict`, which changes no pixel."""
        return json.dumps([self.size, self.channels, self.seed, self.resize_mode, self.cut_test])


def usual_size(heights: np.ndarray, widths: np.ndarray) -> tuple[int, int]:
    """The size to serve where none is asked for, from those of all pictures."""
    h, w = int(heights[0]), int(widths[0])
    if max(h, w) <= KEPT_SIZE and (heights == h).all() and (widths == w).all():
        grow = max(1.0, LEAST_SIZE / min(h, w))
        return round(h * grow), round(w * grow)
    median = int(np.median(np.minimum(heights, widths)))
    side = max(LEAST_SIZE, min(USUAL_SIZE, median))
    return side, side
