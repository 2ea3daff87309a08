from contextlib import nullcontext

import pytest
import torch
from tests.explainers.nets import convnet, drawn, state_of
from torch import Tensor, nn

from neocog.errors import ModelError
from neocog.graph.activations import (
    device_and_dtype,
    differentiable,
    exchanging,
    find_layer,
    first_tensor,
    recording,
    with_first,
)


class Pair(nn.Module):
    """Returns what it gets in a dictionary, behind something else."""

    def forward(self, x: Tensor) -> dict:
        return {"note": None, "out": [x * 2, x * 3]}


class Around(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()
        self.twice = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.pair(x)["out"]
        return self.twice(self.twice(first)) + second


@pytest.mark.parametrize("gradients", [False, True])
def test_what_a_layer_said_is_kept_whatever_is_done_in_place(gradients: bool) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)).eval()
    x = torch.randn(5, 3)
    want = net[0](x)
    plain = net(x)
    with torch.set_grad_enabled(gradients), recording(net, ["0", "1"]) as kept:
        out = net(x)
    assert (kept["0"] < 0).any()
    torch.testing.assert_close(kept["0"], want, rtol=0, atol=0)
    assert torch.equal(kept["1"], want.relu())
    assert torch.equal(out, plain)
    if gradients:  # on the way to the answer
        (g,) = torch.autograd.grad(out[:, 0].sum(), kept["0"])
        assert torch.equal(g, net[2].weight[0].expand(5, 4) * (want > 0))


def test_of_several_tensors_the_first_of_several_calls_the_last() -> None:
    net, x = Around(), torch.randn(4, 2)
    with recording(net, ["pair", "twice"]) as kept:
        out = net(x)
    assert torch.equal(kept["pair"], 2 * x)
    assert torch.equal(kept["twice"], net.twice(net.twice(2 * x)))
    assert torch.equal(out, kept["twice"] + 3 * x)


def test_hooks_go_also_after_an_exception() -> None:
    net = convnet()
    before = state_of(net)
    for fails in (False, True):
        expected = pytest.raises(RuntimeError, match="on purpose") if fails else nullcontext()
        with expected, recording(net, ["0", "4"]), exchanging(net, "1", lambda t: t):
            if fails:
                raise RuntimeError("on purpose")
        assert state_of(net) == before
    with pytest.raises(ModelError, match="none"), recording(net, ["0", "no"]):
        pass
    assert state_of(net) == before


def test_an_exchanged_output_is_passed_on() -> None:
    net, x = Around(), torch.randn(4, 2)
    with exchanging(net, "pair", lambda t: t * 0):
        out = net(x)
    assert torch.equal(out, net.twice(net.twice(0 * x)) + 3 * x)


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> str:
        return "nothing"


def test_a_layer_without_a_tensor() -> None:
    net = nn.Sequential(Nothing())
    with recording(net, ["0"]) as kept:
        net(torch.zeros(1))
    assert kept == {}
    with (
        exchanging(net, "0", lambda t: t),
        pytest.raises(ModelError, match=r"`0` returns str. Name another"),
    ):
        net(torch.zeros(1))


def test_names_are_found_or_the_nearest_is_named() -> None:
    net = convnet()
    assert find_layer(net, "4") is net[4]
    with pytest.raises(ModelError, match=r"`conv` is none. The last of its 10 layers are `2`, `3`"):
        find_layer(net, "conv")
    named = nn.ModuleDict({"layer1": nn.Linear(1, 1), "head": nn.Linear(1, 1)})
    with pytest.raises(ModelError, match="Did you mean `layer1`"):
        find_layer(named, "layer7")
    with pytest.raises(ModelError, match="It has none"):
        find_layer(nn.Linear(1, 1), "x")


def test_a_layer_under_two_names() -> None:
    layer = nn.Linear(1, 1)
    assert find_layer(nn.ModuleDict({"a": layer, "b": layer}), "b") is layer


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_layer_cannot_be_looked_into() -> None:
    net = nn.Sequential(torch.jit.script(nn.Linear(1, 1)))
    with pytest.raises(ModelError, match="`0` is compiled"):
        find_layer(net, "0")


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_gradients_flow_into_no_weight(around) -> None:
    net = convnet().train()
    net[0].weight.requires_grad_(False)
    net[4].weight.grad = torch.ones_like(net[4].weight)
    before = state_of(net)
    x = drawn(2, 3, 8, 8).requires_grad_()
    with around(), differentiable(net) as run:
        assert not any(p.requires_grad for p in net.parameters())
        run(x).sum().backward()
        assert all(p.grad is None for p in net.parameters())
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert state_of(net) == before


def test_weights_made_for_inference() -> None:
    with torch.inference_mode():
        net = convnet().eval()
    x = drawn(2, 3, 8, 8).requires_grad_()
    with torch.no_grad():
        want = net(x)
    with differentiable(net) as run:
        out = run(x)
        (g,) = torch.autograd.grad(out.sum(), x)
    torch.testing.assert_close(out.detach(), want)
    assert g.abs().sum() > 0
    assert all(p.is_inference() and p.requires_grad for p in net.parameters())


def test_other_weights_in_their_place() -> None:
    net = nn.Linear(2, 1)
    x = torch.ones(1, 2)
    with differentiable(net, weights={"weight": torch.tensor([[2.0, 3.0]])}) as run:
        assert torch.equal(run(x), 5 + net.bias.detach()[None])
    with differentiable(net) as run:
        torch.testing.assert_close(run(x), net(x).detach())


def test_parts_of_an_output() -> None:
    a, b = torch.tensor(1.0), torch.tensor(2.0)
    assert first_tensor((None, [b, a])) is b
    assert first_tensor("nothing") is None
    new = with_first({"x": [b], "y": a}, a)
    assert new["x"][0] is a
    assert new["y"] is a
    assert device_and_dtype(nn.Linear(1, 1).double()) == (torch.device("cpu"), torch.float64)
    assert device_and_dtype(nn.ReLU()) == (torch.device("cpu"), torch.float32)
