"""Names and numbers as they are written in a report."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.render.text import clean, column, matrix, number, paragraphs, quantity, spelling

ANY_TEXT = st.text(st.characters(codec=None))


@settings(deadline=None)
@given(ANY_TEXT)
def test_clean_text_can_be_written_as_utf8_on_one_line(text):
    out = str(clean(text))
    out.encode("utf-8")
    assert len(out.splitlines()) <= 1


@settings(deadline=None)
@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_clean_leaves_letters_and_spaces_alone(text):
    assert clean(text) == text


def test_names_keep_their_small_letters_at_the_head():
    words = ("deletion", "rank correlation, all", "test-time shifts", "naïve", "image 0, dog")
    names = ("digits:test[17]", "seven.png", "seven.png, 7", "c1: 6 filters", "conv1 (ReLU)", "3d")
    assert {spelling(t) for t in words} == {"word"}
    assert {spelling(t) for t in names} == {"name"}


def test_clean_shows_bytes_that_are_no_utf8_and_marks_that_turn_the_direction():
    assert clean("caf\udce9") == "caf\\xe9"
    assert clean("a\u202eb") == "a\\u202eb"
    assert clean("\ud800") == "\\ud800"


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300))
def test_number_is_within_half_a_unit_of_its_fourth_digit(value):
    text = str(number(value)).replace(",", "").replace("−", "-")
    if "×10" in text:
        raised = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
        mantissa, exponent = text.split("×10")
        text = f"{mantissa}e{exponent.translate(raised)}"
    # Four significant digits: the error is at most 0.5 in the fourth, 5e-4 of the number.
    assert math.isclose(float(text), value, rel_tol=5.001e-4, abs_tol=0.0)


def test_number_says_what_is_no_number():
    assert [str(number(v)) for v in (None, math.nan, math.inf, -math.inf)] == ["–", "–", "∞", "−∞"]


def test_a_share_is_drawn_times_100_with_two_decimals():
    assert quantity(0.98, "%") == "98.00\u202f%"
    assert quantity(-0.00001, "%") == "0.00\u202f%"
    assert quantity(math.nan, "%") == "–"


def test_a_unit_is_escaped():
    assert "<b>" not in quantity(1.0, "<b>")
    assert "&lt;b&gt;" in quantity(1.0, "<b>")


def test_numbers_of_a_column_share_their_decimals():
    assert column([0.5, 12.25]) == ["0.500", "12.250"]


def test_numbers_far_apart_keep_their_own_decimals():
    assert column([1e-5, 2.0]) == ["1×10⁻⁵", "2"]


def test_a_column_writes_truth_as_a_word_and_nothing_as_a_dash():
    assert column([True, False, None]) == ["yes", "no", "–"]


def test_a_matrix_has_the_decimals_of_its_largest_number():
    assert matrix([[98.4, -0.04]]) == [["98.4", "0.0"]]
    assert matrix([[3.0, math.nan]]) == [["3", "–"]]


def test_paragraphs_are_parted_by_empty_lines_and_keep_per_cent_with_its_number():
    assert paragraphs("a\nb\r\n\r\n95 % of c\n\n\n") == ["a b", "95\u00a0% of c"]
