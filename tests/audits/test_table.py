from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
import torch
from torch import nn

from neocog.audits.config import AuditConfig
from neocog.audits.table import MEASURES, Measure, possible
from neocog.audits.unshifted import Unshifted
from neocog.cli.audit import command
from neocog.data.samples import Samples
from neocog.exhibits import Section
from neocog.models.exact import ExactModel
from neocog.render.page import page


@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.name)
def test_a_line_is_all_that_a_measure_needs(measure: Measure) -> None:
    assert {f.name: f.default for f in fields(AuditConfig)}[measure.name] is None
    (option,) = (p for p in command.params if p.name == measure.name)
    assert option.opts == [f"--{measure.option}"]
    assert option.default is None

    torch.manual_seed(0)
    x = torch.rand(6, 1, *[16] * measure.axes)
    net = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 3))
    model, data, told = ExactModel(net), Samples.of((x, [0, 1, 2, 0, 1, 2])), list[float]()
    found = measure.run(
        model, data, seed=0, batch=None, unshifted=Unshifted(model, data), progress=told.append
    )
    assert model.passes == 6 * (1 + measure.passes)  # what a plan counts with, and unshifted
    assert told[-1] == pytest.approx(1.0)
    json.dumps(found.to_json(), allow_nan=False)
    page(
        "x",
        [Section(title="x", exhibits=tuple(found.exhibits()), text=" ".join(found.sentences()))],
    )
    assert found.exhibits()


def test_what_is_possible() -> None:
    assert possible((32, 32), "classify") == MEASURES
    assert possible((32,), "classify") == possible((32, 32), "segment") == ()


def test_figures_do_not_depend_on_what_is_shared() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    data = Samples.of((torch.rand(6, 1, 16, 16), [0, 1, 2, 0, 1, 2]))
    for measure in MEASURES:
        both: list[Any] = []
        for shared in (True, False):
            model = ExactModel(net)
            unshifted = Unshifted(model, data) if shared else None
            if unshifted is not None:
                unshifted.outputs(slice(0, 6))
            both.append(
                measure.run(
                    model, data, seed=0, batch=None, unshifted=unshifted, progress=lambda f: None
                ).to_json()
            )
        assert both[0] == both[1]
