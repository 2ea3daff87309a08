import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from neocog.layers._cpu.separable import SeparableAxis, along, filtered
from neocog.layers.blocks import PADDINGS, extend
from neocog.layers.blur import BlurPool, blur
from neocog.signal.kernels import binomial

# PyTorch's forward mode loads code that warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")


BORDERS = [p for p in PADDINGS if p != "zeros"]


LAYOUTS = (torch.contiguous_format, torch.channels_last)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Maps that `blur` takes this way from now on, of every size."""
    seen: list[Tensor] = []

    def noted(x: Tensor, axes: list[SeparableAxis]) -> Tensor:
        seen.append(x)
        return filtered(x, axes)

    monkeypatch.setattr("neocog.layers._cpu.blur.LARGE", 0)
    monkeypatch.setattr("neocog.layers._cpu.blur.filtered", noted)
    return seen


def test_an_axis_by_hand() -> None:
    taps = torch.tensor([0.25, 0.5, 0.25])
    axis = along(5, taps, 2, "reflect")
    assert (4 * axis.bare).tolist() == [[2, 1, 0, 0, 0], [0, 1, 2, 1, 0], [0, 0, 0, 1, 2]]
    assert (4 * axis.whole).tolist() == [[2, 2, 0, 0, 0], [0, 1, 2, 1, 0], [0, 0, 0, 2, 2]]
    first, last = axis.ends
    assert (first.out, first.within, first.weights.tolist()) == ((0, 1), (1, 1), [[0.25]])
    assert (last.out, last.within, last.weights.tolist()) == ((2, 1), (3, 1), [[0.25]])
    assert along(4, taps, 2, "zeros").ends == ()
    (wrapped,) = along(4, taps, 2, "circular").ends
    assert (wrapped.out, wrapped.within) == ((0, 1), (3, 1))


def plainly(x: Tensor, kernels: list[Tensor], strides: Sequence[int], padding: str) -> Tensor:
    """The border added to the map, a convolution of each axis, samples dropped."""
    x = extend(x, [((len(k) - 1) // 2, len(k) // 2) for k in kernels], padding=padding)
    for dim, (k, stride) in enumerate(zip(kernels, strides, strict=True), start=2):
        x = (x.unfold(dim, len(k), stride) * k).sum(-1)
    return x


@pytest.mark.parametrize("padding", BORDERS)
@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 1)])
def test_values_and_gradients_of_every_border(
    padding: str, taps: int, strides: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(taps)
    kernels = [torch.rand(n, dtype=torch.float64, generator=generator) for n in (taps, 5)]
    compared = 0
    for size, layout in itertools.product(((8, 8), (7, 10), (3, 2), (1, 5)), LAYOUTS):
        ways = zip(size, kernels, strides, strict=True)
        axes = [along(n, k, step, padding) for n, k, step in ways]
        if any(axis.left < 0 for axis in axes):
            continue
        compared += 1
        x = torch.randn(2, 3, *size, dtype=torch.float64, generator=generator)
        x = x.contiguous(memory_format=layout).requires_grad_()
        y, expected = filtered(x, axes), plainly(x, kernels, strides, padding)
        g = torch.randn(y.shape, dtype=torch.float64, generator=generator)
        found, told = (torch.autograd.grad(out, x, g)[0] for out in (y, expected))
        # float64 rounding of some dozen summands.
        torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(found, told, rtol=0, atol=1e-12)
        with torch.no_grad():
            assert torch.equal(filtered(x, axes), y)
    assert compared or taps % 2 == 0  # of an even kernel the last window may be missing


@pytest.mark.parametrize("padding", BORDERS)
def test_parts_of_maps(padding: str) -> None:
    x = torch.randn(4, 6, 9, 12, dtype=torch.float64)
    kernel = binomial(3)
    for part in (x[:, ::2], x[..., 1:-1:2], x.transpose(2, 3), x[:1].expand(3, -1, -1, -1)):
        axes = [along(n, kernel, 2, padding) for n in part.shape[2:]]
        expected = plainly(part, [kernel, kernel], (2, 2), padding)
        torch.testing.assert_close(filtered(part, axes), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("padding", BORDERS)
def test_it_is_its_own_second_derivative(padding: str) -> None:
    x = torch.randn(2, 2, 5, 6, dtype=torch.float64).requires_grad_()
    axes = [along(n, binomial(5), 2, padding) for n in (5, 6)]
    assert torch.autograd.gradcheck(lambda x: filtered(x, axes), x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda x: filtered(x, axes).square(), x)


def test_a_series(taken: list[Tensor]) -> None:
    x = torch.randn(2, 3, 9, dtype=torch.float64).requires_grad_()
    y = blur(x, [binomial(5)], stride=2, padding="reflect")
    assert taken
    torch.testing.assert_close(y, plainly(x, [binomial(5)], (2,), "reflect"), rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x: filtered(x, [along(9, binomial(5), 2, "reflect")]), x)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_stays(layout: torch.memory_format, taken: list[Tensor]) -> None:
    x = torch.randn(2, 8, 8, 8).contiguous(memory_format=layout).requires_grad_()
    y = BlurPool(2)(x)
    (g,) = torch.autograd.grad(y.square().sum(), x)
    assert taken
    assert y.is_contiguous(memory_format=layout)
    assert g.is_contiguous(memory_format=layout)


def test_which_maps_are_taken_this_way(taken: list[Tensor], monkeypatch: Any) -> None:
    x = torch.randn(2, 4, 16, 16)
    for pool in (BlurPool(2), BlurPool(2, taps=3), BlurPool(2, keep=True)):
        taken.clear()
        pool(x)
        assert len(taken) == 1
    taken.clear()
    BlurPool(2, padding="zeros")(x)  # nothing to add
    BlurPool(2)(x.half())
    BlurPool(8, keep=True)(x)  # more work at the rim than inside
    monkeypatch.setattr("neocog.layers._cpu.blur.LARGE", x.numel() + 1)
    BlurPool(2)(x)
    assert not taken


def test_several_gradients_at_once(taken: list[Tensor]) -> None:
    x = torch.randn(2, 2, 6, 6, dtype=torch.float64).requires_grad_()
    y = BlurPool(2).double()(x)
    assert taken
    several = torch.randn(3, *y.shape, dtype=torch.float64)
    (found,) = torch.autograd.grad(y, x, several, is_grads_batched=True, retain_graph=True)
    each = torch.stack([torch.autograd.grad(y, x, g, retain_graph=True)[0] for g in several])
    torch.testing.assert_close(found, each, rtol=0, atol=1e-14)


def test_a_kernel_that_is_learned_gets_a_gradient(taken: list[Tensor]) -> None:
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64)
    kernel = binomial(3).requires_grad_()
    assert torch.autograd.gradcheck(lambda k: blur(x, [k, k], stride=2), kernel)
    fixed = binomial(3)
    tangent = torch.randn(3, dtype=torch.float64)
    taken.clear()
    _, found = torch.func.jvp(lambda k: blur(x, [k, fixed], stride=2), (fixed,), (tangent,))
    assert not taken
    expected = blur(x, [tangent, fixed], stride=2)  # it is linear in its kernel
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)
    several = torch.stack([fixed, tangent])
    mapped = torch.func.vmap(lambda k: blur(x, [k, fixed], stride=2))(several)
    torch.testing.assert_close(mapped[1], expected, rtol=0, atol=1e-14)


def test_a_gradient_within_autocast_is_as_exact_as_outside(taken: list[Tensor]) -> None:
    x = torch.randn(2, 4, 8, 8).requires_grad_()
    y = BlurPool(2)(x)
    assert taken
    (outside,) = torch.autograd.grad(y.sum(), x, retain_graph=True)
    total = y.sum()
    with torch.autocast("cpu", torch.bfloat16):
        (within,) = torch.autograd.grad(total, x)
    assert torch.equal(outside, within)


@pytest.mark.parametrize("first", ["meta", "inference"])
def test_what_is_kept_between_calls_can_be_used_by_all(first: str, taken: list[Tensor]) -> None:
    taps = {"meta": 3, "inference": 4}[first]  # of a size that no other test has
    x = torch.randn(2, 4, 10, 14)
    pool = BlurPool(2, taps=taps)
    with torch.device("meta") if first == "meta" else torch.inference_mode():
        pool(x)
    assert taken
    x.requires_grad_()
    y = pool(x)
    (g,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    g.square().sum().backward()
    kernels = pool.kernels(2)
    # float32 rounding of sixteen summands.
    torch.testing.assert_close(y, plainly(x, kernels, (2, 2), "reflect"), rtol=0, atol=1e-6)
