"""What stands where an image or data should stand: nothing waits, nothing is a traceback."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from tests.field.images_by_hand import encoded, smooth

from neocog.data import formats
from neocog.data.flight import BYTES_IN_FLIGHT, Flight
from neocog.data.formats import read_file
from neocog.data.open import open_data
from neocog.errors import DataError, UsageError

KINDS = ["pipe", "socket", "folder", "dangling", "cycle", "null byte", "long", "device", "no text"]


@pytest.fixture(params=KINDS)
def odd(request, tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    path = Path("x.jpg")
    match request.param:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as s:
                s.bind("x.jpg")
        case "folder":
            path.mkdir()
        case "dangling":
            path.symlink_to("gone")
        case "cycle":
            path.symlink_to("y.jpg")
            Path("y.jpg").symlink_to("x.jpg")
        case "null byte":
            return "a\0b.jpg"
        case "long":
            return "x" * 5000
        case "device":
            return "/dev/zero"
        case "no text":
            return "\udcff.jpg"
    return "x.jpg"


def test_it_is_refused_at_once_in_one_sentence(odd):
    start = time.perf_counter()
    for read in (read_file, open_data):
        with pytest.raises(DataError) as caught:
            read(odd)
        assert "\n" not in str(caught.value)
    assert time.perf_counter() - start < 60  # a pipe is waited for without end


def test_what_is_no_image_is_not_read(tmp_path, monkeypatch):
    """A gigabyte of nothing costs its first bytes."""
    with (tmp_path / "empty.jpg").open("wb") as file:
        file.truncate(1 << 30)
    start = time.process_time()
    with pytest.raises(DataError, match="not an image"):
        read_file(tmp_path / "empty.jpg")
    assert time.process_time() - start < 0.5
    monkeypatch.setattr(formats, "BYTES_LIMIT", 1000)
    (tmp_path / "a.png").write_bytes(encoded(smooth(0, 99, 99)))
    with pytest.raises(DataError, match=r"too large: .* bytes, at most 1,000 are read"):
        read_file(tmp_path / "a.png")


def test_a_file_is_read_whole(tmp_path):
    for side in (8, 40, 300):
        data = encoded(smooth(0, side, side))
        (tmp_path / "a.png").write_bytes(data)
        assert read_file(tmp_path / "a.png") == data


def test_files_in_a_folder_are_held_within_bounds(tmp_path, monkeypatch):
    from neocog.data import flight as module

    asked = []

    class Counted(Flight):
        def room(self, n):
            asked.append(n)
            return super().room(n)

    monkeypatch.setattr(module, "_FILES", Counted(BYTES_IN_FLIGHT))
    for name in "ab":
        (tmp_path / name).mkdir()
        for k in range(12):
            image = smooth(k + 50 * (name == "b"), 30, 30)
            (tmp_path / name / f"{k}.png").write_bytes(encoded(image))
    open_data(tmp_path)
    sizes = [p.stat().st_size for p in tmp_path.rglob("*.png")]
    assert sorted(set(asked)) == sorted(set(sizes))


@pytest.mark.parametrize("name", ["", " ", ":test"])
def test_an_empty_name_is_not_the_current_folder(name, tmp_path, monkeypatch):
    for folder in ("cat", "dog"):
        (tmp_path / folder).mkdir()
        for i in range(3):
            (tmp_path / folder / f"{i}.png").write_bytes(encoded(smooth(i), "PNG"))
    monkeypatch.chdir(tmp_path)
    assert open_data(".").classes == ("cat", "dog")
    from neocog.verbs.data import data

    with pytest.raises(UsageError, match="got an empty name"):
        data(name)
