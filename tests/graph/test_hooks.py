import pytest
import torch
from torch import nn

from neocog.graph.hooks import hooked, layers_of


class Fails(nn.Module):
    def forward(self, x):
        raise RuntimeError("no")


def held(net: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules())


def test_hooks_are_gone_after_an_exception_and_the_last_call_was_told() -> None:
    net, calls = nn.Sequential(nn.ReLU(), Fails()), []

    def after(name: str, m: nn.Module, args: tuple, out: object) -> None:
        calls.append((name, out is None))

    inside = hooked(net.named_modules(), before=lambda *call: None, after=after, always=True)
    with pytest.raises(RuntimeError, match="no"), inside:
        net(torch.ones(1))
    assert calls == [("0", False), ("1", True), ("", True)]
    assert held(net) == 0


def test_what_a_hook_returns_is_the_output() -> None:
    net = nn.Sequential(nn.ReLU(), nn.ReLU())
    with hooked([("0", net[0])], after=lambda name, m, args, out: out + 1):
        assert net(torch.ones(1)).item() == 2
    assert net(torch.ones(1)).item() == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_modules_take_no_hooks_and_lists_are_no_layers() -> None:
    net = nn.Sequential(torch.jit.script(nn.ReLU()), nn.Sequential(nn.Tanh()))
    names: list[str] = []
    with hooked(layers_of(net), after=lambda name, *call: names.append(name)):
        net(torch.ones(1))
    assert names == ["1.0"]
