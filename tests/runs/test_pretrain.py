"""Pretraining without labels, and what starts from it."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import neocog
from neocog.errors import DataError, UsageError
from neocog.graph.cost import cost
from neocog.runs.folder import RunFolder
from neocog.runs.memory import training_bytes
from neocog.runs.recipe import PretrainConfig, Recipe
from neocog.verbs.pretrain import pretrain
from neocog.verbs.train import resume, train

TINY: dict[str, Any] = {
    "model.name": "convnet",
    "model.widths": [8, 16],
    "model.depths": [1, 1],
    "machine.memory_format": "channels_last",
    "machine.precision": "float32",
}


@pytest.fixture(scope="module")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pretrained") / "run"
    pretrain(images, epochs=4, settings=TINY, out=out, progress=False)
    return out


def test_it_says_how_well_neighbors_do_and_whether_it_learns(run: Path) -> None:
    metrics = RunFolder(run).card()["metrics"]
    assert {
        "method",
        "seconds",
        "knn_accuracy",
        "embedding_std",
        "embedding_rank",
        "collapsed",
    } <= (metrics.keys())
    assert metrics["method"] == "vicreg"
    assert metrics["knn_split"] == "test"
    rows = RunFolder(run).metrics()
    assert [r["epoch"] for r in rows] == [0, 1, 2, 3, 4]
    assert metrics["embedding_std"] == rows[-1]["embedding_std"]
    report = re.sub(r"</?span[^>]*>", "", (run / "report.html").read_text())
    assert "nearest-neighbor accuracy" in report
    assert f"--init {run} --labels 10" in report


def test_a_training_starts_from_it(run: Path, images: Path, tmp_path: Path) -> None:
    trained = train(
        images,
        epochs=1,
        settings={"model.init": str(run), "machine.precision": "float32"},
        out=tmp_path / "tuned",
        progress=False,
    )
    assert trained.card["network"]["options"]["widths"] == [8, 16]
    assert trained.spec.classes == ("across", "down", "noise")


def test_no_label_plays_a_part(tmp_path: Path) -> None:
    rng, weights = np.random.default_rng(0), []
    x, y = rng.integers(0, 256, (200, 28, 28), np.uint8), np.arange(200) % 4
    for name, labels in (("as-they-are", y), ("permuted", rng.permutation(y))):
        file = tmp_path / f"{name}.npz"
        np.savez(file, x_train=x[:150], y_train=labels[:150], x_test=x[150:], y_test=labels[150:])
        pretrain(file, epochs=1, settings=TINY, out=tmp_path / name, progress=False)
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_images_without_labels_are_enough(images: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in images.rglob("*.png"):
        shutil.copy(file, flat / f"{file.parent.name}-{file.name}")
    out = tmp_path / "run"
    opened = pretrain(flat, epochs=1, settings=TINY, out=out, progress=False)
    assert opened.card["metrics"]["knn_accuracy"] is None
    assert "as far as can be told without labels" in opened.card["metrics"]["verdict"]
    assert "knn_accuracy" not in RunFolder(out).metrics()[0]


def test_a_stopped_pretraining_ends_with_the_same_bits(images: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    settings = {**TINY, "pretrain.method": "byol", "train.batch_size": 16}

    class Stop(Exception):
        pass

    def until(event: object) -> None:
        if getattr(event, "row", {}).get("epoch") == 1:
            raise Stop

    pretrain(images, method="byol", epochs=2, settings=settings, out=whole, progress=False)
    with pytest.raises(Stop):
        pretrain(images, method="byol", epochs=2, settings=settings, out=parts, progress=until)
    resume(parts, progress=False)
    ends = [(f / "model.safetensors").read_bytes() for f in (whole, parts)]
    assert ends[0] == ends[1]


def test_a_budget_ends_it(images: Path, tmp_path: Path) -> None:
    done = pretrain(images, budget=8, settings=TINY, out=tmp_path / "run", progress=False)
    assert done.card["metrics"]["budget"]["seconds"] == 8
    assert done.card["metrics"]["steps"] >= 1


def test_what_cannot_be_pretrained_is_refused_in_a_sentence(images: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for file in sorted(images.rglob("*.png"))[:4]:
        shutil.copy(file, few)
    with pytest.raises(DataError, match="needs at least 8 training images"):
        pretrain(few, settings=TINY, out=tmp_path / "a", progress=False)
    with pytest.raises(UsageError, match="Did you mean `vicreg`"):
        pretrain(images, method="vicrag", out=tmp_path / "b", progress=False)
    for method in ("simclr", "vicreg", "barlow-twins", "emp-ssl"):
        one = {**TINY, "train.batch_size": 1}
        with pytest.raises(UsageError, match=f"{method} compares .* at least 2; got 1"):
            pretrain(images, method=method, settings=one, out=tmp_path / "d", progress=False)
    mixed = {**TINY, "augment.mixup": 0.4}
    with pytest.raises(UsageError, match="pretraining uses none"):
        pretrain(images, settings=mixed, out=tmp_path / "e", progress=False)
    settings = {**TINY, "data.size": [28, 32]}
    with pytest.raises(UsageError, match="Rotation by 90° needs square images"):
        pretrain(images, method="rotation", settings=settings, out=tmp_path / "c", progress=False)


def test_views_take_memory() -> None:
    spent = replace(cost(torch.nn.Linear(4, 2), (4,)), params=0)
    one, eight = (
        training_bytes(spent, Recipe(pretrain=PretrainConfig(method=m)))
        for m in ("rotation", "emp-ssl")
    )
    assert eight == 8 * one > 0


def test_the_features_are_measured_and_predictions_are_warned_of(run: Path, images: Path) -> None:
    with pytest.warns(UserWarning, match="pretrained without labels"):
        probe = neocog.evaluate(run, images, probe=True)
    assert probe.knn["accuracy"] > 0.4
