import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.layers.lowpass import (
    AliasFreeActivation,
    IdealDown,
    _sinc_matrix,
    alias_free_polynomial,
    ideal_down,
)
from neocog.signal.fourier import low_pass, resample, shift_subpixel

LAYOUTS = (torch.contiguous_format, torch.channels_last)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def close(one: Tensor, two: Tensor) -> None:
    # float64 rounding of sums of some dozen values around 1.
    torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


@pytest.mark.parametrize("steps", [(2, 2), (3, 2), (1, 4), (2,), (3,)])
@pytest.mark.parametrize("size", [(12, 12), (9, 7), (2, 1)])
def test_is_a_low_pass_and_every_sth_sample(steps: tuple[int, ...], size: tuple[int, int]) -> None:
    x = drawn(2, 3, *size[: len(steps)])
    kept = low_pass(x, steps)[tuple(slice(None, None, s) for s in (1, 1, *steps))]
    close(ideal_down(x, steps), kept)
    if len(steps) == 2:
        down = IdealDown(steps)(x.to(memory_format=torch.channels_last))
        close(down, kept)
        assert f"stride={steps}" in repr(IdealDown(steps))


def test_a_square_map_needs_its_matrix_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, int]] = []

    def counted(n: int, stride: int) -> Tensor:
        made.append((n, stride))
        return _sinc_matrix(n, stride)

    monkeypatch.setattr("neocog.layers.lowpass._sinc_matrix", counted)
    ideal_down(drawn(1, 2, 8, 8), 2)
    assert made == [(8, 2)]
    ideal_down(drawn(1, 2, 8, 9), 2)
    ideal_down(drawn(1, 2, 8, 8), (2, 3))
    ideal_down(drawn(1, 2, 8), 2)
    assert made[1:] == [(8, 2), (9, 2), (8, 2), (8, 3), (8, 2)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("offset", [1.0, 0.5, -0.3])
def test_moves_with_the_map_by_any_part_of_a_sample(
    offset: float, layout: torch.memory_format
) -> None:
    x = drawn(1, 2, 12, 18).to(memory_format=layout)
    two, three = 2 * offset, 3 * offset
    moved = shift_subpixel(x, torch.tensor([[two, three]], dtype=torch.float64))
    small = torch.tensor([[offset, offset]], dtype=torch.float64)
    close(ideal_down(moved, (2, 3)), shift_subpixel(ideal_down(x, (2, 3)), small))


def test_an_alias_free_activation_moves_with_the_map_by_any_part_of_a_sample() -> None:
    x = low_pass(drawn(1, 2, 8, 9), 1)
    offset = torch.tensor([[0.3, -0.6]], dtype=torch.float64)
    act = AliasFreeActivation(2).double()
    close(act(shift_subpixel(x, offset)), shift_subpixel(act(x), offset))
    relu = F.relu(shift_subpixel(x, offset)) - shift_subpixel(F.relu(x), offset)
    assert relu.abs().max() > 0.01


def test_equals_the_parabola_where_nothing_aliases() -> None:
    t = torch.arange(16, dtype=torch.float64)
    wave = torch.cos(2 * math.pi * 3 * t / 16)[None, None]
    coefficients = torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64)
    close(alias_free_polynomial(wave, coefficients), 0.5 - wave + 2 * wave.square())


def test_equals_a_loop_over_a_fine_grid() -> None:
    x = drawn(1, 1, 6, 5)
    coefficients = torch.tensor([[0.1, 0.7, 0.3]], dtype=torch.float64)
    fine = resample(x, (60, 50))
    square = 0.1 + 0.7 * fine + 0.3 * fine.square()
    close(alias_free_polynomial(x, coefficients), resample(square, (6, 5)))


def test_starts_next_to_relu() -> None:
    """Coefficients by least squares over normal values."""
    x = torch.linspace(-8, 8, 100_001, dtype=torch.float64)
    weight = torch.exp(-x.square() / 2).sqrt()
    basis = torch.stack([torch.ones_like(x), x, x.square()], 1)
    fit = torch.linalg.lstsq(weight[:, None] * basis, weight * F.relu(x)).solution
    # A sum over a fine grid for an integral.
    torch.testing.assert_close(
        AliasFreeActivation(1).double().coefficients[0], fit, rtol=0, atol=1e-5
    )


def test_gradients() -> None:
    x = drawn(1, 2, 4, 5).requires_grad_()
    coefficients = drawn(2, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ideal_down(x, 2), x)
    assert torch.autograd.gradcheck(alias_free_polynomial, (x, coefficients))
    assert torch.autograd.gradcheck(lambda x: ideal_down(x[:, :, 0], 2), x)
