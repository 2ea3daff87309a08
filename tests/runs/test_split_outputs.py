"""A split is measured on some of its samples where the time is short."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from neocog.data.split import Split
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.split_outputs import LEAST, split_outputs
from neocog.types import InputSpec, ModelSpec


def _model() -> SpecifiedNetwork:
    signal = InputSpec(channels=1, size=(2, 2), mean=(0.0,), std=(1.0,))
    spec = ModelSpec(task="classify", classes=("a", "b", "c", "d"), input=signal)
    return SpecifiedNetwork(nn.Flatten(), spec).eval()


def _split(n: int) -> Split:
    x = np.random.default_rng(0).integers(0, 255, (n, 2, 2, 1)).astype(np.uint8)
    return Split(x, np.arange(n) % 4, [str(i) for i in range(n)])


def test_parts_are_nested_in_order_and_belong_to_their_samples() -> None:
    split, model = _split(1000), _model()
    whole = split_outputs(model, split, device="cpu")
    assert whole.whole
    names: set[str] = set()
    for most in (LEAST, 100, 1000):
        found = split_outputs(model, split, device="cpu", most=most)
        assert len(found.split) == len(found.logits) == most
        assert found.whole == (most == 1000)
        rows = [int(n) for n in found.split.names]
        assert rows == sorted(rows)
        assert torch.equal(found.logits, whole.logits[rows])
        assert found.split.y.tolist() == split.y[rows].tolist()
        assert names <= set(found.split.names)
        names = set(found.split.names)


@pytest.mark.parametrize("seconds", [0.0, -5.0, 0.02])
def test_however_short_the_time_some_samples_are_asked(seconds: float) -> None:
    class Slow(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            time.sleep(0.002 * len(x) / LEAST)
            return x.flatten(1)

    model = SpecifiedNetwork(Slow(), _model().spec).eval()
    found = split_outputs(model, _split(100_000), device="cpu", seconds=seconds, prediction=4e-5)
    assert LEAST <= len(found.split) < 5000
    assert found.of == 100_000
