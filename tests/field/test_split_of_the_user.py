"""A split that the user made is taken as it is, and what is missing is not made at its cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neocog.data.open import open_data
from neocog.errors import DataError
from neocog.runs.load import load
from neocog.verbs.train import train

QUICK = {
    "model.name": "lenet5_modern",
    "train.batch_size": 16,
    "train.epochs": 1.0,
    "train.ema_decay": 0.0,
    "machine.memory_format": "channels_last",
    "machine.precision": "float32",
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


def _make(root: Path, **each: int) -> Path:
    rng = np.random.default_rng(len(each))
    for role, n in each.items():
        for name in ("cat", "dog"):
            (root / role / name).mkdir(parents=True)
            for i in range(n):
                x = rng.integers(0, 256, (28, 28), np.uint8)
                Image.fromarray(x).save(root / role / name / f"{i}.png")
    return root


def _n(source) -> dict[str, int]:
    return {name: len(split) for name, split in source.splits.items()}


def test_train_and_val_stay_whole_and_figures_are_of_val(tmp_path):
    root = _make(tmp_path / "set", train=20, val=6)
    source = open_data(root)
    assert _n(source) == {"train": 40, "val": 12, "test": 0}
    assert "There is no test" in " ".join(source.sheet.remarks)
    assert source.scored() == "val"
    run = tmp_path / "run"
    done = train(root, settings=QUICK, out=run)
    assert "test" not in done.card["metrics"]
    assert done.card["metrics"]["val"]["n"] == 12
    scored = load(run).evaluate(root)
    assert scored.n == 12
    assert any("monitored the training" in note for note in scored.notes)


def test_a_test_is_cut_when_it_is_asked_for_and_evaluated_alike(tmp_path):
    root = _make(tmp_path / "set", train=40, val=6)
    asked = open_data(root, cut_test=True)
    assert _n(asked)["val"] == 12
    assert 4 <= _n(asked)["test"] <= 30
    assert _n(asked)["train"] + _n(asked)["test"] == 80
    done = train(root, settings={**QUICK, "data.cut_test": True}, out=tmp_path / "run")
    again = load(tmp_path / "run").evaluate(root)
    assert again.n == done.card["metrics"]["test"]["n"] == _n(asked)["test"]
    assert again.accuracy == done.card["metrics"]["test"]["accuracy"]


def test_train_and_test_lend_a_val(tmp_path):
    source = open_data(_make(tmp_path / "set", train=40, test=5))
    assert _n(source)["test"] == 10
    assert 1 <= _n(source)["val"] <= 20
    assert _n(source)["train"] + _n(source)["val"] == 80


def test_arrays_are_treated_alike(tmp_path):
    rng = np.random.default_rng(0)

    def some(n: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.integers(0, 256, (n, 12, 12), np.uint8), np.arange(n) % 3

    (a, b), (c, d) = some(60), some(15)
    np.savez(tmp_path / "val.npz", x_train=a, y_train=b, x_val=c, y_val=d)
    np.savez(tmp_path / "test.npz", x_train=a, y_train=b, x_test=c, y_test=d)
    assert _n(open_data(tmp_path / "val.npz")) == {"train": 60, "val": 15, "test": 0}
    cut = _n(open_data(tmp_path / "test.npz"))
    assert cut["test"] == 15
    assert cut["train"] + cut["val"] == 60
    assert cut["val"] > 0


def test_a_class_without_a_readable_file_is_named_where_a_class_is_missing(tmp_path):
    root = _make(tmp_path / "set", a=12) / "a"
    for path in (root / "dog").iterdir():
        path.write_bytes(b"\xff\xd8 no jpeg")
    with pytest.raises(DataError, match="Class `dog` is skipped: none of its 12 files can be"):
        train(root, settings=QUICK, out=tmp_path / "run")
    (root / "owl").mkdir()
    rng = np.random.default_rng(1)
    for i in range(12):
        x = rng.integers(0, 256, (28, 28), np.uint8)
        Image.fromarray(x).save(root / "owl" / f"{i}.png")
    notes: list[str] = []
    train(root, settings=QUICK, out=tmp_path / "run2",
          progress=lambda e: notes.extend(getattr(e, "notes", ())))  # fmt: skip
    assert any("Class `dog` is skipped: none of its 12 files" in n for n in notes)
