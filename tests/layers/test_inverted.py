import pytest
import torch
from torch import nn

from neocog.graph.cost import cost
from neocog.layers.blocks import conv
from neocog.layers.inverted import ConvStyle, DepthwiseSeparable, InvertedResidual


def weights(*layers: nn.Module) -> int:
    return sum(p.numel() for layer in layers for p in layer.parameters())


def test_B7_stacked_and_separated_kernels_have_the_parameters_that_are_stated() -> None:
    five = conv(1, 1, kernel_size=5, bias=False)
    threes = [conv(1, 1, kernel_size=3, bias=False) for _ in range(2)]
    lines = [conv(1, 1, kernel_size=k, bias=False) for k in ((1, 5), (5, 1))]
    assert (weights(*threes), weights(*lines), weights(five)) == (18, 10, 25)
    x = torch.randn(1, 1, 12, 12)
    for stack in (threes, lines):  # each sees 5×5 samples, and keeps the size
        assert nn.Sequential(*stack)(x).shape == five(x).shape
    macs = [cost(m, (1, 12, 12)).macs for m in (nn.Sequential(*lines), five)]
    assert macs == [10 * 144, 25 * 144]


def test_B7_a_separated_kernel_is_a_full_one_of_rank_one() -> None:
    down, across = (
        conv(1, 1, kernel_size=(5, 1), bias=False),
        conv(1, 1, kernel_size=(1, 5), bias=False),
    )
    full = conv(1, 1, kernel_size=5, bias=False)
    with torch.no_grad():
        full.weight.copy_(down.weight * across.weight)
        x = torch.randn(1, 1, 9, 9)
        # Products summed in another order: float32 rounding.
        torch.testing.assert_close(down(across(x)), full(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kernel", "inputs", "outputs"), [(3, 16, 32), (5, 8, 24)])
def test_B7_a_depthwise_separable_convolution_costs_one_over_d_plus_one_over_k_squared(
    kernel: int, inputs: int, outputs: int
) -> None:
    block = DepthwiseSeparable(inputs, outputs, kernel_size=kernel, style=ConvStyle())
    full = conv(inputs, outputs, kernel_size=kernel, bias=False)
    taken = weights(block.conv_dw, block.conv_pw)
    assert taken == kernel**2 * inputs + inputs * outputs
    assert taken * outputs * kernel**2 == weights(full) * (kernel**2 + outputs)
    size = (inputs, 10, 10)
    assert cost(block, size).macs == 100 * taken
    assert cost(full, size).macs == 100 * weights(full)


def test_a_block_adds_what_comes_in_where_shape_and_size_stay() -> None:
    style = ConvStyle()
    x = torch.randn(2, 8, 6, 6)
    same = InvertedResidual(8, 8, expand=6, style=style).eval()
    other = InvertedResidual(8, 8, expand=6, stride=2, style=style).eval()
    for block in (same, other):
        nn.init.zeros_(block.bn3.weight)
    assert torch.equal(same(x), x)
    assert not other(x).any()
    assert other(x).shape == (2, 8, 3, 3)
