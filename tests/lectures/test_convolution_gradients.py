"""Gradients of a convolution are convolutions."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from neocog.lectures.backward import backward
from neocog.lectures.convolution_gradients import (
    ConvGeometry,
    input_gradient,
    kernel_gradient,
    spread,
)
from neocog.signal.correlate import convolve, correlate


def test_A10_by_hand_kernel_gradient_is_a_correlation_and_input_gradient_a_full_convolution() -> (
    None
):
    x = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    k = torch.tensor([[[10.0, 20.0]]])
    above = torch.tensor([[[1.0, 0.0, 2.0]]])
    g = ConvGeometry(kernel_size=(2,), stride=(1,), padding=((0, 0),), dilation=(1,))
    # 1·1 + 2·0 + 3·2 and 2·1 + 3·0 + 4·2
    assert kernel_gradient(x, above, g).tolist() == [[[7, 10]]]
    # 1 0 2 with 10 20 turned round and slid over all of it
    assert input_gradient(k, above, g, (4,)).tolist() == [[[10, 20, 20, 40]]]
    assert correlate(x[0, 0], above[0, 0]).tolist() == [7, 10]
    assert convolve(above[0, 0], k[0, 0], mode="full").tolist() == [10, 20, 20, 40]


def test_A10_both_are_the_correlations_of_single_maps_summed() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 7, 6, generator=generator, dtype=torch.float64)
    k = torch.randn(4, 3, 3, 2, generator=generator, dtype=torch.float64)
    above = torch.randn(2, 4, 3, 5, generator=generator, dtype=torch.float64)
    g = ConvGeometry(kernel_size=(3, 2), stride=(2, 1), padding=((0, 0),) * 2, dilation=(1, 1))
    wide = spread(above, (2, 1))
    kernel, back = kernel_gradient(x, above, g), input_gradient(k, above, g, (7, 6))
    for o in range(4):
        for i in range(3):
            own = sum(correlate(x[b, i], wide[b, o]) for b in range(2))
            torch.testing.assert_close(kernel[o, i], own)
    for b in range(2):
        for i in range(3):
            own = sum(convolve(wide[b, o], k[o, i], mode="full") for o in range(4))
            torch.testing.assert_close(back[b, i], own)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([1, 2, 3]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([0, 1, 2, "same"]),
    st.integers(1, 2),
    st.sampled_from([1, 2]),
    st.sampled_from(["zeros", "circular", "reflect", "replicate"]),
)
def test_A10_equal_to_autograd_for_any_stride_dilation_groups_and_padding(
    axes: int, kernel: int, stride: int, padding: Any, dilation: int, groups: int, mode: str
) -> None:
    if padding == "same":
        stride, kernel = 1, 2 * (kernel // 2) + 1  # PyTorch warns of even ones
    if axes == 3 and mode == "reflect":
        mode = "circular"
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    torch.manual_seed(1)
    net = nn.Sequential(
        kind(
            4,
            6,
            kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            padding_mode=mode,
        ),
        nn.Tanh(),
        nn.Flatten(),
        nn.LazyLinear(2),
    ).double()
    x = torch.randn(2, 4, *(8, 7, 6)[:axes], dtype=torch.float64)
    net(x)
    found = backward(net, "0", x, target=1)
    assert abs(found.kernel_autograd).max() > 0
    # Double precision, sums of some hundred products.
    assert found.kernel_error < 1e-12
    assert found.input_error < 1e-12
