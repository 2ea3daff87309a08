"""A number that is worked out."""

import math

import pytest
import torch
from tests.explainers.arithmetic.looked import looked
from torch import Tensor, nn

from neocog.explainers.arithmetic.unit import share_of


def test_numbers_beyond_the_range_are_no_fault() -> None:
    class Huge(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (1e6 * x) ** 60

    assert looked(Huge(), torch.ones(1, 1, 2, 2), (0, 0, 0)).kind == "other"


def test_a_probability_is_its_share_of_the_exponentials() -> None:
    logits = torch.tensor([0.0, math.log(3.0)])
    found = share_of(logits, 1)
    assert found.value == pytest.approx(0.75)
    assert found.computed == pytest.approx(0.75)
    assert [t.sum for t in found.terms] == pytest.approx([0.25, 0.75])
