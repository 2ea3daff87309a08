import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from neocog.graph.preserve import exact
from neocog.layers import blocks
from neocog.layers._cpu.spectral import circular_conv2d, is_cheaper, is_unobserved
from neocog.layers.blocks import CircularConv2d, extend

# PyTorch's forward differentiation compiles its own rules in the old way at its first use.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")


def random(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    taps=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    data=st.data(),
    bias=st.booleans(),
)
def test_it_is_the_convolution_of_the_wrapped_map(
    size: tuple[int, int], taps: tuple[int, int], data: st.DataObject, bias: bool
) -> None:
    before = tuple(data.draw(st.integers(0, k - 1)) for k in taps)
    x, weight = random(2, 3, *size), random(5, 3, *taps)
    b = random(5) if bias else None
    sides = [(p, k - 1 - p) for p, k in zip(before, taps, strict=True)]
    direct = F.conv2d(extend(x, sides, padding="circular"), weight, b)
    ours = circular_conv2d(x, weight, b, before=before)
    # Sums of at most 75 products in float64, added in another order.
    torch.testing.assert_close(ours, direct, rtol=0, atol=1e-12)


def test_by_hand() -> None:
    x = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]], dtype=torch.float64)
    difference = torch.tensor([[[[1.0, 0.0, -1.0]]]], dtype=torch.float64)
    out = circular_conv2d(x, difference, before=(0, 1))
    torch.testing.assert_close(out.flatten().tolist(), [2.0, -2.0, -2.0, 2.0])


@pytest.mark.parametrize("size", [4, 7, 8])
def test_a_module_gives_what_pytorchs_gives_and_moves_with_its_map(size: int) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular").eval()
    ours = CircularConv2d(64, 64, 3, padding=1, padding_mode="circular").eval()
    ours.load_state_dict(plain.state_dict())
    x = random(64, 64, size, size, dtype=torch.float32).to(memory_format=torch.channels_last)
    with torch.no_grad():
        assert ours._is_spectral(x)
        out = ours(x)
        # 576 products of numbers near 1, float32.
        torch.testing.assert_close(out, plain(x), rtol=0, atol=1e-5)
        moved = ours(x.roll((1, 2), (2, 3)))
    assert out.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(moved, out.roll((1, 2), (2, 3)), rtol=0, atol=1e-5)


def test_a_gradient_is_that_of_pytorch() -> None:
    torch.manual_seed(0)
    ours = CircularConv2d(32, 32, 3, padding=1, padding_mode="circular")
    x = random(64, 32, 4, 4, dtype=torch.float32)
    assert is_cheaper(x, ours.weight)
    ours(x).square().sum().backward()
    assert ours.weight.grad is not None
    wide = extend(x, [(1, 1), (1, 1)], padding="circular")
    weight = ours.weight.detach().clone().requires_grad_()
    F.conv2d(wide, weight, ours.bias).square().sum().backward()
    assert torch.equal(ours.weight.grad, weight.grad)


@pytest.mark.parametrize(
    ("shape", "outputs", "cheaper"),
    [
        ((64, 192, 4, 4), 192, True),
        ((64, 96, 8, 8), 96, True),
        ((1, 192, 4, 4), 192, False),  # a kernel's transform is more than the convolution
        ((64, 48, 16, 16), 48, False),  # too many samples for one matrix
        ((32, 512, 7, 7), 512, False),  # kernels that fill the memory
        ((64, 1, 8, 8), 4, False),
        ((0, 64, 4, 4), 64, False),
    ],
)
def test_where_it_is_taken(shape: tuple[int, ...], outputs: int, cheaper: bool) -> None:
    assert is_cheaper(torch.empty(shape), torch.empty(outputs, shape[1], 3, 3)) is cheaper


def test_measurements_of_the_last_bits_stay_in_space() -> None:
    net = CircularConv2d(64, 64, 3, padding=1, padding_mode="circular").eval()
    x = random(64, 64, 4, 4, dtype=torch.float32)
    with torch.no_grad():
        assert net._is_spectral(x)
        with exact():
            assert not net._is_spectral(x)
            moved = net(x.roll((1, 2), (2, 3)))
            assert torch.equal(moved, net(x).roll((1, 2), (2, 3)))
        assert net._is_spectral(x)


class _Watch(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        return func(*args, **(kwargs or {}))


def test_only_plain_numbers_take_it() -> None:
    x, weight = torch.ones(1), nn.Parameter(torch.ones(1))
    assert not is_unobserved(x, weight)  # a gradient is wanted
    with torch.no_grad():
        assert is_unobserved(x, weight, None)
        assert not is_unobserved(x.to(torch.bfloat16))
        assert not is_unobserved(x.to("meta"))
        with _Watch():
            assert not is_unobserved(x)
        with FlopCounterMode(display=False):
            assert not is_unobserved(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not is_unobserved(x)
        seen: list[bool] = []
        torch.func.vmap(lambda t: seen.append(is_unobserved(t)) or t)(x)  # type: ignore[func-returns-value]
        torch.func.jvp(lambda t: seen.append(is_unobserved(t)) or t, (x,), (x,))  # type: ignore[func-returns-value]
        assert seen == [False, False]


@pytest.mark.parametrize("transform", ["jvp", "vmap", "export"])
def test_a_module_goes_through_pytorchs_transforms(transform: str) -> None:
    net = CircularConv2d(32, 32, 3, padding=1, padding_mode="circular").eval()
    x = random(64, 32, 4, 4, dtype=torch.float32)
    with torch.no_grad():
        expected = copy.deepcopy(net)(x)
        if transform == "jvp":
            out = torch.func.jvp(net, (x,), (x,))[0]
        elif transform == "vmap":
            out = torch.func.vmap(net)(x[None])[0]
        else:
            program = torch.export.export(net, (x,))
            assert any("conv2d" in str(n.target) for n in program.graph.nodes)
            out = program.module()(x)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "options", [{"stride": 2}, {"dilation": 2}, {"groups": 2}, {"padding": 2}, {"kernel_size": 2}]
)
def test_other_convolutions_stay_direct(options: dict[str, int]) -> None:
    given = {"kernel_size": 3, "padding": 1} | options
    net = CircularConv2d(64, 64, **given, padding_mode="circular").eval()
    x = random(64, 64, 4, 4, dtype=torch.float32)
    with torch.no_grad():
        assert not net._is_spectral(x)
        plain = nn.Conv2d(64, 64, **given, padding_mode="circular").eval()
        plain.load_state_dict(net.state_dict())
        torch.testing.assert_close(net(x), plain(x), rtol=0, atol=1e-5)


def test_the_constants_of_a_map_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert blocks.circular_conv2d is circular_conv2d
    x, weight = random(2, 3, 4, 4), random(2, 3, 3, 3)
    first = circular_conv2d(x, weight, before=(1, 1))
    monkeypatch.setattr(torch, "cartesian_prod", lambda *_: pytest.fail("made again"))
    assert torch.equal(circular_conv2d(x, weight, before=(1, 1)), first)
