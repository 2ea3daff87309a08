import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.surgery.graph import trace
from neocog.surgery.pointwise import behind


class Calls(nn.Module):
    def __init__(self, f) -> None:
        super().__init__()
        self.conv, self.norm, self.f = nn.Conv2d(1, 2, 3, 2), nn.BatchNorm2d(2), f

    def forward(self, x: Tensor) -> Tensor:
        return self.f(self.norm(self.conv(x))).sum((2, 3))


def last_behind_the_convolution(f) -> str:
    traced = trace(Calls(f), torch.randn(2, 1, 9, 9))
    conv = next(n for n in traced.graph.nodes if n.target == "conv")
    return str(behind(conv, traced.root).name)


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (nn.ReLU(), "f"),
        (nn.Hardshrink(), "f"),
        (nn.LogSigmoid(), "f"),
        (nn.PReLU(), "f"),
        (F.gelu, "gelu"),
        (torch.tanh, "tanh"),
        (lambda x: x.relu_(), "relu_"),
        (nn.Softmax2d(), "norm"),  # mixes channels
        (lambda x: F.softmax(x, 1), "norm"),
        (lambda x: x.flip(1), "norm"),
    ],
)
def test_the_last_activation_is_that_of_the_table_of_operators(f, name: str) -> None:
    assert last_behind_the_convolution(f) == name
