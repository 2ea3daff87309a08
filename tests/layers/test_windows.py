"""Windows taken from a phase before the operator: equal to the dense operator, and as cheap."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UsageError
from neocog.layers.blocks import extend
from neocog.layers.polyphase import take_phase
from neocog.layers.windows import choose_windows, take_windows


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    times=st.tuples(st.integers(2, 4), st.integers(2, 4)),
    seed=st.integers(0, 99),
    beside=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_it_is_the_dense_operator_taken_from_the_phase(
    stride: tuple[int, int],
    kernel: tuple[int, int],
    times: tuple[int, int],
    seed: int,
    beside: bool,
) -> None:
    size = [s * t for s, t in zip(stride, times, strict=True)]
    x, weight = noise(3, 2, *size, seed=seed), noise(4, 2, *kernel, seed=seed + 1)
    x = x.to(memory_format=torch.channels_last) if beside else x
    sides = [(k // 2, k - 1 - k // 2) for k in kernel]
    phase = torch.randint(
        0, stride[0] * stride[1], (3,), generator=torch.Generator().manual_seed(seed)
    )
    dense = F.conv2d(extend(x, sides, padding="circular"), weight)
    taken = take_windows(x, phase, stride=stride, reach=kernel, sides=sides)
    # The same products, summed in an order of their own.
    torch.testing.assert_close(
        F.conv2d(taken, weight, stride=stride), take_phase(dense, phase, stride), rtol=0, atol=1e-12
    )


def test_by_hand_on_one_axis() -> None:
    x = torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]] * 2)
    taken = take_windows(x, torch.tensor([0, 2]), stride=3, reach=3, sides=[(1, 1)])
    assert taken.tolist() == [[[6, 1, 2, 3, 4, 5]], [[2, 3, 4, 5, 6, 1]]]


def doubled(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def line(x: Tensor) -> Tensor:
    return torch.zeros_like(x).index_fill_(2, torch.tensor([3]), 1.0)


@pytest.mark.parametrize("make", [lambda x: x, doubled, line], ids=["noise", "doubled", "a line"])
@pytest.mark.parametrize("stride", [(2, 2), (2, 1), (4, 2)])
def test_A6_what_comes_out_moves_with_the_map(make: object, stride: tuple[int, int]) -> None:
    """Also where all phases hold equal samples, as in an image whose pixels were repeated."""
    x = make(noise(1, 2, 8, 8))  # type: ignore[operator]
    size = tuple(x.shape[2:])
    moved = torch.cat([x.roll(s, (2, 3)) for s in itertools.product(*map(range, size))])
    weight = noise(3, 2, 3, 3, seed=1)
    taken = take_windows(
        moved, choose_windows(moved, stride), stride=stride, reach=3, sides=[(1, 1), (1, 1)]
    )
    out = F.conv2d(taken, weight, stride=stride).flatten(2)
    sums = torch.stack([out.mean(2), out.square().mean(2), out.amax(2)])
    torch.testing.assert_close(sums, sums[:, :1].expand_as(sums), rtol=0, atol=1e-12)


def test_E3_a_stride_that_ignores_the_map_does_not_move_with_it() -> None:
    """The law above can fail: with the first phase for all it does."""
    x = noise(1, 1, 8, 8)
    moved = torch.cat([x, x.roll(1, 2)])
    taken = take_windows(
        moved, torch.zeros(2, dtype=torch.int64), stride=2, reach=3, sides=[(1, 1)] * 2
    )
    out = F.conv2d(taken, noise(1, 1, 3, 3, seed=1), stride=2).square().mean((1, 2, 3))
    assert (out[0] - out[1]).abs() > 1e-3


def test_the_choice_does_not_depend_on_layout_or_batch() -> None:
    x = noise(6, 3, 8, 8).float()
    phases = choose_windows(x, 2)
    assert torch.equal(choose_windows(x.to(memory_format=torch.channels_last), 2), phases)
    assert torch.equal(torch.cat([choose_windows(row[None], 2) for row in x]), phases)
    assert len(set(phases.tolist())) > 1


def test_a_gradient_goes_to_where_the_samples_were_taken() -> None:
    x = noise(2, 2, 4, 4).requires_grad_()
    phase = torch.tensor([1, 2])
    assert torch.autograd.gradcheck(
        lambda x: take_windows(x, phase, stride=2, reach=3, sides=[(1, 1)] * 2), (x,)
    )


def test_what_cannot_be_is_refused() -> None:
    x = noise(2, 1, 6, 6)
    with pytest.raises(UsageError, match=r"one per map"):
        take_windows(x, torch.zeros(3, dtype=torch.int64), stride=2, reach=1, sides=[(0, 0)] * 2)
    with pytest.raises(UsageError, match=r"must contain a whole window; got \(6, 6\) with padding"):
        take_windows(x, torch.zeros(2, dtype=torch.int64), stride=2, reach=8, sides=[(0, 1)] * 2)


@pytest.mark.parametrize("size", [(7, 9), (5, 5)])
def test_where_the_stride_divides_nothing_there_are_as_many_samples(size: tuple[int, int]) -> None:
    conv = nn.Conv2d(2, 3, 3, stride=2, padding=1, padding_mode="circular").double()
    x = noise(4, 2, *size)
    first = torch.zeros(4, dtype=torch.int64)
    taken = take_windows(x, first, stride=2, reach=3, sides=[(1, 1)] * 2)
    again = F.conv2d(taken, conv.weight, conv.bias, stride=2)
    torch.testing.assert_close(again, conv(x), rtol=0, atol=1e-12)
    phases = choose_windows(x, 2)
    assert phases.shape == (4,)
    assert int(phases.max()) < 4


def test_an_operator_of_a_plain_network_can_follow() -> None:
    conv = nn.Conv2d(2, 3, 3, stride=2).double()
    x = noise(1, 2, 8, 8)
    here, there = (
        conv(take_windows(m, choose_windows(m, 2), stride=2, reach=3, sides=[(1, 1)] * 2))
        for m in (x, x.roll((2, -4), (2, 3)))
    )
    torch.testing.assert_close(there, here.roll((1, -2), (2, 3)), rtol=0, atol=1e-12)
