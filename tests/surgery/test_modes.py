"""Norms learn and freeze in a graph as they do in the network it was traced from."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.surgery.graph import Rewired, trace
from neocog.surgery.modes import NormByMode
from neocog.surgery.replace import replace


class NormAct(nn.BatchNorm2d):
    """A norm with an activation inside, which asks for its mode and counts."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.num_batches_tracked.add_(1)
        x = F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training
        )
        return self.act(x)


class NormPool(nn.BatchNorm2d):
    """A norm with a pool inside."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training
        )
        return self.pool(x)


class ByHand(nn.Module):
    """A norm that is a function, behind a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 2, 1)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return F.batch_norm(x, self.mean, self.var, training=self.training, momentum=0.2)


class Frozen(nn.Module):
    """A norm that asks for no mode."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("var", torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.mean, self.var, None, None, False)


@pytest.mark.parametrize(
    "norm", [NormAct(3), NormPool(3), ByHand(3), Frozen()], ids=lambda n: type(n)
)
def test_a_norm_follows_the_mode_as_it_did(norm: nn.Module) -> None:
    net, x = nn.Sequential(norm), 5 * torch.randn(4, 3, 8, 8)
    traced = trace(net, x)
    graph = Rewired(traced.root, traced.graph)
    assert list(graph.state_dict()) == list(net.state_dict())
    for mode in (True, False):
        graph.train(mode)
        net.train(mode)
        torch.testing.assert_close(graph(x), net(x))
    for key, value in net.state_dict().items():
        torch.testing.assert_close(graph.state_dict()[key], value)


def test_a_sampler_stands_behind_a_norm_that_is_a_function() -> None:
    done = replace(ByHand(3), torch.randn(2, 3, 8, 8), downsampling="blur").module
    calls = [done.get_submodule(n.target) for n in done.graph.nodes if n.op == "call_module"]
    assert isinstance(calls[1], NormByMode)
    assert len(calls) == 3
