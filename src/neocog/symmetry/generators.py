"""Generators of transformations: G, with T x = x + ε · G x for small ε.

The generator of a shift is the spatial derivative, computed in frequency space, circular; that of a
rotation is x ∂y - y ∂x by central differences in the interior. A layer f is equivariant to all T
with this generator where its Lie derivative J_f (G x) - G (f x) is zero (N. Gruver et al., "The Lie
Derivative for Measuring Learned Equivariance", ICLR 2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

from neocog.symmetry.fields import SCALAR, FeatureField

__all__ = [
    "map_rotation_generator",
    "map_shift_generator",
    "rotation_generator",
    "shift_generator",
]


def shift_generator(x: Float[Tensor, "B C *S"], axis: int) -> Tensor:
    """The derivative of a circular shift with respect to distance, -∂x along one axis, in samples.

    The highest frequency of an even size has no phase and is left out.

    Args:
        x: (B, C, *S).
        axis: of `x`.

    Example:
        >>> wave = torch.sin(torch.arange(8.0) * 2 * math.pi / 8).view(1, 1, 8)
        >>> -shift_generator(wave, 2)[0, 0, 0] * 8 / (2 * math.pi)
        tensor(1.0000)
    """
    n = x.shape[axis]
    k = torch.fft.rfftfreq(n, device=x.device).to(x.dtype)
    k = torch.where(k == 0.5, torch.zeros_like(k), k)
    shape = [1] * x.ndim
    shape[axis] = len(k)
    spectrum = torch.fft.rfft(x, dim=axis) * (-2j * math.pi * k).view(shape)
    moved: Tensor = torch.fft.irfft(spectrum, n=n, dim=axis)
    return moved


def rotation_generator(x: Float[Tensor, "B C H W"]) -> Tensor:
    """The derivative of a counterclockwise rotation about the center, per radian.

    Args:
        x: (B, C, H, W).
    """
    h, w = x.shape[2:]
    down = torch.arange(h, dtype=x.dtype, device=x.device) - (h - 1) / 2
    right = torch.arange(w, dtype=x.dtype, device=x.device) - (w - 1) / 2
    by_row, by_column = torch.gradient(x, dim=(2, 3))
    # A point (r, c) comes from (r cos + c sin, c cos - r sin): at angle zero, (c, -r).
    return right * by_row - down[:, None] * by_column


def map_shift_generator(y: Tensor, axis: int, size: Sequence[int]) -> Tensor | None:
    """The generator of a shift of the signal by a pixel, at an output of a layer.

    Args:
        y: a map (B, C, *S), or an output without space, such as a vector.
        axis: of space, from 0.
        size: of the signal.

    Returns:
        Like `y`, zero without space; None where the samples do not tile the signal, as behind a
        window without padding.
    """
    if y.ndim != len(size) + 2 or y.shape[2 + axis] < 2:
        return torch.zeros_like(y)
    jump = Fraction(size[axis], y.shape[2 + axis])
    if 1 not in (jump.numerator, jump.denominator):
        return None
    return shift_generator(y, 2 + axis) / float(jump)


def map_rotation_generator(y: Tensor, field: FeatureField = SCALAR) -> Tensor | None:
    """The generator of a rotation of the image at an output of a layer: on positions and channels.

    Args:
        y: a map (B, C, H, W), or an output without space, such as a vector.
        field: what its channels mean.

    Returns:
        Like `y`; None for a map that is not square, or whose field has finitely many rotations.
    """
    if not field.continuous:
        return None
    if y.ndim != 4 or min(y.shape[2:]) < 2:
        return torch.zeros_like(y) + field.generator(y)
    if y.shape[2] != y.shape[3]:
        return None
    return rotation_generator(y) + field.generator(y)
