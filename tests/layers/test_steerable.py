from __future__ import annotations

import copy

import pytest
import torch
from tests.layers.turning import NAMES, every_kind, layer_error, maps, regular

from neocog.errors import UsageError
from neocog.layers.steerable import SteerableConv2d
from neocog.layers.steerable_kernels import (
    _orbits,
    _projected,
    _relative,
    _rotated,
    kernel_space,
)
from neocog.symmetry.fields import irrep_field, regular_field, trivial_field
from neocog.symmetry.groups import Group, group_of

EXACT = 1e-10
"""Relative: rounding of float64, over thousands of products."""


def trained(layer: SteerableConv2d, x: torch.Tensor, steps: int = 3) -> SteerableConv2d:
    """After a few steps away from its initial weights and zero bias."""
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        layer(x).tanh().mean().backward()
        optimizer.step()
    return layer


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("size", "kernel_size", "stride", "pad"),
    [(6, 3, 1, None), (7, 5, 2, 2), (8, 4, 2, 1), (6, 2, 1, 0), (7, 1, 3, 0)],
)
def test_E6_quarter_turns_are_exact_before_and_after_training(
    name: str, size: int, kernel_size: int, stride: int, pad: int | None
) -> None:
    mixed = every_kind(name)
    for into, out in ((mixed, mixed), (trivial_field(mixed.group, 1), regular(name, 2))):
        if kernel_size < 3 and into == mixed:
            continue  # joins low orders alone
        if kernel_size < 3 and name not in ("c4", "d4"):
            continue
        how = {"kernel_size": kernel_size, "stride": stride, "pad": pad}
        layer, x = SteerableConv2d(into, out, **how).double(), maps(into, size)
        assert layer_error(layer, x) < EXACT
        assert layer_error(trained(layer, x).eval(), x) < EXACT


@pytest.mark.parametrize("padding", ["zeros", "circular", "reflect", "replicate"])
def test_every_padding_turns(padding: str) -> None:
    field = regular("d8", 1)
    layer = SteerableConv2d(field, field, kernel_size=5, padding=padding).double()
    assert layer_error(layer, maps(field)) < EXACT


def test_float32_turns_to_rounding() -> None:
    for name in NAMES:
        field = regular(name, 3)
        layer = SteerableConv2d(field, field, kernel_size=5)
        assert layer_error(layer, maps(field).float()) < 1e-5


def test_a_group_convolution_of_C4_is_that_of_the_paper() -> None:
    """Cohen & Welling 2016: filters on the group, rotated, their channels shifted along."""
    field = regular_field(Group(4), 1)
    layer = SteerableConv2d(field, field, kernel_size=3, bias=False).double()
    free = layer.weight.view(4, 3, 3)  # by the orbit of its first member, k[h]
    kernel = layer.kernel()
    assert torch.equal(kernel[0].sort(0).values, free.sort(0).values)
    for g in range(4):
        expected = torch.rot90(kernel[0], g, (1, 2)).roll(g, 0)
        assert torch.equal(kernel[g], expected)


def blobs(angle: float, size: int = 33) -> torch.Tensor:
    """A band-limited image, sampled at an angle and not interpolated."""
    at = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    y, x = torch.meshgrid(-at, at, indexing="ij")
    a = torch.deg2rad(torch.tensor(angle, dtype=torch.float64))
    x, y = a.cos() * x + a.sin() * y, -a.sin() * x + a.cos() * y
    image = sum(
        w * torch.exp(-((x - p) ** 2 + (y - q) ** 2) / (2 * s**2))
        for p, q, s, w in ((5, 1, 2.0, 1.0), (-3, 4, 1.7, -0.8), (-1, -5, 2.2, 0.6), (2, 6, 1.8, 1))
    )
    return image[None, None]


@pytest.mark.parametrize("name", ["c8", "c16", "d8", "so2"])
@pytest.mark.parametrize("kernel_size", [5, 7])
def test_E6_other_angles_turn_as_well_as_the_grid_allows(name: str, kernel_size: int) -> None:
    """Both images are sampled, none is interpolated: what is left is the sampling of the kernel."""
    group = group_of(name)
    out = irrep_field(group, {1: 8}) if group.continuous else regular_field(group, 4)
    layer = SteerableConv2d(
        trivial_field(group, 1), out, kernel_size=kernel_size, bias=False
    ).double()
    angle = 45.0
    still, moved = layer(blobs(0.0)), layer(blobs(angle))
    expected = out.act(still, torch.tensor([angle]))
    # At the center both grids have a sample.
    middle = (slice(None), slice(None), 16, 16)
    assert (moved[middle] - expected[middle]).norm() < 0.05 * still.pow(2).mean().sqrt() * (
        out.channels**0.5
    )


def test_the_kernel_is_kept_while_it_cannot_change() -> None:
    field = regular("c8", 2)
    layer = SteerableConv2d(field, field, kernel_size=3)
    x = maps(field).float()
    names = list(layer.state_dict())
    with torch.no_grad():
        layer.eval()
        first = layer(x)
        kept = layer._kept
        assert kept is not None
        assert torch.equal(layer(x), first)
        assert layer._kept is kept
        layer.weight.mul_(2)  # in place, as an optimizer or a state dict does
        torch.testing.assert_close(layer(x), 2 * first)
        layer.load_state_dict({k: v / 2 for k, v in layer.state_dict().items()})
        torch.testing.assert_close(layer(x), first)
        torch.testing.assert_close(layer.double()(x.double()).float(), first)
    assert list(layer.state_dict()) == names == list(layer.train().state_dict())
    layer.zero_grad()
    layer.float().eval()(x).sum().backward()  # with gradients, in evaluation mode
    assert layer.weight.grad is not None
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.weight.zero_()
        assert not twin(x).any()
        torch.testing.assert_close(layer(x), first)


@pytest.mark.parametrize("name", NAMES)
def test_initial_weights_keep_the_variance(name: str) -> None:
    torch.manual_seed(1)
    field = regular(name, 8)
    x = torch.randn(4, field.channels, 16, 16)
    y = SteerableConv2d(field, field, kernel_size=5)(x)[:, :, 2:-2, 2:-2]
    # Half of the energy is for the ReLU to take; few fields are far from the mean.
    assert 1.2 < y.var().item() < 3.0


def test_a_layer_is_built_without_values() -> None:
    field = regular("d8", 24)
    with torch.device("meta"):
        layer = SteerableConv2d(field, field, kernel_size=5).eval()
        assert layer(torch.empty(2, field.channels, 8, 8)).shape == (2, field.channels, 8, 8)
    assert SteerableConv2d(field, field, kernel_size=5).weight.isfinite().all()


def test_autocast_keeps_the_kernel_exact() -> None:
    field = regular("c8", 2)
    layer = SteerableConv2d(field, field, kernel_size=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer.kernel().dtype == torch.float32
        assert layer(maps(field).float()).dtype == torch.bfloat16


def test_fields_that_no_kernel_joins_are_refused() -> None:
    c4, so2 = Group(4), Group(0)
    with pytest.raises(UsageError, match="fields of one group; got c4 and so2"):
        SteerableConv2d(trivial_field(c4, 1), trivial_field(so2, 1), kernel_size=3)
    with pytest.raises(UsageError, match="No 3×3 kernel joins the irrep fields of order 7 of the"):
        SteerableConv2d(trivial_field(so2, 1), irrep_field(so2, {0: 1, 7: 1}), kernel_size=3)
    with pytest.raises(UsageError, match="needs an odd kernel; got 4×4"):
        SteerableConv2d(trivial_field(c4, 1), trivial_field(c4, 1), kernel_size=4)


def test_a_kept_kernel_follows_its_weights_and_takes_gradients() -> None:
    field = regular("c4", 2)
    layer = SteerableConv2d(field, field, kernel_size=3).eval().requires_grad_(requires_grad=False)
    x = maps(field).float()
    with torch.inference_mode():
        before = layer(x)
    layer.weight.data.mul_(2)  # a write that PyTorch does not count
    with torch.no_grad():
        torch.testing.assert_close(layer(x), 2 * before)
    x = x.requires_grad_()
    layer(x).sum().backward()  # through the kernel that was kept
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["c4", "c8", "so2"])
def test_a_first_call_in_inference_mode_spoils_no_later_training(name: str) -> None:
    for kept in (kernel_space, _orbits, _rotated, _relative, _projected):
        kept.cache_clear()
    field = irrep_field(group_of(name), {0: 1, 1: 1}) if name == "so2" else regular(name, 1)
    with torch.inference_mode():
        SteerableConv2d(field, field, kernel_size=3)(maps(field).float())
    layer = SteerableConv2d(field, field, kernel_size=3)
    layer(maps(field).float()).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
