from typing import Any

import pytest
import torch
from torch import Tensor, nn

from neocog.graph.outputs import outputs
from neocog.graph.replay import Rerun
from neocog.graph.structure import structure
from neocog.layers._cpu.packed import PackedConvolution
from neocog.networks.catalog import build

CONVOLUTION = torch.ops.aten.convolution.default


def _call(*, groups: int = 1, stride: int = 1, dtype: torch.dtype = torch.float32) -> Any:
    x = torch.randn(1, 32, 12, 10, dtype=dtype).to(memory_format=torch.channels_last)
    weight = nn.Parameter(torch.randn(64, 32 // groups, 3, 3, dtype=dtype))
    bias = torch.randn(64, dtype=dtype)
    return x, weight, bias, [stride] * 2, [1, 1], [1, 1], False, [0, 0], groups


def _packed(args: tuple[Any, ...]) -> tuple[PackedConvolution | None, Tensor]:
    with torch.no_grad():
        out = CONVOLUTION(*args)
        return PackedConvolution.of(CONVOLUTION, args, out), out


@pytest.mark.parametrize(("groups", "stride"), [(1, 1), (1, 2), (4, 1)])
def test_it_gives_what_the_convolution_gives(groups: int, stride: int) -> None:
    args = _call(groups=groups, stride=stride)
    packed = _packed(args)[0]
    assert packed is not None
    other = (torch.randn_like(args[0]), *args[1:])
    with torch.no_grad():
        want = CONVOLUTION(*other)
        # Sums of 288 products in another order, of values about 17.
        torch.testing.assert_close(packed(other), want, rtol=1e-5, atol=1e-4)
    assert packed(other).stride() == want.stride()


def test_weights_that_change_and_other_sizes_do_not_suit() -> None:
    args = _call()
    packed, _ = _packed(args)
    assert packed is not None
    assert packed.suits(args)
    assert not packed.suits((args[0][..., 1:], *args[1:]))
    assert not packed.suits((args[0], nn.Parameter(args[1].detach().clone()), *args[2:]))
    with torch.no_grad():
        args[1].mul_(2)
    assert not packed.suits(args)


def test_what_cannot_be_packed_stays() -> None:
    assert _packed(_call(dtype=torch.float64))[0] is None
    args = _call()
    contiguous = (args[0].contiguous(), *args[1:])  # its maps would change their layout
    assert _packed(contiguous)[0] is None
    assert PackedConvolution.of(torch.ops.aten.relu.default, args[:1], args[0]) is None


def test_a_network_that_is_run_again_takes_packed_kernels_until_its_weights_change() -> None:
    net = build("resnet20", num_classes=10, in_channels=3, size=(32, 32)).eval()
    first, x = torch.randn(2, 1, 3, 32, 32)
    first, x = (t.to(memory_format=torch.channels_last) for t in (first, x))
    graph = structure(net, first)
    run = Rerun(net, graph)
    run(first)
    assert run.counts
    assert run._script is not None
    assert sum(step.packed is not None for step in run._script.steps) > 10
    for scale in (1.0, 1.5):
        with torch.no_grad():
            net.conv1.weight.mul_(scale)  # type: ignore[union-attr, operator]
        for got, want in zip(run(x), outputs(net, x, graph), strict=True):
            assert got is not None
            assert want is not None
            torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)
