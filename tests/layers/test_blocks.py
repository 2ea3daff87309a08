import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from neocog.errors import UsageError
from neocog.layers.blocks import (
    PADDINGS,
    border,
    conv,
    conv_norm_activation,
    grow,
    he_normal,
    keeps,
    output_hw,
    output_size,
    pair,
    same_padding,
)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "output"),
    [
        (10, 3, 1, 0, 8),
        (7, 3, 1, 0, 5),
        (7, 3, 2, 0, 3),
        (7, 3, 1, 1, 7),
        (7, 3, 2, 1, 4),
        (32, 5, 1, 0, 28),
    ],
)
def test_B1_output_size(size: int, kernel: int, stride: int, padding: int, output: int) -> None:
    assert output_size(size, kernel, stride=stride, padding=padding) == output


def test_B1_filters_and_shapes_of_the_lectures() -> None:
    assert conv(3, 6, kernel_size=5, pad=0)(torch.zeros(1, 3, 32, 32)).shape == (1, 6, 28, 28)
    # 5×5×3, padded by one to 7×7×3, two filters at stride 2.
    assert conv(3, 2, kernel_size=3, stride=2, pad=1)(torch.zeros(1, 3, 5, 5)).shape == (1, 2, 3, 3)


def test_B4_parameters_of_one_filter() -> None:
    assert sum(p.numel() for p in conv(3, 1, kernel_size=3).parameters()) == 28


@settings(deadline=None)
@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
)
def test_B1_output_size_is_what_pytorch_gives(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    ours = output_size(size, kernel, stride=stride, padding=padding, dilation=dilation)
    x, w = torch.zeros(1, 1, size), torch.zeros(1, 1, kernel)
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        assert ours == 0
    else:
        theirs = F.conv1d(x, w, stride=stride, padding=padding, dilation=dilation)
        assert theirs.shape[-1] == ours


@settings(deadline=None)
@given(kernel=st.integers(0, 5), dilation=st.integers(1, 4), size=st.integers(1, 30))
def test_B2_same_padding_keeps_the_size(kernel: int, dilation: int, size: int) -> None:
    kernel = 2 * kernel + 1
    pad = same_padding(kernel, dilation=dilation)
    assert pad == (dilation * (kernel - 1) // 2,) * 2
    assert output_size(size, kernel, padding=pad[0], dilation=dilation) == size


def test_B2_strides_differ_per_axis_and_tiling() -> None:
    assert output_hw((12, 12), (3, 3), stride=(2, 3), padding=1) == (6, 4)
    assert output_hw((12, 12), (2, 3), stride=(2, 3)) == (6, 4)


def test_even_kernel_is_refused() -> None:
    with pytest.raises(UsageError, match=r"odd kernel; got 4×4\. Use an odd kernel"):
        same_padding(4)
    with pytest.raises(UsageError, match="odd kernel"):
        conv(1, 1, kernel_size=(3, 2))


def test_pair() -> None:
    assert pair(2) == (2, 2)
    assert pair((2, 3)) == (2, 3)


@pytest.mark.parametrize("padding", PADDINGS)
def test_border_is_the_padding_of_a_convolution(padding: str) -> None:
    x = torch.randn(2, 3, 6, 7)
    same = conv(3, 4, kernel_size=(3, 5), padding=padding)
    valid = conv(3, 4, kernel_size=(3, 5), pad=0)
    valid.load_state_dict(same.state_dict())
    # The same sums by other kernels: float32 rounding.
    torch.testing.assert_close(valid(border((1, 2), padding=padding)(x)), same(x))


def test_no_border_does_nothing() -> None:
    assert isinstance(border(0, padding="zeros"), nn.Identity)


def test_unknown_padding_is_refused() -> None:
    for use in (
        lambda: conv(1, 1, kernel_size=3, padding="circle"),
        lambda: border(1, padding="circle"),
        lambda: grow(torch.zeros(1, 1, 2, 2), 4, padding="circle"),
    ):
        with pytest.raises(
            UsageError, match=r"`circle` is not a padding mode\. Did you mean `circular`"
        ):
            use()


def test_grow_puts_the_image_in_the_middle() -> None:
    x = torch.arange(1.0, 7).reshape(1, 1, 2, 3)
    grown = grow(x, 4, padding="replicate")
    assert grown[0, 0].tolist() == [
        [1, 2, 3, 3],
        [1, 2, 3, 3],
        [4, 5, 6, 6],
        [4, 5, 6, 6],
    ]
    assert grow(x, 4, padding="zeros")[0, 0].tolist()[0] == [0, 0, 0, 0]
    assert grow(x, 2, padding="zeros") is x
    assert grow(x, 3, padding="zeros").shape == (1, 1, 3, 3)


def test_keeps() -> None:
    assert keeps((4, 9), 2, stride=2, least=2)
    assert not keeps((3, 9), 2, stride=2, least=2)


def test_conv_norm_activation_is_its_three_parts() -> None:
    block = conv_norm_activation(2, 4, kernel_size=3, stride=2, padding="circular")
    plain = nn.Sequential(
        nn.Conv2d(2, 4, 3, 2, 1, padding_mode="circular", bias=False), nn.BatchNorm2d(4), nn.ReLU()
    )
    plain.load_state_dict(dict(zip(plain.state_dict(), block.state_dict().values(), strict=True)))
    x = torch.randn(3, 2, 8, 8)
    assert torch.equal(block(x), plain(x))
    assert [n for n, _ in block.named_children()] == ["conv", "norm", "act"]


def test_he_normal_has_the_variance_of_the_paper() -> None:
    layer = conv(64, 128, kernel_size=3)
    he_normal(layer)
    # 73,728 draws: the deviation's own relative error is 1 / sqrt(2n) = 0.26 %, four of them.
    assert layer.weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.011)
    assert not layer.bias.any()
