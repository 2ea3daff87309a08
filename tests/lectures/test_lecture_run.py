from dataclasses import replace

import pytest
import torch

import neocog
from neocog.errors import DataError
from neocog.lectures.evidence import Evidence
from neocog.lectures.lecture_run import judged_claim


def test_claims_are_measured_and_the_random_state_is_left(material):
    before = torch.get_rng_state()
    seen = []
    report = neocog.lectures.run("A1,b4", progress=seen.append)
    assert [c.claim.id for c in report.claims] == ["A1", "B4"]
    assert report.all_met
    assert len(seen) == 2
    assert torch.equal(before, torch.get_rng_state())


def test_a_claim_draws_from_the_seed_of_the_material(material):
    draws = []

    def measure(m):
        draws.append(torch.rand(1).item())
        return Evidence(measured_on="noise")

    claim = replace(neocog.lectures.run("A1").claims[0].claim, measure=measure)
    assert judged_claim(claim, material).outcome == "not shown"
    judged_claim(claim, material)
    assert draws[0] == draws[1]


def test_data_without_enough_labels_is_refused(tmp_path):
    import numpy as np

    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", x=rng.integers(0, 255, (60, 16, 16, 1), np.uint8),
             y=np.arange(60) % 2)  # fmt: skip
    with pytest.raises(DataError, match=r"200 labeled images of two classes at least; .* has 60"):
        neocog.lectures.run("A3", data=tmp_path / "d.npz")
