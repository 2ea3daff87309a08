from types import SimpleNamespace

import pytest
from tests.lectures.judged import broken, each

from neocog.lectures.symmetries import CLAIMS, ROUNDING, inexact


@pytest.mark.parametrize("claim", each(CLAIMS))
def test_E_each_claim_is_met_and_another_number_is_not(claim, material):
    evidence = claim.measure(material)
    assert evidence.outcome == "met", [c for c in evidence.comparisons if not c.holds]
    assert all(e.outcome == "not met" for e in broken(evidence))


def test_E1_layers_that_are_exact_to_rounding_are_not_counted():
    errors = [0.0, ROUNDING / 2, 0.3, float("nan")]
    assert inexact([SimpleNamespace(shift_error=e) for e in errors]) == 1
