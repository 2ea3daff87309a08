"""A disk that is full or may not be written: a small file system in memory, which needs root."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.faults.processes import SETTINGS

from neocog.cli.main import main
from neocog.errors import RunError
from neocog.runs.events import Epoch, Event
from neocog.runs.folder import RunFolder
from neocog.runs.load import load
from neocog.verbs.train import resume, train

DENSE = {**SETTINGS, "model.name": "dense", "model.hidden": [64], "train.epochs": 3.0}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of ten megabytes, or skip."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> None:
    """Take all space that is left."""
    file = disk / "ballast"
    try:
        with file.open("wb", buffering=0) as f:
            while f.write(bytes(4096)) == 4096:
                pass
    except OSError:
        return


def _words(settings: dict[str, Any]) -> list[str]:
    return [w for k, v in settings.items() for w in ("--set", f"{k}={v}")]


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return int(left.value.code or 0)


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(
    images: Path, small_disk: Path, tmp_path: Path
) -> None:
    def fill_up(event: Event) -> None:
        if isinstance(event, Epoch) and event.row["epoch"] == 2:
            fill(small_disk)

    run = small_disk / "run"
    with pytest.raises(RunError, match=r"must be writable, and is not: No space left on device"):
        train(images, settings=DENSE, out=run, progress=fill_up)
    kept = RunFolder.open(run).checkpoint()
    assert kept is not None
    assert kept[1]["rows"][-1]["epoch"] == 2
    assert load(run).spec.classes == ("across", "down")
    assert not list(run.rglob(".*.part"))
    (small_disk / "ballast").unlink()
    resume(run)
    train(images, settings=DENSE, out=tmp_path / "whole")
    a, b = RunFolder(run).weights(), RunFolder(tmp_path / "whole").weights()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_full_disk_is_said_in_one_sentence(
    images: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(small_disk)
    run = small_disk / "run"
    assert _run("train", str(images), "--out", str(run), *_words(DENSE)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith(f"neocog: `{run}")
    assert "No space left on device" in err
    assert "Traceback" not in err


def test_a_full_cache_is_said_in_one_sentence(
    images: Path,
    small_disk: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(small_disk / "cache"))
    # 64 color images of 256 x 256 pixels are 12 megabytes: more than there is.
    wide = [*_words(DENSE), "--size", "256", "--set", "data.channels=3"]
    status = _run("train", str(images), "--out", str(tmp_path / "run"), *wide)
    out, err = capsys.readouterr()
    assert status == 2, err
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "the disk is full" in err
    assert "NEOCOG_CACHE" in err
    # What could not be finished is gone, and a smaller size fits.
    status = _run("data", str(images), "--json")
    out, err = capsys.readouterr()
    assert status == 0, err
    assert json.loads(out)["n"]["train"] > 0


def test_a_folder_that_may_not_be_written(
    images: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = small_disk / "run"
    train(images, settings=DENSE | {"train.epochs": 1.0}, out=run)
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for words in (["train", str(images), "--out", str(small_disk / "new"), *_words(DENSE)],
                  ["train", str(images), "--out", str(run), "--overwrite", *_words(DENSE)],
                  ["train", "--resume", str(run)]):  # fmt: skip
        assert _run(*words) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert "Read-only file system" in err.splitlines()[-1]
        assert "Traceback" not in err
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    assert load(run).spec.classes == ("across", "down")


def test_a_file_in_the_place_of_the_folder(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for out in (tmp_path / "thesis.txt", tmp_path / "thesis.txt" / "run"):
        assert _run("train", str(images), "--out", str(out)) == 2
        assert "`--out` names a folder to write into" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_cache_that_may_not_be_written_is_only_slower(
    images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "cache").write_text("a file in its place")
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    with pytest.warns(UserWarning, match="stay in memory and are decoded again next time"):
        train(images, settings=DENSE | {"train.epochs": 1.0}, out=tmp_path / "run")
    assert load(tmp_path / "run").spec.classes == ("across", "down")
