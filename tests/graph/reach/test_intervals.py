from fractions import Fraction

import torch

from neocog.graph.reach.intervals import (
    AxisStep,
    hull,
    joined,
    moved,
    nothing,
    of_input,
    permuted,
    reshaped,
    spread,
    union,
    windows,
)


def line(n: int):
    return of_input((1, 1, n), 2)


def lists(r) -> tuple[list, list]:
    return r.lo.flatten().tolist(), r.hi.flatten().tolist()


def every(n: int, kernel: int, stride: int, padding: int):
    count = (n + 2 * padding - kernel) // stride + 1
    return torch.arange(count).unsqueeze(1) * stride - padding + torch.arange(kernel)


def test_a_window_by_hand() -> None:
    r = windows(line(8), 2, every(8, 3, 2, 1), ratio=Fraction(2))
    assert lists(r) == ([-1, 1, 3, 5], [1, 3, 5, 7])
    assert (r.shape, r.steps[2]) == ((1, 1, 4), AxisStep(1, 2))


def test_the_padding_goes_on_as_the_map_does() -> None:
    r = windows(line(8), 2, every(8, 3, 2, 1), ratio=Fraction(2))
    r = windows(r, 2, every(4, 3, 1, 1), ratio=Fraction(1))
    assert lists(r) == ([-3, -1, 1, 3], [3, 5, 7, 9])


def test_a_step_of_several_elements() -> None:
    doubled = torch.arange(8).unsqueeze(1) // 2
    r = windows(line(4), 2, doubled, ratio=Fraction(1, 2))
    assert r.steps[2] == AxisStep(2, 1)
    r = windows(r, 2, every(8, 3, 1, 1), ratio=Fraction(1))
    assert lists(r) == ([-1, 0, 0, 1, 1, 2, 2, 3], [0, 1, 1, 2, 2, 3, 3, 4])
    assert AxisStep(2, 1).at(Fraction(2)) == AxisStep(1, 1)
    assert AxisStep(3, 2).at(Fraction(2)) == AxisStep(3, 4)
    assert AxisStep(1, 4).at(Fraction(1, 2)) == AxisStep(2, 4)


def test_channels_have_no_beyond() -> None:
    r = windows(of_input((1, 2, 3), 2), 1, torch.arange(-1, 3).unsqueeze(1), ratio=Fraction(1))
    assert r.seen.squeeze(-1).squeeze(0).any(1).tolist() == [False, True, True, False]
    both = union([r, spread(of_input((1, 1, 3), 2), (1, 4, 3))], (1, 4, 3))
    assert both.lo.shape == (1, 1, 3)  # the same for all channels again


def test_elements_that_a_window_leaves_out() -> None:
    places = torch.tensor([[0, 3], [1, 2]])
    r = windows(line(4), 2, places, ratio=None, taken=torch.tensor([[True, False], [True, True]]))
    assert lists(r) == ([0, 1], [0, 2])
    assert r.steps[2] is None


def test_sums_and_groups() -> None:
    r = windows(line(6), 2, every(6, 2, 2, 0), ratio=Fraction(2))
    whole = hull(r, [2])
    assert (lists(whole), whole.shape, whole.steps[2]) == (([0], [5]), (1, 1, 1), AxisStep(1, 0))
    channels = moved(of_input((1, 1, 4), 2), lambda v: v.reshape(1, 4, 1))
    halves = hull(channels, [1], groups=2)
    assert lists(halves) == ([0, 0, 2, 2], [1, 1, 3, 3])


def test_a_union_is_the_smallest_interval_and_keeps_a_common_step() -> None:
    a = windows(line(8), 2, every(8, 3, 1, 1), ratio=Fraction(1))
    b = windows(line(8), 2, every(8, 5, 1, 2), ratio=Fraction(1))
    r = union([a, nothing((1, 1, 8)), b], (1, 1, 8))
    assert (lists(r)[0][0], lists(r)[1][0], r.steps[2]) == (-2, 2, AxisStep(1, 1))
    r = union([a, hull(b, [2])], (1, 1, 8))
    assert (lists(r), r.steps[2]) == (([-2], [9]), AxisStep(1, 0))
    assert not union([nothing((1, 1, 8))], (1, 1, 8)).seen.any()


def test_reshapes_keep_split_and_merge_axes() -> None:
    r = reshaped(line(8), (1, 1, 4, 2))
    assert (r.steps[2], r.steps[3]) == (AxisStep(1, 2), AxisStep(1, 1))
    assert reshaped(r, (1, 1, 8)).steps[2] == AxisStep(1, 1)
    rows = reshaped(of_input((1, 3, 4, 5), 2), (1, 3, 20))
    assert rows.lo.flatten()[:6].tolist() == [0, 0, 0, 0, 0, 1]
    assert rows.lo.shape == (1, 1, 20)
    single = reshaped(of_input((1, 3, 1, 1), 2), (1, 3, 1, 1, 1))
    assert single.shape == (1, 3, 1, 1, 1)


def test_order_and_joining() -> None:
    r = permuted(of_input((1, 3, 4, 5), 3), (0, 3, 2, 1))
    assert (r.shape, r.steps[1]) == ((1, 5, 4, 3), AxisStep(1, 1))
    both = joined([line(3), line(3)], 2)
    assert (lists(both)[0], both.steps[2]) == ([0, 1, 2, 0, 1, 2], None)
    channels = joined([line(3), windows(line(3), 2, every(3, 3, 1, 1), ratio=Fraction(1))], 1)
    assert (channels.shape, channels.steps[2]) == ((1, 2, 3), AxisStep(1, 1))
