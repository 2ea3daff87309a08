"""What is done to an image in which a piece of it is looked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neocog.symmetry.motion import Warp, rotation_by

__all__ = ["CHANGES", "ImageChange"]


@dataclass(frozen=True)
class ImageChange:
    """What is done to an image, and where a point of it goes.

    Args:
        apply: (1, C, H, W) in [0, 1] to the same, changed by a generator.
        angle: of the rotation about its center, degrees counterclockwise.
        factor: by which it is enlarged about its middle.
    """

    apply: Callable[[Tensor, torch.Generator], Tensor]
    angle: float = 0.0
    factor: float = 1.0

    def moved(self, point: tuple[float, float], size: Sequence[int]) -> tuple[float, float]:
        """Where a point (row, column) goes."""
        a = math.radians(self.angle)
        down, right = point[0] - (size[0] - 1) / 2, point[1] - (size[1] - 1) / 2
        turned = (
            math.cos(a) * down - math.sin(a) * right,
            math.sin(a) * down + math.cos(a) * right,
        )
        return (
            (size[0] - 1) / 2 + self.factor * turned[0],
            (size[1] - 1) / 2 + self.factor * turned[1],
        )


def _uneven(x: Tensor, _: torch.Generator) -> Tensor:
    """Half of the light at the left border, all of it at the right one."""
    return x * torch.linspace(0.5, 1, x.shape[3])


def _noisy(x: Tensor, generator: torch.Generator) -> Tensor:
    return (x + 0.15 * torch.randn(x.shape, generator=generator)).clamp(0, 1)


CHANGES: Mapping[str, ImageChange] = {
    "as it is": ImageChange(lambda x, _: x),
    "brighter": ImageChange(lambda x, _: (x + 0.25).clamp(0, 1)),
    "less contrast": ImageChange(lambda x, _: 0.35 * x + 0.3),
    "darker": ImageChange(lambda x, _: 0.4 * x),
    "uneven light": ImageChange(_uneven),
    "colors exchanged": ImageChange(lambda x, _: x.flip(1)),
    "noise": ImageChange(_noisy),
    "turned 12°": ImageChange(lambda x, _: rotation_by(12)(x), angle=12),
    "turned 30°": ImageChange(lambda x, _: rotation_by(30)(x), angle=30),
    "enlarged 1.6": ImageChange(lambda x, _: Warp(scale=1.6, border="reflect")(x), factor=1.6),
}
"""What a template has to survive."""
