from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neocog.runs.events import Decoded, Epoch, Finished, Started
from neocog.verbs.train import train

QUICK = {
    "data.size": (24, 24),
    "data.channels": 1,
    "model.name": "dense",
    "model.hidden": [4],
    "train.epochs": 2.0,
    "machine.device": "cpu",
}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        for i in range(24):
            pixels = random.integers(0, 128, (24, 24)) + 127 * (name == "b")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    return tmp_path / "images"


def test_a_training_in_python_shows_what_the_command_shows(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(images, settings=QUICK, out=tmp_path / "run")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith(f"data     {images}: ")
    assert [line for line in err.splitlines() if line.startswith("epoch   2  loss ")]


def test_a_training_that_is_asked_to_be_quiet_is(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(images, settings=QUICK, out=tmp_path / "run", progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_function_is_called_with_every_event(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events: list[Any] = []
    train(images, settings=QUICK, out=tmp_path / "run", progress=events.append)
    assert capsys.readouterr() == ("", "")
    last = [e for e in events if isinstance(e, Decoded)][-1]
    assert last.done == last.total >= 48
    kinds = [type(e) for e in events]
    assert [kinds.count(k) for k in (Started, Epoch, Finished)] == [1, 2, 1]
