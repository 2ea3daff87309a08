"""The first screen of a training, from made-up results."""

from __future__ import annotations

import shlex
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from neocog.cli.main import cli
from neocog.data.split import Split
from neocog.exhibits import Gallery, Map
from neocog.runs.events import Finished
from neocog.runs.exhibits import run_first_screen
from neocog.runs.recipe import DataConfig, Recipe, TrainConfig
from neocog.runs.split_outputs import SplitOutputs
from neocog.tasks.classify import evaluation

CLASSES = ("cat", "<b>dog")


def finished(
    predicted: list[int], truth: list[int], *, epochs: float = 5, budget: float = 0.0
) -> Finished:
    logits = torch.nn.functional.one_hot(torch.tensor(predicted), 2).float() * 3
    y = np.array(truth)
    split = Split(np.zeros((len(y), 8, 8, 3), np.uint8), y, [f"{i}.png" for i in range(len(y))])
    train = TrainConfig(epochs=0.0 if budget else epochs, budget=budget)
    recipe = Recipe(data=DataConfig(path="my data"), train=train)
    experiment: Any = SimpleNamespace(recipe=recipe, source=SimpleNamespace(classes=CLASSES))
    return Finished(
        summary={"epochs": epochs, "seconds": 1.5, "params": 10, "macs": 20},
        experiment=experiment,
        scores={"test": evaluation(logits, y, CLASSES)},
        outputs={"test": SplitOutputs(logits, split, len(y))},
    )


TRUTH = [0, 1] * 50


def test_accuracy_with_its_interval_and_what_to_do_next() -> None:
    screen = run_first_screen(finished([*TRUTH[:-10], *[0] * 10], TRUTH), "runs/x")
    assert screen.headline.startswith("my data: 95.0 % top-1 accuracy (95 % CI ")
    assert screen.headline.endswith(" on 100 test images.")
    assert (screen.badge, screen.level) == ("", "plain")
    confusion, worst = screen.image
    assert isinstance(confusion, Map)
    assert isinstance(worst, Gallery)
    assert 0 < len(worst.images) <= 6
    assert screen.figures[1].title == "recall of <b>dog"
    assert [c.words[1] for c in screen.next] == ["audit", "explain"]


@pytest.mark.parametrize(
    ("end", "badge"),
    [
        (finished(TRUTH, TRUTH, epochs=0.3), "Undertrained"),
        (finished([0] * 100, TRUTH), "No better than chance"),
        (finished(TRUTH, TRUTH, epochs=0.3, budget=60.0), "Undertrained"),
    ],
)
def test_a_training_that_says_nothing_says_so_and_names_a_longer_one(
    end: Finished, badge: str
) -> None:
    screen = run_first_screen(end, "runs/my run")
    assert (screen.badge, screen.level) == (badge, "bad")
    words = shlex.split(screen.next[0].line)
    assert words[:2] == ["neocog", "train"]
    command = cli.get_command(None, "train")  # type: ignore[arg-type]
    assert command is not None
    with command.make_context("train", words[2:]) as context:
        assert context.params["recipe"] == "runs/my run/recipe.toml"
        assert (context.params["budget"] or 0) >= 600 or context.params["epochs"] >= 10


def test_no_mistake_is_no_gallery() -> None:
    (confusion,) = run_first_screen(finished(TRUTH, TRUTH), "r").image
    assert isinstance(confusion, Map)


def test_one_image_is_one_image() -> None:
    screen = run_first_screen(finished([0], [0]), "r")
    assert screen.headline.endswith("on 1 test image.")
    assert "CI 20.7–100.0 %" in screen.headline  # Wilson's, of one of one


def test_nothing_was_held_out() -> None:
    end = finished([0], [0])
    end.scores.clear()
    screen = run_first_screen(end, "r")
    assert "without held-out samples" in screen.headline
