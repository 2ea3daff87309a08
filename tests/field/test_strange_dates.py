"""Files dated before 1970, in the future and after 2262 are data like any other."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from neocog.data import build
from neocog.data.open import open_data


@pytest.mark.parametrize("date", [0, -5_000_000_000, 4_000_000_000, 9_300_000_000, 15_000_000_000])
def test_the_date_of_a_file_is_no_matter(date, tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "_SETTLED", 0)  # no waiting for two seconds
    root = tmp_path / "set"
    for i in range(12):
        path = root / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        x = np.random.default_rng(i).integers(0, 256, (20, 20), np.uint8)
        Image.fromarray(x).save(path)
        try:
            os.utime(path, (date, date))
        except OSError:
            pytest.skip("no such dates on this disk")
    first = open_data(root)
    assert sum(map(len, first.splits.values())) == 12
    with monkeypatch.context() as m:
        m.setattr(build, "inspect", None)  # a second start lists, and reads nothing
        assert open_data(root).fingerprint == first.fingerprint
    path = root / "a" / "0.png"
    Image.new("L", (20, 20), 9).save(path)
    os.utime(path, (date, date))
    assert open_data(root).fingerprint != first.fingerprint
    arrays = tmp_path / "set.npz"
    np.savez(arrays, x=np.zeros((9, 8, 8), np.uint8), y=np.arange(9) % 2)
    os.utime(arrays, (date, date))
    assert open_data(arrays).classes == ("0", "1")
