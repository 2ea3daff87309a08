"""The sheet: complete, JSON there and back, exhibits that hold what they claim."""

from __future__ import annotations

import json

import pytest

from neocog.data.open import open_data, parse_source
from neocog.data.quality import Copies, Fault, Note, Sheet
from neocog.errors import DataError, UsageError
from neocog.exhibits import Table


def _sheet() -> Sheet:
    return Sheet(
        kind="folder",
        classes=("cat", "dog\n"),
        counts={"train": (6, 3), "val": (1, 0), "test": (1, 1)},
        size=(32, 48),
        channels=3,
        bits=8,
        found_sizes=((40, 60, 11), (20, 30, 1)),
        size_range=((20, 30), (40, 60)),
        faults=tuple(Fault(f"cat/{i}\udce9.png", "empty") for i in range(60)),
        notes=(Note("several frames; the first is used", ("cat/a.gif",)),),
        duplicates=(
            Copies("near", ("a", "b"), ("train", "train"), ("cat", "cat")),
            Copies("exact", ("c", "d"), ("train", "test"), ("cat", "dog\n")),
        ),
        remarks=("A remark.",),
    )


def test_json_there_and_back():
    sheet = _sheet()
    plain = json.loads(json.dumps(sheet.to_json()))
    assert Sheet.from_json(plain) == sheet
    assert plain["n"] == {"train": 9, "val": 1, "test": 2}
    assert plain["balance"] == 0.5
    assert plain["duplicates_across_splits"] == 1
    assert [c["names"] for c in plain["conflicts"]] == [["c", "d"]]


def test_exhibits_show_all_of_it():
    sections = _sheet().exhibits()
    assert [s.title for s in sections] == ["Data", "Duplicates", "Files that need a look"]
    tables = [e for s in sections for e in s.exhibits if isinstance(e, Table)]
    assert tables[0].rows[-1] == ["all", 9, 1, 2, 12]
    assert tables[0].rows[1][0] == r"dog\n"
    assert tables[2].rows[0][0] == "exact"  # conflicts first
    assert len(tables[3].rows) == 50
    assert "of 60" in tables[3].note
    assert tables[3].rows[0][0] == r"cat/0\xe9.png"
    assert "A remark." in sections[0].text
    assert [s.to_json()["title"] for s in sections]


def test_places(tmp_path, monkeypatch):
    assert parse_source("digits:val") == ("digits", "val")
    assert parse_source("a/b") == ("a/b", None)
    assert parse_source("a:other") == ("a:other", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd:test").mkdir()
    assert parse_source("odd:test") == ("odd:test", None)


def test_places_that_are_not_there(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match=r"imagse does not exist. Did you mean `images`"):
        open_data(tmp_path / "imagse")
    with pytest.raises(DataError, match=r"digit does not exist\. .*Or do you mean `digits`"):
        open_data("digit")
    with pytest.raises(UsageError, match="Data is read from this machine"):
        open_data("https://example.org/data")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(DataError, match=r"DATA is `digits`, a folder, an .npz, .npy or HDF5 file"):
        open_data(tmp_path / "a.txt")
