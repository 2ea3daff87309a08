import pytest
import torch
from torch import nn

from neocog.errors import UsageError
from neocog.networks.catalog import build
from neocog.training.layer_rates import freeze_below, layered_optimizer
from neocog.training.optimize import OptimizerConfig


def _network() -> nn.Module:
    return build("resnet20", num_classes=3, in_channels=1, size=(28, 28))


def test_stages_below_are_frozen_and_batch_norms_keep_their_statistics() -> None:
    net = _network()
    frozen = freeze_below(net, [s.name for s in net.stages], 2)
    held = {n for n, p in net.named_parameters() if not p.requires_grad}
    assert frozen == sum(net.get_parameter(n).numel() for n in held)
    assert {n.partition(".")[0] for n in held} == {"conv1", "bn1", "layer1", "layer2"}
    before = net.bn1.running_mean.clone()
    net(torch.randn(4, 1, 28, 28))
    assert torch.equal(net.bn1.running_mean, before)


def test_the_head_learns_fastest_and_comes_first() -> None:
    net = _network()
    freeze_below(net, [s.name for s in net.stages], 1)
    optimizer = layered_optimizer(net, OptimizerConfig(lr=0.1), lowest=0.01)
    rates = [g["lr"] for g in optimizer.param_groups]
    assert rates[0] == pytest.approx(0.1)
    assert any(p is net.linear.weight for p in optimizer.param_groups[0]["params"])
    assert rates == sorted(rates, reverse=True)
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    assert held == {id(p) for p in net.parameters() if p.requires_grad}


def test_more_stages_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match="first N stages"):
        freeze_below(_network(), ["layer1"], 2)
