from __future__ import annotations

import math

import pytest
import torch
from tests.symmetry.fields import Regular, Vector, slopes
from torch import nn

from neocog.errors import UsageError
from neocog.symmetry.fields import (
    SCALAR,
    FieldType,
    field_of,
    irrep_field,
    quotient_field,
    regular_field,
    restriction,
    trivial_field,
)
from neocog.symmetry.groups import Group, group_of
from neocog.symmetry.motion import Composition, QuarterTurn, Transformation, Translation, mirror

X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

GROUP = [QuarterTurn(torch.tensor([k]), mirrored=m) for k in range(4) for m in (False, True)]


@pytest.mark.parametrize("motion", [*GROUP, QuarterTurn(torch.tensor([1, 2]))])
def test_a_gradient_is_a_field_of_arrows(motion: Transformation) -> None:
    field = Vector()
    torch.testing.assert_close(slopes(motion(X)), motion(slopes(X), field=field))


def test_a_shift_mixes_no_channels() -> None:
    shift = Translation(torch.tensor([[1, 2]]))
    torch.testing.assert_close(slopes(shift(X)), shift(slopes(X), field=Vector()))


@pytest.mark.parametrize("first", GROUP)
@pytest.mark.parametrize("second", GROUP)
def test_a_product_acts_on_channels_as_its_parts_do_one_after_the_other(
    first: Transformation, second: Transformation
) -> None:
    both, field = Composition((first, second)), Vector()
    arrows = slopes(X)
    torch.testing.assert_close(both.mix(arrows, field), second.mix(first.mix(arrows, field), field))
    torch.testing.assert_close(both.inverse(both(arrows, field=field), field=field), arrows)


def test_the_generator_is_the_derivative_of_the_action() -> None:
    field, arrows, eps = Vector(), slopes(X), 1e-4
    up, down = (field.act(arrows, torch.tensor([s * eps * 180 / torch.pi])) for s in (1, -1))
    # Central differences of a cosine, and an angle in float32.
    torch.testing.assert_close((up - down) / (2 * eps), field.generator(arrows), atol=1e-6, rtol=0)
    assert bool((SCALAR.generator(X) == 0).all())


def test_a_layer_says_what_its_channels_mean() -> None:
    layer = nn.Conv2d(1, 4, 3)
    assert field_of(layer) is field_of(layer, "input") is SCALAR
    layer.output_field = Regular()
    assert isinstance(field_of(layer), Regular)
    assert field_of(layer, "input") is SCALAR
    layer.output_field = "vector"  # an attribute of somebody else's
    assert field_of(layer) is SCALAR


def test_mirror_images() -> None:
    assert torch.equal(mirror("left_right")(X), X.flip(3))
    assert torch.equal(mirror("top_bottom")(X), X.flip(2))


def field_types() -> list[FieldType]:
    some: list[FieldType] = []
    for name in ("c1", "c2", "c4", "c8", "d2", "d4", "d8", "so2", "o2"):
        group = group_of(name)
        field = trivial_field(group, 2) + irrep_field(group, {0: 1, 1: 2, 3: 1})
        if not group.continuous:
            some.append(regular_field(group, 2))
            field += regular_field(group, 1) + quotient_field(group, Group(1, group.mirror), 1)
        some.append(field)
    return some


@pytest.mark.parametrize("field", field_types(), ids=lambda f: f"{f.group.name}-{f.channels}")
def test_E8_a_field_composes_and_is_undone(field: FieldType) -> None:
    x = torch.rand(2, field.channels, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    group = [m for m in GROUP if field.holds(*m.linear[:1], mirrored=m.linear[1])]
    assert group
    for first in group:
        torch.testing.assert_close(first.inverse(first(x, field=field), field=field), x)
        for second in group:
            both = Composition((first, second))
            turn = QuarterTurn((both.linear[0] / 90).round().long(), mirrored=both.linear[1])
            torch.testing.assert_close(both(x, field=field), turn(x, field=field))


def test_each_sample_has_its_own_motion() -> None:
    for field in (regular_field(Group(8, mirror=True), 2), irrep_field(Group(0), {1: 3, 2: 1})):
        x, angles = torch.rand(3, field.channels, 2, 2), torch.tensor([45.0, 90.0, 45.0])
        each = [field.act(x[i : i + 1], angles[i : i + 1]) for i in range(3)]
        assert torch.equal(field.act(x, angles), torch.cat(each))
        assert torch.equal(field.act(x[:, :, 0, 0], angles), torch.cat(each)[:, :, 0, 0])
        both = field.act(torch.cat((x, 2 * x), 1), angles)
        assert torch.equal(both, torch.cat((torch.cat(each), 2 * torch.cat(each)), 1))


def test_the_generator_of_irreps_is_the_derivative() -> None:
    field = irrep_field(Group(0, mirror=True), {0: 1, 1: 1, 3: 2})
    x, eps = torch.rand(1, field.channels, 2, 2, dtype=torch.float64), 1e-4
    ends = [field.act(x, torch.tensor([math.degrees(e)]).double()) for e in (eps, -eps)]
    # Central differences are off by the third derivative, m³ ε² / 6.
    torch.testing.assert_close(
        (ends[0] - ends[1]) / (2 * eps), field.generator(x), atol=1e-6, rtol=0
    )
    with pytest.raises(UsageError, match="c4 has finitely many rotations"):
        regular_field(Group(4), 1).generator(x[:, :4])


@pytest.mark.parametrize(
    ("group", "small"),
    [("c8", "c4"), ("d4", "c4"), ("d8", "d4"), ("d4", "d1"), ("d4", "c1"), ("c4", "c4")],
)
def test_a_restricted_field_has_the_action_of_its_field(group: str, small: str) -> None:
    large, sub = group_of(group), group_of(small)
    line = Group(2, mirror=False)
    field = regular_field(large, 2) + irrep_field(large, {1: 1}) + quotient_field(large, line, 1)
    restricted, order = restriction(field, sub)
    assert sorted(order) == list(range(field.channels))
    x = torch.rand(1, field.channels)
    for angle, mirrored in sub.elements:
        moved = field.act(x, torch.tensor([angle]), mirrored=mirrored)[:, order]
        other = restricted.act(x[:, order], torch.tensor([angle]), mirrored=mirrored)
        torch.testing.assert_close(moved, other)


def test_a_field_type_that_cannot_be_is_refused() -> None:
    c4, c8 = Group(4), Group(8)
    with pytest.raises(UsageError, match="All fields of a type are of one group, c4; got c8"):
        _ = regular_field(c4, 1) + regular_field(c8, 1)
    with pytest.raises(UsageError, match="one field of each kind at least"):
        trivial_field(c4, 0)
    with pytest.raises(UsageError, match="have 4 channels; got 5"):
        regular_field(c4, 1).act(torch.rand(1, 5), torch.zeros(1))
    with pytest.raises(UsageError, match="restricted to one of its subgroups, and c8 is none"):
        restriction(regular_field(c4, 1), c8)
