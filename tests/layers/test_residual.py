import pytest
import torch
from torch import nn

from neocog.errors import UsageError
from neocog.layers.residual import BasicBlock, Bottleneck, PadChannels, pad_channels, shortcut


def test_pad_channels_puts_zeros_on_both_sides() -> None:
    x = torch.ones(1, 2, 3, 3)
    padded = pad_channels(x, 7)
    assert padded[0, :, 0, 0].tolist() == [0, 0, 1, 1, 0, 0, 0]
    assert torch.equal(PadChannels(7)(x), padded)


def test_shortcut_A_is_every_second_sample_and_zero_channels() -> None:
    x = torch.randn(2, 4, 5, 6)
    short = shortcut("A", 4, 8, stride=2, downsampling="stride", padding="zeros")
    assert torch.equal(short(x), pad_channels(x[:, :, ::2, ::2], 8))
    assert not list(short.parameters())


def test_shortcut_B_is_a_convolution_and_a_norm() -> None:
    short = shortcut("B", 4, 8, stride=2, downsampling="stride", padding="zeros")
    assert list(short.state_dict())[:2] == ["0.weight", "1.weight"]
    assert short[0].stride == (2, 2)


def test_unknown_shortcut_is_refused() -> None:
    with pytest.raises(UsageError, match="`C` is not a shortcut"):
        shortcut("C", 4, 8, stride=2, downsampling="stride", padding="zeros")


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
def test_C6_a_block_whose_function_is_zero_passes_its_input(kind: type) -> None:
    block = kind(
        8, 8 if kind is BasicBlock else 2, stride=1, downsampling="stride", padding="zeros"
    )
    last = block.bn2 if kind is BasicBlock else block.bn3
    nn.init.zeros_(last.weight)
    x = torch.rand(2, 8, 5, 5, requires_grad=True)
    y = block(x)
    assert torch.equal(y, x)
    y.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


@pytest.mark.parametrize("stride", [1, 2])
def test_basic_block_is_the_formula(stride: int) -> None:
    block = BasicBlock(4, 8, stride=stride, downsampling="stride", padding="zeros")
    x = torch.randn(3, 4, 8, 8)
    expected = (
        block.bn2(block.conv2(block.bn1(block.conv1(x)).relu())) + block.downsample(x)
    ).relu()
    assert torch.equal(block(x), expected)
    assert block.conv1.stride == (stride, stride)


def test_bottleneck_has_its_stride_in_the_middle() -> None:
    block = Bottleneck(8, 4, stride=2, downsampling="stride", padding="circular")
    assert [block.conv1.stride, block.conv2.stride, block.conv3.stride] == [(1, 1), (2, 2), (1, 1)]
    assert block.conv2.padding_mode == "circular"
    assert block(torch.randn(2, 8, 6, 6)).shape == (2, 16, 3, 3)
