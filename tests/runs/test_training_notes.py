"""What a training says of its numbers is true of them, also where they are extreme."""

import math
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from neocog.data.split import Split
from neocog.exhibits import Curve, Scalar, Section
from neocog.networks.catalog import build
from neocog.runs import exhibits, training_notes
from neocog.runs.recipe import ModelConfig, Recipe
from neocog.runs.split_outputs import SplitOutputs
from neocog.runs.train import _Training
from neocog.tasks.classify import evaluation
from neocog.training.machine import Machine
from neocog.training.optimize import ScheduleConfig

LOSSES = [0.0, 1e-12, 0.05, 0.7, 0.703, 2.2, math.log(10), 2.31, 4.7, 5.24, 11.6, 1e6, 1e30]
CLAIMS = ("exploded", "rose", "hardly moved", "no longer finite")


def _claim(text: str) -> str:
    found = [c for c in CLAIMS if c in text]
    assert len(found) == bool(text)
    return found[0] if found else ""


def check_moved(first: float, last: float, guessing: float, rate: float) -> None:
    text = training_notes.moved(first, last, guessing=guessing, rate=rate, steps=27)
    match _claim(text):
        case "exploded":
            assert last > 2 * first
            assert last > 2 * guessing
        case "rose":
            assert last > first
            assert last <= 2 * max(first, guessing)
        case "hardly moved":
            assert abs(last - first) <= 0.02 * first
            assert "too low or too high" in text
        case "no longer finite":
            assert not (math.isfinite(first) and math.isfinite(last))
        case _:  # nothing to be done: it fell, or is low
            assert last <= 0.98 * first or last <= max(2 * first, guessing / 2)
    if text:
        assert f"from {first:.3g} to {last:.3g}" in text
    if lower := re.search(r"--lr (\S+)`", text):
        assert float(lower[1]) == pytest.approx(rate / 10, rel=0.05)


@pytest.mark.parametrize("first", [*LOSSES, math.inf, math.nan])
@pytest.mark.parametrize("last", [*LOSSES, math.inf, math.nan])
def test_made_up_courses(first: float, last: float) -> None:
    for guessing in (math.log(2), math.log(1000), 0.09):
        for rate in (1e-9, 0.15, 1e6):
            check_moved(first, last, guessing, rate)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0.01, 10), st.floats(1e-9, 1e3))
@example(0.703, 5.24, math.log(10), 0.15)
def test_any_course(first: float, last: float, guessing: float, rate: float) -> None:
    check_moved(first, last, guessing, rate)


@pytest.mark.parametrize(
    ("first", "last", "claim"),
    [
        (0.703, 5.24, "exploded"), (2.3, 2.3, "hardly moved"), (2.3, 2.9, "rose"),
        (0.05, 0.9, "rose"), (0.05, 0.06, ""), (0.0, 0.0, ""), (2.3, 0.1, ""),
        (2.3, 1e30, "exploded"),
        (1e-9, 1e-9, ""), (0.4, math.nan, "no longer finite"), (math.inf, 1.0, "no longer finite"),
    ],
)  # fmt: skip
def test_courses_by_name(first: float, last: float, claim: str) -> None:
    assert _claim(training_notes.moved(first, last, guessing=2.3026, rate=0.1, steps=3)) == claim
    if claim in ("rose", "hardly moved"):  # one step says nothing
        assert not training_notes.moved(first, last, guessing=2.3026, rate=0.1, steps=1)


def test_trained_weights_and_a_rising_rate_are_no_fault_of_the_learning_rate() -> None:
    how = {"guessing": 2.3026, "rate": 0.1, "steps": 95, "settling": True}
    assert training_notes.moved(0.4, 0.9, **how) == ""
    assert "rose" in training_notes.moved(0.4, 1.9, **how)  # it has forgotten what it knew
    assert training_notes.moved(2.3, 2.3, **how) == ""
    assert "exploded" in training_notes.moved(0.4, 50.0, **how)

    def settling(init: str, steps: int) -> bool:
        recipe = Recipe(model=ModelConfig(init=init), schedule=ScheduleConfig(warmup=0.2))
        session = SimpleNamespace(
            experiment=SimpleNamespace(recipe=recipe), progress=SimpleNamespace(last=500)
        )
        return _Training._settling(session, steps)

    assert [settling("", 95), settling("", 101), settling("none", 101)] == [True, False, False]
    assert settling("imagenet", 400)


OBJECTIVES = ("cross_entropy", "mean_squared_error")


@given(st.floats(0, 1e6), st.integers(2, 10_000), st.sampled_from(OBJECTIVES))
def test_a_training_that_learned_nothing_is_one_whose_loss_is_that_of_a_guess(
    loss: float, classes: int, objective: str
) -> None:
    guessing = training_notes.chance(objective, classes)
    uniform = torch.zeros(1, classes)
    from neocog.tasks.classify import loss as task_loss

    assert task_loss(objective, uniform, torch.tensor([0])).item() == pytest.approx(guessing, 1e-4)
    text = training_notes.ended(loss, guessing=guessing, num_classes=classes)
    assert bool(text) == (loss >= guessing)
    if text:
        assert f"ended at {loss:.3g}" in text
        assert f"over {classes} classes" in text


@given(st.floats(0.01, 1e5), st.floats(0, 1e5), st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_short_budget(budget: float, spent: float, steps: int, each: int) -> None:
    text = training_notes.short(budget, spent, steps, each)
    assert ("was used up" in text) == (spent >= budget)
    assert ("planned for the rest" in text) == (spent < budget)
    assert re.search(rf"\b{steps:,} step{'s' if steps > 1 else ''}\b", text)
    if share := re.search(r"([\d.e+]+) % of an epoch", text):
        assert float(share[1]) == pytest.approx(100 * steps / each, rel=0.06)


# ---- the report, of made-up results


def _experiment(classes: int, n: int) -> Any:
    recipe = Recipe()
    names = tuple(f"class {i}" for i in range(classes))
    source = SimpleNamespace(classes=names, splits={"train": range(n)}, sheet=None)
    return SimpleNamespace(
        recipe=recipe, machine=Machine(), source=source,
        best=build("dense", num_classes=classes, in_channels=1, size=(28, 28)),
        cost=SimpleNamespace(layers=()),
    )  # fmt: skip


def _shown(n: int, classes: int, correct: int, of: int) -> SplitOutputs:
    truth = np.arange(n) % classes
    logits = torch.full((n, classes), -3.0)
    for i, t in enumerate(truth):
        logits[i, t if i < correct else (t + 1) % classes] = 5.0
    x = np.zeros((n, 8, 8, 1), np.uint8)
    return SplitOutputs(logits, Split(x, truth, [f"{i}.png" for i in range(n)]), of)


@pytest.mark.parametrize(("n", "correct"), [(1, 0), (1, 1), (7, 7), (7, 0), (60, 31)])
@pytest.mark.parametrize("left_out", [0, 9_000])
@pytest.mark.parametrize("name", ["test", "val"])
def test_every_sentence_of_a_report(n: int, correct: int, left_out: int, name: str) -> None:
    experiment, shown = _experiment(2, 120), _shown(n, 2, correct, n + left_out)
    score = evaluation(shown.logits, shown.split.y, experiment.source.classes)
    summary = {"params": 3, "macs": 4, "seconds": 0.0, "images_per_second": 0.0, "epochs": 0.25}
    at_a_glance = exhibits._overview(experiment, summary, {name: score})
    assert "120 training samples of 2 classes, 0.25 epochs" in at_a_glance.text
    tile = at_a_glance.exhibits[0]
    assert isinstance(tile, Scalar)
    assert tile.interval is not None
    assert (tile.value, tile.title) == (correct / n, f"{name} accuracy")
    assert tile.note.startswith(f"{n} sample{'s' if n > 1 else ''};")
    assert tile.interval[0] <= tile.value <= tile.interval[1]
    mistakes = exhibits._mistakes(experiment, shown)
    assert (
        mistakes.text == f"{n - correct} of {n} {'are' if n > 1 else 'is'} predicted incorrectly."
    )
    assert [e.title for e in at_a_glance.exhibits[1:]] == ["parameters", "MACs", "training"]
    assert len(mistakes.exhibits) == (correct < n)
    said = exhibits._measured(name, shown)
    assert (f"{n:,} of {n + left_out:,} {name} samples" in said) == (left_out > 0)
    if not left_out:
        assert ("did not use" in said) == (name == "test")
        assert ("monitored the training" in said) == (name == "val")


@pytest.mark.parametrize("epochs", [1, 2, 40])
@pytest.mark.parametrize("value", [0.0, 1e-30, 1.0, 1e30])
def test_curves_of_any_losses_are_drawn(epochs: int, value: float) -> None:
    from neocog.render.page import page

    rows = [
        {"epoch": e + 1, "train_loss": value, "val_loss": 0.0 if e % 2 else value,
         "val_accuracy": 0.5, "lr": 0.0}
        for e in range(epochs)
    ]  # fmt: skip
    section = exhibits.training_curves(rows, "mean_squared_error")
    assert isinstance(section, Section)
    loss = section.exhibits[0]
    assert isinstance(loss, Curve)
    assert set(loss.lines) == {"training", "validation, cross-entropy"}
    html = page("made up", [section])
    assert html.rstrip().endswith("</html>")
    assert "nan" not in re.sub(r"<style>.*?</style>", "", html, flags=re.S).lower().split()
