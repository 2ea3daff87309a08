"""Which layer makes two runs differ."""

import torch
from torch import Tensor, nn

from neocog.graph.culprit import apart, culprit, dtypes


def test_how_far_tensors_are_apart_by_hand() -> None:
    assert apart(torch.tensor([1.0, 8.0]), torch.tensor([1.0, 6.0])) == 0.25
    assert apart(torch.zeros(3), torch.zeros(3)) == 0
    assert apart(torch.zeros(3), torch.zeros(2)) == float("inf")


class Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)


def test_the_layer_that_draws_is_named_and_not_those_behind_it() -> None:
    net, x = nn.Sequential(nn.Linear(2, 2), Noise(), nn.Linear(2, 2)).eval(), torch.ones(3, 2)
    with torch.no_grad():
        said = culprit(net, lambda: net(x), lambda: net(x), samples=3)
        assert dtypes(lambda: net(x)) == {torch.float32}
    assert "`1` (Noise)" in said
    assert "rand_like" in said
