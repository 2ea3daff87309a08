"""The network of a budget: small color images get as wide a one as there is time to train."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from neocog.data.split import Split
from neocog.runs import capacity
from neocog.runs import sized as sizes
from neocog.runs.budget import Budget
from neocog.runs.capacity import CAPACITIES, SPENT, UNLABELED, of_budget, suits, widened
from neocog.runs.experiment import prepare
from neocog.runs.recipe import (
    DataConfig,
    LabelsConfig,
    MachineConfig,
    ModelConfig,
    PretrainConfig,
    Recipe,
    TrainConfig,
)
from neocog.runs.sized import sized

MANY = capacity.LEAST_IMAGES


def images(n: int = MANY, side: int = 32, channels: int = 3) -> Split:
    x = np.zeros((n, side, side, channels), np.uint8)
    return Split(x, np.arange(n) % 10, [str(i) for i in range(n)])


def test_small_color_images_in_great_number_suit_and_no_others() -> None:
    assert suits(Recipe(), images())
    assert not suits(Recipe(), images(MANY - 1))
    assert not suits(Recipe(), images(100, 96))
    assert not suits(Recipe(), images(channels=1))
    for other in (
        Recipe(model=ModelConfig(name="resnet20")),
        Recipe(model=ModelConfig(options={"dropout": 0.1})),
        Recipe(model=ModelConfig(init="runs/other")),
        Recipe(labels=LabelsConfig(per_class=10)),
    ):
        assert not suits(other, images())


def test_the_widest_network_that_sees_every_image_often_enough_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    budget = Budget(1000.0, began=time.monotonic())
    smallest, largest = CAPACITIES[0], CAPACITIES[-1]
    assert [c.passes for c in CAPACITIES] == sorted(c.passes for c in CAPACITIES)
    for passes, options in (
        (1.1 * largest.passes, largest.options),
        (1.1 * smallest.passes, smallest.options),
        (0.9 * smallest.passes, {}),
    ):
        each = SPENT * budget.left() / passes / MANY
        monkeypatch.setattr(capacity, "_seconds_an_image", lambda *a, s=each, **k: s)
        taken, notes = of_budget(Recipe(), budget, images(), 10)
        assert taken.model.options == options
        assert len(notes) == bool(options)


def test_a_budget_asks_and_a_number_of_epochs_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    source = SimpleNamespace(splits={"train": images()}, classes=("a", "b"))
    monkeypatch.setattr(sizes, "open_data", lambda *a, **k: source)
    monkeypatch.setattr(capacity, "_seconds_an_image", lambda *a, **k: 1e-9)
    budget = Budget(100.0, began=time.monotonic())
    recipe, notes = sized(Recipe(train=TrainConfig(budget=100.0)), budget)
    assert recipe.model.options == CAPACITIES[-1].options
    assert recipe.data.size == ()
    assert "--model sets another" in notes[0]
    plain = Recipe(train=TrainConfig(epochs=3))
    assert sized(plain, Budget(0.0, began=time.monotonic())) == (plain, ())


def test_every_view_counts_and_a_training_without_labels_needs_more_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = SimpleNamespace(splits={"train": images()}, classes=())
    monkeypatch.setattr(capacity, "open_data", lambda *a, **k: source)
    budget, views = Budget(1000.0, began=time.monotonic()), 4
    recipe = Recipe(pretrain=PretrainConfig(method="fastsiam"))
    for factor, options in ((1.1, CAPACITIES[-1].options), (0.9, CAPACITIES[-2].options)):
        passes = factor * views * UNLABELED * CAPACITIES[-1].passes
        each = SPENT * budget.left() / passes / MANY
        monkeypatch.setattr(capacity, "_seconds_an_image", lambda *a, s=each, **k: s)
        assert widened(recipe, budget)[0].model.options == options
    assert widened(recipe, Budget(0.0, began=time.monotonic())) == (recipe, ())


def test_a_wider_network_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "TIMED", 8)
    wide, plain = (
        Recipe(model=ModelConfig(options=dict(options))) for options in (CAPACITIES[-1].options, {})
    )
    seconds = [capacity._seconds_an_image(r, images(20), 10) for r in (wide, plain)]
    assert seconds[0] > seconds[1] > 0
    made: list[int] = []
    monkeypatch.setattr(capacity, "one_step", lambda *a: made.append(1))
    assert capacity._seconds_an_image(plain, images(20), 10, seconds=0.0) >= 0
    assert len(made) == 1


@pytest.mark.parametrize("whitened", [True, False])
def test_a_whitened_stem_is_made_for_the_images(whitened: bool) -> None:
    options = {"widths": (18,), "depths": (1,), "stem": "full", "whitened": whitened}
    recipe = Recipe(
        data=DataConfig(path="digits"),
        model=ModelConfig(options=options),
        machine=MachineConfig(device="cpu", memory_format="contiguous", precision="float32"),
    )
    experiment = prepare(recipe)
    weight = experiment.model.network.stem.conv.weight
    assert torch.equal(weight[:9], -weight[9:]) == whitened
    assert experiment.recipe.model.options["whitened"] == whitened
    taken_up = prepare(recipe, resume=True).model.network.stem.conv.weight
    assert torch.equal(taken_up, weight) == (not whitened)  # its weights come from a checkpoint
