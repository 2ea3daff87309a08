"""From the weights of a small network to an ordinary run."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import neocog
from neocog.data.batches import order
from neocog.data.open import open_data
from neocog.data.split import Split
from neocog.errors import DataError, ModelError, NeocogError, UsageError
from neocog.runs import features, transfer
from neocog.runs.choose import AUTO
from neocog.runs.events import Epoch
from neocog.runs.experiment import _spec
from neocog.runs.folder import RunFolder
from neocog.runs.recipe import DataConfig, ModelConfig, Recipe, TransferConfig
from neocog.runs.split_outputs import SplitOutputs
from neocog.runs.train import _Training
from neocog.types import InputSpec
from neocog.verbs.train import by_the_data, resume, settle, train

Quick = dict[str, Any]
HELD = ("val", "test")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on digits, of which features are taken."""
    run = tmp_path_factory.mktemp("backbone") / "run"
    settings = {"optimizer.lr": 0.05, "train.batch_size": 64, "machine.precision": "float32",
                "machine.memory_format": "channels_last"}  # fmt: skip
    train("digits", model="lenet5_modern", epochs=1, settings=settings, out=run, progress=False)
    return run


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return RunFolder(run).weights()


def _head(run: Path) -> str:
    return list(_weights(run))[-2].rpartition(".")[0]


def test_a_frozen_network_becomes_an_ordinary_run(
    images: Path, backbone: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = {"model.init": str(backbone), "transfer.freeze": "all"}
    model = train(images, settings=settings, out=run, progress=False)
    before, after, head = _weights(backbone), _weights(run), _head(run)
    same = [k for k in after if not k.startswith(head)]
    assert same
    assert all(torch.equal(before[k], after[k]) for k in same)
    assert after[f"{head}.weight"].shape[0] == 3
    figures = model.card["metrics"]
    assert figures["test"]["accuracy"] > 0.6
    assert {"auc", "average_precision"} <= figures["test"].keys()
    assert figures["transfer"]["kept"] == "frozen"
    # The run's own network says what the features said.
    assert neocog.evaluate(model, images).accuracy == figures["test"]["accuracy"]
    # Other operators on the same weights make other features.
    other = settings | {"model.padding": "circular", "model.downsampling": "blur"}
    again = train(images, settings=other, out=tmp_path / "other", progress=False)
    figure = again.card["metrics"]["test"]["accuracy"]
    assert neocog.evaluate(again, images).accuracy == figure
    html = (run / "report.html").read_text()
    assert "The linear classifier" in html
    assert "Train its frozen layers too" in html
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in rows] == [0]


def test_its_recipe_makes_the_same_bits_from_kept_or_new_features(
    images: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"model.init": str(backbone), "transfer.freeze": "all"}
    one, two = tmp_path / "one", tmp_path / "two"
    train(images, settings=settings, out=one, progress=False)
    made: list[str] = []
    before = features.features_of

    def counted(*a: Any, **k: Any) -> Any:
        made.append("computed")
        return before(*a, **k)

    monkeypatch.setattr(features, "features_of", counted)
    for cache, times in ((None, 0), (tmp_path / "new", 3)):
        if cache:
            monkeypatch.setenv("NEOCOG_CACHE", str(cache))
        train(None, recipe=one / "recipe.toml", out=two, overwrite=True, progress=False)
        assert len(made) == times
        assert all(torch.equal(v, _weights(two)[k]) for k, v in _weights(one).items())
        assert RunFolder(one).recipe.transfer == RunFolder(two).recipe.transfer


def test_layers_are_unfrozen_and_the_better_network_is_kept(
    images: Path, backbone: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    notes: list[str] = []
    settings = {"model.init": str(backbone), "transfer.freeze": "none", "train.batch_size": 16}

    def listen(event: object) -> None:
        notes.extend(getattr(event, "notes", ()))

    model = train(images, settings=settings, epochs=3, out=run, progress=listen)
    transfer = model.card["metrics"]["transfer"]
    val = model.card["metrics"]["val"]["accuracy"]
    assert val >= transfer["val_accuracy"]
    assert any(n.startswith("Kept: ") for n in notes)
    assert any(n.startswith("Linear classifier on frozen features of") for n in notes)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in rows] == [0, 1, 2, 3]


def test_without_validation_images_a_fine_tune_has_to_be_requested(
    images: Path, backbone: Path, tmp_path: Path
) -> None:
    notes: list[str] = []

    def kept(**options: Any) -> str:
        settings = {"model.init": str(backbone), "data.val": False, "transfer.freeze": ""}
        settings["train.batch_size"] = 16
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        model = train(images, settings=settings, out=out, progress=listen, **options)
        return str(model.card["metrics"]["transfer"]["kept"])

    def listen(event: object) -> None:
        notes.extend(getattr(event, "notes", ()))

    assert kept(budget=60.0) == "frozen"
    assert sum("no validation images to tell" in n for n in notes) == 1
    assert kept(epochs=1) == "finetuned"


def test_a_rate_that_destroys_the_weights_leaves_the_frozen_network(
    images: Path, backbone: Path, tmp_path: Path
) -> None:
    run, frozen = tmp_path / "run", tmp_path / "frozen"
    base = {"model.init": str(backbone), "train.batch_size": 16}
    train(images, settings={**base, "transfer.freeze": "all"}, out=frozen, progress=False)
    settings = {**base, "transfer.freeze": "none", "optimizer.lr": 1.0, "train.ema_decay": 0.0}
    model = train(images, settings=settings, epochs=2, out=run, progress=False)
    assert model.card["metrics"]["transfer"]["kept"] == "frozen"
    assert all(torch.equal(v, _weights(run)[k]) for k, v in _weights(frozen).items())


def test_frozen_and_fine_tuned_networks_are_compared_on_the_same_samples(
    images: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, compared = transfer._rows, list[int]()

    def few(*args: Any) -> dict[str, np.ndarray]:
        splits = args[0].source.splits
        return before(*args) | {n: transfer._some(splits[n], 4, by_class=False) for n in HELD}

    def evaluated(self: Any, outputs: SplitOutputs) -> Any:
        compared.append(len(outputs.split))
        return scored(self, outputs)

    scored = _Training._evaluated
    monkeypatch.setattr(transfer, "_rows", few)
    monkeypatch.setattr(_Training, "_evaluated", evaluated)
    settings = {"model.init": str(backbone), "transfer.freeze": "none", "optimizer.lr": 1.0,
                "train.batch_size": 16, "train.ema_decay": 0.0}  # fmt: skip
    model = train(images, settings=settings, epochs=2, out=tmp_path / "run", progress=False)
    figures = model.card["metrics"]
    assert figures["transfer"]["kept"] == "frozen"
    # Each epoch is of all samples, the comparison of four, and the figures are the frozen ones.
    assert compared == [figures["val"]["of"]] * 2 + [4] * 4
    assert [figures[n]["n"] for n in HELD] == [4, 4]
    assert figures["val"]["accuracy"] == figures["transfer"]["val_accuracy"]


def test_parts_of_outputs_are_nested() -> None:
    split = open_data("digits").splits["test"].subset(np.arange(10))
    rows = order(10, seed=0, epoch=0)
    at = np.sort(rows[:7])
    outputs = SplitOutputs(torch.from_numpy(at)[:, None], split.subset(at), 10)
    part = outputs.part(4)
    assert part.logits[:, 0].tolist() == np.sort(rows[:4]).tolist()
    assert part.split.y.tolist() == split.y[np.sort(rows[:4])].tolist()
    assert (part.of, part.whole, outputs.part(9)) == (10, False, outputs)


def test_a_part_of_the_training_images_has_all_classes() -> None:
    y = np.repeat([0, 1, 2], [80, 15, 5])
    split = Split(np.zeros((100, 1, 1, 1), np.uint8), y, [])
    few, more = (transfer._some(split, n, by_class=True) for n in (15, 24))
    assert np.bincount(y[few]).tolist() == [5, 5, 5]
    assert np.bincount(y[more]).tolist() == [10, 9, 5]
    assert set(few) <= set(more)
    assert transfer._some(split, 100, by_class=True).tolist() == list(range(100))


def test_a_head_without_bias_is_refused(
    images: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bare(*args: Any) -> features.Backbone:
        network = features.backbone_of(*args)
        network.linear.bias = None
        return network

    monkeypatch.setattr(transfer, "backbone_of", bare)
    settings = {"model.init": str(backbone), "transfer.freeze": "all"}
    with pytest.raises(ModelError, match=r"needs a bias, and the last layer .* has none\. Use"):
        train(images, settings=settings, out=tmp_path / "run", progress=False)


def test_a_single_training_image_a_class_leaves_nothing_to_cross_validate(
    backbone: Path, tmp_path: Path
) -> None:
    rng, notes = np.random.default_rng(0), list[str]()
    for name, i in itertools.product(("a", "b"), ("1", "2")):
        (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
        x = rng.integers(0, 255, (28, 28)).astype(np.uint8)
        Image.fromarray(x).save(tmp_path / "data" / name / f"{i}.png")
    settings = {"model.init": str(backbone), "transfer.freeze": "all"}
    model = train(
        tmp_path / "data",
        settings=settings,
        out=tmp_path / "run",
        progress=lambda event: notes.extend(getattr(event, "notes", ())),
    )
    assert model.card["metrics"]["transfer"]["cross_validated"] is None
    assert any("cannot be cross-validated" in n for n in notes)
    assert not any("-fold" in n for n in notes)
    html = (tmp_path / "run" / "report.html").read_text()
    assert "cannot be cross-validated" in html
    assert "0-fold" not in html


def test_gray_images_are_normalized_as_the_weights_were(images: Path) -> None:
    source = open_data(images)
    recipe = Recipe(data=DataConfig(path=str(images), size=(28, 28), channels=1))
    color = InputSpec(channels=3, size=(28, 28), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    spec = _spec(source, recipe, color).input
    assert (spec.mean, spec.std) == (pytest.approx((0.5,)), pytest.approx((0.3,)))
    black = replace(source, splits={"train": source.splits["train"].subset([0, 1])})
    black.splits["train"].x[:] = 0
    assert _spec(black, recipe, None).input.std == (1e-3,)


def test_frozen_features_are_of_images_as_they_are(
    images: Path, backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"model.init": str(backbone), "transfer.freeze": "all", "augment.rotate": 15.0}
    train(images, settings=settings, out=tmp_path / "run")
    assert "augment  none (frozen features)\n" in capsys.readouterr().err
    settings["transfer.freeze"] = "none"
    train(images, settings=settings, epochs=0.1, out=tmp_path / "other")
    assert "augment  rotate 15\n" in capsys.readouterr().err


def test_frozen_stages_keep_their_weights(images: Path, backbone: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = {"model.init": str(backbone), "transfer.freeze": "1", "train.batch_size": 16}
    train(images, settings=settings, epochs=1, out=run, progress=False)
    first = next(iter(_weights(run)))
    assert torch.equal(_weights(run)[first], _weights(backbone)[first])


def test_weights_of_random_layers_are_not_frozen() -> None:
    with pytest.raises(UsageError, match="Freezing keeps trained weights"):
        by_the_data({"transfer.freeze": "all", "model.name": "resnet18"})
    with pytest.raises(UsageError, match="all, none or a number"):
        train("digits", settings={"transfer.freeze": "some", "model.init": "runs/x"})


@pytest.mark.parametrize("key", ["balanced = true", 'freeze = "all"', "l2 = 0.1"])
def test_a_transfer_from_random_weights_is_refused(images: Path, tmp_path: Path, key: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'[model]\nname = "lenet5_modern"\n\n[transfer]\n{key}\n')
    with pytest.raises(UsageError, match=r"needs trained weights.* are random\. Give --init"):
        train(images, recipe=recipe, out=tmp_path / "run", progress=False)
    table, _, value = key.partition(" = ")
    settings = {"model.init": "", f"transfer.{table}": json.loads(value)}
    with pytest.raises(UsageError, match=r"are random\. Give --init"):
        train(images, settings=settings, out=tmp_path / "run", progress=False)


def test_what_a_training_starts_from_is_left_open_by_how_it_is_trained() -> None:
    for key, value in {
        "transfer.balanced": True,
        "transfer.l2": 0.1,
        "augment.rotate": 15.0,
        "optimizer.lr": 0.1,
        "optimizer.name": "adamw",
        "schedule.warmup": 0.1,
    }.items():
        assert by_the_data({key: value}) == {"model.init": AUTO, key: value}
    assert by_the_data({"model.init": "none", "transfer.balanced": True})["model.init"] == ""
    assert by_the_data({"transfer.freeze": "all"})["model.init"] == "imagenet"


def test_a_recipe_without_its_initial_weights_trains_random_ones() -> None:
    model = ModelConfig(init="imagenet", init_digest="a")
    recipe = Recipe(model=model, transfer=TransferConfig(freeze="all"))
    settled = settle("digits", {"model.init": "none"}, recipe)
    assert (settled.model.init, settled.model.init_digest, settled.transfer) == ("", "", None)
    assert settle("digits", {"train.seed": 1}, recipe).transfer == recipe.transfer


def test_one_image_a_class_is_refused(backbone: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        (tmp_path / "data" / name).mkdir(parents=True)
        x = rng.integers(0, 255, (28, 28)).astype(np.uint8)
        Image.fromarray(x).save(tmp_path / "data" / name / "1.png")
    settings = {"model.init": str(backbone), "transfer.freeze": "all"}
    with pytest.raises(DataError, match="has only one"):
        train(tmp_path / "data", settings=settings, out=tmp_path / "run", progress=False)


def test_weights_of_another_network_are_refused(
    images: Path, backbone: Path, tmp_path: Path
) -> None:
    settings = {"model.init": str(backbone), "transfer.freeze": "all", "model.name": "resnet20"}
    with pytest.raises(NeocogError, match="none has the name"):
        train(images, settings=settings, out=tmp_path / "run", progress=False)


def test_a_probe_of_any_model_learns_from_train_and_is_measured_on_test(
    images: Path, backbone: Path
) -> None:
    found = neocog.evaluate(backbone, images, probe=True)
    assert found.split == "test"
    assert found.linear["accuracy"] > 0.6
    low, high = found.knn["accuracy_ci"]
    assert low <= found.knn["accuracy"] <= high
    assert set(found.to_json()) >= {"n", "train", "knn", "linear"}


def test_an_interrupted_fine_tune_ends_with_the_same_bits(
    images: Path, backbone: Path, tmp_path: Path
) -> None:
    settings = {"model.init": str(backbone), "transfer.freeze": "none", "train.batch_size": 16}
    whole, part = tmp_path / "whole", tmp_path / "part"
    train(images, settings=settings, epochs=3, out=whole, progress=False)

    def stop(event: object) -> None:
        if isinstance(event, Epoch) and event.row["epoch"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(images, settings=settings, epochs=3, out=part, progress=stop)
    model = resume(part, progress=False)
    assert all(torch.equal(v, _weights(part)[k]) for k, v in _weights(whole).items())
    one, two = (c["metrics"]["transfer"] for c in (model.card, RunFolder(whole).card()))
    assert (one["kept"], one["l2"]) == (two["kept"], two["l2"])


def test_class_weights_leave_the_start_to_the_data() -> None:
    key = "objective.class_weights"
    assert by_the_data({key: "balanced"}) == {"model.init": AUTO, key: "balanced"}
