"""Few labels: who keeps one, what the file of labels must say, and what the others are used for."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neocog.data.label_file import matched_labels, read_labels
from neocog.data.open import open_data
from neocog.errors import DataError, RunError, UsageError
from neocog.runs.experiment import prepare
from neocog.runs.folder import RunFolder
from neocog.runs.labels import few_labels, semi_batches, semi_steps, semi_task
from neocog.runs.recipe import (
    DataConfig,
    LabelsConfig,
    MachineConfig,
    ModelConfig,
    Recipe,
    TrainConfig,
    to_toml,
)
from neocog.training.loop import Objective
from neocog.verbs.pretrain import pretrain
from neocog.verbs.train import by_the_data, train

QUICK: dict[str, Any] = {
    "model.name": "convnet",
    "model.widths": [8, 16],
    "model.depths": [1, 1],
    "machine.memory_format": "channels_last",
    "machine.precision": "float32",
}


def _names(split) -> set[str]:
    return set(split.names)


def test_labels_are_drawn_evenly_by_the_seed_and_more_hold_fewer(images: Path) -> None:
    source = open_data(images)
    three = few_labels(source, LabelsConfig(per_class=3), seed=0)
    assert np.bincount(three.source.splits["train"].y).tolist() == [3, 3, 3]
    five = few_labels(source, LabelsConfig(per_class=5), seed=0)
    assert _names(three.source.splits["train"]) < _names(five.source.splits["train"])
    other = few_labels(source, LabelsConfig(per_class=3), seed=1)
    assert _names(other.source.splits["train"]) != _names(three.source.splits["train"])
    assert other.source.fingerprint != three.source.fingerprint


def test_no_other_label_is_left_and_no_test_image_is_touched(images: Path) -> None:
    source = open_data(images)
    few = few_labels(source, LabelsConfig(per_class=2), seed=0)
    assert set(few.unlabeled.y.tolist()) == {-1}
    assert len(few.source.splits["val"]) == 0
    rest = [_names(source.splits[n]) for n in ("train", "val")]
    used = _names(few.source.splits["train"]) | _names(few.unlabeled)
    assert used == rest[0] | rest[1]
    assert _names(few.source.splits["test"]) == _names(source.splits["test"])
    assert not _names(few.source.splits["train"]) & _names(few.unlabeled)


def test_a_batch_begins_with_labeled_images_which_recur(images: Path) -> None:
    few = few_labels(open_data(images), LabelsConfig(per_class=1), seed=0)
    recipe = Recipe(train=TrainConfig(batch_size=16), labels=LabelsConfig(per_class=1))
    train, rest = few.source.splits["train"], few.unlabeled
    batches = list(semi_batches(train, rest, recipe=recipe, epoch=0))
    assert len(batches) == semi_steps(len(rest), recipe)
    for b in batches:
        assert (b.y[:2] >= 0).all()
        assert (b.y[2:] == -1).all()
    seen = np.concatenate([b.index[2:].numpy() for b in batches])
    assert len(np.unique(seen)) == len(seen)
    again = next(semi_batches(train, rest, recipe=recipe, epoch=0))
    assert again.index.tolist() == batches[0].index.tolist()


@pytest.mark.parametrize("form", ["csv", "json", "list"])
def test_a_file_says_the_labels(images: Path, tmp_path: Path, form: str) -> None:
    source = open_data(images)
    names = list(source.splits["train"].names)[:6]
    pairs = {n: n.partition("/")[0] for n in names}
    file = tmp_path / ("labels.csv" if form == "csv" else "labels.json")
    if form == "csv":
        file.write_text("path,label\n" + "".join(f"{n},{k}\n" for n, k in pairs.items()))
    elif form == "json":
        file.write_text(json.dumps(pairs))
    else:
        file.write_text(json.dumps([{"path": n, "label": k} for n, k in pairs.items()]))
    assert read_labels(file) == pairs
    few = few_labels(source, LabelsConfig(file=str(file)), seed=0)
    labeled = few.source.splits["train"]
    assert {n: source.classes[k] for n, k in zip(labeled.names, labeled.y, strict=True)} == pairs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has none"),
        ("path,label\n", "has none"),
        ("across/000.png,acros\n", "Did you mean `across`"),
        ("nowhere.png,across\n", "`nowhere.png` is not an image of the data"),
        ("000.png,across\n", "`000.png` matches 3 images"),
        ("across/000.png\n", "line 1 of .* has 1 value. Correct"),
        ("\nacross/000.png;across\n", "line 2 of .* has 1 value. .* separated by commas"),
        ("across/000.png\tacross\n", "line 1 of .* separated by commas"),
        ('a.png,b\n"across/000.png,across\n', "line 2 of .* a quotation mark is not closed"),
        ('"across/000.png,across\n' + 140_000 * "x", "line 1 of .* a quotation mark is not closed"),
        ("elsewhere/000.png,across\n", "`elsewhere/000.png` is not an image of the data"),
        ("s/000.png,across\n", "`s/000.png` is not an image of the data"),
        ("across/000.png,across\n./across/000.png,down\n", "two, `across` and `down`"),
        ("across/000.png,across\nacross/000.png,down\n", "two, `across` and `down`"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    images: Path, tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        few_labels(open_data(images), LabelsConfig(file=str(file)), seed=0)


@pytest.mark.parametrize("heading", ["id,label", "image_id,species", "File Name,target", ""])
def test_a_heading_is_no_label(tmp_path: Path, heading: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"\n{heading}\ncat/1.png,cat\nid.png,label\n")
    assert read_labels(file) == {"cat/1.png": "cat", "id.png": "label"}


def test_a_path_means_the_image_whose_last_parts_it_has() -> None:
    names = ("cat/17.png", "cat/2.png", "dog/2.png", "3.png", "dog/3.png")
    paths = {"cat/17.png": 0, "17.png": 0, "pets/dog/2.png": 2, "./3.png": 3, "a/dog/3.png": 4}
    for path, row in paths.items():
        assert matched_labels({path: "a"}, names, (), "f")[0] == {row: 0}, path
    for path in ("dog/17.png", "2.png", "g/2.png", "og/17.png"):
        with pytest.raises(DataError, match="names images of the data"):
            matched_labels({path: "a"}, names, (), "f")


def test_one_label_a_class_trains(images: Path, tmp_path: Path) -> None:
    settings = {**QUICK, "labels.per_class": 1, "model.init": "none"}
    done = train(images, epochs=2, settings=settings, out=tmp_path / "run", progress=False)
    labels = done.card["metrics"]["labels"]
    assert labels["labeled"] == 3
    assert labels["unlabeled"] > 30
    assert done.card["metrics"]["test"]["n"] > 0


def test_a_file_names_the_classes_of_a_flat_folder(images: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for f in images.rglob("*.png"):
        shutil.copy(f, flat / f"{f.parent.name}-{f.name}")
    file = tmp_path / "labels.csv"
    file.write_text("".join(f"{f.name},{f.name.partition('-')[0]}\n" for f in flat.iterdir()))
    settings = {**QUICK, "labels.file": str(file)}
    done = train(flat, epochs=1, settings=settings, out=tmp_path / "run", progress=False)
    assert done.spec.classes == ("across", "down", "noise")
    assert done.card["metrics"]["test"]["n"] > 3
    assert "labels; " in (tmp_path / "run" / "report.html").read_text()
    file.write_text(file.read_text().replace("noise", "nothing"))
    with pytest.raises(RunError, match="has changed since"):
        train(None, recipe=tmp_path / "run" / "recipe.toml", out=tmp_path / "b", progress=False)


@pytest.mark.parametrize("semi", ["fixmatch", "pseudo"])
def test_unlabeled_images_are_trained_on(images: Path, tmp_path: Path, semi: str) -> None:
    settings = {**QUICK, "labels.per_class": 2, "labels.semi": semi}
    done = train(images, epochs=2, settings=settings, out=tmp_path / "run", progress=False)
    labels, seen = done.card["metrics"]["labels"], done.seen()
    assert (labels["labeled"], labels["semi"]) == (6, semi)
    assert seen is not None
    assert len(seen.train) == 6 + labels["unlabeled"]


def test_few_labels_on_a_pretrained_run_fit_a_linear_classifier(
    images: Path, tmp_path: Path
) -> None:
    pretrain(images, epochs=1, settings=QUICK, out=tmp_path / "pre", progress=False)
    settings = {"model.init": str(tmp_path / "pre"), "labels.per_class": 4}
    done = train(images, settings=settings, out=tmp_path / "run", progress=False)
    metrics = done.card["metrics"]
    assert metrics["transfer"]["kept"] == "frozen"
    assert metrics["transfer"]["images"] == 12
    settings |= {"labels.per_class": 2}
    less = train(images, settings=settings, out=tmp_path / "less", progress=False)
    assert less.card["metrics"]["transfer"]["images"] == 6


def test_another_draw_gets_features_of_its_own_images(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrain(images, epochs=1, settings=QUICK, out=tmp_path / "pre", progress=False)
    settings = {"model.init": str(tmp_path / "pre"), "labels.per_class": 4}

    def heads(cache: str, seed: int) -> list[np.ndarray]:
        monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / cache))
        out = tmp_path / f"{cache}-{seed}"
        train(images, settings=settings, seed=seed, out=out, progress=False)
        return [v.numpy() for v in RunFolder(out).weights().values()]

    heads("one", 0)
    for one, alone in zip(heads("one", 1), heads("another", 1), strict=True):
        np.testing.assert_array_equal(one, alone)


def test_held_out_labels_choose_nothing_where_there_is_no_test_split(images: Path) -> None:
    source = open_data(images)
    splits = {"train": source.splits["train"], "val": source.splits["test"]}
    few = few_labels(replace(source, splits=splits), LabelsConfig(per_class=2), seed=0).source
    assert len(few.splits["val"]) == 0
    assert _names(few.splits["test"]) == _names(source.splits["test"])
    assert len(few.splits["train"]) == 6


def test_what_does_not_go_together_is_refused(images: Path, tmp_path: Path) -> None:
    base = {**QUICK, "labels.per_class": 2, "labels.semi": "fixmatch"}
    with pytest.raises(UsageError, match="Mixup mixes the labels"):
        train(
            images,
            epochs=1,
            settings={**base, "augment.mixup": 0.2},
            out=tmp_path / "a",
            progress=False,
        )
    file, splits = tmp_path / "labels.csv", open_data(images).splits
    names = [*splits["train"].names, *splits["val"].names]
    file.write_text("".join(f"{n},{n.partition('/')[0]}\n" for n in names))
    every = {**QUICK, "labels.file": str(file), "labels.semi": "fixmatch"}
    with pytest.raises(UsageError, match="Every training image has a label"):
        train(images, epochs=1, settings=every, out=tmp_path / "b", progress=False)
    with pytest.raises(UsageError, match="one unlabeled image; got 1"):
        train(images, settings={**base, "train.batch_size": 1}, out=tmp_path / "c", progress=False)
    with pytest.raises(UsageError, match="--semi needs --labels"):
        train(images, settings={**base, "labels.per_class": 0}, out=tmp_path / "d", progress=False)
    file.write_text(f"{names[0]},{names[0].partition('/')[0]}\n")
    one = {**QUICK, "labels.file": str(file)}
    with pytest.raises(DataError, match="Label images of a second class"):
        train(images, settings=one, out=tmp_path / "e", progress=False)
    with pytest.raises(UsageError, match="Did you mean `fixmatch`"):
        replace(Recipe(), labels=LabelsConfig(per_class=1, semi="fixmach"))


def test_semi_none_without_labels_is_the_default_training(images: Path) -> None:
    recipe = Recipe(data=DataConfig(path=str(images)), labels=LabelsConfig())
    recipe = replace(recipe, model=ModelConfig(name="convnet"), machine=MachineConfig(threads=1))
    experiment = prepare(recipe, measuring=0.0)
    assert experiment.recipe.labels is None
    assert experiment.unlabeled is None


def test_what_a_recipe_says_of_class_weights_is_refused_beside_semi() -> None:
    labels = LabelsConfig(per_class=1, semi="fixmatch")
    recipe = Recipe(labels=labels, objective=Objective(class_weights="balanced"))
    with pytest.raises(UsageError, match="--semi also trains on unlabeled"):
        semi_task(recipe)


def test_semi_leaves_no_layer_frozen_and_no_label_smooth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"labels.per_class": 1, "labels.semi": "fixmatch"}
    assert "transfer.freeze" not in by_the_data({"model.init": "imagenet", **few})
    assert "transfer.freeze" in by_the_data({"model.init": "imagenet"})
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(to_toml(Recipe()))
    settled = list[Recipe]()
    monkeypatch.setattr(
        "neocog.verbs.train.finish", lambda recipe, *_, **__: settled.append(recipe)
    )
    for more in ({}, {"objective.label_smoothing": 0.2}):
        train("digits", settings={**few, **more}, recipe=recipe, out=tmp_path / f"{len(more)}")
    assert [r.objective.label_smoothing for r in settled] == [0.0, 0.2]
