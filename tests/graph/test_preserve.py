from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from neocog.graph.preserve import preserved


class Writes(nn.Module):
    """Counts its calls in a buffer, and puts a new tensor in the place of another."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(3))
        self.register_buffer("last", torch.ones(2))
        self.register_buffer("never", None)
        self.linear = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = x.mean(0)
        self.register_buffer("made", x)
        return self.linear(x)


def module() -> nn.Sequential:
    net = nn.Sequential(Writes(), nn.BatchNorm1d(2), nn.Dropout())
    net[1].eval()
    net[0].linear.bias.requires_grad_(False)
    net(torch.ones(4, 2)).sum().backward()
    net[0].register_forward_hook(lambda m, args, out: None)
    return net


def state_of(net: nn.Module) -> list:
    return [
        [
            m.training,
            dict(m._forward_hooks),
            dict(m._forward_pre_hooks),
            dict(m._backward_pre_hooks),
            {name: id(b) for name, b in m._buffers.items()},
            [None if b is None else b.tolist() for b in m._buffers.values()],
            [(id(p.grad), p.requires_grad) for p in m.parameters(recurse=False)],
            [None if p.grad is None else p.grad.tolist() for p in m.parameters(recurse=False)],
        ]
        for m in net.modules()
    ]


@pytest.mark.parametrize("fails", [False, True])
def test_everything_comes_back_also_after_an_exception(fails: bool) -> None:
    net = module()
    before = state_of(net)
    expected = pytest.raises(RuntimeError, match="on purpose") if fails else nullcontext()
    with expected, preserved(net):
        assert not any(m.training for m in net.modules())
        for m in net.modules():
            m.register_forward_pre_hook(lambda m, args: None)
            m.register_full_backward_pre_hook(lambda m, out: None)
        net.requires_grad_(False)
        net[0].linear.weight.requires_grad_(True)
        net(torch.ones(4, 2, requires_grad=True)).square().sum().backward()
        if fails:
            raise RuntimeError("on purpose")
    assert state_of(net) == before


def test_a_gradient_inside_starts_from_nothing() -> None:
    net = module()
    with preserved(net):
        assert all(p.grad is None for p in net.parameters())


def test_a_buffer_that_nobody_wrote_to_is_not_written_to() -> None:
    net = nn.BatchNorm1d(2)
    version = net.running_mean._version
    with preserved(net):
        net(torch.zeros(4, 2))
    assert net.running_mean._version == version


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_module() -> None:
    net = torch.jit.script(nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()))
    with preserved(net):
        assert not net.training
        next(net.children()).running_mean.add_(1)
    assert net.training
    assert next(net.children()).running_mean.tolist() == [0, 0]


def test_a_module_on_no_device_and_one_made_for_inference() -> None:
    with torch.device("meta"):
        net = nn.BatchNorm1d(2)
    with preserved(net):
        net(torch.zeros(4, 2, device="meta"))
    assert net.training
    with torch.inference_mode():
        net = Writes()
        with preserved(net):
            net(torch.zeros(4, 2))
    assert net.calls.tolist() == [0, 0, 0]
