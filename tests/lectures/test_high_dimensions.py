import pytest
from tests.lectures.judged import broken, each

from neocog.lectures import high_dimensions
from neocog.lectures.high_dimensions import CLAIMS


@pytest.mark.parametrize("claim", each(CLAIMS))
def test_H_each_claim_is_met_and_another_number_is_not(claim, material):
    evidence = claim.measure(material)
    assert evidence.outcome == "met", [c for c in evidence.comparisons if not c.holds]
    assert all(e.outcome == "not met" for e in broken(evidence))


def test_H_slips_of_the_lectures_are_named(material):
    slips = {c.id: c.measure(material).slip for c in CLAIMS}
    assert "exactly it is 0.29" in slips["H1"]
    assert "10^36 where" in slips["H4"]
    assert not slips["H2"]


def test_H1_points_that_gather_in_the_middle_are_not_met(material, monkeypatch):
    fair = high_dimensions.ball_points
    monkeypatch.setattr(high_dimensions, "ball_points", lambda *a: 0.9 * fair(*a))
    (claim,) = (c for c in CLAIMS if c.id == "H1")
    assert not any(c.holds for c in claim.measure(material).comparisons)
