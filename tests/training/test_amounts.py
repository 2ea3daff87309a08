"""Learning which transformation was applied."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from neocog.symmetry.families import FAMILIES, ContrastFamily
from neocog.training.amounts import (
    AmountNet,
    AmountPrediction,
    _Output,
    _temperature,
    predict_amounts,
)


def test_a_network_that_knows_nothing_loses_a_guess_of_each_part() -> None:
    family = ContrastFamily()
    task = AmountPrediction((family,))
    n = 4
    output = _Output(torch.zeros(2 * n, family.count + 2), torch.arange(n), torch.zeros(n).long())
    target = SimpleNamespace(target=lambda num_classes: torch.tensor([0, 1, 0, 1]))
    expected = math.log(family.count) + math.log(2)
    assert task.loss(output, target).item() == pytest.approx(expected, rel=1e-5)


def test_logits_are_cut_by_family_and_classes_come_last() -> None:
    net = AmountNet(1, 16, num_classes=3, mean=0.5, std=0.0)
    parts = net.split(net(torch.rand(2, 1, 16, 16)))
    assert [p.shape[1] for p in parts] == [*(f.count for f in FAMILIES), 3]
    assert net.std > 0


def test_a_temperature_makes_the_likelihood_largest() -> None:
    sure = 8 * torch.eye(4).repeat(10, 1, 1)
    assert _temperature(sure) == pytest.approx(10**-0.5)  # always right: as sure as may be
    sure[:5] = sure[:5].roll(1, 2)  # wrong in half: best where e^(8 / t) = 3, at t = 7.28
    assert _temperature(sure) == pytest.approx(7.28, rel=0.06)  # steps of 12 %


def test_probabilities_are_of_each_applied_element() -> None:
    family = ContrastFamily()
    net = AmountNet(1, 16, num_classes=2, mean=0.5, std=0.3, families=(family,)).eval()
    nn.init.zeros_(net.head.weight), nn.init.zeros_(net.head.bias)
    said = predict_amounts(net, family, torch.rand(3, 1, 16, 16))
    assert said.elements.shape == (3, family.count, family.count)
    assert torch.allclose(said.elements, torch.full_like(said.elements, 1 / family.count))
    assert torch.allclose(said.unchanged, torch.full((3, 2), 0.5))
