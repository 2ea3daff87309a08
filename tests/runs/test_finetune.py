"""What a fine-tune is shown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.runs.untrained import trained

from neocog.data.split import Split
from neocog.runs.convert import convert
from neocog.runs.finetune import tune
from neocog.runs.fix_run import FinetuneOptions, recipe_of
from neocog.runs.folder import RunFolder
from neocog.runs.recipe import DataConfig, MachineConfig, ModelConfig, Recipe, TrainConfig
from neocog.runs.session import TrainingProgress
from neocog.training.augment import Augment


def test_a_fine_tune_mixes_no_samples_as_its_target_is_of_one(tmp_path: Path) -> None:
    recipe = Recipe(
        data=DataConfig(path="a"),
        model=ModelConfig(name="convnet"),
        augment=Augment(mixup=0.2, rotate=5.0),
    )
    RunFolder(tmp_path / "run").write_recipe(recipe)
    model = replace(trained("stride"), path=tmp_path / "run")
    mended = convert(model, downsampling="blur", padding="keep")
    done = recipe_of(model, mended, FinetuneOptions(lr=0.1), path="a", fingerprint="0")
    assert done.augment == Augment(rotate=5.0)


def test_a_sample_that_is_shown_twice_is_one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("neocog.runs.session.time.monotonic", lambda: next(clock))
    model = trained("stride").module
    x = np.zeros((40, 32, 32, 1), dtype=np.uint8)
    split = Split(x, np.arange(40) % 2, [""] * 40)
    recipe = Recipe(
        train=TrainConfig(epochs=1, batch_size=16),
        augment=Augment(),
        machine=MachineConfig(device="cpu", memory_format="contiguous", precision="float32"),
    )
    told = TrainingProgress()
    steps = list(tune(model, split, recipe, told, guide=model))
    assert len(steps) == 5
    # A step takes a second of this clock, and 8 of the 40 samples.
    assert told.rows[-1]["seconds"] == 5
    assert told.rows[-1]["images_per_second"] == 8


@pytest.mark.parametrize("consistency_weight", [0.0, 5.0])
def test_views_that_are_drawn_to_each_other_differ_in_their_place_alone(
    consistency_weight: float,
) -> None:
    model, guide = trained("stride").module, trained("stride").module
    x = np.full((16, 32, 32, 1), 99, dtype=np.uint8)
    x[:, 16, 16] = 255
    split = Split(x, np.arange(16) % 2, [""] * 16)
    recipe = Recipe(
        train=TrainConfig(epochs=1, batch_size=32),
        augment=Augment(shift=4, border="reflect", brightness=0.2),
        machine=MachineConfig(device="cpu", memory_format="contiguous", precision="float32"),
    )
    seen: list[torch.Tensor] = []
    model.register_forward_pre_hook(lambda module, given: seen.append(given[0].clone()))
    list(
        tune(
            model,
            split,
            recipe,
            TrainingProgress(),
            guide=guide,
            consistency_weight=consistency_weight,
        )
    )
    one, two = seen[0].chunk(2)
    assert torch.equal(one.amin((1, 2, 3)), two.amin((1, 2, 3))) == (consistency_weight > 0)
    first, second = (view.flatten(1).argmax(1) for view in (one, two))
    opposite = first + second == 2 * (16 * 32 + 16)  # the rows of both, and the columns
    assert bool(opposite.all()) == (consistency_weight > 0)
