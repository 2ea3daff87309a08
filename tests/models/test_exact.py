from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import neocog
from neocog.audits.layers import layer_errors
from neocog.audits.shift import shift_consistency
from neocog.data.samples import Samples
from neocog.errors import ModelError, ShapeMismatch, UsageError
from neocog.graph.preserve import exact
from neocog.models.exact import ExactModel, measured


def test_precision_is_float32_under_autocast() -> None:
    # bfloat16 rounds at 1 part in 256; a sum of 1 + 1/512 tells the two apart.
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 2, bias=False)
            nn.init.ones_(self.linear.weight)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.linear(x)
            return out

    model = ExactModel(Sum())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(torch.tensor([[1.0, 1 / 512]]))[0, 0] == 1 + 1 / 512


def test_a_model_of_another_precision_is_audited_in_float32() -> None:
    net = nn.Linear(2, 3).bfloat16()
    assert ExactModel(net)(torch.rand(1, 2)).dtype == torch.float32
    assert net.weight.dtype == torch.bfloat16


def test_what_a_module_keeps_of_a_pass_can_still_be_trained_with() -> None:
    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table: Tensor | None = None
            self.line = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            if self.table is None:
                self.table = torch.arange(2.0) + 1
            out: Tensor = self.line(x * self.table)
            return out

    net = Lazy()
    model = ExactModel(net)
    with model.ready():
        model(torch.rand(3, 2))
    net(torch.rand(3, 2)).sum().backward()
    assert net.line.weight.grad is not None


def test_float64_computes_on_a_copy() -> None:
    net = nn.Linear(2, 3)
    out = ExactModel(net, precision="float64")(torch.rand(1, 2))
    assert out.dtype == torch.float64
    assert net.weight.dtype == torch.float32


def test_model_is_left_as_found_also_after_an_error() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    net.train()
    net[1].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    model = ExactModel(net)
    with pytest.raises(RuntimeError, match="size"), model.ready():
        model(torch.zeros(1, 3, 8, 8))  # three channels for one
    with model.ready():
        assert not net[2].training
    assert (net.training, net[1].training, net[2].training) == (True, False, True)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize("fails", [False, True])
def test_settings_come_back(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    before = torch.get_float32_matmul_precision()
    expected = pytest.raises(RuntimeError, match="on purpose") if fails else nullcontext()
    torch.set_float32_matmul_precision("medium")
    try:
        with expected, exact():
            assert not torch.backends.cudnn.allow_tf32
            assert torch.get_float32_matmul_precision() == "highest"
            if fails:
                raise RuntimeError("on purpose")
        assert torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_first_samples_are_drawn_without_repeats_and_nested() -> None:
    data = Samples.of((torch.arange(50.0).view(50, 1, 1, 1), np.arange(50)))
    few, more = data.first(5, seed=1), data.first(20, seed=1)
    seen = [d.take(slice(None)).flatten().tolist() for d in (few, more)]
    assert len(set(seen[0])) == len(few) == 5
    assert seen[0] == seen[1][:5]
    assert few.truth(slice(0, 5)).tolist() == seen[0]
    whole = data.first(None, seed=1)
    assert sorted(whole.take(slice(None)).flatten().tolist()) == list(range(50))
    # Of data that is sorted, any beginning is mixed.
    assert max(whole.take(slice(0, 10)).flatten().tolist()) > 20
    assert few.first(3, seed=1).take(slice(None)).flatten().tolist() == seen[0][:3]


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def test_wrong_use() -> None:
    with pytest.raises(UsageError, match=r"what a model does, got `clasify`\. Did you mean"):
        ExactModel(nn.Identity(), task="clasify")
    with pytest.raises(UsageError, match="`bfloat16` is not a precision"):
        ExactModel(nn.Identity(), precision="bfloat16")
    with pytest.raises(ShapeMismatch, match=r"tensor of 2 axes; got \(2, 1, 4, 4\)"):
        ExactModel(nn.Identity())(torch.zeros(2, 1, 4, 4))
    with pytest.raises(ShapeMismatch, match="at least two outputs are needed; got 1"):
        ExactModel(nn.Linear(3, 1))(torch.zeros(2, 3))
    with pytest.raises(ModelError, match="1 of 2 samples have others"):
        ExactModel(nn.Identity())(torch.tensor([[0.0, 1.0], [float("nan"), 1.0]]))
    with pytest.raises(ShapeMismatch, match="got tuple"):
        ExactModel(Pair())(torch.zeros(2, 3))


def test_every_measure_takes_any_module_and_plain_values() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 3),
    )  # fmt: skip
    x = torch.rand(8, 1, 16, 16)
    one = shift_consistency(net, x, mode="circular", max_shift=2)
    two = shift_consistency(ExactModel(net), Samples.of(x), mode="circular", max_shift=2)
    assert one.to_json() == two.to_json()
    assert layer_errors(net, x) == layer_errors(ExactModel(net), Samples.of(x))
    opened = neocog.load(net, size=(1, 16, 16), mean=(0.0,), std=(1.0,))
    assert shift_consistency(opened, x, max_shift=2).consistency == one.consistency


def test_a_model_that_says_what_it_does_is_measured_so() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(256, 2))
    opened = neocog.load(net, size=(1, 16, 16), task="regress", mean=(0.0,), std=(1.0,))
    for given in (opened, opened.module):
        model = ExactModel(given)
        assert (model.task, model.size) == ("regress", (16, 16))
    assert ExactModel(opened, task="classify", size=(8, 8)).task == "classify"
    assert measured(model, torch.zeros(2, 1, 16, 16))[0] is model
    assert ExactModel(net).size is None
