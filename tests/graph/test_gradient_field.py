import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.errors import ModelError, UsageError
from neocog.graph.gradient_field import effective_field, gradient_support


def chain(depth: int) -> nn.Sequential:
    """Convolutions of 3×3 with weights of 1/9 and nothing between."""
    net = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(depth)))
    for m in net:
        nn.init.constant_(m.weight, 1 / 9)
    return net


def test_the_support_of_a_chain_is_its_square() -> None:
    support = gradient_support(chain(3), (1, 15, 15))
    expected = torch.zeros(15, 15, dtype=torch.bool)
    expected[4:11, 4:11] = True
    assert torch.equal(support, expected)


def test_holes_stay_holes() -> None:
    support = gradient_support(nn.Conv1d(1, 1, 3, dilation=4), (1, 13))
    assert support.nonzero().flatten().tolist() == [2, 6, 10]


def test_winners_and_saturation_hide_nothing() -> None:
    net = nn.Sequential(nn.Conv1d(1, 1, 1), nn.Sigmoid(), nn.MaxPool1d(4), nn.ReLU6())
    assert gradient_support(net, (1, 16)).nonzero().flatten().tolist() == [8, 9, 10, 11]
    nn.init.constant_(net[0].bias, 1e6)
    assert int(gradient_support(net, (1, 16)).sum()) == 4


def test_a_meta_module_and_one_that_is_left_alone() -> None:
    with torch.device("meta"):
        net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1))
    assert int(gradient_support(net, (1, 9, 9)).sum()) == 9
    assert net[0].weight.is_meta
    net = chain(1).train()
    before = net[0].weight.clone()
    gradient_support(net, (1, 9, 9))
    assert torch.equal(net[0].weight, before)
    assert net.training


def test_a_chain_of_box_blurs_has_the_deviation_of_their_sum() -> None:
    # one box of 3 has a variance of 2/3; variances add
    found = effective_field(chain(6), torch.rand(2, 1, 41, 41))
    assert found.spread == pytest.approx((math.sqrt(6 * 2 / 3),) * 2, rel=1e-5)
    assert found.gradient.shape == (41, 41)
    assert found.gradient.max() == 1
    assert found.images == 2


def test_the_side_grows_with_the_root_of_the_depth() -> None:
    sides = [effective_field(chain(n), torch.rand(1, 1, 65, 65)).side for n in (4, 16)]
    assert sides[1] / sides[0] == pytest.approx(2, rel=0.15)  # whole pixels are counted
    assert sides[1] < 2 * 16 + 1  # smaller than the theoretical field


def test_the_threshold_counts_what_has_more_than_4_55_percent() -> None:
    net = nn.Conv1d(1, 1, 5, padding=2, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([0.04, 0.05, 1.0, 0.05, 0.04]).view(1, 1, 5))
    assert effective_field(net, torch.rand(1, 1, 11)).side == 3


def test_the_field_is_that_of_the_layer_and_of_these_images() -> None:
    net = nn.Sequential(nn.Conv1d(1, 1, 3, padding=1), nn.ReLU(), nn.Conv1d(1, 1, 3, padding=1))
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(1.0)
    x = torch.ones(1, 1, 9)
    assert effective_field(net, x, "0").gradient.nonzero()[0].tolist() == [3, 4, 5]
    assert effective_field(net, x).gradient.nonzero()[0].tolist() == [2, 3, 4, 5, 6]
    x[..., 3:6] = -9  # ReLU is off in the middle: the gradient goes where it is on
    with pytest.raises(ModelError, match="No gradient of `the output` reaches the image"):
        effective_field(net, x)


def test_tokens_and_answers() -> None:
    class Tokens(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(2).transpose(1, 2)

    found = effective_field(Tokens(), torch.rand(1, 3, 4, 4))
    assert found.gradient.flatten().nonzero()[0].tolist() == [8]  # token 8 of 16
    dense = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    assert (effective_field(dense, torch.rand(1, 1, 4, 4)).gradient > 0).all()


def test_the_module_is_left_as_found() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1)).train()
    net[0].weight.requires_grad_(False)
    net(torch.rand(2, 1, 9, 9)).sum().backward()
    gradients = [None if p.grad is None else p.grad.clone() for p in net.parameters()]
    with torch.no_grad():
        effective_field(net, torch.rand(2, 1, 9, 9), "0")
    assert net.training
    assert not net[0].weight.requires_grad
    for p, g in zip(net.parameters(), gradients, strict=True):
        assert (p.grad is None) == (g is None)
        assert g is None or torch.equal(p.grad, g)
    assert not net[0]._forward_hooks


def test_the_drawing() -> None:
    drawn = effective_field(chain(2), torch.rand(1, 1, 9, 9)).map()
    assert drawn.values.shape == (9, 9)
    assert effective_field(nn.Conv1d(1, 1, 3), torch.rand(1, 1, 9)).map().values.shape == (1, 9)
    assert isinstance(drawn.values, np.ndarray)


def test_layers_that_are_not_there_or_give_no_tensor() -> None:
    with pytest.raises(UsageError, match="`conv` is not a layer"):
        effective_field(chain(1), torch.rand(1, 1, 9, 9), "conv")

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return x * 2

    with pytest.raises(ModelError, match="`unused` did not run"):
        effective_field(Pair(), torch.rand(1, 1, 9, 9), "unused")
