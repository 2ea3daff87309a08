import math

import pytest

from neocog.lectures.evidence import Comparison, Evidence, largest

ONE = Comparison(name="sum", value=2, expected=2)


@pytest.mark.parametrize(
    ("value", "relation", "expected", "holds"),
    [
        (2, "=", 2, True), (2.1, "=", 2, False), (((1, 2),), "=", ((1, 2),), True),
        (((1, 3),), "=", ((1, 2),), False), ((1, 2), "=", (1, 2, 3), False),
        (1, "<", 1, False), (1, "<=", 1, True), (1, ">", 1, False), (1, ">=", 1, True),
        ((1, 2), "<", 3, True), (math.nan, "=", math.nan, False), (math.inf, ">", 1, False),
    ],
)  # fmt: skip
def test_a_comparison_holds_by_its_numbers(value, relation, expected, holds):
    c = Comparison(name="n", value=value, relation=relation, expected=expected)
    assert c.holds is holds


def test_a_tolerance_is_absolute():
    near = Comparison(name="n", value=1.05, expected=1, tolerance=0.1)
    assert near.holds
    assert near.text == "1.05 (must be 1 ± 0.1)"


def test_a_part_that_is_missing_is_not_met():
    assert Evidence(measured_on="x", comparisons=(ONE,)).outcome == "met"
    assert Evidence(measured_on="x", comparisons=(ONE,), missing="a").outcome == "not shown"
    assert Evidence(measured_on="x").outcome == "not shown"
    wrong = Comparison(name="sum", value=3, expected=2)
    failed = Evidence(measured_on="x", comparisons=(ONE, wrong), missing="a")
    assert failed.outcome == "not met"
    assert failed.text == "sum: 3 (must be 2)"


def test_a_number_that_was_not_computed_is_the_largest_wherever_it_stands():
    assert largest([0.5, 2.0]) == 2.0
    assert all(math.isnan(largest(v)) for v in ([0.5, math.nan], [math.nan, 0.5], []))
