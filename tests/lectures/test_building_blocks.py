import pytest
from tests.lectures.judged import broken, each

from neocog.lectures.building_blocks import CLAIMS

INCOMPLETE = {"C9"}
"""Claims of which a part is not measured on digits."""


@pytest.mark.parametrize("claim", each(CLAIMS))
def test_C_each_claim_is_met_and_another_number_is_not(claim, material):
    evidence = claim.measure(material)
    expected = "not shown" if claim.id in INCOMPLETE else "met"
    assert evidence.outcome == expected, [c for c in evidence.comparisons if not c.holds]
    assert bool(evidence.missing) == (claim.id in INCOMPLETE)
    assert all(e.outcome == "not met" for e in broken(evidence))
