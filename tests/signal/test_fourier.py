import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from neocog.signal.fourier import (
    aliased_energy,
    low_pass,
    power_spectrum,
    resample,
    shift_subpixel,
)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def close(one: Tensor, two: Tensor) -> None:
    # float64 rounding of transforms of some hundred values around 1.
    torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(-9, 9), st.integers(-9, 9))
def test_whole_offsets_are_a_roll(height: int, width: int, down: int, right: int) -> None:
    x = drawn(2, 3, height, width)
    moved = shift_subpixel(x, torch.tensor([[down, right], [0, 1]]))
    close(moved[0], x[0].roll((down, right), (1, 2)))
    close(moved[1], x[1].roll(1, 2))
    series = shift_subpixel(x[:, :, 0], torch.tensor([[right], [right]]))
    close(series, x[:, :, 0].roll(right, 2))


def test_a_wave_moves_by_any_part_of_a_sample() -> None:
    t = torch.arange(12, dtype=torch.float64)
    wave = torch.cos(2 * math.pi * 2 * t / 12)[None, None]
    moved = shift_subpixel(wave, torch.tensor([[0.3]], dtype=torch.float64))
    close(moved[0, 0], torch.cos(2 * math.pi * 2 * (t - 0.3) / 12))


def test_shifts_add_up_but_for_the_highest_frequency() -> None:
    x = low_pass(drawn(1, 2, 8, 7), 1)  # leaves it out
    one, two = torch.tensor([[[0.3, -1.2]], [[0.4, 0.9]]], dtype=torch.float64)
    close(shift_subpixel(shift_subpixel(x, one), two), shift_subpixel(x, one + two))


def test_the_highest_frequency_keeps_its_real_part() -> None:
    x = torch.tensor([[[1.0, -1.0, 1.0, -1.0]]], dtype=torch.float64)
    close(shift_subpixel(x, torch.tensor([[0.25]])), x * math.cos(math.pi / 4))


@pytest.mark.parametrize("stride", [1, 2, 3, (2, 3), (1, 4)])
@pytest.mark.parametrize("size", [(12, 12), (24, 12), (9, 7)])
def test_low_pass_keeps_what_it_says_and_nothing_else(
    stride: int | tuple[int, int], size: tuple[int, int]
) -> None:
    x = drawn(1, 2, *size)
    steps = (stride, stride) if isinstance(stride, int) else stride
    kept = torch.fft.fft2(low_pass(x, stride))
    rows = torch.fft.fftfreq(size[0], dtype=torch.float64).abs() < 1 / (2 * steps[0]) - 1e-9
    columns = torch.fft.fftfreq(size[1], dtype=torch.float64).abs() < 1 / (2 * steps[1]) - 1e-9
    mask = rows[:, None] & columns[None, :]
    torch.testing.assert_close(kept, torch.fft.fft2(x) * mask, rtol=0, atol=1e-11)


@pytest.mark.parametrize("offset", [1.0, 2.0, 0.37])
def test_every_sth_sample_of_a_low_pass_moves_with_the_map(offset: float) -> None:
    x = drawn(1, 1, 12, 18)
    still = low_pass(x, (2, 3))[:, :, ::2, ::3]
    moved = shift_subpixel(x, torch.tensor([[2 * offset, 3 * offset]], dtype=torch.float64))
    close(
        low_pass(moved, (2, 3))[:, :, ::2, ::3],
        shift_subpixel(still, torch.tensor([[offset, offset]], dtype=torch.float64)),
    )


def test_resampling_there_and_back_is_a_low_pass() -> None:
    x = drawn(2, 2, 7, 10)
    close(resample(resample(x, (14, 20)), (7, 10)), low_pass(x, 1))
    close(resample(x, (14, 20))[:, :, ::2, ::2], low_pass(x, 1))
    close(resample(x[:, :, 0], (5,)), low_pass(x[:, :, 0], 2)[:, :, ::2])
    assert resample(x.bfloat16(), (14, 20)).dtype == torch.bfloat16


def test_powers_sum_to_the_mean_square_and_stand_in_the_middle() -> None:
    x = drawn(3, 2, 6, 8)
    power = power_spectrum(x)
    close(power.sum(), x.square().mean())
    assert power_spectrum(torch.ones(1, 1, 6, 8)).argmax() == 3 * 8 + 4


def test_E5_share_of_energy_that_aliases() -> None:
    t = torch.arange(24, dtype=torch.float64)
    low, high = (torch.cos(2 * math.pi * k * t / 24) for k in (3, 8))
    x = torch.stack([low, high, low + high, low + 2 * high + 7, torch.full_like(t, 3)])[:, None]
    close(aliased_energy(x, 2), torch.tensor([0, 1, 0.5, 0.8, 0], dtype=torch.float64))
    close(aliased_energy(x, 1), torch.zeros(5, dtype=torch.float64))


@pytest.mark.parametrize(
    ("size", "steps"),
    [((8, 8), (2, 2)), ((8, 6), (2, 1)), ((6, 8), (1, 3)), ((9, 7), (2, 3)), ((8,), (1,))],
)
def test_E5_share_of_energy_that_aliases_by_the_sum_over_frequencies(
    size: tuple[int, ...], steps: tuple[int, ...]
) -> None:
    x = drawn(2, 3, *size)
    axes = tuple(range(2, x.dim()))
    power = torch.fft.fftn(x, dim=axes).abs().square().sum(1)
    lost = torch.zeros(size, dtype=torch.bool)
    for place in itertools.product(*map(range, size)):
        turns = [min(k, n - k) for k, n in zip(place, size, strict=True)]
        # Along an axis that keeps every sample nothing aliases, not even the highest frequency.
        lost[place] = any(
            s > 1 and 2 * s * k >= n for k, n, s in zip(turns, size, steps, strict=True)
        )
    power[(slice(None), *[0] * len(size))] = 0
    whole = power.flatten(1).sum(1)
    close(aliased_energy(x, steps), (power * lost).flatten(1).sum(1) / whole)


def test_gradients() -> None:
    x = drawn(1, 2, 4, 5).requires_grad_()
    offset = torch.tensor([[0.3, 0.8]], dtype=torch.float64)
    for function in (
        lambda x: shift_subpixel(x, offset),
        lambda x: low_pass(x, 2),
        lambda x: resample(x, (8, 10)),
        lambda x: aliased_energy(x, 2),
        power_spectrum,
    ):
        assert torch.autograd.gradcheck(function, x)
