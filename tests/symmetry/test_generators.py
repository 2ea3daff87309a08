from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from neocog.signal.fourier import shift_subpixel
from neocog.symmetry.generators import rotation_generator, shift_generator
from neocog.symmetry.warp import turn


def smooth(n: int = 4, size: int = 16) -> Tensor:
    """Low frequencies only, of period `size`."""
    g = torch.Generator().manual_seed(0)
    coarse = torch.randn(n, 1, 5, 5, generator=g, dtype=torch.float64)
    at = torch.arange(size, dtype=torch.float64) / size * 2 * math.pi
    basis = torch.stack([torch.ones(size), at.sin(), at.cos(), (2 * at).sin(), (2 * at).cos()])
    return torch.einsum("bcij,ih,jw->bchw", coarse, basis, basis)


@pytest.mark.parametrize("axis", [0, 1])
def test_generator_of_a_shift_is_its_derivative(axis: int) -> None:
    x, eps = smooth(), 1e-5
    offset = torch.zeros(4, 2, dtype=torch.float64)
    offset[:, axis] = eps
    slope = (shift_subpixel(x, offset) - shift_subpixel(x, -offset)) / (2 * eps)
    assert torch.allclose(slope, shift_generator(x, 2 + axis), atol=1e-8)


def test_generator_of_a_turn_is_its_derivative() -> None:
    g = torch.arange(33, dtype=torch.float64) - 16
    x = torch.exp(-((g[:, None] - 3) ** 2 + (g[None, :] + 4) ** 2) / 40)[None, None]
    eps = 0.5  # degrees
    slope = (turn(x, eps) - turn(x, -eps)) / (2 * math.radians(eps))
    inside = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    wrong = (slope - rotation_generator(x))[inside].norm() / rotation_generator(x)[inside].norm()
    assert wrong < 0.06  # central and bilinear differences of a blob 6 pixels wide
