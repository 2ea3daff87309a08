import math

import pytest
import torch

from neocog.errors import UsageError
from neocog.signal.correlate import correlate
from neocog.signal.kernels import (
    binomial,
    frequency_response,
    gabor,
    gaussian,
    laplace,
    outline,
    prewitt,
    product,
    sharpen,
    sobel,
    triangle,
    windowed_sinc,
)

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
    # Ripples that a Hann window leaves stay below 0.0063 of the step (44 dB).
    assert response(kernel, 0.35 / stride) == pytest.approx(1, abs=0.01)
    assert response(kernel, 0.65 / stride) == pytest.approx(0, abs=0.01)
    assert response(kernel, 0.5 / stride) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_has_a_tap(name: str) -> None:
    with pytest.raises(UsageError, match=r"one tap at least; got 0"):
        KERNELS[name](0)


def test_A11_kernels_by_hand() -> None:
    assert prewitt().tolist() == [[1, 0, -1]] * 3
    assert prewitt(0).tolist() == [[1] * 3, [0] * 3, [-1] * 3]
    assert sobel().tolist() == [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
    assert laplace().tolist() == [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    assert outline().tolist() == [[-1] * 3, [-1, 8, -1], [-1] * 3]
    assert sharpen().tolist() == [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
    assert sharpen(0.5)[1, 1] == 3
    rows = [[1, 4, 6, 4, 1], [2, 8, 12, 8, 2], [1, 4, 6, 4, 1]]
    assert (64 * product(binomial(3), binomial(5))).tolist() == rows


def test_A11_a_sharpened_ramp_is_the_ramp_and_edges_of_flat_areas_are_none() -> None:
    ramp = torch.arange(7.0, dtype=torch.float64).expand(5, 7)
    assert correlate(ramp, sharpen()).tolist() == ramp[1:-1, 1:-1].tolist()
    for kernel in (prewitt(), sobel(), sobel(0), laplace(), outline()):
        assert float(kernel.sum()) == 0


@pytest.mark.parametrize("sigma", [0.6, 1.0, 2.5])
def test_a_gaussian_has_its_width_and_its_response_is_one_again(sigma: float) -> None:
    kernel = gaussian(sigma, taps=41)
    assert float(kernel.sum()) == pytest.approx(1)
    t = torch.arange(41, dtype=torch.float64) - 20
    # What sampling does to the second moment of a bell of 0.6 samples is below 2 %.
    assert float((kernel * t.square()).sum().sqrt()) == pytest.approx(sigma, rel=0.02)
    if sigma >= 1:
        assert response(kernel, 0.1) == pytest.approx(
            math.exp(-2 * (math.pi * sigma * 0.1) ** 2), abs=1e-4
        )
    assert len(gaussian(sigma)) == 2 * math.ceil(3 * sigma) + 1


def test_a_gabor_function_is_what_its_formula_says() -> None:
    kernel = gabor(7, wavelength=4, angle=90, sigma=1.5, aspect=0.5, phase=30)
    row, column = 1, 4  # two above the middle, one to the right
    u, v = 2.0, 1.0  # with the angle 90 u runs upwards; v is across it
    bell = math.exp(-(u**2 + (0.5 * v) ** 2) / (2 * 1.5**2))
    wave = math.cos(2 * math.pi * u / 4 + math.radians(30))
    assert float(kernel[row, column]) == pytest.approx(bell * wave)


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 120])
def test_a_gabor_function_answers_to_its_own_wave(angle: float) -> None:
    kernel = gabor(25, wavelength=5, angle=angle, sigma=4)
    amplitude = frequency_response(kernel, 65)
    down, right = divmod(int(amplitude.argmax()), 65)
    frequency = ((right - 32) / 65, -(down - 32) / 65)  # to the right and up
    assert math.hypot(*frequency) == pytest.approx(1 / 5, abs=1 / 65)
    found = math.degrees(math.atan2(frequency[1], frequency[0])) % 180
    # One step of the grid of frequencies at a distance of 13 steps is 4.4°.
    assert abs((found - angle + 90) % 180 - 90) < 4.5


def test_the_response_of_many_kernels_is_that_of_each() -> None:
    kernels = torch.stack([sobel(), laplace()])[:, None].expand(2, 3, 3, 3)
    amplitude = frequency_response(kernels, (8, 9), axes=2)
    assert amplitude.shape == (2, 3, 8, 9)
    torch.testing.assert_close(amplitude[1, 2], frequency_response(laplace(), (8, 9)))
    assert float(frequency_response(laplace(), (8, 9))[4, 4]) == pytest.approx(0, abs=1e-12)
    # -4 + 2 cos(2πf) + 2 cos(2πg) at f = 1/2, g = 0 is -4.
    assert float(frequency_response(laplace(), (8, 9))[0, 4]) == pytest.approx(4)


def test_wrong_use_of_kernels() -> None:
    with pytest.raises(UsageError, match="a width above 0; got sigma=0"):
        gaussian(0)
    with pytest.raises(UsageError, match="a wavelength, a width and an aspect above 0"):
        gabor(5, wavelength=0, sigma=1)
    with pytest.raises(UsageError, match=r"as many frequencies as the kernel has taps; got \[4\]"):
        frequency_response(binomial(5), 4)
