import gc
import weakref
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.operations import Call, Observer, Operation, watching


def seen(module: nn.Module, x: Tensor) -> list[Operation]:
    found: list[Operation] = []
    with torch.no_grad(), watching(module, found.append):
        module(x)
    return found


class Free(nn.Module):
    """Functions, slices, a loop and a branch on a value, around a module that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = self.inner(x[:, :, ::2])
        if x.sum() > 0:
            x.add_(1)
        return x


def test_any_control_flow_and_the_innermost_module_by_name() -> None:
    names = [(op.module, op.name) for op in seen(Free(), torch.ones(1, 1, 8))]
    assert [n for n in names if n[1] in ("relu", "add", "sum")] == [
        ("inner.0", "relu"),
        ("inner.0", "relu"),
        ("", "sum"),
        ("", "add"),
    ]


def test_the_record_performs_the_operation_again() -> None:
    net = nn.Conv2d(1, 2, 3, stride=2)
    x = torch.randn(1, 1, 7, 7)
    (op,) = (o for o in seen(net, x) if o.name == "convolution")
    assert op.args[0] is x
    assert torch.equal(op.func(*op.args, **op.kwargs), op.out)
    at_stride_1 = op.func(*op.args[:3], [1, 1], *op.args[4:])
    assert torch.equal(at_stride_1[:, :, ::2, ::2], op.out)


def test_views_and_in_place_work_are_marked() -> None:
    ops = {op.name: op for op in seen(Free(), torch.ones(1, 1, 8))}
    assert ops["slice"].is_view
    assert ops["add"].in_place
    assert not ops["relu"].is_view
    assert not ops["relu"].in_place


@pytest.mark.parametrize(
    "pad",
    [
        lambda x: F.pad(x, (1, 2), mode="circular"),
        lambda x: F.pad(input=x, pad=(1, 2), mode="circular"),
        lambda x: torch.ops.aten.pad.default(x, [1, 2], "circular"),
        lambda x: torch.ops.aten._pad_circular.default(x, [1, 2]),
        nn.CircularPad1d((1, 2)),
    ],
)
def test_circular_padding_is_one_operation(pad) -> None:
    class Pads(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return pad(x) + 0

    x = torch.arange(5.0).view(1, 1, 5)
    first, second = seen(Pads(), x)
    assert (first.name, second.name) == ("_pad_circular", "add")
    assert first.args[0] is x
    assert first.args[1] == [1, 2]
    assert first.out.tolist() == [[[4, 0, 1, 2, 3, 4, 0, 1]]]
    assert torch.equal(first.func(*first.args), first.out)
    assert not first.in_place


def test_other_paddings_are_what_they_are() -> None:
    class Pads(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.pad(F.pad(x, (1, 1)), (1, 1), mode="reflect")

    assert [op.name for op in seen(Pads(), torch.ones(1, 1, 5))] == [
        "constant_pad_nd",
        "reflection_pad1d",
    ]


def test_what_the_observer_computes_is_not_reported() -> None:
    names: list[str] = []

    class Computes(Observer):
        def operation(self, op: Operation) -> None:
            names.append(op.name)
            _ = F.pad(op.out * 2, (1, 1), mode="circular")

        def start(self, call: Call) -> None:
            _ = F.pad(call.args[0] * 2, (1, 1), mode="circular")

        end = start

    net = nn.Sequential(nn.CircularPad1d(1), nn.ReLU())
    x = torch.ones(1, 1, 4)
    with watching(net, Computes()):
        net(x)
    assert names == ["_pad_circular", "relu"]


def test_calls_come_with_their_outputs() -> None:
    calls: list[Call] = []
    net = nn.Sequential(nn.ReLU(), nn.Tanh())
    x = torch.ones(2)

    class Books(Observer):
        def start(self, call: Call) -> None:
            calls.append(call)

        end = start

    with watching(net, Books()):
        y = net(x)
    assert [c.name for c in calls] == ["", "0", "0", "1", "1", ""]
    assert calls[0].args[0] is x
    assert calls[-1].out is y
    assert calls[-1].module is net


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_module_is_one_with_what_it_is_in() -> None:
    net = nn.Sequential(torch.jit.script(nn.Sequential(nn.ReLU())), nn.Tanh())
    names = [(op.module, op.name) for op in seen(net, torch.ones(2))]
    assert names == [("", "relu"), ("1", "tanh")]


class Catching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fails = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        try:
            x = self.fails(x)
        except RuntimeError:
            x = x + 1
        return x


def test_a_sub_module_that_fails_is_left_again() -> None:
    assert [(op.module, op.name) for op in seen(Catching(), torch.ones(1, 2))][-1] == ("", "add")


def test_hooks_are_gone_afterwards_also_after_an_exception() -> None:
    net = nn.Sequential(nn.Linear(3, 3))
    for x in (torch.ones(1, 3), torch.ones(1, 2)):
        fits = x.shape == (1, 3)
        with nullcontext() if fits else pytest.raises(RuntimeError, match="shapes cannot be"):
            seen(net, x)
        for m in net.modules():
            assert not m._forward_hooks
            assert not m._forward_pre_hooks
            assert not m._forward_hooks_always_called


def test_nothing_is_held_that_the_observer_does_not_hold() -> None:
    net = nn.Sequential(nn.ReLU(), nn.ReLU())
    kept: list[weakref.ref] = []
    x = torch.ones(2)
    with watching(net, lambda op: kept.append(weakref.ref(op.out))):
        y = net(x)
    gc.collect()
    assert [r() is None for r in kept] == [True, False]
    assert y is kept[1]()
