"""What a fix learns from, chooses on and is measured on, for every layout of data."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neocog.errors import DataError, UsageError
from neocog.models.model import Model
from neocog.runs.fix_data import FixData, fix_data
from neocog.runs.load import load


@pytest.fixture(scope="module")
def model() -> Model:
    with pytest.warns(UserWarning, match="No weights were given"):
        return load("tests.verbs.strangers:hub", size=(3, 32, 32), mean=(0.5,), std=(0.5,))


def kept(folder: Path, **sizes: int) -> Path:
    """An .npz file with splits of some sizes, no image twice."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, n in sizes.items():
        arrays[f"x_{name}"] = rng.integers(0, 255, (n, 32, 32, 3)).astype(np.uint8)
        arrays[f"y_{name}"] = np.arange(n) % 3
    file = folder / "data.npz"
    np.savez(file, **arrays)
    return file


def share_nothing(parts: FixData) -> None:
    rows = [{x.tobytes() for x in split.x} for split in (parts.train, parts.val, parts.test)]
    assert all(rows)
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]


@pytest.mark.parametrize(
    ("sizes", "name", "measured"),
    [
        ({"train": 200, "val": 40, "test": 60}, "", 60),
        ({"train": 200, "val": 40, "test": 60}, ":test", 60),
        ({"train": 200, "val": 40, "test": 60}, ":val", 40),
        ({"train": 200, "test": 60}, "", 60),
        ({"train": 200, "val": 40}, "", 40),
        ({"train": 200, "val": 40, "test": 60}, ":train", 200),
    ],
)
def test_no_sample_is_in_two_parts(
    model: Model, tmp_path: Path, sizes: dict[str, int], name: str, measured: int
) -> None:
    place = f"{kept(tmp_path, **sizes)}{name}"
    parts = fix_data(model, place, learns=name != ":train")
    share_nothing(parts)
    assert len(parts.test) == measured
    assert parts.seen is None
    if name == ":train":
        with pytest.raises(UsageError, match=r"names the training samples"):
            fix_data(model, place, learns=True)


def test_all_of_the_data_is_cut_anew(model: Model, tmp_path: Path) -> None:
    place = f"{kept(tmp_path, train=30, test=30)}:all"
    parts = fix_data(model, place, learns=True)
    share_nothing(parts)
    assert len(parts.train) + len(parts.val) + len(parts.test) == 60
    assert 5 <= len(parts.test) <= 26  # a quarter by coins, within three deviations


def test_a_test_alone_is_halved_and_that_is_said(model: Model, tmp_path: Path) -> None:
    parts = fix_data(model, str(kept(tmp_path, test=200)), learns=False)
    share_nothing(parts)
    assert 60 < len(parts.test) < 140
    assert len(parts.val) > 2
    assert any("The data has no other samples" in note for note in parts.notes)


def test_images_without_labels_get_those_that_the_model_gives(model: Model, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 255, (40, 32, 3)).astype(np.uint8)).save(
            tmp_path / f"{i}.png"
        )
    (tmp_path / ".hidden").mkdir()
    parts = fix_data(model, str(tmp_path), learns=True)
    share_nothing(parts)
    assert not parts.labeled
    assert len(parts.train) + len(parts.val) + len(parts.test) == 12
    assert set(parts.train.y.tolist()) <= {0, 1, 2}
    for i in range(3, 12):
        (tmp_path / f"{i}.png").unlink()
    with pytest.raises(DataError, match=r"needs at least 4 images; .* has 3"):
        fix_data(model, str(tmp_path), learns=True)
