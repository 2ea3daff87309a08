"""Outputs of nodes are as they were when they were computed."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.outputs import outputs
from neocog.graph.structure import Structure, structure


def kinds(found: Structure) -> list[str]:
    return [n.kind for n in found.nodes]


class Residual(nn.Module):
    """A block whose sum is written as an operator."""

    def __init__(self, in_place: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.in_place:
            y += x
            return F.relu_(y)
        return F.relu(y + x)


def test_work_in_place_gives_the_same_graph_and_does_not_falsify_outputs() -> None:
    torch.manual_seed(1)
    plain, written = Residual(), Residual(in_place=True)
    written.load_state_dict(plain.state_dict())
    x = torch.randn(1, 2, 6, 6)
    a, b = structure(plain, x), structure(written, x)
    assert kinds(a) == kinds(b)
    assert a.edges == b.edges
    for first, second in zip(outputs(plain, x, a), outputs(written, x, b), strict=True):
        assert first is not None
        assert second is not None
        assert torch.equal(first, second)
