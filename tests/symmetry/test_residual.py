from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.symmetry.fields import Vector, slopes
from torch import Tensor, nn

from neocog.symmetry.fields import SCALAR
from neocog.symmetry.motion import QuarterTurn, Translation
from neocog.symmetry.residual import best_fit, near_border, norms, relative_error, residuals


def images(n: int = 3, size: int = 12) -> Tensor:
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(0))


def error(f: nn.Module, x: Tensor, offset: Tensor, jump: int = 1) -> Tensor:
    shift = Translation(offset)
    with torch.no_grad():
        wrong, base = best_fit(shift, f(x), f(shift(x)), jump=(jump, jump), size=x.shape[2:])
    return relative_error(wrong, base)


offsets = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=3).map(
    torch.tensor
)


@given(offsets)
@settings(max_examples=15, deadline=None)
def test_an_equivariant_map_has_none(offset: Tensor) -> None:
    torch.manual_seed(0)
    circular = nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular")
    assert error(circular, images(), offset).max() < 1e-5  # float32
    assert error(nn.Conv2d(1, 4, 5), images(), offset).max() < 1e-5  # over what both know
    assert error(nn.MaxPool2d(2), images(), 2 * offset, 2).max() == 0


def test_pooling_has_some_and_the_best_of_the_shifts_beside_it_counts() -> None:
    x, one = images(), torch.tensor([[0, 1]] * 3)
    pool, shift = nn.MaxPool2d(2), Translation(one)
    found = error(pool, x, one, 2)
    assert found.min() > 0.05
    every = list(residuals(shift, pool(x), pool(shift(x)), jump=(2, 2)))
    assert len(every) == 3
    by_hand = torch.stack([relative_error(r, pool(x)) for r in every]).min(0).values
    torch.testing.assert_close(found, by_hand)


def test_both_norms_are_taken_over_what_both_sides_know() -> None:
    # Behind a window of 3 without padding, 4 of 6 samples are left; a shift by one wraps the first.
    reference, moved = (
        torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]),
        torch.tensor([[[9.0, 1.0, 2.0, 5.0]]]),
    )
    shift = Translation(torch.tensor([[1]]))
    wrong, base = best_fit(shift, reference, moved, jump=(1,), size=(6,))
    assert wrong.flatten().tolist() == [0, 0, 0, -2]
    assert base.flatten().tolist() == [0, 2, 3, 4]
    assert float(relative_error(wrong, base)) == pytest.approx(2 / 29**0.5)


def test_each_sample_has_a_best_fit_of_its_own() -> None:
    x = torch.rand(2, 1, 8, generator=torch.Generator().manual_seed(0))
    moved = torch.stack([x[0], x[1].roll(1, 1)])  # by half a sample: one of them stays
    wrong, _ = best_fit(Translation(torch.tensor([[1]])), x, moved, jump=(2,), size=(16,))
    assert wrong.abs().max() == 0


def test_vectors_have_no_places_and_channels_all_the_same() -> None:
    v = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    turn = QuarterTurn(torch.tensor([1, 2]))
    wrong, base = best_fit(turn, v, v, jump=None, size=(4, 4))
    assert wrong.abs().max() == 0
    assert base is v
    turned = torch.tensor([[0.0, 1.0], [0.0, -2.0]])
    wrong, _ = best_fit(turn, v, turned, jump=None, size=(4, 4), field=Vector())
    torch.testing.assert_close(wrong, torch.zeros(2, 2), atol=1e-6, rtol=0)  # float32 cosines


def test_the_field_decides_whether_a_map_is_equivariant() -> None:
    x, turn = images(), QuarterTurn(torch.tensor([1, 2, 3]))
    arrows, moved = slopes(x), slopes(turn(x))
    for field, least, most in ((Vector(), 0, 1e-6), (SCALAR, 0.5, 3)):
        fit = best_fit(turn, arrows, moved, jump=(1, 1), size=(12, 12), field=field)
        assert bool(((relative_error(*fit) >= least) & (relative_error(*fit) <= most)).all())


def test_norms_are_those_of_samples() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert norms(x, 2 * x).tolist() == [[5, 0], [10, 0]]
    assert relative_error(torch.zeros(1, 3), torch.zeros(1, 3)).tolist() == [0]


def test_near_the_border_and_the_cut_by_hand() -> None:
    wrong = torch.zeros(1, 1, 12)
    near = near_border(wrong, torch.tensor([[6]]), (1,), (1,))[0, 0]
    # A window that reaches 1: two samples at each end, and two on either side of the cut at 6.
    assert near.tolist() == [1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1]
