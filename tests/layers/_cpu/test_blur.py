"""Faster ways to blur on a processor give the same numbers."""

import pytest
import torch

from neocog.layers._cpu import blur as fast
from neocog.layers._cpu.blur import fast_blur
from neocog.layers.blur import blur

KERNEL = torch.tensor([0.25, 0.5, 0.25])


def plain(x, kernels, *, stride, padding):
    return blur(x, kernels, stride=stride, padding=padding)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("padding", ["zeros", "circular", "reflect"])
def test_matrices_in_bfloat16_are_the_blur_to_rounding(layout, padding) -> None:
    x = torch.rand(2, 3, 8, 6).to(torch.bfloat16).contiguous(memory_format=layout)
    out = fast_blur(x, [KERNEL, KERNEL], [2, 2], padding, plain=plain)
    assert out is not None
    expected = blur(x.float(), [KERNEL, KERNEL], stride=(2, 2), padding=padding)
    torch.testing.assert_close(out.float(), expected, atol=2e-2, rtol=2e-2)  # 8 bits of mantissa


def test_a_large_map_with_a_border_has_one_and_a_small_or_learned_one_not(monkeypatch) -> None:
    x = torch.rand(1, 2, 12, 12)
    arguments = ([KERNEL, KERNEL], [1, 1], "circular")
    assert fast_blur(x, *arguments, plain=plain) is None
    monkeypatch.setattr(fast, "LARGE", 1)
    assert fast_blur(x, *arguments[:2], "zeros", plain=plain) is None
    learned = KERNEL.clone().requires_grad_()
    assert fast_blur(x, [learned, learned], [1, 1], "circular", plain=plain) is None
    monkeypatch.setattr(fast, "pays", lambda axes: True)
    out = fast_blur(x, *arguments, plain=plain)
    torch.testing.assert_close(out, blur(x, [KERNEL, KERNEL], stride=(1, 1), padding="circular"))
