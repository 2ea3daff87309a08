"""The main sentences blame what is to blame."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from neocog.audits.config import AuditConfig
from neocog.audits.result import Audit
from neocog.audits.suite import audit_model
from neocog.audits.verdict import verdict
from neocog.data.samples import Samples

ASKED = AuditConfig(
    n=40,
    shift=("circular",),
    max_shift=3,
    map_max_shift=0,
    rotation=False,
    scale=False,
    elastic=False,
)


def audited(padding: str, *head: nn.Module) -> Audit:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1, padding_mode=padding), nn.ReLU(), *head
    )
    x = np.random.default_rng(0).random((40, 1, 12, 12), dtype=np.float32)
    return audit_model(net, Samples.of((torch.from_numpy(x), np.arange(40) % 3)), ASKED)


def mean() -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]


def test_a_dense_layer_that_sees_places_is_named_beside_the_border() -> None:
    found = audited("circular", nn.Flatten(), nn.Linear(144, 3))
    border = found.shift["circular"].border
    assert border is not None
    assert border.border > 0.1  # and there is no border: what is beyond it is the other side
    assert "that is weights that depend on position (3)." in verdict(found)
    found = audited("zeros", *mean())
    border = found.shift["circular"].border
    assert border is not None
    assert border.border == 0  # so that nothing is the border's
    assert "flip 0 % of the predictions, though the border could. Other shifts" in verdict(found)


def test_layers_that_wrap_around_are_not_told_to_wrap_around() -> None:
    assert "At the border 1 layer breaks equivariance, most of all 0" in verdict(
        audited("zeros", *mean())
    )
    said = verdict(audited("circular", *mean()))
    assert "in the interior: 0 (" in said
    assert "with circular padding" not in said
