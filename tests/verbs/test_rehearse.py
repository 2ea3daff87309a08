"""A bound on a figure that there is not is refused before anything is measured."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import neocog
from neocog.audits.config import AuditConfig
from neocog.audits.require import parse_bound
from neocog.errors import UsageError
from neocog.verbs import audit as verb
from neocog.verbs.rehearse import rehearsal

SHORT = AuditConfig(shift=("circular",), rotation=False, scale=False, elastic=False, n=4)
X = torch.rand(4, 1, 16, 16)


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ("shift.circular.consistancy>=0.9", r"Did you mean `consistency`"),
        ("shift.circle.consistency>=0.9", r"no figure `shift.circle`. Did you mean `circular`"),
        ("shift.crop.consistency>=0.9", r"no figure `shift.crop`. Known: `circular`"),
        ("accuray>0.9", r"Did you mean `accuracy`"),
        ("rotation.agreement.0>0.9", r"with these options `rotation` is not measured"),
        ("shift.circular>0.9", r"is several: `mode`, `n`, .*Name one figure"),
        ("task>0", r"A bound is on a single number; `task` is none"),
        ("layers.x.shift_error<1", r"an index into a list"),
        ("layers.0.shift_errors<1", r"Did you mean `shift_error`"),
        ("compared.0.difference>0", r"no figure `compared`"),
    ],
)
def test_nothing_is_measured_for_a_bound_that_cannot_be(bound, said, monkeypatch):
    monkeypatch.setattr(verb, "_audited", lambda *a: pytest.fail("work has begun"))
    with pytest.raises(UsageError, match=said):
        neocog.audit(network(), X, SHORT, require=[bound])


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ("accuracy=>0.9", "Did you mean `>=`"), ("accuracy=<0.9", "Did you mean `<=`"),
        ("accuracy=0.9", "Did you mean `==`"), ("accuracy≥0.9", "Did you mean `>=`"),
        ("accuracy!=0.9", "Write "), ("accuracy>=1e999", "a finite number"),
        ("accuracy>=" + "9" * 5000, "a finite number"), ("\x1b[31m", r"got '\\x1b\[31m'"),
    ],
)  # fmt: skip
def test_another_way_of_writing(bound, said):
    with pytest.raises(UsageError, match=said):
        parse_bound(bound)


def test_bounds_on_what_a_comparison_finds():
    bounds = ["compared.0.difference==0", "shift.circular.consistency>=0", "layers.0.shift_error<9"]
    done = neocog.audit(network(), X, SHORT, baseline=network(), require=bounds[1:])
    assert done.kept
    torch.manual_seed(0)
    one = network()
    done = neocog.audit(one, X, SHORT, baseline=one, require=bounds)
    assert done.kept
    assert len(done.to_json()["required"]) == 3


@pytest.mark.parametrize("task", ["classify", "segment", "regress"])
def test_the_stand_in_has_the_figures_of_every_task(task):
    found = rehearsal(AuditConfig(), task=task).to_json()
    json.dumps(found, allow_nan=False)
    assert {"circular", "crop", "zeros"} <= found["shift"].keys()
    assert found["layers"]
