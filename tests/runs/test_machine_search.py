"""Which way to train is taken: what was measured before counts where it can be measured again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from neocog.data.open import open_data
from neocog.runs import machine_search
from neocog.runs.machine_search import fastest
from neocog.runs.recipe import MachineConfig, Recipe
from neocog.training.machine import Machine, candidates

CPU = MachineConfig(device="cpu")


def _remember(folder: Path, way: Machine) -> None:
    """As if a training before had measured this way as the fastest."""
    key = machine_search._key("cpu", Recipe())
    (folder / "machines.json").write_text(json.dumps({key: [way.memory_format, way.precision]}))


def test_a_short_training_takes_the_same_way_whatever_was_measured_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_search, "default_folder", lambda: tmp_path)
    ways, train = candidates("cpu"), open_data("digits").splits["train"]
    first = (ways[0].memory_format, ways[0].precision)
    assert len(ways) > 1
    for way in ways:
        _remember(tmp_path, way)
        short = fastest(CPU, nn.Identity(), train, Recipe(), steps=10)
        assert (short.memory_format, short.precision) == first
        long = fastest(CPU, nn.Identity(), train, Recipe())
        assert (long.memory_format, long.precision) == (way.memory_format, way.precision)
        assert long.threads == torch.get_num_threads()
