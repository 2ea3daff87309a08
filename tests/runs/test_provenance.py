"""What computed a run is noted, and what differs here is said."""

from typing import Any

import pytest
import torch

from neocog.runs import provenance
from neocog.runs.recipe import MachineConfig, Provenance, Recipe


def test_threads_that_cannot_be_had_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not [n for n in _where("", "", 2)[1] if "are available" in n]
    monkeypatch.setenv("OMP_THREAD_LIMIT", "1")
    assert [n for n in _where("", "", 2)[1] if "only 1 are available" in n]
    monkeypatch.setenv("OMP_THREAD_LIMIT", "none")
    monkeypatch.setattr("torch.set_num_threads", lambda number: None)  # a build without OpenMP
    number = torch.get_num_threads()
    assert [n for n in _where("", "", number + 1)[1] if f"only {number} are available" in n]


def _where(torch_: str, processor: str, number: int = 1, *, resume: bool = True) -> Any:
    made = Provenance(torch=torch_, processor=processor)
    machine = MachineConfig(device="cpu", threads=number)
    return provenance.where(Recipe(machine=machine, provenance=made), resume=resume)


def test_what_computes_is_noted_and_what_changed_is_said() -> None:
    recipe, notes = _where("", "")
    assert not notes
    here = recipe.provenance
    assert here.torch == torch.__version__
    assert here.processor
    recipe, notes = _where("1.0", here.processor)
    assert len(notes) == 1
    assert f"used PyTorch 1.0, this machine has {torch.__version__}" in notes[0]
    assert recipe.provenance.torch == f"1.0, then {torch.__version__}"
    again, notes = _where(recipe.provenance.torch, here.processor)
    assert not notes
    assert again.provenance == recipe.provenance
    recipe, notes = _where(here.torch, "abacus", resume=False)
    assert "a processor abacus" in notes[0]
    assert recipe.provenance == here
    _, notes = _where(here.torch, here.processor, 1000)
    assert "1000 threads, as in the recipe" in notes[0]
