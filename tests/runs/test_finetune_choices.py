"""Precision and augmentation of a fine-tune, where the recipe leaves them open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neocog.runs import finetune_choices
from neocog.runs.experiment import Experiment, prepare
from neocog.runs.finetune_choices import MANY_PASSES, suited_to_passes, with_fastest_precision
from neocog.runs.recipe import Recipe
from neocog.training.machine import Machine
from neocog.verbs.train import settle, train, with_network


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on digits."""
    run = tmp_path_factory.mktemp("backbone") / "run"
    train("digits", model="lenet5", epochs=0.05, out=run, progress=False)
    return run


def _experiment(images: Path, backbone: Path, **settings: Any) -> Experiment:
    keys = {"model.init": str(backbone), "transfer.freeze": "none"} | settings
    return prepare(settle(images, with_network(keys, str(backbone)), Recipe()))


def test_a_fine_tune_takes_the_faster_precision(
    images: Path, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = _experiment(images, backbone)
    assert experiment.machine.precision == "float32"  # of the features
    given: list[str] = []

    def fastest(choice: Any, *_: Any, **__: Any) -> Machine:
        given.append(choice.precision)
        return Machine(**{**vars(choice), "precision": "bfloat16"})

    monkeypatch.setattr(finetune_choices, "fastest", fastest)
    assert with_fastest_precision(experiment).machine.precision == "bfloat16"
    assert given == [""]


def test_what_the_recipe_says_is_kept(images: Path, backbone: Path) -> None:
    given = {"machine.precision": "float32", "augment.rotate": 15.0}
    experiment = _experiment(images, backbone, **given)
    assert with_fastest_precision(experiment) is experiment
    assert suited_to_passes(experiment, 2 * MANY_PASSES) is experiment


def test_color_images_that_are_seen_often_are_augmented_more(images: Path, backbone: Path) -> None:
    gray = _experiment(images, backbone)
    recipe = replace(gray.recipe, data=replace(gray.recipe.data, channels=3))
    color = replace(gray, recipe=recipe)
    assert suited_to_passes(color, MANY_PASSES - 1).augment == color.augment
    assert suited_to_passes(color, MANY_PASSES).augment.crop > 0
    assert suited_to_passes(gray, MANY_PASSES).augment == gray.augment
