"""A program that is made readable answers with the same bits."""

import operator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.store.exported import load_exported, save_exported

X = torch.rand(2, 4, 9, 8, generator=torch.Generator().manual_seed(0))
NET = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), nn.BatchNorm2d(6)).eval()


class Calls(nn.Module):
    """A function as a module."""

    def __init__(self, function) -> None:
        super().__init__()
        self.net = NET
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x).flatten(1)


def _writes(m: Calls, x: Tensor) -> Tensor:
    y = x * 2
    y.add_(1)  # nobody reads the answer of this, all read what it wrote
    return y * 3


CASES = {
    "convolution and norm": (lambda m, x: m.net(x), {F.conv2d, F.batch_norm}),
    "padding by word": (lambda m, x: F.conv2d(x, m.net[0].weight[:, :2].repeat(1, 2, 1, 1),
                                              padding="same"), {F.conv2d}),
    "pools": (lambda m, x: F.avg_pool2d(F.max_pool2d(x, 3, 2, 1), 2, ceil_mode=True),
              {F.avg_pool2d, F.max_pool2d}),
    "mean": (lambda m, x: x.mean((2, 3), keepdim=True) + F.adaptive_avg_pool2d(x, 1),
             {torch.mean, F.adaptive_avg_pool2d, operator.add}),
    "activations": (lambda m, x: F.relu(x) + F.silu(x) * F.gelu(x, approximate="tanh") - x.tanh(),
                    {F.relu, F.silu, F.gelu, torch.tanh, operator.add, operator.mul, operator.sub}),
    "in place": (lambda m, x: F.relu(x * 2, inplace=True), {torch.relu_}),
    "written for others": (_writes, set()),
    "padding": (lambda m, x: F.pad(x, (1, 2, 0, 1), mode="circular") / F.pad(x, (1, 2, 0, 1)).exp(),
                {F.pad, operator.truediv}),
    "slices": (lambda m, x: x[:, :, ::2, 1::2], {operator.getitem}),
    "slices with ends": (lambda m, x: x[:, 1:3, 1:-1, -5:], {operator.getitem}),
    "slices of one axis": (lambda m, x: x[:, :, ::2][:, :, 1:], {operator.getitem}),
    "slices read twice": (lambda m, x: x[:, :, :8:2] + x[:, :, :8:2][:, :, :, ::1] * 2,
                          {operator.getitem, operator.add, operator.mul}),
    "joined": (lambda m, x: torch.cat([x, F.pad(x, (0, 0, 0, 0, 1, 1))], 1), {torch.cat, F.pad}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_same_bits_with_known_functions(name: str, tmp_path: Path) -> None:
    function, known = CASES[name]
    module = Calls(function).eval()
    save_exported(module, tmp_path / "x.pt2", X)
    loaded, _ = load_exported(tmp_path / "x.pt2")
    assert torch.equal(loaded(X.clone()), module(X.clone()))
    graph = torch.fx.symbolic_trace(loaded).graph
    found = {n.target for n in graph.nodes if n.op == "call_function"}
    assert known <= found
    if name == "slices":
        (index,) = (n for n in graph.nodes if n.target is operator.getitem)
        steps = [(i.start, i.stop, i.step) for i in index.args[1]]
        assert steps[2:] == [(None, None, 2), (1, None, 2)]
