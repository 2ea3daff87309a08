from __future__ import annotations

import pytest
import torch
from tests.layers.turning import NAMES, every_kind, layer_error, maps, regular
from torch import nn

from neocog.errors import UsageError
from neocog.layers.fieldwise import (
    FieldActivation,
    FieldDropout,
    FieldNorm2d,
    FourierActivation,
    GatedActivation,
    InvariantPool,
    NormReLU,
    Restriction,
)
from neocog.symmetry.fields import FieldType, field_of, irrep_field, regular_field
from neocog.symmetry.groups import Group, group_of

EXACT = 1e-12
"""Relative: rounding of float64 in a few sums."""


def layers(name: str) -> list[nn.Module]:
    mixed, pure = every_kind(name), regular(name, 2)
    activation = FourierActivation(pure) if name in ("so2", "o2") else FieldActivation(pure)
    return [
        *(FieldNorm2d(mixed), FieldNorm2d(pure), NormReLU(mixed), GatedActivation(mixed)),
        *(activation, FieldDropout(mixed, p=0.5).eval(), InvariantPool(mixed), InvariantPool(pure)),
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", range(8))
def test_E6_turns_pass_through(name: str, kind: int) -> None:
    torch.manual_seed(kind)
    layer = layers(name)[kind].double()
    for p in layer.parameters():
        nn.init.normal_(p)
    x = maps(field_of(layer, "input"))  # type: ignore[arg-type]
    layer(x)
    assert layer_error(layer, x) < EXACT
    assert layer_error(layer.eval(), x) < EXACT
    assert layer(x).shape[1] == field_of(layer).channels  # type: ignore[attr-defined]


def test_a_restricted_field_has_the_motions_of_the_smaller_group() -> None:
    field = regular_field(Group(8, mirror=True), 2)
    layer, x = Restriction(field, Group(4)), maps(field)
    for angle in (0.0, 90.0, 180.0):
        turned = layer(field.act(x, torch.tensor([angle])))
        assert torch.equal(turned, layer.output_field.act(layer(x), torch.tensor([angle])))


def test_the_norm_of_one_field_is_batch_norm_over_its_channels() -> None:
    field = regular_field(Group(4), 3)
    norm, x = FieldNorm2d(field), maps(field).float()
    plain = nn.BatchNorm2d(3)
    expected = plain(x.reshape(2, 3, 4 * 8, 8)).reshape(x.shape)
    assert torch.equal(norm(x), expected)
    for mine, theirs in zip(norm.buffers(), plain.buffers(), strict=True):
        assert torch.equal(mine, theirs)
    again = norm.to_plain().eval()
    torch.testing.assert_close(again(x), norm.eval()(x))


def test_a_norm_of_arrows_has_no_mean_and_unit_square() -> None:
    field = irrep_field(Group(0), {1: 4})
    norm, x = FieldNorm2d(field, momentum=None), 3 * maps(field).float() + 1
    y = norm(x)
    squares = y.unflatten(1, (4, 2)).square().mean((0, 2, 3, 4))
    torch.testing.assert_close(squares, torch.ones(4), atol=1e-3, rtol=0)
    assert norm.bias is None
    # The mean over all batches, of which the first counts alone.
    torch.testing.assert_close(norm.eval()(x), y)
    torch.testing.assert_close(norm.to_plain().eval()(x), y)


def test_a_norm_of_several_kinds_has_gradients() -> None:
    field = every_kind("d4")
    norm, x = FieldNorm2d(field), maps(field).float().requires_grad_()
    norm(norm(x)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in (x, *norm.parameters()))
    assert bool((norm.running_var != 1).all())


def test_fourier_activations_are_the_function_of_the_samples() -> None:
    field = irrep_field(group_of("so2"), {0: 2, 1: 2, 2: 2})
    x = maps(field)
    # Of a linear function nothing is lost; and a square has harmonics up to twice the order.
    torch.testing.assert_close(FourierActivation(field, function=lambda t: 2 * t)(x), 2 * x)
    few, many = (FourierActivation(field, samples=n, function=torch.square)(x) for n in (9, 64))
    torch.testing.assert_close(few, many)


def test_dropout_takes_whole_fields() -> None:
    field = every_kind("d4")
    layer = FieldDropout(field, p=0.5)
    y = layer(torch.ones(64, field.channels, 2, 2))
    for part in field.parts:
        fields = y[:, part.channels].unflatten(1, (part.count, part.kind.size)).flatten(2)
        assert set(fields.unique().tolist()) == {0.0, 2.0}
        assert bool((fields == fields[:, :, :1]).all())
    assert abs(y.mean().item() - 1) < 0.2
    assert torch.equal(layer.eval()(y), y)


def test_invariants_do_not_move_at_any_angle() -> None:
    field = irrep_field(Group(0), {0: 1, 1: 2, 3: 1})
    x = maps(field)
    layer = InvariantPool(field)
    turned = field.act(x, torch.tensor([33.0, 190.0]))
    torch.testing.assert_close(layer(turned), layer(x))
    layer(torch.zeros_like(x, requires_grad=True)).sum().backward()  # no division by zero


@pytest.mark.parametrize(
    ("field", "match"),
    [
        (irrep_field(Group(0), {1: 2}), "orders 0, 1, 2, …, as many of each; got so2: 2 irrep 1"),
        (irrep_field(Group(0), {0: 1, 1: 2}), "as many of each"),
        (irrep_field(Group(0), {0: 1, 2: 1}), "of orders 0, 1, 2"),
        (regular_field(Group(4), 1), "got c4: 1 regular"),
    ],
)
def test_other_fields_have_no_samples_on_the_circle(field: FieldType, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        FourierActivation(field)


def test_what_does_not_commute_is_refused() -> None:
    arrows = irrep_field(Group(0), {0: 1, 1: 1})
    with pytest.raises(UsageError, match="commutes with fields whose values are permuted; got so2"):
        FieldActivation(arrows)
    with pytest.raises(UsageError, match=r"up to order 1 need 3 samples .* got 2"):
        FourierActivation(arrows, samples=2)
