"""Bars: lengths in proportion, intervals, names; nothing of a user is markup."""

from __future__ import annotations

import re

import numpy as np
import pytest

from neocog.exhibits import Bars
from neocog.render.bars import view_bars
from neocog.render.draw import draw


def _bars(**more: object) -> Bars:
    parts = {"title": "t", "names": ["a", "b"], "series": {"s": [1.0, 2.0]}, **more}
    return Bars(**parts)  # type: ignore[arg-type]


def test_lengths_are_in_proportion_and_begin_at_zero() -> None:
    view = view_bars(_bars())
    one, two = (float(row.bars[0].width) for row in view.rows)
    assert two == pytest.approx(2 * one, abs=0.02)
    assert {row.bars[0].left for row in view.rows} == {"0"}


def test_an_interval_is_drawn_where_it_lies() -> None:
    view = view_bars(_bars(intervals={"s": [(0.5, 1.5), None]}, high=2.0))
    left, width = view.rows[0].bars[0].whisker or ("", "")
    assert (float(left), float(width)) == (25.0, 50.0)
    assert view.rows[1].bars[0].whisker is None


def test_bars_below_zero_reach_to_the_left() -> None:
    view = view_bars(_bars(series={"s": [-1.0, 1.0]}))
    below, above = (row.bars[0] for row in view.rows)
    assert float(below.left) + float(below.width) == pytest.approx(float(above.left), abs=0.02)


def test_fractions_are_per_cent() -> None:
    html = draw(_bars(series={"s": [0.065, 0.0]}, unit="%"))
    assert "6.5\u202f%" in html
    assert ">0\u202f%" in html


@pytest.mark.parametrize("value", [None, np.nan, np.inf])
def test_what_is_no_number_has_no_bar(value: float | None) -> None:
    view = view_bars(_bars(series={"s": [value, 1.0]}))
    assert view.rows[0].bars == []


def test_the_key_is_there_where_series_are_told_apart() -> None:
    assert "swatch" not in draw(_bars())
    both = draw(_bars(series={"before": [1.0, 2.0], "after": [0.5, None]}))
    assert both.count("swatch") == 2
    assert len(re.findall(r'class="bar l', both)) == 3


def test_no_bars_say_so() -> None:
    assert "no values" in draw(_bars(names=[], series={}))


@pytest.mark.parametrize(
    "wrong", [{"series": {"s": [1.0]}}, {"intervals": {"s": [(0.0, 1.0)]}}], ids=["value", "ci"]
)
def test_a_value_and_an_interval_a_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="for each name; `s` in `t` has 1 for 2"):
        draw(_bars(**wrong))
