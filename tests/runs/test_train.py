import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from neocog.data.open import open_data
from neocog.errors import DataError, Diverged, ModelError, RunError, TooLarge, UsageError
from neocog.runs.events import Decoded, Epoch, Event, Finished, Started
from neocog.runs.folder import RunFolder
from neocog.runs.initial import InitialWeights
from neocog.runs.load import load
from neocog.runs.recipe import ModelConfig
from neocog.training.loop import Step
from neocog.types import InputSpec
from neocog.verbs.train import resume, spread, train

Quick = dict[str, Any]


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return RunFolder(run).weights()


def _same(a: Path, b: Path) -> bool:
    one, two = _weights(a), _weights(b)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_a_run_holds_what_the_contract_names(images: Path, tmp_path: Path, quick: Quick) -> None:
    events: list[Event] = []
    run = tmp_path / "run"
    model = train(images, settings=quick, out=run, progress=events.append)
    kinds = [type(e) for e in events if not isinstance(e, Decoded)]
    assert kinds[0] is Started
    assert kinds[-1] is Finished
    each = len(open_data(images).splits["train"]) // 16
    assert (kinds.count(Step), kinds.count(Epoch)) == (3 * each, 3)
    assert {p.name for p in run.iterdir()} == {
        "recipe.toml", "model.safetensors", "model.json", "samples.safetensors", "metrics.jsonl",
        "checkpoint",
        "report.html",
    }  # fmt: skip
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in rows] == [1, 2, 3]
    assert all(math.isfinite(r["train_loss"]) and 0 <= r["val_accuracy"] <= 1 for r in rows)
    measured = model.card["metrics"]
    assert set(measured) >= {"epochs", "seconds", "images_per_second", "train", "val", "test",
                             "params", "macs"}  # fmt: skip
    assert measured["train"]["loss"] == rows[-1]["train_loss"]
    assert model.spec.classes == ("across", "down", "noise")
    html = (run / "report.html").read_text()
    assert "first-layer filters" in html
    assert "confusion" in html
    assert {"Loss", "Accuracy"} <= set(re.findall(r">(\w+)</text>", model.plot()))


def test_bars_are_told_apart(many_images: Path, tmp_path: Path, quick: Quick) -> None:
    model = train(many_images, settings=quick, epochs=10, out=tmp_path / "run")
    # Nearly separable: of some 30 test images few may be wrong.
    assert model.card["metrics"]["test"]["accuracy"] >= 0.85


def test_same_seed_same_bits(images: Path, tmp_path: Path, quick: Quick) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(images, settings=quick, seed=seed, out=tmp_path / name)
    assert _same(tmp_path / "a", tmp_path / "b")
    assert not _same(tmp_path / "a", tmp_path / "c")


def test_a_run_s_own_recipe_reproduces_it(images: Path, tmp_path: Path, quick: Quick) -> None:
    settings = quick | {
        "augment.shift": 2,
        "train.ema_decay": 0.9,
        "objective.label_smoothing": 0.1,
    }
    train(images, settings=settings, out=tmp_path / "a")
    train(None, recipe=tmp_path / "a" / "recipe.toml", out=tmp_path / "b")
    assert _same(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_stopped_run_ends_with_the_same_bits(
    images: Path, tmp_path: Path, quick: Quick, optimizer: str, average: float
) -> None:
    settings = quick | {
        "train.ema_decay": average, "optimizer.name": optimizer, "optimizer.lr": 0.003,
        "augment.shift": 2, "augment.mixup": 0.2,
    }  # fmt: skip
    train(images, settings=settings, out=tmp_path / "whole")

    def stop(event: Event) -> None:
        if isinstance(event, Epoch) and event.row["epoch"] == 2:
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="power"):
        train(images, settings=settings, out=tmp_path / "part", progress=stop)
    assert load(tmp_path / "part").card["metrics"] == {}
    resume(tmp_path / "part")
    assert _same(tmp_path / "whole", tmp_path / "part")
    keep = ("epoch", "step", "train_loss", "lr", "val_loss", "val_accuracy")
    one, two = (
        [{k: r[k] for k in keep} for r in RunFolder(tmp_path / n).metrics()]
        for n in ("whole", "part")
    )
    assert one == two


def test_a_finished_run_resumes_to_itself(images: Path, tmp_path: Path, quick: Quick) -> None:
    train(images, settings=quick, out=tmp_path / "run")
    before = _weights(tmp_path / "run")
    resume(tmp_path / "run")
    after = _weights(tmp_path / "run")
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_resume_refuses_other_data(tmp_path: Path, quick: Quick, images: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(images, own)
    train(own, settings=quick, out=tmp_path / "run")
    Image.fromarray(np.full((28, 28), 99, np.uint8)).save(own / "down" / "new.png")
    with pytest.raises(RunError, match=r"needs its original samples.*has changed"):
        resume(tmp_path / "run")


def test_starting_from_other_weights(images: Path, tmp_path: Path, quick: Quick) -> None:
    train(images, settings=quick, out=tmp_path / "a")
    notes: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Started):
            notes.extend(event.notes)

    settings = quick | {"model.init": str(tmp_path / "a"), "optimizer.lr": 1e-12}
    train(images, settings=settings, epochs=1, out=tmp_path / "b", progress=listen)
    assert any("tensors are from" in n for n in notes)
    for name, value in _weights(tmp_path / "a").items():
        # A rate of 1e-12 moves nothing that float32 can hold at this size.
        torch.testing.assert_close(_weights(tmp_path / "b")[name], value, atol=1e-6, rtol=0)
    with pytest.raises(ModelError, match=r"Initial weights must match the network at least partly"):
        train(
            images, model="dense", settings={"model.init": str(tmp_path / "a")},
            epochs=1, out=tmp_path / "c",
        )  # fmt: skip


def test_a_folder_that_is_taken_is_refused(images: Path, tmp_path: Path, quick: Quick) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(RunError, match=r"needs an empty folder; .* is not empty"):
            train(images, settings=quick, out=tmp_path / "mine", overwrite=overwrite)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_one_class_is_refused(tmp_path: Path, quick: Quick, images: Path) -> None:
    shutil.copytree(images / "down", tmp_path / "one" / "down")
    with pytest.raises(DataError, match="at least two classes"):
        train(tmp_path / "one", settings=quick, out=tmp_path / "run")
    assert not (tmp_path / "run" / "model.json").exists()


def test_divergence_is_said_early(images: Path, tmp_path: Path, quick: Quick) -> None:
    with pytest.raises(Diverged, match=r"The (loss|answers) must .* Try `--lr"):
        train(images, settings=quick | {"optimizer.lr": 1e6}, epochs=40, out=tmp_path / "run")


def test_a_rate_far_too_low_is_noted(images: Path, tmp_path: Path, quick: Quick) -> None:
    notes: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Epoch):
            notes.extend(event.notes)

    train(images, settings=quick | {"optimizer.lr": 1e-8}, out=tmp_path / "run", progress=listen)
    assert len(notes) == 1
    assert "hardly moved in the first" in notes[0]


def test_a_network_larger_than_memory_is_refused_before_it_is_made(
    images: Path, tmp_path: Path
) -> None:
    settings = {"model.hidden": [3_000_000, 3_000_000]}
    with pytest.raises(TooLarge, match=r"needs about \d[\d.]+ GB; cpu has .* GB free"):
        train(images, model="dense", settings=settings, epochs=1, out=tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train.batch_size": 0}, r"`train\.batch_size` must be at least 1"),
        ({"train.epochs": -1.0}, r"must be positive"),
        ({"optimiser.lr": 0.1}, r"no table `optimiser`\. Did you mean `optimizer`"),
        ({"lr": 0.1}, r"A setting is named TABLE\.KEY, got `lr`"),
        ({"model.name": "resnet81"}, r"resnet81.*Did you mean"),
        ({"model.widht": 3}, r"`widht` is not an option of"),
        ({"data.size": [1, 2, 3]}, r"`data\.size` is two integers"),
        ({"schedule.name": "cosin"}, r"Did you mean `cosine`"),
        ({"objective.loss": "hinge"}, r"`objective\.loss` must name a loss"),
    ],
)
def test_wrong_settings_are_errors(
    images: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(images, settings={"train.epochs": 1.0} | settings, out=tmp_path / "run")


@pytest.mark.slow
def test_a_budget_is_planned_and_its_plan_reproduces_the_run(
    images: Path, tmp_path: Path, quick: Quick
) -> None:
    settings = {k: v for k, v in quick.items() if k != "train.epochs"}
    model = train(images, settings=settings, budget=6, out=tmp_path / "run")
    # That the clock is kept to is held with a clock of its own in test_plan.
    assert model.card["metrics"]["epochs"] > 0
    train(None, recipe=tmp_path / "run" / "recipe.toml", out=tmp_path / "again")
    assert _same(tmp_path / "run", tmp_path / "again")


def test_spread_by_hand() -> None:
    s = spread([0.9, 0.92])
    # Student's t for one degree of freedom is 12.7062; the standard deviation is 0.02/√2.
    assert s.interval is not None
    assert s.interval[1] - s.mean == pytest.approx(12.7062 * 0.01)
    assert spread([0.9]).interval is None


def test_validation_samples_can_be_trained_on(images: Path, tmp_path: Path, quick: Quick) -> None:
    counts: list[dict[str, int]] = []

    def listen(event: Event) -> None:
        if isinstance(event, Started):
            counts.append({k: len(v) for k, v in event.experiment.source.splits.items()})

    for val in (True, False):
        model = train(
            images, settings=quick | {"data.val": val}, out=tmp_path / str(val), progress=listen
        )
        assert ("val" in model.card["metrics"]) == val
    with_val, without = counts
    assert without == {**with_val, "train": with_val["train"] + with_val["val"], "val": 0}


@pytest.mark.parametrize(
    "slip",
    [
        {"schedule.name": "cosin"},
        {"schedule.warmup": 7.0},
        {"objective.loss": "hinge"},
        {"objective.label_smoothing": 2.0},
        {"optimizer.name": "sdg"},
        {"model.widht": 1},
        {"machine.precision": "float8"},
    ],
)
def test_a_slip_costs_no_run(
    images: Path, tmp_path: Path, quick: Quick, slip: dict[str, Any]
) -> None:
    train(images, settings=quick, epochs=1, out=tmp_path / "run")
    before = _weights(tmp_path / "run")
    with pytest.raises(UsageError):
        train(images, settings=quick | slip, out=tmp_path / "run", overwrite=True)
    after = _weights(tmp_path / "run")
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_a_choice_of_one_thing_leaves_the_rest_to_be_found(
    images: Path, tmp_path: Path, quick: Quick
) -> None:
    settings = {k: v for k, v in quick.items() if not k.startswith("machine.")}
    for key, value in (
        ("device", "cpu"),
        ("memory_format", "contiguous"),
        ("precision", "bfloat16"),
    ):
        train(images, settings=settings | {f"machine.{key}": value}, epochs=1, out=tmp_path / key)
        chosen = vars(RunFolder(tmp_path / key).recipe.machine)
        assert chosen[key] == value
        assert all(chosen.values())
        assert chosen["device"] == "cpu" or torch.cuda.is_available()


def test_a_run_s_recipe_takes_another_size_or_batch(
    images: Path, tmp_path: Path, quick: Quick
) -> None:
    train(images, settings=quick, epochs=2, out=tmp_path / "a")
    recipe = tmp_path / "a" / "recipe.toml"
    train(None, recipe=recipe, settings={"data.size": [32, 32]}, out=tmp_path / "b")
    assert load(tmp_path / "b").spec.input.size == (32, 32)
    train(None, recipe=recipe, settings={"train.batch_size": 8}, out=tmp_path / "c")
    assert load(tmp_path / "c").card["metrics"]["epochs"] == 2


def test_a_failed_start_leaves_the_name_free(
    images: Path, tmp_path: Path, quick: Quick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        train(images, model="resnet81", epochs=1)
    model = train(images, settings=quick, epochs=1)
    assert model.path == Path("runs") / images.name


def test_one_process_at_a_time(images: Path, tmp_path: Path, quick: Quick) -> None:
    def meddle(event: Event) -> None:
        if isinstance(event, Epoch) and event.row["epoch"] == 1:
            with pytest.raises(RunError, match="Only one process can write to a run"):
                resume(tmp_path / "run")

    train(images, settings=quick, out=tmp_path / "run", progress=meddle)
    assert not list((tmp_path / "run").glob(".*"))


def test_epochs_and_budget_exclude_each_other(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="both were given"):
        train(images, epochs=1, budget=10, out=tmp_path / "run")


def test_evaluating_says_what_was_measured(images: Path, tmp_path: Path, quick: Quick) -> None:
    own = tmp_path / "own"
    shutil.copytree(images, own)
    model = train(own, settings=quick | {"data.val": False}, epochs=1, out=tmp_path / "run")
    n = len(open_data(own).splits["test"])
    assert model.evaluate(own).notes == (f"Data: split test, {n} of 72 samples.",)
    assert "The model was trained on these samples." in model.evaluate(f"{own}:val").notes
    Image.fromarray(np.full((28, 28), 99, np.uint8)).save(own / "down" / "new.png")
    assert not any("trained on" in n for n in model.evaluate(own).notes)  # none was, by content
    (tmp_path / "run" / "samples.safetensors").unlink()
    assert any("may have been used for training" in n for n in model.evaluate(own).notes)
    shutil.copytree(images / "down", tmp_path / "other" / "test" / "down")
    with pytest.raises(DataError, match=r"must have a split `val`"):
        model.evaluate(f"{tmp_path / 'other'}:val")
    (own / "up").mkdir()
    shutil.copy(own / "down" / "000.png", own / "up")
    assert any(
        "are not classes of the model (`up`)" in n for n in model.evaluate(f"{own}:all").notes
    )


def test_a_training_goes_on_with_its_normalization_though_its_weights_are_gone(
    images: Path, tmp_path: Path, quick: Quick, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = InputSpec(channels=1, size=(28, 28), mean=(0.4,), std=(0.3,))
    plain = train(images, settings=quick, out=tmp_path / "plain").module
    state = {k: v.clone() for k, v in plain.state_dict().items()}
    theirs = InitialWeights(
        title="theirs", digest="d" * 32, read=lambda: (state, ()), input=takes, external=True
    )
    monkeypatch.setattr("neocog.runs.start.initial_weights", lambda *_: theirs)

    def stop(event: Event) -> None:
        if isinstance(event, Epoch) and event.row["epoch"] == 1:
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="power"):
        train(images, settings={**quick, "model.init": "x"}, out=tmp_path / "run", progress=stop)

    def gone(*_: object) -> InitialWeights:
        raise ModelError("They are gone.")

    monkeypatch.setattr("neocog.runs.start.initial_weights", gone)
    model = resume(tmp_path / "run")
    assert (model.spec.input.mean, model.spec.input.std) == ((0.4,), (0.3,))


def test_a_report_is_titled_by_the_network_that_was_chosen(
    images: Path, tmp_path: Path, quick: Quick, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ModelConfig(name="lenet5_modern")
    monkeypatch.setattr(
        "neocog.runs.train.chosen", lambda recipe, **_: (replace(recipe, model=other), ())
    )
    train(images, settings=quick, out=tmp_path / "run")
    assert "<title>lenet5_modern on" in (tmp_path / "run" / "report.html").read_text()
