"""Sums of products, term by term."""

import math

import pytest
import torch
from tests.explainers.arithmetic.looked import agree
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.explainers.arithmetic.unit import MOST


def test_a_dense_layer_shows_its_largest_terms_and_sums_the_rest() -> None:
    torch.manual_seed(0)
    net = nn.Linear(200, 3)
    found = agree(net, torch.randn(1, 200), (2,))
    assert len(found.terms) == MOST
    count, left = found.rest
    assert count == 200 - MOST
    total = math.fsum(t.sum for t in found.terms) + left + found.bias
    assert total == pytest.approx(found.computed, rel=1e-12)
    smallest = min(abs(t.sum) for t in found.terms)
    assert abs(left) <= (200 - MOST) * smallest


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x.flatten(2).transpose(1, 2))


def test_dense_layers_on_tokens_are_followed_through_views() -> None:
    found = agree(Tokens(), torch.randn(1, 6, 3, 3), (5, 2))
    assert found.kind == "linear"
    assert len(found.terms) == 6


def test_functions_with_weights_of_any_sort() -> None:
    class Free(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 2, 3, 3))

        def forward(self, x: Tensor) -> Tensor:
            weight = self.weight / self.weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
            return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), weight)

    found = agree(Free(), torch.randn(1, 2, 5, 5), (2, 0, 4))
    assert found.window == (-1, 2, 3, 6)
