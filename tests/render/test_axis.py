"""Where the ticks of an axis go."""

import itertools
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neocog.render.axis import axis, labels, log_ticks, ticks

NUMBERS = st.floats(min_value=-1e12, max_value=1e12)


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_ticks_are_two_to_ten_inside_and_evenly_spaced(a, b):
    lo, hi = min(a, b), max(a, b)
    # Below a billionth of the numbers themselves float64 cannot space ten ticks evenly.
    assume(hi - lo > 1e-9 * max(abs(lo), abs(hi)) and hi - lo > 1e-150)
    found = ticks(lo, hi)
    assert 2 <= len(found) <= 10
    assert all(lo <= v <= hi for v in found)
    steps = [y - x for x, y in itertools.pairwise(found)]
    # Each tick is rounded once, to within half a unit in its last place.
    assert max(steps) - min(steps) <= 4 * math.ulp(max(abs(lo), abs(hi)))


@pytest.mark.parametrize(("lo", "hi"), [(1.0, 1.0), (2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_ticks_need_a_range(lo, hi):
    with pytest.raises(ValueError, match="finite range with lo < hi"):
        ticks(lo, hi)


@settings(deadline=None)
@given(st.integers(-10, 1000), st.integers(1, 1000))
def test_whole_numbers_get_whole_ticks(start, length):
    found = axis(range(start, start + length), fitted=True).ticks
    assert all(v == int(v) for v in found)


@settings(deadline=None)
@given(st.floats(-100, 100), st.floats(0.01, 60))
def test_log_ticks_are_two_to_ten_inside_and_rise(power, decades):
    lo, hi = 10.0**power, 10.0 ** (power + decades)
    found = log_ticks(lo, hi)
    assert 2 <= len(found) <= 10
    assert all(lo <= v <= hi for v in found)
    assert all(x < y for x, y in itertools.pairwise(found))


def test_wide_log_ticks_are_evenly_spaced_powers_of_ten():
    powers = [math.log10(v) for v in log_ticks(1e-9, 1e9)]
    assert powers == pytest.approx([-8, -4, 0, 4, 8])


@settings(deadline=None)
@given(st.lists(st.floats(), max_size=6), st.booleans(), st.booleans())
def test_an_axis_has_a_place_within_it_for_each_value_it_holds(values, log, fitted):
    found = axis(values, log=log, fitted=fitted)
    assert found.lo < found.hi
    for v in values:
        if found.holds(v):
            assert -1e-9 <= found.position(v) <= 1 + 1e-9  # rounding of one division


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=6))
def test_the_ticks_of_an_axis_are_at_most_ten_and_inside(values):
    found = axis(values)
    assert 2 <= len(found.ticks) <= 10
    assert all(found.lo <= v <= found.hi for v in found.ticks)


def test_a_logarithmic_axis_without_a_positive_value_is_linear():
    assert not axis([0.0, -1.0], log=True).log
    assert axis([0.0, 1.0], log=True).log


def test_small_positive_values_are_seen_from_zero():
    assert axis([0.1, 2.0]).lo == 0.0
    assert axis([0.9, 1.0]).lo == pytest.approx(0.9)


def test_labels_have_the_decimals_of_their_step():
    assert labels([0.46, 0.48, 0.5]) == ["0.46", "0.48", "0.50"]
    assert labels([-1.0, 0.0, 1.0]) == ["−1", "0", "1"]
    assert labels([1.0]) == ["1"]
