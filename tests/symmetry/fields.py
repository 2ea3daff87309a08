"""Fields that carry orientation, for tests of what measures a symmetry."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from neocog.symmetry.fields import FeatureField


class Regular(FeatureField):
    """Channels in groups of four: what was seen in four directions, 90° apart."""

    def act(self, maps: Tensor, angle: Tensor, *, mirrored: bool = False) -> Tensor:
        assert not mirrored
        groups = maps.unflatten(1, (-1, 4))
        quarters = (angle / 90).round().long().expand(len(maps))
        rolled = [g.roll(int(k), 1) for g, k in zip(groups, quarters, strict=True)]
        return torch.stack(rolled).flatten(1, 2)

    def generator(self, maps: Tensor) -> Tensor:
        raise AssertionError


class Vector(FeatureField):
    """Channels in pairs: the parts of an arrow to the right and upwards."""

    def act(self, maps: Tensor, angle: Tensor, *, mirrored: bool = False) -> Tensor:
        right, up = maps[:, 0::2], maps[:, 1::2]
        if mirrored:
            right = -right
        a = (angle.double() * math.pi / 180).to(maps).view(-1, *[1] * (maps.ndim - 1))
        turned = (a.cos() * right - a.sin() * up, a.sin() * right + a.cos() * up)
        return torch.stack(turned, 2).flatten(1, 2)

    def generator(self, maps: Tensor) -> Tensor:
        return torch.stack((-maps[:, 1::2], maps[:, 0::2]), 2).flatten(1, 2)


def slopes(x: Tensor) -> Tensor:
    """The gradient of each channel, a field of arrows; space wraps around."""
    right = (x.roll(-1, 3) - x.roll(1, 3)) / 2
    up = (x.roll(1, 2) - x.roll(-1, 2)) / 2
    return torch.stack((right, up), 2).flatten(1, 2)
