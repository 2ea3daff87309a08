"""Quarter turns and mirror images of maps with fields, for tests of what commutes with them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from neocog.symmetry.fields import (
    SCALAR,
    FeatureField,
    FieldType,
    field_of,
    irrep_field,
    quotient_field,
    regular_field,
    trivial_field,
)
from neocog.symmetry.groups import Group, group_of
from neocog.symmetry.motion import QuarterTurn

NAMES = ("c4", "c8", "d4", "d8", "so2", "o2")


def turns(*fields: FeatureField) -> list[QuarterTurn]:
    """The motions of a square grid that all of some fields have."""
    some = [QuarterTurn(torch.tensor([q]), mirrored=m) for q in range(4) for m in (False, True)]
    held = [[f.holds(t.linear[0], mirrored=t.linear[1]) for f in fields] for t in some]
    return [t for t, holds in zip(some, held, strict=True) if all(holds)]


def regular(name: str, count: int) -> FieldType:
    """Regular fields, or harmonics up to order 2 of a continuous group."""
    group = group_of(name)
    return (
        irrep_field(group, {0: count, 1: count, 2: count})
        if group.continuous
        else (regular_field(group, count))
    )


def every_kind(name: str) -> FieldType:
    """Fields of each kind that a group has."""
    group = group_of(name)
    field = trivial_field(group, 2) + irrep_field(group, {1: 2, 3: 1})
    if not group.continuous:
        field += regular_field(group, 1) + quotient_field(group, Group(2), 2)
    return field


def maps(field: FieldType, size: int = 8, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, field.channels, size, size, generator=generator).double()


@torch.no_grad()
def error(
    module: Callable[[Tensor], Tensor],
    x: Tensor,
    into: FeatureField,
    out: FeatureField,
    of: FeatureField = SCALAR,
) -> float:
    """The largest ‖f(T x) - T f(x)‖ / ‖f(x)‖ over the turns of the grid that all fields have."""
    still, worst = module(x), 0.0
    for turn in turns(into, out, of):
        expected = turn(still, field=out) if still.ndim == 4 else turn.mix(still, out)
        far = (module(turn(x, field=into)) - expected).norm() / still.norm()
        worst = max(worst, float(far))
    return worst


def layer_error(module: nn.Module, x: Tensor) -> float:
    """The same with the fields that a layer declares."""
    return error(module, x, field_of(module, "input"), field_of(module))
