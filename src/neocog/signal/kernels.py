"""Low-pass kernels of one axis; the kernel of two axes is the product of two of these.

All are symmetric, sum to one and are computed in double precision.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from neocog.errors import UsageError

__all__ = ["binomial", "triangle", "windowed_sinc"]


def binomial(taps: int) -> Float[Tensor, " K"]:
    """A row of Pascal's triangle over its sum: [1, 2, 1] / 4 for three taps.

    Raises:
        UsageError: fewer than one tap.

    Example:
        >>> binomial(4).tolist()
        [0.125, 0.375, 0.375, 0.125]
    """
    _checked(taps)
    row = [math.comb(taps - 1, k) for k in range(taps)]
    return torch.tensor(row, dtype=torch.float64).div(2 ** (taps - 1))


def triangle(taps: int) -> Float[Tensor, " K"]:
    """A ramp up and down: [1, 2, 3, 2, 1] / 9 for five taps.

    With 2s - 1 taps it is a box of s samples with itself, and its frequency response is zero at
    every multiple of 1 / s: nothing of what stride s folds onto the mean is left.

    Raises:
        UsageError: fewer than one tap.

    Example:
        >>> (9 * triangle(5)).tolist()
        [1.0, 2.0, 3.0, 2.0, 1.0]
    """
    _checked(taps)
    ramp = torch.arange(1, taps + 1, dtype=torch.float64)
    row = torch.minimum(ramp, ramp.flip(0))
    return row / row.sum()


def windowed_sinc(taps: int, stride: int) -> Float[Tensor, " K"]:
    """The ideal low-pass for `stride`, cut off by a Hann window.

    Args:
        taps: samples of the kernel; the more, the steeper.
        stride: the pass band ends at 1 / (2 · stride) cycles a sample.

    Raises:
        UsageError: fewer than one tap.

    Example:
        >>> windowed_sinc(5, 2).round(decimals=3).tolist()
        [0.0, 0.244, 0.512, 0.244, 0.0]
    """
    _checked(taps)
    t = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2
    row = torch.sinc(t / stride) * torch.cos(math.pi * t / (taps + 1)).square()
    return row / row.sum()


def _checked(taps: int) -> None:
    if taps < 1:
        raise UsageError(f"A kernel has one tap at least; {taps} came.")
