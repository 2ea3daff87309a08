"""Two models that are compared: each gets the options that are its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neocog.errors import UsageError
from neocog.runs import model_pair
from neocog.runs.model_pair import open_pair


class Opened:
    """What was opened, and with which options."""

    def __init__(self, name: str, **options: Any) -> None:
        self.name, self.card = name, dict[str, Any]()
        self.options = {k: v for k, v in options.items() if v is not None}


@pytest.fixture(autouse=True)
def _noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_pair, "load", Opened)


GIVEN = {"weights": "w.pt", "init": "none", "size": (3, 8, 8), "allow_random": True}
CHANCE = {"allow_random": True}


@pytest.mark.parametrize(
    ("baseline", "shared"),
    [
        ("timm:resnet18", {"init": "none", "size": (3, 8, 8), **CHANCE}),
        ("nets.small:make", {"size": (3, 8, 8), **CHANCE}),  # a factory makes its weights itself
    ],
)
def test_of_two_external_models_the_baseline_has_all_but_weights(
    baseline: str, shared: dict[str, Any]
) -> None:
    first, second = open_pair("timm:resnet50", baseline, GIVEN)
    assert isinstance(second, Opened)
    assert first.options == GIVEN
    assert second.options == shared


def test_options_go_to_the_external_one_beside_a_run(tmp_path: Path) -> None:
    for pair in ((str(tmp_path), "nets:make"), ("nets:make", str(tmp_path))):
        opened = {m.name: m.options for m in open_pair(*pair, GIVEN) if isinstance(m, Opened)}
        assert opened == {str(tmp_path): CHANCE, "nets:make": GIVEN}


def test_weights_of_a_baseline_go_with_one_that_is_external(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a baseline, and none is given"):
        open_pair("nets:make", None, {}, baseline_weights="b.pt")
    with pytest.raises(UsageError, match="A run folder knows its weights"):
        open_pair("nets:make", str(tmp_path), {}, baseline_weights="b.pt")


def test_two_runs_are_both_allowed_to_depend_on_chance(tmp_path: Path) -> None:
    for model in open_pair(str(tmp_path), str(tmp_path), CHANCE):
        assert isinstance(model, Opened)
        assert model.options == CHANCE
