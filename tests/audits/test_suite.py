from __future__ import annotations

import json
import time

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.audits.config import AuditConfig
from neocog.audits.sections import comparison, sections
from neocog.audits.suite import audit_model
from neocog.data.samples import Samples
from neocog.errors import ModelError, UsageError
from neocog.networks.catalog import build
from neocog.render.page import page

QUICK = AuditConfig(full=True, n=12, map_samples=4, map_max_shift=1, max_shift=2)


def noise(n: int = 12, channels: int = 1, size: int = 24) -> Samples:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.random((n, channels, size, size), dtype=np.float32))
    return Samples.of((x, rng.integers(0, 3, n)))


def small() -> nn.Module:
    torch.manual_seed(0)
    options = {"widths": (4, 6), "depths": (1, 1)}
    return build("convnet", num_classes=3, in_channels=1, size=(24, 24), options=options)


def test_everything_the_contract_names_is_there_and_is_plain() -> None:
    plain = audit_model(small(), noise(), QUICK).to_json()
    assert set(plain) >= {
        "n", "accuracy", "shift", "rotation", "elastic", "layers", "cost",
        "receptive_field", "seed", "protocol", "alignment",
    }  # fmt: skip
    assert set(plain["shift"]) == {"circular", "crop", "zeros", "subpixel"}
    assert set(plain["shift"]["circular"]) >= {
        "consistency", "consistency_ci", "both_correct", "both_wrong", "flip_rate",
        "worst_case_accuracy", "map", "chance_agreement",
    }  # fmt: skip
    assert set(plain["rotation"]) >= {"angles", "agreement", "accuracy", "quarter_turn_error"}
    assert set(plain["elastic"]) >= {"amount", "distance", "slope"}
    assert set(plain["layers"][0]) >= {
        "name", "kind", "shift_error", "rotation_error", "aliased_energy",
    }  # fmt: skip
    assert set(plain["cost"]) >= {
        "params", "macs", "flops", "activations", "seconds_per_image", "status",
    }  # fmt: skip
    json.dumps(plain, allow_nan=False)


@pytest.mark.parametrize("downsampling", ["blur", "polyphase", "learned_polyphase", "ideal"])
def test_every_sampling_can_be_audited(downsampling: str) -> None:
    options = {
        "widths": (4, 6),
        "depths": (1, 1),
        "downsampling": downsampling,
        "padding": "circular",
    }
    net = build("convnet", num_classes=3, in_channels=1, size=(24, 24), options=options)
    found = audit_model(net, noise(), QUICK)
    assert found.layers
    assert bool(found.aliasing) == (downsampling != "ideal")  # which drops what it has removed
    json.dumps(found.to_json(), allow_nan=False)
    page("Audit", sections(found))
    if "polyphase" in downsampling:
        assert found.shift["circular"].consistency == 1


def test_functions_that_drop_samples_are_named() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular")

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.max_pool2d(self.conv(x), 2).mean((2, 3))

    found = audit_model(Functional(), noise(), QUICK)
    assert "Functional downsampling breaks equivariance: " in sections(found)[0].text


def test_same_seed_same_numbers() -> None:
    runs = [audit_model(small(), noise(), QUICK).to_json() for _ in range(2)]
    for plain in runs:
        del plain["cost"]["seconds_per_image"]
    assert runs[0] == runs[1]


def test_report_draws_all_of_it() -> None:
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Flatten(), nn.Linear(576, 3))  # changes its mind at every shift
    found = audit_model(dense, noise(), QUICK, classes=("<b>",) * 3)
    assert any(s.flips for s in found.shift.values())
    html = page("Audit", sections(found))
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    for word in ("circular", "Equivariance, layer by layer", "Aliasing", "protocol"):
        assert word in html


def test_model_is_left_as_found() -> None:
    net = small().train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    rng = torch.get_rng_state()
    audit_model(net, noise(), QUICK)
    assert net.training
    assert torch.equal(torch.get_rng_state(), rng)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_black_box_is_only_asked() -> None:
    found = audit_model(small(), noise(), QUICK, black_box=True)
    assert found.layers == ()
    assert found.cost is None
    assert "no layer was measured" in found.notes[0]
    page("Audit", sections(found))


def test_segmenter_and_regressor_and_series() -> None:
    asked = AuditConfig(full=True, n=4, map_max_shift=1)
    images = Samples.of(torch.rand(4, 1, 16, 16))
    segmenter = audit_model(nn.Conv2d(1, 3, 3, padding=1), images, asked, task="segment")
    assert 0 < segmenter.shift["circular"].consistency < 1
    assert "subpixel" not in segmenter.shift
    assert "left out" in " ".join(segmenter.notes)
    coarse = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2, padding=1))
    assert 0 < audit_model(coarse, images, asked, task="segment").shift["zeros"].consistency < 1
    page("Audit", sections(segmenter))

    class Total(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1).sum(1, keepdim=True)

    regressor = audit_model(Total(), images, asked, task="regress")
    assert regressor.shift["zeros"].consistency > 0
    page("Audit", sections(regressor))
    series = Samples.of(torch.rand(4, 2, 32))
    line = nn.Sequential(nn.Conv1d(2, 3, 3, stride=2), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    found = audit_model(line, series, asked)
    assert found.layers[0].name == "0"
    page("Audit", sections(found))


def test_a_model_that_fails_does_so_first() -> None:
    with pytest.raises(ModelError, match=r"must take a batch of 1×3×24×24, and fails"):
        audit_model(small(), noise(channels=3), QUICK)


def test_unknown_way_of_shifting() -> None:
    with pytest.raises(UsageError, match="`sideways` is not a kind of shift"):
        AuditConfig(shift=("sideways",))


class Busy(nn.Module):
    """A model on a machine that somebody else begins to use."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(576, 3))
        self.seconds, self.seen = seconds, 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        if self.seen > 200:  # once the plan is made
            time.sleep(self.seconds * len(x))
        y: Tensor = self.net(x)
        return y


def test_a_machine_that_becomes_busy_shortens_what_is_left() -> None:
    data = noise(600)
    found = audit_model(
        Busy(0.003), data, AuditConfig(budget=1.5, batch=16, layers=False, max_shift=2)
    )
    assert 16 <= found.n < 600
    assert "The machine was slower than when the audit was planned" in " ".join(found.notes)
    assert found.shift["crop"].n == found.shift["circular"].n == found.n
    assert found.shift["crop"].map is None
    assert any(part.option == "--samples 600" for part in found.left_out)
    # It is the beginning of the longer audit: the same as if so many had been asked for.
    asked = AuditConfig(n=found.n, maps=(), layers=False, max_shift=2, batch=16)
    again = audit_model(Busy(0.0), data, asked)
    for mode, shift in found.shift.items():
        assert again.shift[mode].to_json() == shift.to_json()
    assert again.accuracy == found.accuracy


def test_where_samples_are_given_a_busy_machine_changes_nothing() -> None:
    asked = AuditConfig(n=40, budget=0.01, layers=False, max_shift=2, map_samples=2, batch=16)
    one, two = (audit_model(Busy(s), noise(60), asked).to_json() for s in (0.0, 0.002))
    for plain in (one, two):
        del plain["cost"]["seconds_per_image"]
    assert one == two


def test_two_models_side_by_side() -> None:
    from neocog.audits.compare import compare

    one, two = (audit_model(small(), noise(), QUICK) for _ in range(2))
    rows = [compare(one.shift[m], two.shift[m]) for m in one.shift]
    section = comparison(rows, "one", "two")
    assert all(c.difference == 0 for c in rows)
    assert "pp against the baseline one" in section.text
    page("Audit", [section])
