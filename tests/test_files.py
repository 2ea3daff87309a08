"""A file that somebody sends may be no file at all, or have no end; and its values any kind."""

from __future__ import annotations

import os
import socket
import time

import pytest

from neocog import files
from neocog.errors import DataError, ModelError, UsageError


@pytest.fixture(params=["pipe", "socket", "folder", "nothing", "dangling", "cycle", "null", "long"])
def no_file(request, tmp_path):
    path = tmp_path / "x"
    match request.param:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            here = os.open(tmp_path, os.O_RDONLY)  # names of sockets are short
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(f"/proc/self/fd/{here}/x")
            os.close(here)
        case "folder":
            path.mkdir()
        case "dangling":
            path.symlink_to(tmp_path / "gone")
        case "cycle":
            path.symlink_to(path)
        case "null":
            return "a\0b"
        case "long":
            return "x" * 5000
    return path


def test_what_is_no_file_is_refused_at_once(no_file):
    began = time.monotonic()
    for read in (files.regular, lambda p, **k: files.read_text(p, limit=9, **k)):
        with pytest.raises(UsageError, match=r"A recipe is a regular file; .* Check the path\."):
            read(no_file, what="A recipe", error=UsageError)
    assert time.monotonic() - began < 60  # opening a pipe waits for a writer for ever


def test_a_device_is_no_file():
    with pytest.raises(DataError, match="`/dev/zero` is a device"):
        files.read_bytes("/dev/zero", limit=10)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "x")
    monkeypatch.setattr(files, "regular", lambda *a, **k: None)
    with pytest.raises(DataError, match="is a named pipe"):
        files.read_bytes(tmp_path / "x", limit=10)


@pytest.mark.parametrize("size", [0, 9, 10, 11, 10**10])
def test_a_file_has_a_limit(tmp_path, size):
    path = tmp_path / "x"
    with path.open("wb") as f:
        f.truncate(size)
    if size <= 10:
        assert files.read_bytes(path, limit=10) == bytes(size)
    else:
        with pytest.raises(DataError, match="10 bytes at most"):
            files.read_bytes(path, limit=10)


def test_a_file_that_has_more_than_it_says_is_bounded():
    with pytest.raises(DataError, match="has more"):  # its size is given as 0
        files.read_bytes("/proc/self/maps", limit=10)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        "[Infinity]",
        "[-Infinity]",
        "1e999",
        "1" * 41,
        "1" * 5000,
        "-" + "9" * 5000,
        '{"a": 1, "a": 2}',
        "[" * 33 + "]" * 33,
        "[" * 10**6,
        '{"a":' * 10**5,
        b"\xff",
    ],
)
def test_json_that_is_none(text):
    with pytest.raises(ModelError, match="must be JSON") as e:
        files.parse_json(text, source="`x.json`", error=ModelError)
    assert len(str(e.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        "=",
        "a = nan",
        "a = -inf",
        "a = 1e999",
        "a = " + "1" * 41,
        "a = [" + "1" * 4000 + "]",
        "a = " + "1" * 5000,
        "a = 1\na = 2",
        "a = " + "[" * 33 + "]" * 33,
        "a = " + "[" * 10**6,
        "a = " + "{b=" * 10**5,
        "a." * 33 + "a = 1",
        "a." * 10**5 + "a = 1",
        "'a' . " * 10**5 + "a = 1",
        "[" + "a." * 10**5 + "a]",
    ],
)
def test_toml_that_is_none(text):
    began = time.process_time()
    with pytest.raises(UsageError, match="must be a TOML file") as e:
        files.parse_toml(text, source="`x.toml`", error=UsageError)
    assert len(str(e.value)) < 300
    assert time.process_time() - began < 5  # a key of 100,000 parts takes minutes when it is taken


def test_brackets_dots_and_digits_in_texts_are_only_letters():
    many = "[{a.b." * 100 + "1" * 100
    assert files.parse_json(f'["{many}", "\\"{many}"]', source="") == [many, '"' + many]
    many = many.replace(".", ",")  # dots of a text are not told from those of a key
    found = files.parse_toml(f'# {many}\na = \'{many}\'\nb = """\n{many}"""', source="")
    assert found == {"a": many, "b": many}
    assert files.parse_json("[1.5, 1e300, -7]", source="") == [1.5, 1e300, -7]


def test_a_byte_order_mark_is_no_letter(tmp_path):
    (tmp_path / "x").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert files.read_json(tmp_path / "x", limit=99) == {"a": 1}
