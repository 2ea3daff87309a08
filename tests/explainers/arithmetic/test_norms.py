"""A norm, step by step."""

import torch
from tests.explainers.arithmetic.looked import looked
from torch import nn


def test_the_steps_of_a_batch_norm() -> None:
    net = nn.BatchNorm2d(1, eps=0.0)
    net.running_mean.fill_(1.0)
    net.running_var.fill_(4.0)
    net.weight.data.fill_(3.0)
    net.bias.data.fill_(-1.0)
    found = looked(net, torch.full((1, 1, 2, 2), 5.0), (0, 0, 0))
    assert [v for _, v in found.steps] == [5.0, 1.0, 4.0, 4.0, 2.0, 6.0, 5.0]
    assert found.value == 5.0
