"""What is only evaluated is not split; what a run learned from is, and by its content."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.cli.short import QUICK
from tests.faults.made import bars
from torch import nn

from neocog.cli.main import main


def stranger() -> nn.Module:
    """A factory of somebody."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(4, 2))  # fmt: skip


STRANGER = f"{__name__}:stranger"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


def call(capsys, *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main([str(w) for w in words])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return int(left.value.code or 0), out, err


def made(root: Path, n: int = 60, *, seed: int = 0, classes: tuple[str, ...] = ("a", "b")) -> Path:
    rng = np.random.default_rng(seed)
    for k, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(bars(k % 2, rng, size=20)).save(root / name / f"{i:03}.png")
    return root


NARROW = (
    "--shift", "circular", "--no-rotation", "--no-scale", "--no-elastic", "--no-layers",
    "--map-samples", "1", "--json",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and the folder of two classes that it learned from."""
    folder = made(tmp_path_factory.mktemp("learned") / "set")
    out = folder.parent / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(folder.parent / "cache"))
        with pytest.raises(SystemExit):
            main(["train", str(folder), "--out", str(out), *QUICK])
    return out, folder


def n_of(capsys, model: Path, data: object) -> tuple[int, str]:
    status, out, err = call(capsys, "evaluate", model, data, "--json")
    assert status == 0, err
    plain = json.loads(out)
    return plain["n"], " ".join(plain["notes"])


def test_a_folder_of_others_is_measured_whole(run, tmp_path, capsys) -> None:
    model, _ = run
    other = made(tmp_path / "other", 25, seed=9)
    assert n_of(capsys, model, other)[0] == 50
    assert "Data: all 50 samples." in n_of(capsys, model, other)[1]
    found = json.loads(call(capsys, "audit", model, other, *NARROW)[1])
    assert (found["n"], found["accuracy"] is None) == (50, False)
    part, said = n_of(capsys, model, f"{other}:test")
    assert 0 < part < 50
    assert "split test" in said


def test_what_it_learned_from_is_measured_on_what_was_held_out(run, tmp_path, capsys) -> None:
    model, folder = run
    held, said = n_of(capsys, model, folder)
    assert 0 < held < 60
    assert f"Data: split test, {held} of 120 samples." in said
    assert "trained on" not in said
    away = tmp_path / "elsewhere"
    shutil.copytree(folder, away)
    (away / "a").rename(away / "A")  # another name, and other places
    for i, path in enumerate(sorted((away / "A").iterdir())):
        path.rename(path.with_name(f"z{i}.png"))
    assert n_of(capsys, model, away)[0] == held
    everything, said = n_of(capsys, model, f"{folder}:all")
    assert everything == 120
    assert "of these 120 samples: figures on them are optimistic." in said


def test_some_images_of_a_training_among_others_are_said(run, tmp_path, capsys) -> None:
    model, folder = run
    other = made(tmp_path / "other", 40, seed=5)
    for path in sorted((folder / "a").iterdir())[:10]:
        shutil.copy(path, other / "a" / f"old-{path.name}")
    n, said = n_of(capsys, model, other)
    assert n == 90
    assert "of these 90 samples: figures on them are optimistic." in said


def test_two_models_are_compared_on_what_one_of_them_held_out(run, tmp_path, capsys) -> None:
    model, folder = run
    torch.save(stranger().state_dict(), tmp_path / "w.pt")
    told = ("--size", "1,20,20", "--mean", ".5", "--std", ".5", "--weights", tmp_path / "w.pt")
    held = n_of(capsys, model, folder)[0]
    for first, second in ((model, STRANGER), (STRANGER, model)):
        status, out, err = call(
            capsys, "audit", first, folder, "--baseline", second, *told, *NARROW
        )
        assert status == 0, err
        plain = json.loads(out)
        assert plain["n"] == plain["baseline"]["n"] == held
    alone = json.loads(call(capsys, "audit", STRANGER, folder, *told, *NARROW)[1])
    assert alone["n"] == 120


def test_a_split_of_the_user_is_kept(run, tmp_path, capsys) -> None:
    model, _ = run
    root = tmp_path / "set"
    made(root / "train", 10, seed=3)
    made(root / "test", 7, seed=4)
    assert n_of(capsys, model, root)[0] == 14
    assert n_of(capsys, model, f"{root}:all")[0] == 34
    val, train = n_of(capsys, model, f"{root}:val")[0], n_of(capsys, model, f"{root}:train")[0]
    assert val + train == 20
    only = tmp_path / "only"
    made(only / "train", 10, seed=3)
    assert n_of(capsys, model, only)[0] == 20  # nothing is held out, and nothing is split


def test_the_sheet_of_a_split_speaks_of_it_alone(tmp_path, capsys) -> None:
    root = tmp_path / "set"
    made(root / "train", 10, seed=3)
    made(root / "test", 7, seed=4)
    (root / "test" / "a" / "bad.png").write_text("no image")
    (root / "train" / "a" / "worse.png").write_text("no image either")
    for part, n, bad in (("test", 14, "test/a/bad.png"), ("train", 20, "train/a/worse.png")):
        plain = json.loads(call(capsys, "data", f"{root}:{part}", "--json")[1])
        assert plain["n"] == {part: n}
        assert [f["path"] for f in plain["faults"]] == [bad]
        assert "There is no train" not in " ".join(plain["remarks"])
        assert call(capsys, "data", f"{root}:{part}")[0] == 0
    assert json.loads(call(capsys, "data", root, "--json")[1])["n"]["test"] == 14
    plain = json.loads(call(capsys, "data", f"{root}:all", "--json")[1])
    assert sum(plain["n"].values()) == 34
    bare = made(tmp_path / "bare", 30)
    plain = json.loads(call(capsys, "data", f"{bare}:test", "--json")[1])
    whole = json.loads(call(capsys, "data", bare, "--json")[1])
    assert plain["n"] == {"test": whole["n"]["test"]}
    status, _, err = call(capsys, "data", f"{bare / 'a'}:val")
    assert status in (0, 2), err
    plain = json.loads(call(capsys, "data", "digits:val", "--json")[1])
    assert (plain["n"], plain["counts"]["val"]["7"]) == ({"val": 500}, 50)


def test_the_sheet_of_a_split_of_arrays(tmp_path, capsys) -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 12, 12), np.uint8)
    y = np.arange(60) % 3
    np.savez(tmp_path / "own.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    np.savez(tmp_path / "bare.npz", x=x, y=y)
    plain = json.loads(call(capsys, "data", f"{tmp_path / 'own.npz'}:test", "--json")[1])
    assert plain["n"] == {"test": 20}
    whole = json.loads(call(capsys, "data", tmp_path / "bare.npz", "--json")[1])
    plain = json.loads(call(capsys, "data", f"{tmp_path / 'bare.npz'}:test", "--json")[1])
    assert plain["n"] == {"test": whole["n"]["test"]}
    plain = json.loads(call(capsys, "data", f"{tmp_path / 'own.npz'}:val", "--json")[1])
    assert 0 < plain["n"]["val"] < 20
