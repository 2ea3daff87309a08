"""Networks of ours, built again with other samplers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from neocog.data.split import Split
from neocog.errors import ModelError
from neocog.models.model import Model
from neocog.networks.catalog import build
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.convert import convert
from neocog.runs.finetune import tune
from neocog.runs.fix_run import FinetuneOptions, recipe_of
from neocog.runs.folder import RunFolder
from neocog.runs.load import load
from neocog.runs.recipe import DataConfig, MachineConfig, ModelConfig, Recipe, TrainConfig
from neocog.runs.session import TrainingProgress
from neocog.training.augment import Augment
from neocog.types import InputSpec, ModelSpec

SIGNAL = InputSpec(channels=1, size=(32, 32), mean=(0.5,), std=(0.25,), resize_mode="crop")
CONTRACT = ModelSpec(task="classify", classes=("a", "b"), input=SIGNAL)
OPTIONS = {"widths": (4, 8), "depths": (1, 1)}


def trained(downsampling: str) -> Model:
    """A small network of ours, as if it had been trained."""
    options = {**OPTIONS, "downsampling": downsampling}
    network = build("convnet", num_classes=2, in_channels=1, size=(32, 32), options=options)
    card = {"network": {"name": "convnet", "options": options}}
    return Model(SpecifiedNetwork(network, CONTRACT).eval(), card, Path("runs/small"))


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("learned_polyphase", "polyphase"),
        ("polyphase", "learned_polyphase"),
        ("learned_polyphase", "blur"),
    ],
)
def test_a_chooser_comes_and_goes_and_every_other_weight_stays(was: str, now: str) -> None:
    model = trained(was)
    before = model.module.network.state_dict()
    mended = convert(model, downsampling=now, padding="keep")
    after = mended.model.network.state_dict()
    shared = [k for k in before if ".choose." not in k]
    assert len(shared) > 5
    assert all(torch.equal(after[k], before[k]) for k in shared)
    assert {k for k in after if k not in shared} == {k for k in after if ".choose." in k}


def test_a_chooser_keeps_what_it_learned_where_its_sampling_stays() -> None:
    model = trained("learned_polyphase")
    before = model.module.network.state_dict()
    after = convert(
        model, downsampling="learned_polyphase", padding="circular"
    ).model.network.state_dict()
    assert any(".choose." in k for k in before)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[k], v) for k, v in before.items())


def test_a_weight_without_a_place_is_said() -> None:
    model = trained("stride")
    model.module.network.register_buffer("odd", torch.zeros(1))
    with pytest.raises(ModelError, match=r"runs/small.*1 unexpected \(`odd`\)"):
        convert(model, downsampling="blur", padding="keep")


def test_a_program_of_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    file = tmp_path / "two.pt2"
    torch.export.save(torch.export.export(network, (torch.rand(2, 1, 32, 32),)), file)
    model = load(file, mean=(0.5,), std=(0.5,))
    with pytest.raises(ModelError, match=r"a fixed batch size of 2.*dynamic batch"):
        convert(model, downsampling="blur", padding="keep")
    assert convert(trained("stride"), downsampling="blur", padding="keep").replaced


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


def test_data_in_the_current_folder_is_not_taken_for_what_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / kind / name).mkdir(parents=True)
            for i in range(4):
                gray = np.random.default_rng(i + 9 * (name == "a") + 99 * (kind == "test"))
                image = gray.integers(0, 255, (32, 32)).astype(np.uint8)
                Image.fromarray(image).save(tmp_path / kind / name / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    notes = trained("stride").samples(".").notes
    assert notes == ("Measured on the split test: 8 of 16 samples.",)


def test_a_pretrained_network_without_a_run_is_built_again_too() -> None:
    with pytest.warns(UserWarning, match="are those of ImageNet"):
        model = load("efficientnet_lite1", size=(3, 64, 64))
    mended = convert(model, downsampling="polyphase", padding="circular")
    before = model.module.network.state_dict()
    after = mended.model.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[k], before[k]) for k in before)
    recipe = recipe_of(model, mended, FinetuneOptions(), path="here", fingerprint="")
    assert recipe.model.name == "efficientnet_lite1"
    assert recipe.data.resize_mode == "crop-bicubic"
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        still, moved = (mended.model(y).double() for y in (x, x.roll((3, 5), (2, 3))))
    # Exactly shift-invariant: float32 rounding through 60 layers.
    assert float((still - moved).abs().max() / still.abs().max()) < 1e-4
