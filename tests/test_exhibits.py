"""Numbers as texts: what is rounded never says none or all where it is neither."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from neocog.audits.compare import flipped, points
from neocog.exhibits import percent, share

NAN = math.nan


@given(st.floats(0, 1))
@example(0.99996)
@example(5e-324)
@example(math.nextafter(1, 0))
def test_a_fraction_is_none_or_all_only_where_it_is(value: float) -> None:
    text = share(value)
    assert (text == "0 %") == (value == 0)
    assert (text == "100 %") == (value == 1)
    assert (float(percent(value)) in (0, 100)) == (value in (0, 1))
    assert abs(float(text.removesuffix(" %")) - 100 * value) <= 0.0101
    shown = flipped(value)
    assert (shown == "0.0") == (value == 0)
    assert (shown == "100.0") == (value == 1)


def test_no_number_is_said_to_be_none() -> None:
    assert share(NAN) == points(NAN) == "unknown"
