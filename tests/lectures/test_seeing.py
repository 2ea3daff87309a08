import numpy as np
import pytest
import torch
from tests.lectures.judged import broken, each

from neocog.lectures.evidence import Evidence
from neocog.lectures.gabor import GaborFit
from neocog.lectures.seeing import CLAIMS, _says_where, gabor_likeness

INCOMPLETE = {"G1", "G5"}
"""Claims of which a part is not measured on digits."""


@pytest.mark.parametrize("claim", each(CLAIMS))
def test_G_each_claim_is_met_and_another_number_is_not(claim, material):
    evidence = claim.measure(material)
    expected = "not shown" if claim.id in INCOMPLETE else "met"
    assert evidence.outcome == expected, [c for c in evidence.comparisons if not c.holds]
    assert bool(evidence.missing) == (claim.id in INCOMPLETE)
    assert all(e.outcome == "not met" for e in broken(evidence))


@pytest.mark.parametrize(
    ("above", "by_chance", "outcome"),
    [(1, 0.4, "not met"), (2, 0.4, "met"), (6, 0.4, "met"), (6, 0.8, "not shown")],
)
def test_G1_one_filter_of_six_is_chance_and_a_fit_of_anything_no_evidence(
    above, by_chance, outcome
):
    fit = _fit(explained=[0.95] * above + [0.1] * (6 - above), by_chance=by_chance)
    comparisons, missing = gabor_likeness(fit, photographs=True)
    assert Evidence(measured_on="x", comparisons=comparisons, missing=missing).outcome == outcome
    assert ("the fit is not evidence" in fit.verdict()) == (outcome == "not shown")


def _fit(explained: list[float], by_chance: float) -> GaborFit:
    n, chance = len(explained), np.full(20, by_chance)
    return GaborFit(
        layer="a", explained=np.array(explained), floor=chance, shuffled=chance,
        wavelength=np.ones(n), angle=np.zeros(n), phase=np.zeros(n), center=np.zeros((n, 2)),
        sigma=np.ones((n, 2)), filters=np.ones((n, 3, 5, 5)), fitted=np.ones((n, 3, 5, 5)),
    )  # fmt: skip


@pytest.mark.parametrize(("maps", "says"), [
    (torch.zeros(1, 4, 4), False), (torch.full((1, 4, 4), float("nan")), False),
    (torch.eye(4)[None], True),
])  # fmt: skip
def test_G4_a_map_that_is_flat_or_not_finite_is_none(maps, says):
    assert _says_where(maps) is says
