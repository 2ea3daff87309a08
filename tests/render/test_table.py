"""Tables: numbers to the right, long ones cut with a word."""

import re

import pytest

from neocog.exhibits import Table
from neocog.render.draw import draw
from neocog.render.table import MOST, view_table


def _table(columns, rows):
    return Table(title="t", columns=columns, rows=rows)


def test_columns_of_numbers_are_right_aligned_and_text_is_not():
    view = view_table(
        _table(["name", "n", "both", "none"], [["a", 1, 1.5, None], ["b", None, "x", None]])
    )
    assert view.looks == ["s", "n", "s", "s"]


def test_short_text_stays_on_one_line_and_long_text_wraps():
    assert view_table(_table(["a", "b"], [["x", "a long sentence " * 5]])).looks == ["s", "t"]


def test_five_thousand_rows_are_cut_and_the_page_says_so():
    html = draw(_table(["i"], [[i] for i in range(5000)]))
    assert html.count("<tr>") == MOST + 1
    assert f"The first {MOST:,} rows; 4,000 more are not shown." in html


def test_cells_stand_in_their_order():
    html = draw(_table(["a", "b"], [[1, "x"], [None, "y"]]))
    assert re.findall(r"<td[^>]*>([^<]*)</td>", html) == ["1", "x", "–", "y"]


@pytest.mark.parametrize("columns", [[], ["a"]])
def test_a_table_without_rows_says_so(columns):
    assert "no rows" in draw(_table(columns, []))


def test_a_row_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="row 1 of `t` has 1 for 2"):
        draw(_table(["a", "b"], [[1, 2], [3]]))


def test_only_a_table_of_few_short_columns_stands_beside_another():
    assert " narrow" in draw(_table(["a", "b"], [[1, 2]]))
    assert " narrow" not in draw(_table([*"abcde"], [[1] * 5]))
    assert " narrow" not in draw(_table(["a"], [["a long sentence " * 5]]))
