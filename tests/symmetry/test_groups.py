from __future__ import annotations

import numpy as np
import pytest

from neocog.errors import UsageError
from neocog.symmetry.groups import Group, Representation, group_of

FINITE = [Group(n, mirror=m) for n in (1, 2, 3, 4, 8) for m in (False, True)]
GROUPS = [*FINITE, Group(0), Group(0, mirror=True)]


def kinds(group: Group) -> list[Representation]:
    some = [Representation(group, "trivial")]
    some += [Representation(group, "irrep", m) for m in (1, 2, 5)]
    if group.mirror:
        some.append(Representation(group, "sign"))
    if not group.continuous:
        some.append(Representation(group, "regular"))
        some += [Representation(group, "quotient", subgroup=h) for h in FINITE if group.contains(h)]
    return some


def motions(group: Group) -> list[tuple[float, bool]]:
    sample = Group(5, mirror=group.mirror) if group.continuous else group
    return list(sample.elements)


@pytest.mark.parametrize("group", FINITE, ids=lambda g: g.name)
def test_E8_products_stay_in_the_group_and_inverses_undo(group: Group) -> None:
    n = range(group.order)
    table = [[group.product(a, b) for b in n] for a in n]
    assert all(sorted(row) == list(n) for row in table)
    assert all(table[a][group.inverse(a)] == 0 == table[group.inverse(a)][a] for a in n)
    assert all(table[table[a][b]][c] == table[a][table[b][c]] for a in n for b in n for c in n)
    for number, (angle, mirrored) in enumerate(group.elements):
        assert group.index(angle - 720, mirrored=mirrored) == number


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
def test_E8_a_representation_of_a_product_is_the_product(group: Group) -> None:
    for kind in kinds(group):
        assert np.array_equal(kind.matrix(0.0), np.eye(kind.size))
        for a, s in motions(group):
            one = kind.matrix(a, mirrored=s)
            # Orthogonal, to rounding.
            assert np.abs(one @ one.T - np.eye(kind.size)).max() < 1e-12
            for b, t in motions(group):
                both = kind.matrix(a + (-b if s else b), mirrored=s != t)
                assert np.abs(one @ kind.matrix(b, mirrored=t) - both).max() < 1e-12


def test_names_and_groups_are_one_to_one() -> None:
    assert [group_of(g.name) for g in GROUPS] == GROUPS
    assert [g.name for g in GROUPS[-2:]] == ["so2", "o2"]


@pytest.mark.parametrize("name", ["", "c", "c0", "e2", "C4", "so3", "d-1"])
def test_another_name_is_no_group(name: str) -> None:
    with pytest.raises(UsageError, match="A symmetry is c or d with a number"):
        group_of(name)


def test_what_a_group_has_not_is_refused() -> None:
    c6 = Group(6)
    with pytest.raises(UsageError, match=r"c6 has rotations by multiples of 60°, and no rotation"):
        c6.index(90)
    with pytest.raises(UsageError, match="no mirror image and 0°"):
        c6.index(0, mirrored=True)
    with pytest.raises(UsageError, match="A sign needs mirror images; c6"):
        Representation(c6, "sign")
    with pytest.raises(UsageError, match="order of 1 at least; got 0"):
        Representation(c6, "irrep", 0)
    with pytest.raises(UsageError, match="one of its subgroups; got c4"):
        Representation(c6, "quotient", subgroup=Group(4))
    with pytest.raises(UsageError, match="A regular field has a channel an element"):
        Representation(Group(0), "regular")
    with pytest.raises(UsageError, match="so2 has infinitely many elements"):
        _ = Group(0).order
    with pytest.raises(UsageError, match="so2 has no mirror images"):
        Representation(Group(0), "irrep", 1).matrix(0.0, mirrored=True)
    with pytest.raises(UsageError, match="one rotation at least"):
        Group(-1)
