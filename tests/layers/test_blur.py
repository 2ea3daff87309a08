import math

import pytest
import torch
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.layers.blocks import PADDINGS, extend
from neocog.layers.blur import KERNELS, BlurPool, MaxBlurPool, blur, low_pass_kernel, max_blur
from neocog.signal.kernels import binomial

# PyTorch's forward mode loads code that warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")


def by_hand(x: Tensor, kernels: list[Tensor], steps: tuple[int, int], padding: str) -> Tensor:
    """Every output as a sum over its window."""
    reach = [((len(k) - 1) // 2, len(k) // 2) for k in kernels]
    wide = extend(x, reach, padding=padding)
    rows = range(0, x.shape[2], steps[0])
    columns = range(0, x.shape[3], steps[1])
    weight = torch.outer(*kernels)
    high, broad = weight.shape
    windows = [[wide[:, :, i : i + high, j : j + broad] for j in columns] for i in rows]
    sums = [[(w * weight).sum((2, 3)) for w in line] for line in windows]
    return torch.stack([torch.stack(line, -1) for line in sums], -2)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("taps", "steps"), [(2, 2), (3, 2), (4, 2), (5, 3), (7, 4), (3, 1)])
@pytest.mark.parametrize("size", [(7, 8), (2, 1), (12, 5)])
def test_equals_a_loop(padding: str, taps: int, steps: int, size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    kernels = [binomial(taps), binomial(3)]
    loop = by_hand(x, kernels, (steps, 2), padding)
    # float64 rounding of a few dozen summands.
    for layout in (torch.contiguous_format, torch.channels_last):
        y = blur(x.to(memory_format=layout), kernels, stride=(steps, 2), padding=padding)
        torch.testing.assert_close(y, loop, rtol=0, atol=1e-13)


@pytest.mark.parametrize("padding", PADDINGS)
def test_one_axis_of_space(padding: str) -> None:
    x = torch.randn(2, 3, 11, dtype=torch.float64)
    y = blur(x, [binomial(4)], stride=3, padding=padding)
    flat = blur(x[:, :, None], [binomial(1), binomial(4)], stride=(1, 3), padding=padding)
    torch.testing.assert_close(y, flat[:, :, 0], rtol=0, atol=1e-14)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("taps", [3, 4, 6])
def test_gradients(padding: str, taps: int) -> None:
    x = torch.randn(1, 2, 5, 6, dtype=torch.float64).requires_grad_()
    pool = BlurPool(2, taps=taps, padding=padding).double()
    assert torch.autograd.gradcheck(pool, x, check_forward_ad=True)
    largest = MaxBlurPool(2, 2, taps=taps, padding=padding).double()
    assert torch.autograd.gradcheck(largest, x)


def test_the_kernel_is_not_saved_and_follows_the_module() -> None:
    plain = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    blurred = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), BlurPool(2)))
    blurred.load_state_dict(plain.state_dict())
    plain.load_state_dict(blurred.state_dict())
    assert BlurPool(2).double().kernel0.dtype == torch.float64


def test_kernels_suit_their_stride() -> None:
    assert low_pass_kernel("binomial", 1, 5).tolist() == [1.0]
    assert [len(low_pass_kernel(k, 3)) for k in KERNELS] == [7, 7, 7]
    pool = BlurPool((1, 2), taps=3)
    assert [len(k) for k in pool.kernels(2)] == [1, 3]
    assert "stride=(1, 2), taps=[1, 3], padding=reflect" in repr(pool)
    assert "keep=True" in repr(BlurPool(2, keep=True))


def test_keep_blurs_and_drops_nothing() -> None:
    x = torch.randn(1, 2, 8, 6)
    kept = BlurPool(2, keep=True)(x)
    assert kept.shape == x.shape
    torch.testing.assert_close(kept[:, :, ::2, ::2], BlurPool(2)(x))


@pytest.mark.parametrize("padding", ["circular", "reflect", "replicate"])
@pytest.mark.parametrize("stride", [2, 3, 4])
def test_a_constant_map_stays_constant(padding: str, stride: int) -> None:
    for kernel in KERNELS:
        y = BlurPool(stride, kernel=kernel, padding=padding)(torch.full((1, 1, 13, 2), 3.0))
        torch.testing.assert_close(y, torch.full_like(y, 3.0))


def test_max_blur_by_hand() -> None:
    x = torch.tensor([[[-1.0, -2.0, -3.0, 5.0]]])
    # Maxima of (x[i], x[i + 1]): -1 -2 5 5, the last one of a window that ends outside.
    y = max_blur(x, 2, [binomial(1)], stride=1, padding="zeros")
    assert y.tolist() == [[[-1, -2, 5, 5]]]
    assert max_blur(x, 2, [binomial(1)], stride=1, padding="circular").tolist() == y.tolist()
    assert MaxBlurPool(3, 2)(torch.randn(2, 3, 9, 9)).shape == (2, 3, 5, 5)
    assert "window=3" in repr(MaxBlurPool(3, 2))


def test_wrong_names_and_amounts_are_refused() -> None:
    with pytest.raises(UsageError, match=r"`binomal` is not a low-pass kernel\. Did you mean"):
        BlurPool(2, kernel="binomal")
    with pytest.raises(UsageError, match="`wrap` is not a padding"):
        BlurPool(2, padding="wrap")
    with pytest.raises(UsageError, match="one tap at least"):
        BlurPool(2, taps=0)
    with pytest.raises(UsageError, match="one for each of the 1 axes"):
        BlurPool((2, 2))(torch.zeros(1, 1, 4))


def test_D7_blur_lowers_what_aliases() -> None:
    t = torch.arange(32, dtype=torch.float64)
    wave = torch.cos(2 * math.pi * 12 * t / 32)[None, None]  # stride 2 folds it to 4 / 16
    left = blur(wave, [binomial(5)], stride=2, padding="circular")
    assert left.square().mean() < 0.01 * wave[:, :, ::2].square().mean()


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("taps", [3, 4, 5])
@pytest.mark.parametrize("shape", [(2, 3, 11, 8), (2, 3, 9), (1, 1, 6, 6)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_bfloat16_is_float32_to_rounding(
    padding: str, taps: int, shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).bfloat16()
    x = x.to(memory_format=layout) if len(shape) == 4 else x
    kernels = [binomial(taps)] * (len(shape) - 2)
    half, whole = x.clone().requires_grad_(), x.float().requires_grad_()
    found, expected = (blur(v, kernels, stride=2, padding=padding) for v in (half, whole))
    assert found.dtype == torch.bfloat16
    assert found.is_contiguous(memory_format=layout) or len(shape) == 3
    # a product an axis, each rounded to 8 bits, of numbers below 4
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=2 * 4 * 2**-9)
    seed = torch.randn(found.shape, generator=torch.Generator().manual_seed(1)).bfloat16()
    (got,) = torch.autograd.grad(found, half, seed)
    (wanted,) = torch.autograd.grad(expected, whole, seed.float())
    torch.testing.assert_close(got.float(), wanted, rtol=0, atol=2 * 4 * 2**-9)
