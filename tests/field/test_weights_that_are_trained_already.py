"""A training that starts from trained weights keeps what they know, at the rate it chooses."""

from pathlib import Path
from typing import Any

import pytest

from neocog.runs.events import Epoch, Event, Started
from neocog.runs.folder import RunFolder
from neocog.verbs.train import train

SETTINGS = {
    "model.name": "convnet", "model.widths": [8, 16, 32], "machine.memory_format": "contiguous",
    "machine.precision": "float32",
}  # fmt: skip


def _trained(run: Path, **settings: Any) -> tuple[list[str], list[float], float]:
    """What was said, the losses, the accuracy."""
    notes: list[str] = []
    losses: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, Started | Epoch):
            notes.extend(event.notes)
        if isinstance(event, Epoch):
            losses.append(event.row["train_loss"])

    model = train("digits", settings=SETTINGS | settings, out=run, progress=listen)
    return notes, losses, model.card["metrics"]["test"]["accuracy"]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    run = tmp_path_factory.mktemp("first") / "run"
    return run, _trained(run, **{"train.epochs": 3.0})[2]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_default_rate_after_from_throws_nothing_away(
    first: tuple[Path, float], optimizer: str, tmp_path: Path
) -> None:
    run, accuracy = first
    settings = {"model.init": str(run), "train.epochs": 1.0, "optimizer.name": optimizer}
    notes, losses, after = _trained(tmp_path / "run", **settings)
    rate = RunFolder(tmp_path / "run").recipe.optimizer.lr
    assert rate == pytest.approx({"sgd": 0.015, "adamw": 0.0003}[optimizer])
    assert [n for n in notes if f"rate is {rate:.2g}, a tenth of that for random" in n]
    assert not [n for n in notes if "exploded" in n or "rose" in n]
    # 1,000 samples: 1.5 points are two deviations of a difference at 97 %.
    assert after >= accuracy - 0.015
    assert losses[0] < 1.0


def test_a_rate_that_is_asked_for_is_taken(first: tuple[Path, float], tmp_path: Path) -> None:
    settings = {"model.init": str(first[0]), "train.epochs": 0.1, "optimizer.lr": 0.07}
    notes, _, _ = _trained(tmp_path / "run", **settings)
    assert RunFolder(tmp_path / "run").recipe.optimizer.lr == 0.07
    assert not [n for n in notes if "a tenth" in n]


def test_a_rate_far_too_high_for_them_is_said(first: tuple[Path, float], tmp_path: Path) -> None:
    settings = {
        "model.init": str(first[0]), "train.epochs": 1.0, "optimizer.lr": 3.0,
        "schedule.warmup": 0.0,
    }  # fmt: skip
    notes, _, _ = _trained(tmp_path / "run", **settings)
    assert [n for n in notes if ("exploded" in n or "rose" in n) and "Try `--lr 0.3`" in n]


def test_a_network_of_which_little_fits_is_trained_like_a_new_one(
    first: tuple[Path, float], tmp_path: Path
) -> None:
    """Its first layer alone."""
    settings = {"model.name": "dense", "model.hidden": [64, 64], "train.epochs": 0.1}
    train("digits", settings={**settings, "model.hidden": [64]}, out=tmp_path / "small")
    start = {"model.init": str(tmp_path / "small")}
    train("digits", settings=settings | start, out=tmp_path / "most")
    assert RunFolder(tmp_path / "most").recipe.optimizer.lr == pytest.approx(0.002)
    wide = {**settings, "model.hidden": [64, 2000]}
    train("digits", settings=wide | start, out=tmp_path / "few")
    assert RunFolder(tmp_path / "few").recipe.optimizer.lr == pytest.approx(0.02)
