"""Time of a sample, measured for several models in turns."""

import torch
from torch import nn

from neocog.audits import timing
from neocog.audits.timing import a_batch, milliseconds


def test_models_take_turns_and_the_first_round_does_not_count(monkeypatch) -> None:
    clock = iter([0.0, *range(1000)])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    seconds = iter([9.0, 9.0, 1.0, 4.0, 3.0, 4.0, 2.0, 4.0])  # the first two warm up
    asked: list[nn.Module] = []
    monkeypatch.setattr(timing, "_timed", lambda model, x: asked.append(model) or next(seconds))
    monkeypatch.setattr(timing, "MOST", 3)
    monkeypatch.setattr(timing, "SECONDS", 100.0)
    one, two = nn.Identity(), nn.Flatten()
    found = milliseconds([one, two], [torch.zeros(2, 1), torch.zeros(4, 1)])
    assert asked == [one, two] * 4
    assert found == [1000.0, 1000.0]  # medians 2 s of 2 samples and 4 s of 4


def test_a_batch_is_as_large_as_a_model_usually_takes() -> None:
    assert a_batch((3, 224, 224)).shape == (27, 3, 224, 224)
    assert a_batch((1, 64)).dim() == 3
