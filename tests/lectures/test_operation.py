import math
from types import SimpleNamespace

import pytest
from tests.lectures.judged import broken, each

from neocog.lectures.operation import CLAIMS, _sum_error


@pytest.mark.parametrize("claim", each(CLAIMS))
def test_A_each_claim_is_met_and_another_number_is_not(claim, material):
    evidence = claim.measure(material)
    assert evidence.outcome == "met", [c for c in evidence.comparisons if not c.holds]
    assert all(e.outcome == "not met" for e in broken(evidence))


def test_A2_the_printed_row_is_named_as_a_slip(material):
    (claim,) = (c for c in CLAIMS if c.id == "A2")
    assert "printed with −2 where the sum is -3" in claim.measure(material).slip


@pytest.mark.parametrize(("total", "error"), [(0.0, 0.25), (0.5, 0.25), (None, math.nan)])
def test_A9_a_sum_of_zero_is_a_number_and_a_missing_one_fails(total, error):
    unit = SimpleNamespace(computed=total, value=0.25)
    assert _sum_error(unit) == pytest.approx(error, nan_ok=True)
