from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from neocog.errors import UsageError
from neocog.signal.harmonics import NYQUIST, circular_harmonic, polar_grid, rings

SIZES = (2, 3, 4, 5, 7)


def each(kernel_size: int, **moved: object) -> Tensor:
    return torch.cat(
        [
            circular_harmonic(kernel_size, ring, m, **moved)
            for ring in rings(kernel_size, cutoff=NYQUIST)
            for m in range(ring.max_order + 1)
        ]
    )


@pytest.mark.parametrize("kernel_size", SIZES)
@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_E8_a_moved_harmonic_is_the_moved_image_of_it(
    kernel_size: int, quarters: int, mirrored: bool
) -> None:
    still = each(kernel_size)
    moved = each(kernel_size, angle=90.0 * quarters, mirrored=mirrored)
    image = torch.rot90(still.flip(2) if mirrored else still, quarters, (1, 2))
    # float64 rounding of cosines.
    torch.testing.assert_close(moved, image, rtol=0, atol=1e-12)


@pytest.mark.parametrize("angle", [10.0, 45.0, 200.0])
def test_a_rotation_is_a_phase(angle: float) -> None:
    ring, m, a = rings(5)[2], 3, math.radians(angle)
    cosine, sine = circular_harmonic(5, ring, m)
    moved = circular_harmonic(5, ring, m, angle=angle)[0]
    expected = math.cos(m * a) * cosine + math.sin(m * a) * sine
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-12)


def test_orders_are_held_by_the_grid() -> None:
    for kernel_size in SIZES:
        for ring in rings(kernel_size):
            if ring.max_order:
                assert 2 * math.pi * ring.radius / ring.max_order >= 2
    assert rings(1) == (rings(7)[0],)


@pytest.mark.parametrize("kernel_size", [3, 4, 5, 7])
def test_the_patterns_of_a_kernel_are_independent(kernel_size: int) -> None:
    some = torch.cat(
        [
            circular_harmonic(kernel_size, ring, m)
            for ring in rings(kernel_size)
            for m in range(ring.max_order + 1)
        ]
    ).flatten(1)
    assert torch.linalg.matrix_rank(some, rtol=1e-6) == len(some) <= kernel_size**2


def test_the_center_has_no_angle() -> None:
    radius, _ = polar_grid(5)
    assert radius[2, 2] == 0
    assert not circular_harmonic(5, rings(5)[1], 1)[:, 2, 2].any()


def test_what_would_alias_is_refused() -> None:
    with pytest.raises(UsageError, match=r"alias above 3\.142 orders .* got a cutoff of 4"):
        rings(5, cutoff=4)
    with pytest.raises(UsageError, match="one tap at least; got 0"):
        rings(0)
