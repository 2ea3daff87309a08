"""Gradients of depthwise convolutions that are put together from small windows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from neocog.layers._cpu.depthwise import fast_depthwise

GROUPED = nn.Conv2d(2, 2, 5, groups=2)
"""A model with convolutions in groups."""


def _gradients(
    taps: int, step: int, *, fast: bool, half: bool, bias: bool = True
) -> tuple[str, list[Tensor]]:
    random = torch.Generator().manual_seed(0)
    x, weight, b = (
        torch.randn(shape, generator=random).requires_grad_()
        for shape in ((2, 4, 10, 13), (4, 1, taps, taps), (4,))
    )
    inputs = [x, weight, *([b] if bias else [])]
    out = (x, weight, b if bias else None, step, taps // 2, 1, 4)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        if fast:
            with fast_depthwise(GROUPED):
                y = torch.conv2d(*out)
        else:
            y = torch.conv2d(*out)
    g = torch.randn(y.shape, generator=random).to(y.dtype)
    assert y.grad_fn is not None
    return y.grad_fn.name(), list(torch.autograd.grad(y, inputs, g))


@pytest.mark.parametrize("taps", [4, 5, 7, 8])
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_are_those_of_pytorch(taps: int, step: int, bias: bool) -> None:
    _, theirs = _gradients(taps, step, fast=False, half=False, bias=bias)
    name, ours = _gradients(taps, step, fast=True, half=False, bias=bias)
    assert name == "_DepthwiseBackward"
    for a, b in zip(ours, theirs, strict=True):  # sums of 260 products in another order
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("taps", "step"), [(3, 2), (5, 1), (5, 2)])
def test_gradients_in_bfloat16_are_as_exact_as_its_eight_bits(taps: int, step: int) -> None:
    _, theirs = _gradients(taps, step, fast=False, half=False)
    name, ours = _gradients(taps, step, fast=True, half=True)
    assert name == "_DepthwiseBackward"
    for a, b in zip(ours, theirs, strict=True):  # 2⁻⁸ is 0.004: inputs and outputs are rounded
        assert float((a - b).norm() / b.norm()) < 0.01


@pytest.mark.parametrize(("taps", "half"), [(3, False), (1, True)])
def test_windows_for_which_pytorch_is_fast_are_left_to_it(taps: int, half: bool) -> None:
    name, _ = _gradients(taps, 1, fast=True, half=half)
    assert name != "_DepthwiseBackward"


def test_a_convolution_across_channels_is_left_to_pytorch() -> None:
    x, weight = torch.ones(1, 4, 8, 8), torch.ones(4, 2, 5, 5, requires_grad=True)
    with fast_depthwise(GROUPED):
        y = torch.conv2d(x, weight, groups=2)
    assert y.grad_fn is not None
    assert y.grad_fn.name() != "_DepthwiseBackward"


def test_a_model_without_groups_is_left_alone() -> None:
    x, weight = torch.ones(1, 4, 8, 8), torch.ones(4, 1, 5, 5, requires_grad=True)
    with fast_depthwise(nn.Conv2d(4, 4, 5)):
        y = torch.conv2d(x, weight, groups=4)
    assert y.grad_fn is not None
    assert y.grad_fn.name() != "_DepthwiseBackward"
