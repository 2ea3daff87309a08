import math

import pytest
import torch

from neocog.errors import UsageError
from neocog.signal.kernels import binomial, triangle, windowed_sinc

KERNELS = {
    "binomial": binomial,
    "triangle": triangle,
    "sinc": lambda taps: windowed_sinc(taps, 2),
}


def response(kernel: torch.Tensor, frequency: float) -> float:
    t = torch.arange(len(kernel), dtype=torch.float64) - (len(kernel) - 1) / 2
    return float((kernel * torch.cos(2 * math.pi * frequency * t)).sum())


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5, 8, 13])
def test_kernels_are_symmetric_and_sum_to_one(name: str, taps: int) -> None:
    kernel = KERNELS[name](taps)
    assert kernel.dtype == torch.float64
    assert kernel.shape == (taps,)
    # float64 rounding of a dozen summands.
    torch.testing.assert_close(
        kernel.sum(), torch.ones((), dtype=torch.float64), rtol=1e-14, atol=0
    )
    torch.testing.assert_close(kernel, kernel.flip(0), rtol=0, atol=1e-16)


def test_binomial_and_triangle_by_hand() -> None:
    assert (binomial(5) * 16).tolist() == [1, 4, 6, 4, 1]
    assert (triangle(4) * 6).tolist() == pytest.approx([1, 2, 2, 1])


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_a_triangle_of_2s_minus_1_taps_folds_nothing_onto_the_mean(stride: int) -> None:
    for k in range(1, stride):
        assert response(triangle(2 * stride - 1), k / stride) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("stride", [2, 3])
def test_the_sinc_passes_what_the_stride_holds(stride: int) -> None:
    kernel = windowed_sinc(16 * stride + 1, stride)
    assert response(kernel, 0.35 / stride) == pytest.approx(1, abs=0.01)
    assert response(kernel, 0.65 / stride) == pytest.approx(0, abs=0.01)
    assert response(kernel, 0.5 / stride) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_has_a_tap(name: str) -> None:
    with pytest.raises(UsageError, match=r"one tap at least; 0 came"):
        KERNELS[name](0)
