"""Every value of a run folder, a recipe or a cache may be of another kind: a sentence, or right."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.faults.made import bars

from neocog.data import build
from neocog.data.kept import read_set
from neocog.data.open import open_data
from neocog.errors import ModelError, NeocogError
from neocog.files import parse_json
from neocog.runs.experiment import Experiment, prepare
from neocog.runs.folder import RunFolder
from neocog.runs.load import load
from neocog.runs.progress import taken_up
from neocog.runs.recipe import from_toml
from neocog.runs.saved_audit import kept_audit
from neocog.types import ModelSpec
from neocog.verbs.train import train

SETTINGS = {
    "model.name": "dense",
    "model.hidden": [4],
    "train.batch_size": 8,
    "train.epochs": 2.0,
    "train.ema_decay": 0.9,
    "optimizer.lr": 0.02,
    "machine.memory_format": "channels_last",
    "machine.precision": "float32",
}

BIG, LONG, DEEP = "@@BIG@@", "@@LONG@@", "@@DEEP@@"
WRONG = [
    None, True, "text", "", [], [[]], {}, {"a": 1}, [1, "a"], [-1, -1], [2**40, 2**40], -1, 1.5,
    2**62, 1e300, float("nan"), float("inf"), "9" * 5000, "a\0b", "\x1b[31m", "\ud800",
    BIG, LONG, DEEP,
]  # fmt: skip
"""What stands in place of each value: other kinds, 10⁴⁰⁰, 5,000 digits, 5,000 levels."""


def raw(text: str) -> str:
    """With the values that no writer writes."""
    deep = "[" * 5000 + "]" * 5000
    text = text.replace(f'"{BIG}"', "1" + "0" * 400)
    return text.replace(f'"{LONG}"', "9" * 5000).replace(f'"{DEEP}"', deep)


def places(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to each value in nested lists and tables, of a list to the first."""
    if way:
        yield way
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*way, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*way, 0))


def each(plain: Any) -> Iterator[tuple[str, str]]:
    """The text of a JSON value with one value after the other in place of each; what it was."""
    for way in places(plain):
        for wrong in WRONG:
            copy = json.loads(json.dumps(plain))
            inner = copy
            for key in way[:-1]:
                inner = inner[key]
            inner[way[-1]] = wrong
            yield raw(json.dumps(copy)), f"{way}: {str(wrong)[:30]!r}"


def tried(read: Callable[[], object], what: str) -> bool:
    """Whether something was read; a refusal is one sentence or two on one line."""
    try:
        read()
    except NeocogError as e:
        said = str(e)
    except Exception as e:
        raise AssertionError(f"{what} is a {type(e).__name__}: {e}") from e
    else:
        return True
    assert len(said) < 1000, what
    assert "\n" not in said, what
    return False


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number, name in enumerate(("across", "down")):
        (place / name).mkdir()
        for i in range(12):
            Image.fromarray(bars(number, rng, size=16)).save(place / name / f"{i:02}.png")
    return place


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(run.parent / "cache"))
        train(images, settings=SETTINGS, out=run)
    return run


@pytest.fixture
def run(trained, tmp_path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


def test_every_value_of_a_card(run, images):
    file = run / "model.json"
    plain = json.loads(file.read_text())
    image, read, of = images / "across" / "00.png", 0, 0
    for text, what in each(plain):
        file.write_text(text)
        read += tried(lambda: load(run).predict(image), what)
        of += 1
    assert 0 < read < of / 2  # what was measured is only shown
    file.write_text(json.dumps(plain))
    assert load(run).predict(image)[0].error is None


@pytest.mark.parametrize("keys", [("spec", "task"), ("data", "cut_test")])
def test_a_word_that_is_none_of_those_there_are(run, keys):
    file = run / "model.json"
    plain = json.loads(file.read_text())
    plain[keys[0]][keys[1]] = "clasify"
    file.write_text(json.dumps(plain))
    with pytest.raises(ModelError, match=rf"`{'.'.join(keys)}`"):
        load(run)


def test_every_value_of_a_contract(trained):
    plain = load(trained).spec.to_json()
    for text, what in each(json.loads(json.dumps(plain))):
        tried(lambda t=text: ModelSpec.from_json(parse_json(t, source="x")), what)


def test_every_value_of_a_recipe(trained):
    recipe = RunFolder.open(trained).recipe
    plain = json.loads(json.dumps(_plain(recipe)))
    for way in places(plain):
        for wrong in WRONG:
            copy = json.loads(json.dumps(plain))
            inner = copy
            for key in way[:-1]:
                inner = inner[key]
            inner[way[-1]] = wrong
            try:
                text = raw(tomli_w.dumps(copy))
            except (TypeError, ValueError, AttributeError):  # TOML has no null
                continue
            tried(lambda t=text: from_toml(t), f"{way}: {str(wrong)[:30]!r}")
    assert from_toml(tomli_w.dumps(plain)) == recipe


def _plain(recipe: Any) -> dict[str, Any]:
    import tomllib

    from neocog.runs.recipe import to_toml

    return tomllib.loads(to_toml(recipe))


@pytest.fixture(scope="module")
def experiment(trained) -> Experiment:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(trained.parent / "cache"))
        return prepare(RunFolder.open(trained).recipe, resume=True)


def test_every_value_of_a_checkpoint(run, experiment):
    file = run / "checkpoint" / "state.safetensors"
    tensors = load_file(file)
    with safe_open(file, "pt") as f:
        state = json.loads(f.metadata()["state"])
    folder, read = RunFolder(run), 0

    def take_up() -> object:
        kept = folder.checkpoint()
        assert kept is not None
        return taken_up(experiment, *kept)

    for text, what in each(state):
        save_file(tensors, file, {"state": text})
        read += tried(take_up, what)
    assert read < 200  # other losses, seconds and rates are possible
    for name in tensors:
        save_file({**tensors, name: torch.zeros(1, 2, 3)}, file, {"state": json.dumps(state)})
        assert not tried(take_up, name)
        if not name.startswith("optimizer."):  # of a weight that was never moved there is none
            rest = {k: v for k, v in tensors.items() if k != name}
            save_file(rest, file, {"state": json.dumps(state)})
            assert not tried(take_up, name)
    save_file({**tensors, "optimizer.x": torch.zeros(1)}, file, {"state": json.dumps(state)})
    assert not tried(take_up, "optimizer.x")
    save_file(tensors, file, {"state": json.dumps(state)})
    assert tried(take_up, "as it was")


def test_every_value_of_metrics_and_of_an_audit(run):
    file = run / "metrics.jsonl"
    row = json.loads(file.read_text().splitlines()[0])
    for text, what in each(row):
        file.write_text(text + "\n")
        tried(RunFolder(run).metrics, what)
    model = load(run)
    audit = {"format": 1, "model": "x", "data": "d", "result": {"n": 1}, "sections": []}
    for text, what in each(audit):
        (run / "audit.json").write_text(text)
        assert tried(lambda: kept_audit(model), what)  # the model can be used without


def test_every_value_of_a_kept_set(images, tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    open_data(str(images))
    (file,) = (tmp_path / "cache" / "sets").glob("*/meta.json")
    plain = json.loads(file.read_text())
    for text, what in each(plain):
        file.write_text(text)
        try:
            meta, arrays = read_set(file.parent)
        except (NeocogError, OSError, ValueError):
            continue
        assert set(arrays) == set(plain["arrays"]) == set(meta["arrays"]), what
    file.write_text(json.dumps({**plain, "sheet": None}))
    source = open_data(str(images))  # it is made again, as if there were none
    assert sum(map(len, source.splits.values())) == 24
    assert json.loads(file.read_text()) == plain


@pytest.mark.parametrize("kind", ["zip", "pipe", "cut", "huge", "torn", "text", "other"])
def test_an_index_that_is_none_is_made_again(kind, images, tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "_SETTLED", 0)  # no waiting for two seconds
    open_data(str(images))
    (file,) = (tmp_path / "cache" / "index").glob("*.npy")
    whole = file.read_bytes()
    file.unlink()
    match kind:
        case "zip":
            with file.open("wb") as f:
                np.savez(f, x=np.zeros(3))
        case "pipe":
            os.mkfifo(file)
        case "cut":
            file.write_bytes(whole[:-7])
        case "huge":
            shape = b"(24,), }" + b" " * 9
            assert shape in whole
            file.write_bytes(whole.replace(shape, b"(10000000000,), }"))
        case "torn":
            file.write_bytes(whole.replace(b"(24,), }", b"(24,),  "))
        case "text":
            file.write_text("no array")
        case "other":
            np.save(file, np.zeros((2, 2)))
    for name in ("starts", "sets"):
        shutil.rmtree(tmp_path / "cache" / name)
    assert sum(map(len, open_data(str(images)).splits.values())) == 24
