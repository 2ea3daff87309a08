from __future__ import annotations

import itertools

import pytest
import torch

from neocog.errors import UsageError
from neocog.layers.harmonic import HarmonicConv2d
from neocog.layers.plain import to_plain
from neocog.networks.hnet import hnet


def test_D6_the_network_is_seven_convolutions_with_shared_filters() -> None:
    net = hnet(num_classes=10, in_channels=1, size=(28, 28))
    layers = [m for m in net.modules() if isinstance(m, HarmonicConv2d)]
    ends = [1, 8, 8, 16, 16, 32, 32, 10]
    assert len(layers) == 7
    for layer, into, out in zip(layers, ends[:-1], ends[1:], strict=True):
        # A profile of four values for |m| = 0 and 1; the last one has no phases.
        assert layer.weight.shape == (2, out, into, 4)
    weights = sum(2 * a * b * (5 if b != 10 else 4) for a, b in itertools.pairwise(ends))
    # Of the norms and activations: 8, 16, 32 complex channels of two orders, 1 and 2 numbers each.
    others = 3 * 2 * (8 + 16 + 32) + 10
    assert sum(p.numel() for p in net.parameters()) == weights + others


@pytest.mark.parametrize("size", [28, 31])
def test_D6_quarter_turns_are_exact_before_and_after_training(size: int) -> None:
    torch.manual_seed(0)
    net = hnet(num_classes=3, in_channels=1, size=(size, size), widths=(2, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    x = torch.rand(4, 1, size, size)
    for trained in (False, True):
        if trained:
            net.float().train()
            torch.nn.functional.cross_entropy(net(x), torch.tensor([0, 1, 2, 0])).backward()
            optimizer.step()
        net.double().eval()
        with torch.no_grad():
            still = net(x.double())
            for k in (1, 2, 3):
                moved = net(torch.rot90(x.double(), k, (2, 3)))
                assert (moved - still).norm() / still.norm() < 1e-10
    plain = to_plain(net.float(), x)
    assert not any(isinstance(m, HarmonicConv2d) for m in plain.modules())


def test_no_blocks_are_refused() -> None:
    with pytest.raises(UsageError, match=r"a width a block, each at least 1; got \[\]"):
        hnet(num_classes=3, in_channels=1, size=(28, 28), widths=())
