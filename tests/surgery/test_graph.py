"""A module as a graph: what is answered, what is kept, what is refused."""

import copy

import pytest
import torch
from tests.surgery.nets import Wayward
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import ModelError
from neocog.surgery.graph import Rewired, Untraceable, trace


class Asking(nn.Module):
    """Python that asks for numbers of shapes, a constant, an unused part, functional dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(2, 2)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        _b, c, h, w = x.shape
        if c != 3 or h % 2 or w % 2:
            raise ValueError
        x = F.relu(self.conv(x)) * self.scale + torch.tensor(1.0)
        for axis in range(x.ndim - 2):
            x = x.mean(-1) if axis < len(x.shape) else x
        x = F.dropout(x, 0.9, self.training)
        return self.head(x.view(*x.shape[:1], -1))


def test_questions_about_shapes_are_answered() -> None:
    net = Asking()
    traced = trace(net, torch.randn(2, 3, 8, 8))
    x = torch.randn(5, 3, 8, 8)
    assert torch.equal(Rewired(traced.root, traced.graph).eval()(x), net.eval()(x))


def test_parts_that_are_not_called_stay_in_copies_too() -> None:
    net = Asking()
    traced = trace(net, torch.randn(2, 3, 8, 8))
    graph = Rewired(traced.root, traced.graph).eval()
    assert list(graph.state_dict()) == list(net.state_dict())
    again = copy.deepcopy(graph)
    assert list(again.state_dict()) == list(net.state_dict())
    assert again.conv.weight is not graph.conv.weight
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(again(x), graph(x))
    before = graph(x)
    with torch.no_grad():
        again.conv.weight.zero_()
        again.conv.bias.zero_()
    assert torch.equal(graph(x), before)
    assert not torch.equal(again(x), before)


def test_dropout_follows_the_mode() -> None:
    traced = trace(Asking(), torch.randn(2, 3, 8, 8))
    graph, x = Rewired(traced.root, traced.graph), torch.randn(2, 3, 8, 8)
    graph.eval()
    assert torch.equal(graph(x), graph(x))
    graph.train()
    assert not torch.equal(graph(x), graph(x))


def test_a_question_about_values_ends_it() -> None:
    with pytest.raises(Untraceable, match="depends on the values of its input"):
        trace(Wayward(), torch.randn(2, 3, 16, 16))


class Optional(nn.Module):
    """More arguments, with defaults."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor, mask: Tensor | None = None, *, scale: bool = False) -> Tensor:
        x = self.conv(x)
        if mask is not None:
            x = x * mask
        return x / 2 if scale else x


def test_other_arguments_keep_their_defaults() -> None:
    net, x = Optional(), torch.randn(2, 3, 8, 8)
    traced = trace(net, x)
    assert torch.equal(Rewired(traced.root, traced.graph)(x), net(x))


class Writing(nn.Module):
    """It writes into its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sub_(0.5).mul_(2).mean((2, 3))


def test_what_writes_into_its_input_leaves_the_example_as_it_is() -> None:
    net, x = Writing(), torch.randn(2, 3, 8, 8)
    before = x.clone()
    traced = trace(net, x)
    assert torch.equal(x, before)
    assert torch.equal(Rewired(traced.root, traced.graph)(x.clone()), net(x.clone()))


class Counting(nn.Module):
    """What it does depends on how many samples come."""

    def forward(self, x: Tensor) -> Tensor:
        return x * len(x)


def test_a_graph_for_one_number_of_samples_is_not_believed() -> None:
    with pytest.raises(Untraceable, match="its traced graph gives other outputs"):
        trace(Counting(), torch.randn(2, 3, 4, 4))


def test_a_network_that_fails_says_so() -> None:
    with pytest.raises(ModelError, match=r"must accept samples of shape \(1, 4, 4\), .* fails"):
        trace(nn.Conv2d(3, 4, 3), torch.randn(2, 1, 4, 4))
