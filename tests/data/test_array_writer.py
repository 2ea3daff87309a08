"""A cache that is deleted or trimmed at any moment costs time, and never a set or an error."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neocog.data.array_writer import ArrayWriter
from neocog.data.cache import Cache
from neocog.data.open import Source, open_data


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=["folder", "arrays"])
def place(request, tmp_path) -> Path:
    x = np.random.default_rng(0).integers(0, 256, (30, 20, 20, 3), np.uint8)
    if request.param == "arrays":
        np.savez(tmp_path / "set.npz", x=x, y=np.arange(30) % 3)
        return tmp_path / "set.npz"
    for i, one in enumerate(x):
        path = tmp_path / "set" / "abc"[i % 3] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(path)
    return tmp_path / "set"


def _content(source: Source) -> dict[str, tuple[bytes, list[int]]]:
    return {n: (s.x.tobytes(), s.y.tolist()) for n, s in source.splits.items()}


@pytest.mark.parametrize("when", range(14))
@pytest.mark.parametrize("always", [False, True])
def test_deleted_before_any_array_is_written(when, always, place, cache, monkeypatch):
    whole = _content(open_data(place))
    shutil.rmtree(cache)
    real, count = ArrayWriter.write, iter(range(1000))

    def write(self, *a, **k):
        at = next(count)
        if at == when or (always and at > when):
            shutil.rmtree(cache, ignore_errors=True)
        return real(self, *a, **k)

    monkeypatch.setattr(ArrayWriter, "write", write)
    assert _content(open_data(place)) == whole


@pytest.mark.parametrize("name", ["_publish", "_trim", "_work", "load", "remember"])
@pytest.mark.parametrize("after", [False, True])
def test_deleted_at_any_step_of_the_cache(name, after, place, cache, monkeypatch):
    whole = _content(open_data(place))
    shutil.rmtree(cache)
    real = getattr(Cache, name)

    def step(*a, **k):
        if not after:
            shutil.rmtree(cache, ignore_errors=True)
        out = real(*a, **k)
        if after:
            shutil.rmtree(cache, ignore_errors=True)
        return out

    monkeypatch.setattr(Cache, name, step)
    opened = [open_data(place) for _ in range(2)]
    assert [_content(s) for s in opened] == [whole, whole]


def test_a_limit_of_nothing_leaves_every_set_usable(place, cache, monkeypatch):
    whole = _content(open_data(place))
    monkeypatch.setenv("NEOCOG_CACHE_LIMIT", "0")
    sizes = [open_data(place, size=(n, n)) for n in (8, 12, 16)]
    assert [s.sheet.size[0] for s in sizes] == [8, 12, 16]
    assert len(list((cache / "sets").iterdir())) <= 2
    assert _content(open_data(place)) == whole


def test_deleted_again_and_again_while_it_is_used(place, cache):
    whole, done = _content(open_data(place)), threading.Event()

    def delete() -> None:
        while not done.wait(0.002):
            shutil.rmtree(cache, ignore_errors=True)

    thread = threading.Thread(target=delete)
    thread.start()
    try:
        found = [_content(open_data(place)) for _ in range(15)]
    finally:
        done.set()
        thread.join()
    assert all(f == whole for f in found)
