"""What becomes a node while a network is followed."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.structure import Structure, structure
from neocog.types import FieldWindow


def kinds(found: Structure) -> list[str]:
    return [n.kind for n in found.nodes]


def test_a_module_that_returns_what_came_and_views_are_no_nodes() -> None:
    net = nn.Sequential(nn.Identity(), nn.Dropout(), nn.Conv2d(1, 2, 3), nn.Dropout2d()).eval()
    found = structure(net, torch.zeros(1, 1, 5, 5))
    assert kinds(found) == ["input", "conv", "output"]
    assert found.edges == ((0, 1), (1, 2))


class Branches(nn.Module):
    """Two ways that are concatenated, then a gate made of the map itself."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(1, 2, 1)
        self.right = nn.Conv2d(1, 3, 3, padding=1)
        self.gate = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat([self.left(x), self.right(x)], 1)
        weight = torch.sigmoid(self.gate(y.mean((2, 3))))
        return y * weight[:, :, None, None]


def test_branches_and_gates_are_drawn_as_such() -> None:
    found = structure(Branches(), torch.zeros(1, 1, 4, 4))
    assert [n.label for n in found.nodes] == [
        "input",
        "left",
        "right",
        "cat",
        "mean",
        "gate",
        "sigmoid",
        "mul",
        "output",
    ]
    assert found.nodes[3].sources == (1, 2)
    assert found.nodes[7].sources == (3, 6)
    assert found.nodes[7].spatial
    assert not found.nodes[5].spatial


class Functional(nn.Module):
    """A network without modules."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(2, 1, 3, 3))
        self.second = nn.Parameter(torch.randn(3, 32))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(F.conv2d(x, self.first, padding=1)), 2)
        return F.linear(torch.flatten(x, 1), self.second)


def test_a_module_that_is_a_network_by_itself_is_taken_apart() -> None:
    found = structure(Functional(), torch.zeros(1, 1, 8, 8))
    assert found.opened == {""}
    assert kinds(found) == ["input", "conv", "activation", "pool", "reshape", "linear", "output"]
    assert [n.params for n in found.nodes] == [0, 18, 0, 0, 0, 96, 0]


class Declared(nn.Module):
    """Says itself what it looks at, and is one node."""

    def __init__(self) -> None:
        super().__init__()
        self.geometry = (FieldWindow(1), FieldWindow(1))
        self.inner = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def test_a_module_that_declares_its_geometry_is_one_node() -> None:
    found = structure(nn.Sequential(Declared()), torch.zeros(1, 1, 4, 4))
    assert len(found.nodes) == 3
