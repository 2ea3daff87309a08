"""Nothing is computed twice: forward passes are counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.audits import plan as planned
from neocog.audits.config import AuditConfig
from neocog.audits.shift import Shifting
from neocog.audits.suite import audit_model
from neocog.audits.table import MEASURES
from neocog.audits.unshifted import Unshifted
from neocog.data.samples import Samples
from neocog.models.exact import ExactModel


class Counting(nn.Module):
    """Keeps every sample that came, as it came."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach().clone())
        y: Tensor = self.conv(x).mean((2, 3))
        return y


def noise(n: int = 24, size: int = 16) -> Samples:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.random((n, 1, size, size), dtype=np.float32))
    return Samples.of((x, rng.integers(0, 4, n)))


def test_outputs_are_computed_once() -> None:
    net = Counting()
    model = ExactModel(net)
    unshifted = Unshifted(model, noise())
    rows = slice(0, 10)
    first = unshifted.outputs(rows)
    assert unshifted.outputs(rows) is first
    assert torch.equal(unshifted.predictions(rows), first.argmax(1))
    assert model.passes == sum(map(len, net.seen)) == 10
    parts = unshifted.all(10, n=24)
    assert model.passes == 24
    assert len(torch.cat(parts)) == 24


def test_maps_are_not_kept_whole() -> None:
    model = ExactModel(nn.Conv2d(1, 3, 3, stride=2, padding=1), task="segment")
    unshifted = Unshifted(model, noise())
    found = unshifted.predictions(slice(0, 4))
    assert found.shape == (4, 16, 16)
    assert unshifted.predictions(slice(0, 4)) is found
    assert not unshifted._outputs


def test_what_is_unshifted_is_shared_between_ways_of_shifting() -> None:
    model, data = ExactModel(Counting(), size=(16, 16)), noise()
    shared = Unshifted(model, data)
    with model.ready():
        for mode in ("circular", "crop", "zeros"):
            alone = Shifting(model, data, mode=mode, max_shift=2)
            alone.advance(len(data))
            before = model.passes
            run = Shifting(model, data, mode=mode, max_shift=2, unshifted=shared)
            run.advance(len(data))
            assert model.passes - before == 24 * (3 if mode == "circular" else 2)
            one, two = alone.result(), run.result()
            assert one.to_json() == two.to_json()
            assert np.array_equal(one.same, two.same)


def test_samples_with_a_border_have_predictions_of_their_own() -> None:
    model = ExactModel(Counting(), size=(12, 12))
    larger = noise(size=16)
    run = Shifting(model, larger, mode="crop", max_shift=2, unshifted=Unshifted(model, larger))
    run.advance(24)
    assert model.passes == 24 * 3


@pytest.mark.parametrize("asked", [AuditConfig(n=24), AuditConfig(n=24, full=True)])
def test_an_audit_needs_the_passes_that_are_planned(asked: AuditConfig) -> None:
    net, data = Counting(), noise()
    audit_model(net, data, asked)
    seen = sum(map(len, net.seen))
    facts = planned.Facts(
        available=24, size=(16, 16), seconds=1.0, left=1.0, max_shift=2,
        macs=1, controls=frozenset({"circular", "crop", "zeros"}), extras=MEASURES,
    )  # fmt: skip
    made = planned.plan(asked, facts)
    expected = sum(v for k, v in made.seconds.items() if k != "layers")
    # Timing, geometry and the look into layers send a few batches of their own.
    assert expected <= seen <= expected + 24 * 30


def test_no_sample_is_shown_twice_in_the_same_place() -> None:
    net, data = Counting(), noise(12)
    asked = AuditConfig(
        n=12, full=True, layers=False, map_samples=12, map_max_shift=2, shift=("circular", "crop")
    )
    audit_model(net, data, asked)
    batches = [x for x in net.seen if len(x) == 12]
    keys = [x.numpy().tobytes() for x in batches]
    still = data.first(12, seed=0).take(slice(0, 12)).numpy().tobytes()
    # Timing shows the samples four times, all measures together once, each of two maps once.
    assert keys.count(still) <= 4 + 1 + 2


def test_a_shorter_run_is_the_beginning_of_a_longer_one() -> None:
    model, data = ExactModel(Counting(), size=(16, 16)), noise()
    with model.ready():
        long = Shifting(model, data, max_shift=2, stride=2, batch=6)
        long.advance(24)
        few = Shifting(model, _head(data, 12), max_shift=2, stride=2, batch=6)
        few.advance(12)
    assert long.result(n=12).to_json() == few.result().to_json()
    assert long.result(n=12).n == 12


def _head(data: Samples, n: int) -> Samples:
    assert data.y is not None
    assert isinstance(data.x, Tensor)
    return Samples.of((data.x[:n], data.y[:n]))
