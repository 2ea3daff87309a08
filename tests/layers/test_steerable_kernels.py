from __future__ import annotations

import pytest
import torch

from neocog.layers.steerable_kernels import (
    HarmonicSpace,
    KernelSpace,
    PixelSpace,
    RegularSpace,
    kernel_space,
)
from neocog.signal.harmonics import rings
from neocog.symmetry.groups import Group, Representation, group_of

NAMES = ("c1", "d1", "c2", "c3", "c4", "c8", "d4", "d8", "so2", "o2")


def kinds(group: Group) -> list[Representation]:
    some = [Representation(group, "trivial"), Representation(group, "irrep", 1)]
    some += [Representation(group, "irrep", 2)]
    if group.mirror:
        some.append(Representation(group, "sign"))
    if not group.continuous:
        some.append(Representation(group, "regular"))
        some.append(Representation(group, "quotient", subgroup=Group(1, group.mirror)))
    return some


def kernel(space: KernelSpace) -> torch.Tensor:
    weight = torch.randn(1, 1, space.size, dtype=torch.float64)
    return space.expand(weight)[0, :, 0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
def test_E6_kernels_obey_the_constraint_for_every_motion_of_the_grid(
    name: str, kernel_size: int
) -> None:
    group = group_of(name)
    motions = [
        (90.0 * q, m) for q in range(4) for m in (False, True) if group.holds(90.0 * q, mirrored=m)
    ]
    for out in kinds(group):
        for into in kinds(group):
            k = kernel(kernel_space(out, into, kernel_size, 2.0))
            for angle, mirrored in motions:
                image = torch.rot90(k.flip(3) if mirrored else k, round(angle / 90), (2, 3))
                left, right = (
                    torch.from_numpy(r.matrix(angle, mirrored=mirrored)) for r in (out, into)
                )
                # K(g x) = ρ_out(g) K(x) ρ_in(g)⁻¹, that is K = ρ_out K(g⁻¹ x) ρ_inᵀ.
                moved = torch.einsum("ab,bcij,dc->adij", left, image, right)
                torch.testing.assert_close(moved, k, rtol=0, atol=1e-10)


def test_spaces_are_as_large_as_they_should_be() -> None:
    c4, d4, so2 = group_of("c4"), group_of("d4"), group_of("so2")
    scalar, regular = Representation(c4, "trivial"), Representation(c4, "regular")
    assert kernel_space(regular, regular, 3, 2.0).size == 4 * 9
    assert kernel_space(scalar, regular, 3, 2.0).size == 9
    # Center, sides, corners.
    assert kernel_space(scalar, scalar, 3, 2.0).size == 3
    mirrored = Representation(d4, "trivial")
    # Three more orbits in 5×5: far sides, knights' moves, far corners.
    assert kernel_space(mirrored, mirrored, 5, 2.0).size == 6
    # Between orders m and n harmonics of orders |m - n| and m + n, two each.
    one, two = (Representation(so2, "irrep", m) for m in (1, 2))
    held = [r.max_order for r in rings(5)]
    expected = 2 * sum((m >= 1) + (m >= 3) for m in held)
    assert kernel_space(two, one, 5, 2.0).size == expected
    trivial = Representation(so2, "trivial")
    assert kernel_space(trivial, trivial, 5, 2.0).size == len(held)


def test_the_kind_of_space_follows_from_the_group() -> None:
    kind = {n: Representation(group_of(n), "regular") for n in ("c4", "d4", "c8", "d2")}
    spaces = {n: type(kernel_space(r, r, 3, 2.0)) for n, r in kind.items()}
    assert spaces == {"c4": PixelSpace, "d4": PixelSpace, "c8": RegularSpace, "d2": PixelSpace}
    scalar = Representation(group_of("c8"), "trivial")
    assert isinstance(kernel_space(scalar, kind["c8"], 3, 2.0), HarmonicSpace)


@pytest.mark.parametrize("name", ["c8", "d8"])
def test_filters_of_regular_fields_span_what_the_projection_does(name: str) -> None:
    regular = Representation(group_of(name), "regular")
    free = RegularSpace(regular, regular, 3, 2.0)
    projected = HarmonicSpace(regular, regular, 3, 2.0)
    bases = [s.expand(torch.eye(s.size)[:, None].double()).flatten(1) for s in (free, projected)]
    assert [len(b) for b in bases] == [free.size] * 2
    both = torch.linalg.matrix_rank(torch.cat(bases), rtol=1e-6)
    assert both == torch.linalg.matrix_rank(bases[0], rtol=1e-6) == free.size


def test_the_basis_is_that_of_every_machine() -> None:
    """Weights that are saved must mean the same elsewhere: the first values, worked out by hand."""
    so2 = group_of("so2")
    scalar, vector = Representation(so2, "trivial"), Representation(so2, "irrep", 1)
    basis = HarmonicSpace(vector, scalar, 3, 2.0).expand(torch.eye(2)[:, None].double())
    # An arrow outwards, and one around: (cos φ, sin φ) and (-sin φ, cos φ) up to a factor.
    out, around = basis[:, :, 0, 0]
    right, up = (1, 2), (0, 1)
    assert out[0][right] > 0.1
    assert out[1][up] > 0.1
    assert around[1][right].abs() > 0.1
    torch.testing.assert_close(around[1][right], -around[0][up])
    torch.testing.assert_close(out[1][right], torch.tensor(0.0).double())
