from __future__ import annotations

import math

import pytest
import torch
from tests.layers.turning import layer_error, maps
from torch import nn

from neocog.errors import UsageError
from neocog.layers.harmonic import (
    ComplexReLU,
    HarmonicConv2d,
    MagnitudeNorm2d,
    complex_relu,
    magnitudes,
    stream_field,
)
from neocog.layers.plain import to_plain


@pytest.mark.parametrize("max_order", [0, 1, 2])
@pytest.mark.parametrize("padding", ["zeros", "circular"])
def test_E6_streams_rotate_by_their_order(max_order: int, padding: str) -> None:
    how = {"kernel_size": 5, "max_order": max_order, "padding": padding}
    for layer in (
        HarmonicConv2d(2, 3, **how),
        HarmonicConv2d(2, 3, in_order=1, **how),
        HarmonicConv2d(2, 3, in_order=2, phase=False, **how),
    ):
        layer = layer.double()
        # float64 rounding of some hundred products.
        assert layer_error(layer, maps(layer.input_field)) < 1e-12


def test_a_filter_is_its_profile_times_a_wave() -> None:
    layer = HarmonicConv2d(1, 1, kernel_size=3, rings=1).double()
    with torch.no_grad():
        layer.weight.fill_(1)
        layer.phase.fill_(0.5)
    kernel = layer.kernel().detach()[:, 0]
    # Order 1 in the second pair: at the tap on the right φ = 0, upwards φ = 90°.
    real, imaginary = kernel[2], kernel[3]
    angle = torch.atan2(imaginary, real)
    assert angle[1, 2].item() == pytest.approx(0.5)
    assert angle[0, 1].item() == pytest.approx(0.5 + math.pi / 2)
    assert kernel[2:, 1, 1].abs().max() == 0
    # Order 0 has the same phase everywhere.
    assert torch.atan2(kernel[1], kernel[0]).flatten() == pytest.approx([0.5] * 9)


def test_filters_of_opposite_orders_are_conjugate() -> None:
    layer = HarmonicConv2d(1, 1, kernel_size=5, in_order=1).double()
    kernel = layer.kernel()
    up, down = kernel[2:, :2], kernel[:2, 2:]  # order 0 to 1, by m = 1; 1 to 0, by m = -1
    torch.testing.assert_close(up[0, 0], down[0, 0])
    torch.testing.assert_close(up[1, 0], -down[1, 0])
    # A product with a complex number is a rotation and a scale of its two parts.
    torch.testing.assert_close(up[0, 1], -up[1, 0])
    torch.testing.assert_close(up[1, 1], up[0, 0])


def test_activations_change_magnitudes_and_leave_phases() -> None:
    field = stream_field(1, 2)
    x = maps(field)
    for layer in (ComplexReLU(field), MagnitudeNorm2d(field)):
        layer = layer.double()
        for p in layer.parameters():
            nn.init.normal_(p)
        assert layer_error(layer, x) < 1e-12
        y = layer(x)
        left = magnitudes(y) > 1e-3
        one, other = (torch.atan2(t[:, 1::2], t[:, 0::2]).masked_select(left) for t in (x, y))
        torch.testing.assert_close(one, other)
    assert torch.equal(complex_relu(x, torch.full((4,), -99.0)), torch.zeros_like(x))


def test_layers_are_plain_convolutions() -> None:
    net = nn.Sequential(HarmonicConv2d(1, 2, kernel_size=5), HarmonicConv2d(
        2, 2, kernel_size=5, in_order=1, padding="circular"))  # fmt: skip
    x = torch.rand(2, 1, 9, 9)
    plain = to_plain(net, x)
    assert all(isinstance(m, nn.Conv2d) for m in plain)
    torch.testing.assert_close(plain(x), net(x))


def test_filters_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match=r"3 taps an axis, .* got 1 taps, order 1, 4 rings"):
        HarmonicConv2d(1, 1, kernel_size=1)
    with pytest.raises(UsageError, match="needs an odd kernel"):
        HarmonicConv2d(1, 1, kernel_size=4)
