"""A fix hands on what is better, or the original model; the choice is made without the test."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import neocog
from neocog.data.open import open_data
from neocog.models.model import Model
from neocog.runs.load import load
from neocog.verbs.fix import Fixed, fix

SETTINGS = {
    "model.name": "convnet",
    "model.widths": [8, 16],
    "model.depths": [1, 1],
    "train.batch_size": 32,
    "machine.memory_format": "channels_last",
    "machine.precision": "float32",
}


class Parity(nn.Module):
    """Tells two checkerboards apart by the pixels that slicing keeps: perfect, until it is blurred.

    Blurred, it gives one class to all images: never again does a prediction flip.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([-4.0, 4.0]))
        self.bias = nn.Parameter(torch.tensor([2.1, -2.0]))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, ::2, ::2].mean((1, 2, 3))[:, None] * self.weight + self.bias


def parity() -> nn.Module:
    """A factory."""
    return Parity()


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkerboards, with a little noise."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    board = np.indices((16, 16)).sum(0) % 2
    x = np.abs(board[None] - y[:, None, None]) * 220 + rng.integers(0, 30, (400, 16, 16))
    x = x[..., None].astype(np.uint8)
    file = tmp_path_factory.mktemp("boards") / "boards.npz"
    np.savez(file, x_train=x[:200], y_train=y[:200], x_test=x[200:], y_test=y[200:])
    return file


@pytest.fixture(scope="module")
def digits_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network of digits that downsamples by strides."""
    place = tmp_path_factory.mktemp("digits") / "run"
    neocog.train("digits", epochs=5, settings=SETTINGS, out=place)
    return place


def opened() -> Model:
    place = f"{__name__}:parity"
    with pytest.warns(UserWarning, match="No weights were given"):
        return load(place, size=(1, 16, 16), mean=(0,), std=(1,))


def test_a_network_that_collapses_is_consistent_and_is_not_handed_on(
    boards: Path, tmp_path: Path
) -> None:
    model = opened()
    done = fix(model, boards, downsampling="blur", finetune=0, out=tmp_path / "fixed")
    assert done.candidate.shift["crop"].consistency > done.before.shift["crop"].consistency + 0.3
    assert done.candidate.accuracy < 0.6
    assert (done.better, done.kept) == (False, "original")
    said = "Nothing got better on the whole, so the original model is kept."  # consistency did
    assert done.headline.startswith(said)
    assert "accuracy is lower" in done.headline
    plain = json.loads(json.dumps(done.to_json()))
    assert plain["better"] is False
    assert plain["after"] == plain["before"]
    kept = load(tmp_path / "fixed")
    before = model.module.network.state_dict()
    assert all(torch.equal(v, before[k]) for k, v in kept.module.network.state_dict().items())
    assert kept.evaluate(boards).accuracy == done.before.accuracy == 1.0
    assert kept.card["fixed"]["better"] is False
    assert kept.card["metrics"]["test"]["accuracy"] == 1.0


def test_who_wants_it_all_the_same_gets_it_and_is_told(boards: Path, tmp_path: Path) -> None:
    done = fix(
        opened(), boards, downsampling="blur", finetune=0, keep="fixed", out=tmp_path / "fixed"
    )
    assert (done.better, done.kept) == (False, "fixed")
    assert done.headline.startswith("Nothing got better on the whole, and it is kept on request")
    kept = load(tmp_path / "fixed")
    assert kept.evaluate(boards).accuracy == done.after.accuracy == done.candidate.accuracy < 0.6


@pytest.mark.slow
def test_a_run_of_ours_that_got_no_better_comes_back_as_it_was(
    digits_net: Path, tmp_path: Path
) -> None:
    # On so few samples no gain can be told from chance.
    done = fix(digits_net, "digits", finetune=0, n=20, shift=("crop",), out=tmp_path / "fixed")
    assert not done.better
    kept, came = load(tmp_path / "fixed"), load(digits_net)
    assert kept.card["network"] == came.card["network"]
    assert kept.spec == came.spec
    then = came.module.state_dict()
    assert all(torch.equal(v, then[k]) for k, v in kept.module.state_dict().items())
    assert kept.evaluate("digits").accuracy == came.evaluate("digits").accuracy


def test_images_without_labels_are_enough_to_recalibrate(digits_net: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    train = open_data("digits").splits["train"]
    for i in range(400):
        Image.fromarray(train.x[i, :, :, 0]).save(flat / f"{i}.png")
    (flat / "notes.txt").write_text("no image")
    done = fix(digits_net, flat, finetune=0, keep="fixed", shift=("crop",), out=tmp_path / "fixed")
    assert not done.labeled
    assert any("have no labels" in note for note in done.notes)
    assert done.finetune["recalibrated"]["batch_norms"] == 2
    assert done.finetune["chosen"]["what"] == "recalibrated"
    looks = {look["what"]: look for look in done.finetune["looks"]}
    assert looks["recalibrated"]["accuracy"] > looks["converted"]["accuracy"]
    labeled = fix(
        digits_net, "digits", finetune=0, keep="fixed", shift=("crop",), out=tmp_path / "labeled"
    )
    assert load(tmp_path / "fixed").evaluate("digits").accuracy > labeled.converted + 0.05


def test_images_without_labels_can_be_learned_from(digits_net: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    train = open_data("digits").splits["train"]
    for i in range(200):
        Image.fromarray(train.x[i, :, :, 0]).save(flat / f"{i}.png")
    done = fix(digits_net, flat, finetune=1, keep="fixed", shift=("crop",), out=tmp_path / "fixed")
    assert done.finetune["epochs"] == 1
    assert done.before.accuracy == 1.0  # it agrees with itself
    assert "agreement with the original model" in done.headline


@pytest.mark.slow
def test_a_budget_is_kept_and_what_comes_out_is_better_than_what_came(
    digits_net: Path, tmp_path: Path
) -> None:
    budget = 20.0
    done = fix(digits_net, "digits", budget=budget, shift=("crop",), out=tmp_path / "fixed")
    spent = done.finetune
    assert spent["total_seconds"] < 1.3 * budget  # a busy machine may slow the last measuring
    if done.better:
        assert done.after.shift["crop"].consistency > done.before.shift["crop"].consistency
        assert done.accuracy[2] >= 0
    else:
        assert done.after == done.before
    card = load(tmp_path / "fixed").card["fixed"]
    assert card["finetune"]["budget"] == budget
    assert set(card["finetune"]) >= {
        "lr",
        "consistency_weight",
        "epochs",
        "seed",
        "trials",
        "looks",
        "plan",
    }
    assert card["downsampling"] == "blur"
    assert card["from"] == str(digits_net)
    assert done.to_json()["cost"]["ms"]["ratio"] > 0


def test_labels_of_the_test_choose_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 80, (480, 16, 16, 1)).astype(np.uint8)
    y = np.arange(480) % 2
    for i, at in enumerate(rng.integers(2, 12, 480)):
        x[i, at : at + 3] = 220 if y[i] else 120
    done: list[Fixed] = []
    for name, truth in {"right": y, "permuted": rng.permutation(y)}.items():
        file = tmp_path / f"{name}.npz"
        np.savez(file, x_train=x[:380], y_train=y[:380], x_test=x[380:], y_test=truth[380:])
        if not done:
            neocog.train(file, epochs=2, settings=SETTINGS, out=tmp_path / "run")
        options: dict[str, Any] = {"finetune": 5, "shift": ("crop",), "keep": "fixed"}
        done.append(fix(tmp_path / "run", file, out=tmp_path / f"{name}-fixed", **options))
    right, permuted = done
    assert right.before.accuracy != permuted.before.accuracy
    assert len(right.finetune["trials"]) > 1
    for what in ("trials", "looks", "chosen", "lr", "consistency_weight"):
        assert right.finetune[what] == permuted.finetune[what]
