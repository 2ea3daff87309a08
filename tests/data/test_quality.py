"""The sheet: complete, JSON there and back, exhibits that hold what they claim."""

from __future__ import annotations

import json

import pytest

from neocog.data.gallery import gallery
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


def test_gallery_shows_classes_and_copies(folder):
    root = folder(each=12)
    data = (root / "cat" / "000.png").read_bytes()
    (root / "dog" / "copy.png").write_bytes(data)
    source = open_data(root)
    section = gallery(source.splits, source.sheet)
    some, copies = section.exhibits
    assert some.captions == ["cat"] * 6 + ["dog"] * 6
    side = next(s for s, p in source.splits.items() if "dog/copy.png" in p.names[:])
    assert copies.captions == [f"✗ cat\nexact, {side}", f"✗ dog\nexact, {side}"]
    assert copies.together == 2
    assert (copies.images[0] == copies.images[1]).all()


def test_digits_are_the_thousand_times_five(shared):
    """Every built-in digit is one of MNIST's training images, with MNIST's label."""
    import gzip

    import numpy as np

    with gzip.open(shared / "data" / "mnist" / "train-images-idx3-ubyte.gz") as file:
        x = np.frombuffer(file.read()[16:], np.uint8).reshape(60000, 784)
    with gzip.open(shared / "data" / "mnist" / "train-labels-idx1-ubyte.gz") as file:
        y = np.frombuffer(file.read()[8:], np.uint8)
    known = {a.tobytes(): int(b) for a, b in zip(x, y, strict=True)}
    source = open_data("digits")
    for split in source.splits.values():
        for a, b in zip(split.x, split.y, strict=True):
            assert known[a.tobytes()] == b


def test_digits_split_is_fixed_balanced_and_without_copies():
    import numpy as np

    source = open_data("digits")
    assert {s: len(p) for s, p in source.splits.items()} == {
        "train": 3500,
        "val": 500,
        "test": 1000,
    }
    for split in source.splits.values():
        assert np.unique(np.bincount(split.y)).tolist() == [len(split) // 10]
    x = np.concatenate([p.x for p in source.splits.values()]).reshape(5000, -1)
    assert len(np.unique(x, axis=0)) == 5000
    assert source.splits["test"].names[0] == "digits[695]"
    assert open_data("digits", seed=5).fingerprint == source.fingerprint


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (0, 3)}, r"`size` is \(height, width\) in pixels"),
        ({"channels": 4}, r"`channels` is 1 .* got 4"),
        ({"resize_mode": "strech"}, "Did you mean `stretch`"),
        ({"seed": -1}, "`seed` is an integer from zero; got -1"),
    ],
)
def test_wishes_that_cannot_be_met(options, message):
    with pytest.raises(UsageError, match=message):
        open_data("digits", **options)
