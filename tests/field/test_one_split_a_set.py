"""One split a set and seed, whatever the size, the channels, the resize mode or the listing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neocog.data.open import Source, open_data


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


def _photo(seed: int, height: int, width: int) -> Image.Image:
    """Smooth random color, so that copies of another size look alike and others do not."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def _make(root: Path, n: int = 120) -> Path:
    for i in range(n):
        path = root / ("cat", "dog")[i % 2] / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        _photo(i, 60 + i % 13, 80 - i % 11).save(path)
    return root


def _sides(source: Source) -> dict[int, str]:
    """By content."""
    return {
        int(i): name
        for name, split in source.splits.items()
        for i in (split.ids if split.ids is not None else ())
    }


def test_no_size_channel_or_resize_mode_moves_an_image(tmp_path):
    root = _make(tmp_path / "set")
    _photo(4, 64, 76).resize((200, 150)).save(root / "dog" / "again.jpg", quality=90)
    plain = _sides(open_data(root))
    assert len(plain) == 121
    for options in (
        {"size": (24, 24)},
        {"size": (40, 96), "resize_mode": "stretch"},
        {"size": (64, 64), "channels": 1, "resize_mode": "pad"},
        {"size": (8, 8), "channels": 1},
    ):
        assert _sides(open_data(root, **options)) == plain
    assert _sides(open_data(root, seed=1)) != plain


def test_flowers_at_64_and_at_80_pixels(shared):
    place = shared / "data" / "flowers5"
    small, large = (open_data(place, size=(n, n)) for n in (64, 80))
    assert _sides(small) == _sides(large)
    for name, split in small.splits.items():
        assert split.names[:] == large.splits[name].names[:]
    n = {name: len(split) for name, split in small.splits.items()}
    assert sum(n.values()) == 4317
    assert abs(n["test"] - 863) < 90  # 20 percent, by coins: three standard deviations are 79


def test_images_that_are_added_removed_or_renamed_move_no_other(tmp_path):
    root = _make(tmp_path / "set")
    before = _sides(open_data(root, size=(16, 16)))
    for i in range(500, 510):
        _photo(i, 60, 60).save(root / "cat" / f"a{i}.png")
    (root / "bird").mkdir()
    for i in range(600, 612):
        _photo(i, 60, 60).save(root / "bird" / f"{i}.jpg")
    more = _sides(open_data(root, size=(16, 16)))
    assert {i: s for i, s in more.items() if i in before} == before
    assert len(more) == len(before) + 22
    for i in range(0, 40, 2):
        (root / "cat" / f"{i:03}.png").unlink()
    (root / "dog").rename(root / "wolf")
    for path in sorted((root / "wolf").iterdir())[::3]:
        path.rename(path.with_name(f"z{path.name}"))
    less = _sides(open_data(root, size=(16, 16)))
    assert less.items() <= more.items()


def test_a_copied_set_elsewhere_is_split_alike(tmp_path):
    root = _make(tmp_path / "set", 60)
    shutil.copytree(root, tmp_path / "other")
    for path in sorted((tmp_path / "other").rglob("*.png")):
        os.utime(path, (1e9, 1e9))
    assert _sides(open_data(root)) == _sides(open_data(tmp_path / "other", size=(20, 20)))


def test_arrays_are_split_by_their_rows(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (150, 40, 40, 3), np.uint8), rng.integers(0, 3, 150)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    order = rng.permutation(150)
    np.savez(tmp_path / "b.npz", x=x[order][:140], y=y[order][:140])
    one = _sides(open_data(tmp_path / "a.npz"))
    other = _sides(open_data(tmp_path / "b.npz", size=(16, 16), channels=1))
    assert len(one) == 150
    assert other.items() <= one.items()


def test_near_copies_stay_together_at_every_size(tmp_path):
    root = _make(tmp_path / "set", 60)
    for i in range(0, 60, 4):
        copy = _photo(i, 60 + i % 13, 80 - i % 11).resize((160, 120), Image.Resampling.BICUBIC)
        copy.save(root / "cat" / f"again{i}.jpg", quality=80)
    for size in ((16, 16), (48, 48), (90, 90)):
        source = open_data(root, size=size)
        near = [c for c in source.sheet.duplicates if c.kind == "near"]
        assert len(near) == 15
        assert not any(c.across for c in source.sheet.duplicates)
