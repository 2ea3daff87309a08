"""Hundreds of photos at 224 pixels through a small network, on a machine of a few gigabytes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from neocog.audits.config import AuditConfig
from neocog.audits.plan import map_samples
from neocog.audits.suite import audit_model
from neocog.data.samples import Samples
from neocog.errors import UsageError
from neocog.models.model import Model
from neocog.networks.model import SpecifiedNetwork
from neocog.types import InputSpec, ModelSpec


class Counting(nn.Module):
    """Keeps how many samples came at once, and in all."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        return x.mean((1, 2, 3))[:, None] * torch.arange(10.0)


def counting(tmp_path: Path, side: int) -> tuple[Model, Counting]:
    net = Counting()
    signal = InputSpec(channels=3, size=(side, side), mean=(0.0,) * 3, std=(1.0,) * 3)
    spec = ModelSpec(task="classify", classes=tuple("0123456789"), input=signal)
    return Model(SpecifiedNetwork(net, spec), {"spec": spec.to_json()}, tmp_path), net


def test_a_batch_follows_the_size_of_its_samples(tmp_path: Path) -> None:
    model, net = counting(tmp_path, 224)
    x = np.random.default_rng(0).integers(0, 256, (60, 24, 24), np.uint8)
    np.savez(tmp_path / "some.npz", x_test=x, y_test=np.arange(60) % 10)
    found = model.evaluate(tmp_path / "some.npz")
    assert found.n == sum(net.seen) == 60
    # 27 of 3×224×224 are 16 MiB; a network holds a few dozen times that.
    assert max(net.seen) == 27
    net.seen.clear()
    again = model.evaluate(tmp_path / "some.npz", batch_size=5)
    assert max(net.seen) == 5
    assert again.accuracy == found.accuracy
    with pytest.raises(UsageError, match="from 1 up; got 0"):
        model.evaluate("digits", batch_size=0)


def test_predictions_are_made_a_batch_at_a_time(tmp_path: Path) -> None:
    model, net = counting(tmp_path, 224)
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "x.png")
    predictions = list(model.stream([tmp_path / "x.png"] * 60))
    assert len(predictions) == sum(net.seen) == 60
    assert max(net.seen) == 27


def test_the_map_of_shifts_of_a_small_audit_does_not_outweigh_it() -> None:
    net, n = Counting(), 20
    data = Samples.of((torch.rand(n, 1, 16, 16), torch.zeros(n, dtype=torch.int64)))
    asked = AuditConfig(
        n=n, shift=("circular",), rotation=False, scale=False, elastic=False, layers=False
    )
    found = audit_model(net, data, asked)
    assert found.shift["circular"].map.n == map_samples(n) == 8
    assert sum(net.seen) < 30 * n
