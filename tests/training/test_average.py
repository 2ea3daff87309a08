"""The average of weights, by hand."""

import pytest
import torch
from torch import nn

from neocog.training.average import Average


def _equal(a: nn.Module, b: nn.Module) -> bool:
    one, two = a.state_dict(), b.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_average_by_hand() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 0.0)
    average = Average(net, 0.5)
    value = 0.0
    for step in range(20):
        net.weight.data.fill_(step + 1.0)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        value = decay * value + (1 - decay) * (step + 1.0)
        # Float32 rounding of twenty interpolations.
        assert average.module.weight.item() == pytest.approx(value, rel=1e-5)  # type: ignore[union-attr]


def test_average_follows_running_statistics() -> None:
    net = nn.BatchNorm1d(2)
    average = Average(net, 0.0)
    net(torch.rand(8, 2) + 5)
    average.update(0)
    assert _equal(net, average.module)
