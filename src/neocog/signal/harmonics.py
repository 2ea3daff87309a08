"""Circular harmonics times radial profiles, sampled on the grid of a kernel.

A filter R(r) cos(mφ) or R(r) sin(mφ) of order m turns by a phase: rotated by θ it is a sum of
itself and its partner, with the weights cos(mθ) and sin(mθ). Rotated filters are therefore
*sampled* at any angle, and never interpolated. Radial profiles are Gaussian rings about the center,
one a pixel of radius. On a ring of radius r an order m has a wavelength of 2πr / m pixels along the
circle; orders are limited ring by ring, so that none is shorter than a grid can hold (2 pixels).

Positions are (x to the right, y upwards) from the center of the kernel, angles are counterclockwise
from the right. A kernel of even size has its center between samples.

Sources: W. Freeman, E. Adelson, "The Design and Use of Steerable Filters", PAMI 1991; D. Worrall et
al., "Harmonic Networks", CVPR 2017; M. Weiler, G. Cesa, "General E(2)-Equivariant Steerable CNNs",
NeurIPS 2019 (rings, widths and limits).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neocog.errors import UsageError

__all__ = ["CUTOFF", "NYQUIST", "Ring", "circular_harmonic", "polar_grid", "rings"]

NYQUIST = math.pi
"""Orders a pixel of radius at which a wavelength along the circle is 2 pixels."""

CUTOFF = 2.0
"""Orders a pixel of radius up to which harmonics are used unless another limit is given."""

WIDTH, LAST_WIDTH = 0.6, 0.4
"""Standard deviation of a ring in pixels; the last is narrower, so that little is cut off."""


@dataclass(frozen=True)
class Ring:
    """A radial profile exp(-(r - radius)² / 2σ²) and the orders that it can carry.

    Args:
        radius: in pixels.
        width: σ, in pixels.
        max_order: of the harmonics on it.
    """

    radius: float
    width: float
    max_order: int


def rings(kernel_size: int, *, cutoff: float = CUTOFF) -> tuple[Ring, ...]:
    """The radial profiles of a kernel, from the center outwards, a pixel apart.

    Args:
        kernel_size: taps of each axis; 1 at least.
        cutoff: orders a pixel of radius, at most `NYQUIST`; the center carries order 0 alone.

    Raises:
        UsageError: no taps, or a limit at which harmonics alias.

    Example:
        >>> [(ring.radius, ring.max_order) for ring in rings(5)]
        [(0.0, 0), (1.0, 2), (2.0, 4)]
        >>> [(ring.radius, ring.max_order) for ring in rings(4)]
        [(0.5, 1), (1.5, 3)]
    """
    if kernel_size < 1:
        raise UsageError(f"A kernel has one tap at least; got {kernel_size}. Take 3, 5 or 7.")
    if not 0 <= cutoff <= NYQUIST:
        raise UsageError(
            f"Harmonics alias above {NYQUIST:.3f} orders a pixel of radius; got a cutoff of "
            f"{cutoff:g}. Take 2."
        )
    first = (1 - kernel_size % 2) / 2
    radii = [first + i for i in range((kernel_size + 1) // 2)]
    return tuple(
        Ring(
            radius=r,
            width=LAST_WIDTH if r == radii[-1] and len(radii) > 1 else WIDTH,
            max_order=math.floor(cutoff * r + 1e-9),
        )
        for r in radii
    )


def polar_grid(kernel_size: int) -> tuple[Float[Tensor, "K K"], Float[Tensor, "K K"]]:
    """Distance from the center in pixels, and angle in radians, of each tap.

    Example:
        >>> radius, angle = polar_grid(3)
        >>> radius[0, 1].item(), round(angle[0, 1].item() / math.pi, 3)   # straight up
        (1.0, 0.5)
    """
    at = np.arange(kernel_size) - (kernel_size - 1) / 2
    y, x = np.meshgrid(-at, at, indexing="ij")
    return torch.from_numpy(np.hypot(x, y)), torch.from_numpy(np.arctan2(y, x))


def circular_harmonic(
    kernel_size: int, ring: Ring, order: int, *, angle: float = 0.0, mirrored: bool = False
) -> Float[Tensor, "P K K"]:
    """R(r) cos(mφ) and R(r) sin(mφ) of one order, moved by a rotation or mirror image.

    What is moved is the pattern: the result at a position x is the harmonic at g⁻¹ x.

    Args:
        kernel_size: taps of each axis.
        ring: the radial profile.
        order: m, not negative.
        angle: of the rotation, in degrees counterclockwise.
        mirrored: whether left and right are exchanged before the rotation.

    Returns:
        One pattern for order 0, else cosine and sine; float64. The center tap, which has no
        angle, is zero for every order but 0.

    Example:
        >>> up = circular_harmonic(3, rings(3)[1], 1, angle=90.0)[0]
        >>> bool(up[0, 1] > 0), bool(up[2, 1] < 0), bool(up[1, 2].abs() < 1e-12)
        (True, True, True)
    """
    radius, phi = polar_grid(kernel_size)
    profile = torch.exp(-((radius - ring.radius) ** 2) / (2 * ring.width**2))
    if order == 0:
        return profile[None]
    phi = phi - math.radians(angle)
    phi = math.pi - phi if mirrored else phi
    profile = torch.where(radius < 1e-9, 0.0, profile)
    return torch.stack((profile * torch.cos(order * phi), profile * torch.sin(order * phi)))
