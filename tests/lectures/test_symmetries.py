import pytest
from tests.lectures.judged import broken, each

from neocog.lectures.symmetries import CLAIMS


@pytest.mark.parametrize("claim", each(CLAIMS))
def test_E_each_claim_is_met_and_another_number_is_not(claim, material):
    evidence = claim.measure(material)
    assert evidence.outcome == "met", [c for c in evidence.comparisons if not c.holds]
    assert all(e.outcome == "not met" for e in broken(evidence))
