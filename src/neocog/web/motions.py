"""Transformations of an image by the user, as the page sends them: shift, rotation, scale, elastic.

Shifts are in pixels of the image, down and to the right; angles in degrees, counterclockwise;
rotation and scale keep the center in its place. What a motion does to an image and to maps is
computed in `neocog.symmetry`: a shift alone is exact where it wraps around, all else resamples
once, with zeros beyond the frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor

from neocog.errors import UsageError, did_you_mean
from neocog.symmetry.motion import Composition, Transformation, Translation, Warp
from neocog.web.query import number, whole

__all__ = ["PADDINGS", "Motion"]

PADDINGS = ("circular", "zeros")
"""What comes in where an image leaves its frame: the other side, or zeros."""

_KNOTS = 5
"""Of the elastic deformation, along each side."""


@dataclass(frozen=True, kw_only=True)
class Motion:
    """One motion.

    Args:
        padding: one of `PADDINGS`.
        dx: pixels to the right.
        dy: pixels down.
        angle: degrees counterclockwise.
        scale: of length; above 1 the content gets larger.
        elastic: largest displacement of the knots of the elastic deformation, in pixels.
        seed: of the elastic deformation.
    """

    padding: Literal["circular", "zeros"] = "circular"
    dx: float = 0.0
    dy: float = 0.0
    angle: float = 0.0
    scale: float = 1.0
    elastic: float = 0.0
    seed: int = 0

    @classmethod
    def of(cls, plain: object) -> Motion:
        """From what a page sends; nothing is not a motion.

        Raises:
            UsageError: something is not a number, or out of range.

        Example:
            >>> Motion.of({"padding": "zeros", "dx": 3}).dx
            3.0
        """
        if plain is None:
            return cls()
        if not isinstance(plain, dict):
            raise UsageError(
                "A motion is an object with padding, dx, dy, angle, scale and elastic."
            )
        padding = plain.get("padding") or "circular"
        if padding not in PADDINGS:
            hint = did_you_mean(str(padding), PADDINGS)
            raise UsageError(f"`padding` of a motion is unknown. {hint}")
        elastic: Any = plain.get("elastic") or {}
        if not isinstance(elastic, dict):
            raise UsageError("`elastic` of a motion is an object with amount and seed.")
        return cls(
            padding=cast(Literal["circular", "zeros"], padding),
            dx=number(plain, "dx", 0.0, low=-1e4, high=1e4),
            dy=number(plain, "dy", 0.0, low=-1e4, high=1e4),
            angle=number(plain, "angle", 0.0, low=-1e4, high=1e4),
            scale=number(plain, "scale", 1.0, low=0.1, high=10.0),
            elastic=number(elastic, "amount", 0.0, low=0.0, high=1e3),
            seed=whole(elastic, "seed", 0, low=0, high=2**31 - 1),
        )

    @property
    def shifts(self) -> bool:
        """Whether it does no more than shift."""
        return self.angle % 360 == 0 and self.scale == 1 and self.elastic == 0

    @property
    def identity(self) -> bool:
        """Whether it does nothing."""
        return self.shifts and self.dx == 0 and self.dy == 0

    def transformation(self, axes: int) -> Transformation:
        """What it does, in the room's terms; of a series only the shift is done.

        Args:
            axes: of space.

        Example:
            >>> Motion.of({"padding": "zeros", "dx": 3}).transformation(2).offset.tolist()
            [[0.0, 3.0]]
        """
        offset = (self.dx,) if axes == 1 else (self.dy, self.dx)
        shift = Translation(torch.tensor([offset], dtype=torch.float64), self.padding)
        if self.shifts or axes == 1:
            return shift
        wraps = self.padding == "circular"
        warp = Warp(
            angle=self.angle,
            scale=self.scale,
            offset=(0.0, 0.0) if wraps else (self.dy, self.dx),
            displacement=self._knots() if self.elastic else None,
        )
        return Composition((shift, warp)) if wraps and any(offset) else warp

    def move(self, x: Tensor) -> Tensor:
        """An image (B, C, H, W) or series (B, C, N), moved."""
        return self.transformation(x.dim() - 2)(x)

    def _knots(self) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        drawn = torch.rand(1, 2, _KNOTS, _KNOTS, generator=generator) * 2 - 1
        return drawn.permute(0, 2, 3, 1) * self.elastic
