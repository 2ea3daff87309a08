"""One forward pass through an external network."""

import pytest
import torch
from torch import Tensor, nn

from neocog.errors import ShapeMismatch
from neocog.store.trial import first_output


def test_two_samples_of_zeros_go_through_and_no_hook_is_left() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, dtype=torch.float64))
    out = first_output(net, (1, 2, 2))
    assert (tuple(out.shape), out.dtype) == ((2, 3), torch.float64)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_the_layer_that_fails_is_named() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(5, 3))
    with pytest.raises(
        ShapeMismatch, match=r"for \(1, 2, 2\) layer `1` \(Linear\) fails on \(2, 4\)"
    ):
        first_output(net, (1, 2, 2))
    assert not any(m._forward_hooks for m in net.modules())


def test_an_output_without_a_row_a_sample_is_refused() -> None:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean()

    with pytest.raises(ShapeMismatch, match=r"this one returned \(\)"):
        first_output(Mean(), (1, 2, 2))
