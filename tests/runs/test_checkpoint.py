"""A recipe was changed under a stopped training: it is not taken up with another one."""

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from PIL import Image

from neocog.errors import ModelError, NeocogError, RunError, UsageError
from neocog.runs.events import Event, Started
from neocog.runs.folder import RunFolder
from neocog.training.loop import Step
from neocog.verbs.train import resume, train

SETTINGS = {
    "model.name": "dense", "model.hidden": [4], "train.batch_size": 16, "train.epochs": 3.0,
    "train.ema_decay": 0.9, "optimizer.lr": 0.02, "augment.shift": 1,
    "machine.memory_format": "contiguous", "machine.precision": "float32",
}  # fmt: skip


class _Stop(Exception):
    pass


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name in ("dark", "light"):
        (place / name).mkdir()
        for i in range(32):
            x = rng.integers(0, 128, (16, 16)) + 100 * (name == "light")
            Image.fromarray(x.astype(np.uint8)).save(place / name / f"{i:02}.png")
    return place


def stopped(data: Path, run: Path, *, at: int = 2, **settings: Any) -> None:
    """A training that was stopped after a step, with its checkpoint, by a Ctrl-C."""
    import signal

    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.number == at:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(data, settings=SETTINGS | settings, out=run, progress=stop)
    assert RunFolder(run).checkpoint() is not None


@pytest.fixture(scope="module")
def part(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("part") / "run"
    stopped(images, run)
    return run


def edit(run: Path, **keys: Any) -> None:
    """Change keys of a recipe, written with `__` for the dot; None leaves one out."""
    file = run / "recipe.toml"
    plain = tomllib.loads(file.read_text())
    for key, value in keys.items():
        table, name = key.split("__")
        if value is None:
            del plain[table][name]
        else:
            assert plain[table].get(name) != value, "no change"
            plain[table][name] = value
    file.write_text(tomli_w.dumps(plain))


EDITS: list[dict[str, Any]] = [
    {"train__batch_size": 8}, {"train__ema_decay": 0.5}, {"train__seed": 1}, {"train__epochs": 5.0},
    {"train__plan": [0, 40]}, {"train__plan": [0, 9, 1, 12], "train__epochs": 4.0},
    {"train__plan": None},
    {"optimizer__lr": 0.1}, {"optimizer__name": "adamw"}, {"optimizer__momentum": 0.5},
    {"optimizer__nesterov": False}, {"optimizer__weight_decay": 0.0}, {"optimizer__lr": None},
    {"schedule__name": "cosine"}, {"schedule__warmup": 0.0}, {"schedule__final_lr_factor": 0.1},
    {"objective__loss": "mean_squared_error"}, {"objective__label_smoothing": 0.0},
    {"objective__max_grad_norm": 1.0},
    {"augment__shift": 2.0}, {"augment__flip": True}, {"augment__mixup": 0.2},
    {"model__hidden": [5]}, {"model__name": "lenet5_modern", "model__hidden": None,
     "model__dropout": None}, {"model__dropout": 0.5},
    {"data__seed": 1}, {"data__val": False}, {"data__cut_test": True}, {"data__size": [20, 20]},
    {"data__channels": 3},
    {"data__resize_mode": "pad"}, {"data__fingerprint": ""},
    {"machine__precision": "bfloat16"}, {"machine__memory_format": "channels_last"},
    {"machine__threads": 7},
]  # fmt: skip


FOLLOWS = ("train__epochs", "model__hidden", "model__dropout")
"""What goes with another key is not named beside it."""


@pytest.mark.parametrize("keys", EDITS, ids=lambda keys: ",".join(keys))
def test_every_key_that_moves_a_bit_is_refused_by_name(
    part: Path, tmp_path: Path, keys: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(part, run)
    edit(run, **keys)
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    names = [k.replace("__", ".") for k in keys if len(keys) == 1 or k not in FOLLOWS]
    with pytest.raises(RunError, match=r"has changed: .*Restore it, or train again") as refused:
        resume(run)
    for name in names:
        assert f"`{name}` was " in str(refused.value)
    assert str(refused.value).count(" was ") == len(names)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_the_message_says_what_it_was_and_what_it_is(part: Path, tmp_path: Path) -> None:
    shutil.copytree(part, tmp_path / "run")
    edit(tmp_path / "run", train__batch_size=8, optimizer__nesterov=False)
    words = r"`optimizer\.nesterov` was true, is false; `train\.batch_size` was 16, is 8\. Restore"
    with pytest.raises(RunError, match=words):
        resume(tmp_path / "run")


def test_what_moves_no_bit_may_change(images: Path, part: Path, tmp_path: Path) -> None:
    """The same samples at another place; a table with its defaults left out."""
    train(images, settings=SETTINGS, out=tmp_path / "whole")
    run = tmp_path / "run"
    shutil.copytree(part, run)
    shutil.copytree(images, tmp_path / "moved")
    edit(run, data__path=str(tmp_path / "moved"), train__budget=60.0, model__dropout=None)
    resume(run)
    same(tmp_path / "whole", run)


def same(one: Path, two: Path) -> None:
    a, b = RunFolder(one).weights(), RunFolder(two).weights()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_longer_plan_for_steps_to_come_is_made_again_by_its_recipe(
    part: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(part, run)
    plan = tomllib.loads((run / "recipe.toml").read_text())["train"]["plan"]
    edit(run, train__plan=[*plan, 2, 2 * plan[-1]], train__epochs=6.0)
    model = resume(run)
    assert model.card["metrics"]["epochs"] == 6
    train(None, recipe=run / "recipe.toml", out=tmp_path / "again")
    same(run, tmp_path / "again")


def test_a_finished_run_is_held_to_its_recipe_too(images: Path, tmp_path: Path) -> None:
    train(images, settings=SETTINGS, out=tmp_path / "run")
    edit(tmp_path / "run", augment__shift=3.0)
    with pytest.raises(RunError, match=r"`augment\.shift` was 1\.0, is 3\.0"):
        resume(tmp_path / "run")


def test_epochs_that_are_not_those_of_the_plan_are_an_error(images: Path, tmp_path: Path) -> None:
    train(images, settings=SETTINGS, out=tmp_path / "run")
    shutil.copy(tmp_path / "run" / "recipe.toml", tmp_path / "recipe.toml")
    for keys in ({"train__epochs": 9.0}, {"train__batch_size": 8}):
        shutil.copy(tmp_path / "run" / "recipe.toml", tmp_path / "recipe.toml")
        edit(tmp_path, **keys)
        with pytest.raises(UsageError, match=r"must agree with `train\.epochs`, and does not"):
            train(None, recipe=tmp_path / "recipe.toml", out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_recipe_of_a_fix_is_no_recipe_of_a_training(part: Path, tmp_path: Path) -> None:
    shutil.copy(part / "recipe.toml", tmp_path / "recipe.toml")
    edit(tmp_path, provenance__command="fix")
    with pytest.raises(UsageError, match=r"is that of a `neocog fix`"):
        train(None, recipe=tmp_path / "recipe.toml", out=tmp_path / "run")


# ---- the weights that it was started from


@pytest.fixture
def started(images: Path, tmp_path: Path) -> Path:
    train(images, settings=SETTINGS, epochs=1, out=tmp_path / "first")
    stopped(images, tmp_path / "run", **{"model.init": str(tmp_path / "first")})
    return tmp_path / "run"


def _other(file: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_file({k: v + 0.01 for k, v in load_file(file).items()}, file)


@pytest.mark.parametrize(("change", "word"), [(_other, "have changed"), (Path.unlink, "are gone")])
def test_weights_that_it_was_started_from_changed_under_it(
    started: Path, change: Callable[[Path], None], word: str
) -> None:
    notes: list[str] = []
    change(started.parent / "first" / "model.safetensors")
    events = lambda e: notes.extend(e.notes) if isinstance(e, Started) else None  # noqa: E731
    resume(started, progress=events)
    assert [n for n in notes if word in n and "recipe no longer reproduces it" in n]
    with pytest.raises(NeocogError, match=r"has changed|does not exist"):
        train(None, recipe=started / "recipe.toml", out=started.parent / "again")


def test_without_a_checkpoint_they_are_needed(started: Path) -> None:
    shutil.rmtree(started / "checkpoint")
    _other(started.parent / "first" / "model.safetensors")
    with pytest.raises(RunError, match=r"needs its initial weights, and .* has"):
        resume(started)


def test_other_weights_by_name_are_taken(images: Path, started: Path, tmp_path: Path) -> None:
    train(images, settings=SETTINGS | {"train.seed": 3}, epochs=1, out=tmp_path / "second")
    settings = {"model.init": str(tmp_path / "second")}
    train(None, recipe=started / "recipe.toml", settings=settings, out=tmp_path / "other")
    digests = {RunFolder(r).recipe.model.init_digest for r in (started, tmp_path / "other")}
    assert len(digests) == 2
    with pytest.raises(ModelError, match=r"nowhere` does not exist"):
        train(images, settings={"model.init": "nowhere"}, out=tmp_path / "third")


def test_a_split_that_the_first_weights_have_seen_is_said(images: Path, started: Path) -> None:
    notes: list[str] = []
    settings = SETTINGS | {"model.init": str(started.parent / "first"), "data.seed": 5}
    events = lambda e: notes.extend(e.notes) if isinstance(e, Started) else None  # noqa: E731
    train(images, settings=settings, epochs=1, out=started.parent / "leak", progress=events)
    assert [n for n in notes if "trained on another split of the same data" in n]


# ---- the samples


@pytest.mark.parametrize("change", ["added", "removed", "relabeled", "renamed class", "painted"])
def test_samples_that_changed_under_it_are_refused(
    images: Path, part: Path, tmp_path: Path, change: str
) -> None:
    own, run = tmp_path / "own", tmp_path / "run"
    shutil.copytree(images, own)
    shutil.copytree(part, run)
    edit(run, data__path=str(own))
    match change:
        case "added":
            Image.fromarray(np.full((16, 16), 7, np.uint8)).save(own / "dark" / "new.png")
        case "removed":
            (own / "dark" / "03.png").unlink()
        case "relabeled":
            (own / "dark" / "03.png").rename(own / "light" / "33.png")
        case "renamed class":
            (own / "dark").rename(own / "black")
        case "painted":
            Image.fromarray(np.full((16, 16), 7, np.uint8)).save(own / "dark" / "03.png")
    with pytest.raises(RunError, match=r"needs its original samples; .* has changed"):
        resume(run)


def test_a_checkpoint_of_another_run_is_refused(images: Path, part: Path, tmp_path: Path) -> None:
    shutil.copytree(part, tmp_path / "run")
    stopped(images, tmp_path / "other", **{"train.seed": 7, "train.batch_size": 8})
    shutil.rmtree(tmp_path / "run" / "checkpoint")
    shutil.copytree(tmp_path / "other" / "checkpoint", tmp_path / "run" / "checkpoint")
    with pytest.raises(
        RunError, match=r"`train\.batch_size` was 8, is 16.*`train\.seed` was 7, is 0"
    ):
        resume(tmp_path / "run")
