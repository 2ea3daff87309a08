"""Pools, number by number."""

import torch
from tests.explainers.arithmetic.looked import agree
from torch import Tensor, nn


def test_a_sum_over_places() -> None:
    class Total(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum((2, 3))

    assert agree(Total(), torch.randn(1, 2, 3, 3), (1,)).kind == "sum"


def test_means_written_as_functions() -> None:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3))

    found = agree(Mean(), torch.randn(1, 3, 4, 4), (2,))
    assert (found.kind, found.window) == ("avg_pool", (0, 4, 0, 4))
