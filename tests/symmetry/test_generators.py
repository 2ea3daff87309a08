from __future__ import annotations

import math

import pytest
import torch
from tests.symmetry.fields import Vector, slopes
from torch import Tensor

from neocog.signal.fourier import shift_subpixel
from neocog.symmetry.generators import (
    map_rotation_generator,
    map_shift_generator,
    rotation_generator,
    shift_generator,
)
from neocog.symmetry.motion import rotation_by


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
    slope = (rotation_by(eps)(x) - rotation_by(-eps)(x)) / (2 * math.radians(eps))
    inside = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    wrong = (slope - rotation_generator(x))[inside].norm() / rotation_generator(x)[inside].norm()
    assert wrong < 0.06  # central and bilinear differences of a blob 6 pixels wide


def test_on_a_coarser_grid_a_pixel_is_part_of_a_sample() -> None:
    y = smooth(size=8)
    for axis, size in ((0, (16, 8)), (1, (4, 32))):
        found = map_shift_generator(y, axis, size)
        torch.testing.assert_close(found, shift_generator(y, 2 + axis) * 8 / size[axis])
    assert map_shift_generator(y, 0, (9, 8)) is None
    assert map_shift_generator(y[:, :, 0, 0], 0, (16, 16)).abs().max() == 0


def test_a_field_of_arrows_turns_with_the_plane() -> None:
    g = torch.arange(65, dtype=torch.float64) - 32
    x = torch.exp(-((g[:, None] - 9) ** 2 + (g[None, :] + 4) ** 2) / 100)[None, None]
    begins, arrows = slopes(rotation_generator(x)), slopes(x)
    found = map_rotation_generator(arrows, Vector())
    assert (
        float((found - begins).norm() / begins.norm()) < 0.06
    )  # central differences of a blob 14 pixels wide
    plain = map_rotation_generator(arrows)
    assert float((plain - begins).norm() / begins.norm()) > 0.3
    assert map_rotation_generator(arrows[..., :5]) is None
    vectors = torch.tensor([[1.0, 0.0]])
    assert map_rotation_generator(vectors, Vector()).tolist() == [[0, 1]]
