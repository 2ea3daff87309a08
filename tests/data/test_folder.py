"""Class folders, kind ones and nasty ones: everything is named and handled, the rest is loaded."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neocog.data.folder import scan
from neocog.data.image_decode import decode
from neocog.data.open import open_data
from neocog.errors import DataError


def _bomb(side: int = 30_000) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + body
        + struct.pack(">I", zlib.crc32(body))
        + b"\0\0\1\0IDAT"
    )


@pytest.fixture
def nasty(folder, image, encode) -> Path:
    """A folder with one of every fault."""
    root = folder(("cat", "dog"), 12)
    cat, dog = root / "cat", root / "dog"
    good = encode(image(77), "JPEG")
    (cat / "truncated.jpg").write_bytes(good[: len(good) - 60])
    (cat / "zero.png").write_bytes(b"")
    (cat / "really_a_jpeg.png").write_bytes(good)
    (cat / "speck.png").write_bytes(encode(Image.new("RGB", (1, 1))))
    (cat / "bomb.png").write_bytes(_bomb())
    (cat / "notes.txt").write_text("cats are nice\n" * 10)
    (cat / "float.tiff").write_bytes(
        encode(Image.fromarray(np.full((9, 9), 2, np.float32)), "TIFF")
    )
    (dog / "cmyk.jpg").write_bytes(encode(image(78, mode="CMYK"), "JPEG"))
    (dog / "palette.png").write_bytes(encode(image(79, mode="P")))
    frames = [image(s, mode="P") for s in (80, 81)]
    moving = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    (dog / "moving.gif").write_bytes(moving)
    (dog / "two\nlines.png").write_bytes(encode(image(82)))
    (dog / "quote\"'.png").write_bytes(encode(image(83)))
    (dog / "<script>alert(1)<").mkdir()
    (dog / "<script>alert(1)<" / "script>.png").write_bytes(encode(image(84)))
    raw = os.fsencode(dog) + b"/caf\xe9.png"
    with open(raw, "wb") as file:
        file.write(encode(image(85)))
    (dog / "loop").symlink_to(dog)
    (dog / "up").symlink_to(root)
    (cat / "gone.png").symlink_to(root / "nowhere.png")
    os.mkfifo(cat / "pipe.png")
    (root / "empty").mkdir()
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._000.png"):
        (cat / name).write_bytes(b"x")
    (root / ".git").mkdir()
    return root


def test_every_fault_is_named_and_the_rest_is_loaded(nasty):
    source = open_data(nasty)
    faults = {f.path: f.reason for f in source.sheet.faults}
    assert {k: v.split(":")[0].split(" (")[0] for k, v in faults.items()} == {
        "cat/truncated.jpg": "damaged or truncated",
        "cat/zero.png": "empty",
        "cat/speck.png": "too small",
        "cat/bomb.png": "too large",
        "cat/notes.txt": "not an image",
        "cat/float.tiff": "floating-point pixels from 2 to 2 have no fixed white; "
        "save it with 8 or 16 bits, or scale it to [0, 1]",
        "cat/gone.png": "broken symbolic link",
        "cat/pipe.png": "not a regular file",
        "dog/loop": "folder left out",
        "dog/up": "folder left out",
        "empty": "empty",
    }
    assert sum(map(len, source.splits.values())) == 24 + 1 + 7
    names = {n for split in source.splits.values() for n in split.names}
    assert {"dog/two\nlines.png", "dog/quote\"'.png", "dog/<script>alert(1)</script>.png"} <= names
    assert any(os.fsencode(n) == b"dog/caf\xe9.png" for n in names)
    notes = {n.reason: n.paths for n in source.sheet.notes}
    assert notes["named as PNG, holds JPEG; read by its content"] == ("cat/really_a_jpeg.png",)
    assert notes["several frames; the first is used"] == ("dog/moving.gif",)
    assert source.classes == ("cat", "dog")
    assert not any(".DS_Store" in f or "Thumbs" in f or "desktop" in f for f in [*faults, *names])


def test_strict_stops_at_the_first_fault(nasty):
    with pytest.raises(
        DataError, match=r"Strict reading requires every file to be readable; .* and \d+ more"
    ):
        open_data(nasty, strict=True)
    open_data(nasty)
    with pytest.raises(DataError, match="Strict reading"):
        open_data(nasty, strict=True)


def test_strict_opens_a_clean_folder(folder):
    assert open_data(folder(), strict=True).sheet.faults == ()


def test_what_is_loaded_is_what_the_decoder_gives(folder):
    """Pixels come from the one decoder that prediction uses."""
    root = folder(kind="JPEG", size=(50, 70))
    source = open_data(root, size=(32, 32))
    for split in source.splits.values():
        for row, name in enumerate(split.names):
            data = (root / name).read_bytes()
            np.testing.assert_array_equal(split.x[row], decode(data, size=(32, 32), channels=3))
            assert name.startswith(source.classes[split.y[row]] + "/")


def test_a_damaged_file_among_many_leaves_no_gap(folder):
    root = folder(kind="JPEG", each=40)
    broken = sorted(root.glob("*/*"))[7::11]
    for path in broken:
        path.write_bytes(path.read_bytes()[:-200])
    source = open_data(root)
    assert {f.path for f in source.sheet.faults} == {f"{p.parent.name}/{p.name}" for p in broken}
    assert sum(map(len, source.splits.values())) == 80 - len(broken)
    for split in source.splits.values():
        for row, name in enumerate(split.names):
            np.testing.assert_array_equal(split.x[row], decode((root / name).read_bytes()))


def test_splits_that_are_there_are_kept(folder):
    root = folder(where="set/train", each=20)
    folder(where="set/valid", each=5, seed=100)
    folder(where="set/Test", each=4, seed=200)
    source = open_data(root.parent)
    counts = {s: len(p) for s, p in source.splits.items()}
    assert counts == {"train": 40, "val": 10, "test": 8}
    assert all(n.startswith("Test/") for n in source.splits["test"].names)


def test_val_is_cut_out_of_train(folder):
    root = folder(where="set/train", each=20)
    folder(where="set/test", each=4, seed=200)
    (root.parent / "readme").mkdir()
    source = open_data(root.parent)
    sizes = {s: len(p) for s, p in source.splits.items()}
    assert sizes["train"] + sizes["val"] == 40
    assert 1 <= sizes["val"] <= 12
    assert sizes["test"] == 8
    assert any("Split off train by content: val (about 10%)" in r for r in source.sheet.remarks)
    assert source.sheet.faults[0].reason == "folder left out: not train, val or test"


def test_a_test_folder_alone_can_be_evaluated(folder):
    root = folder(where="set/test", each=4)
    source = open_data(root.parent)
    assert {s: len(p) for s, p in source.splits.items()} == {"train": 0, "val": 0, "test": 8}
    assert any("no train" in r for r in source.sheet.remarks)


def test_a_class_may_be_called_train(folder):
    source = open_data(folder(("bus", "car", "train")))
    assert source.classes == ("bus", "car", "train")


def test_copies_stay_on_one_side_and_conflicts_are_named(folder):
    root = folder(each=30)
    for i in range(6):
        data = (root / "cat" / f"{i:03d}.png").read_bytes()
        (root / ("dog" if i < 2 else "cat") / f"copy{i}.png").write_bytes(data)
    for seed in range(3):
        sheet = open_data(root, seed=seed).sheet
        exact = [c for c in sheet.duplicates if c.kind == "exact"]
        assert len(exact) == 6
        assert not any(c.across for c in exact)
        assert len(sheet.conflicts) == 2
        assert any("2 images occur under different labels" in r for r in sheet.remarks)


def test_copies_across_given_splits_are_named(folder):
    root = folder(where="set/train", each=20)
    folder(where="set/test", each=3)
    sheet = open_data(root.parent).sheet
    assert sum(c.across for c in sheet.duplicates) == 6
    assert any("6 images lie in several splits" in r for r in sheet.remarks)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(40, 40)] * 2, (40, 40)),
        ([(100, 160)] * 2, (100, 160)),
        ([(8, 16)] * 2, (24, 48)),
        ([(161, 161)] * 2, (128, 128)),
        ([(300, 200), (200, 300)], (128, 128)),
        ([(50, 60), (54, 52)], (51, 51)),
        ([(10, 12), (12, 10)], (24, 24)),
    ],
)
def test_size_where_none_is_asked_for(sizes, expected, folder):
    for number, size in enumerate(sizes):
        root = folder((f"class{number}",), 3, size=size, seed=50 * number)
    assert open_data(root).sheet.size == expected


def test_gray_if_every_image_is_gray(folder, image, encode):
    root = folder(mode="L")
    assert open_data(root).sheet.channels == 1
    (root / "cat" / "color.png").write_bytes(encode(image(5)))
    assert open_data(root).sheet.channels == 3
    assert open_data(root, channels=1).sheet.channels == 1


def test_one_deep_image_makes_a_deep_set(folder, encode):
    """8-bit values are widened exactly: v / 255 = 257 v / 65535."""
    root = folder(mode="L")
    before = open_data(root)
    deep = np.full((40, 40), 1000, np.uint16)
    (root / "cat" / "deep.png").write_bytes(encode(Image.fromarray(deep)))
    source = open_data(root)
    assert source.sheet.bits == 16
    assert before.sheet.bits == 8
    assert source.sheet.notes[0].paths == ("cat/deep.png",)
    assert source.sheet.notes[0].reason.startswith("16 bits")
    for split in source.splits.values():
        for row, name in enumerate(split.names):
            x = decode((root / name).read_bytes())
            wide = x if x.dtype == np.uint16 else x.astype(np.uint16) * 257
            np.testing.assert_array_equal(split.x[row], wide)


def test_classes_without_a_image_are_left_out(folder):
    """The numbers of the others close up, and stay with their names."""
    root = folder(("ant", "bee", "cat", "dog"))
    for path in (root / "bee").iterdir():
        path.write_bytes(b"no image")
    source = open_data(root)
    assert source.classes == ("ant", "cat", "dog")
    for split in source.splits.values():
        assert [source.classes[k] for k in split.y] == [n.split("/")[0] for n in split.names]
    assert source.sheet.faults[-1].path == "bee"
    assert "none of its 10 files can be used" in source.sheet.faults[-1].reason


def test_one_class_opens_and_says_so(folder):
    sheet = open_data(folder(("cat",))).sheet
    assert any("of one class" in r for r in sheet.remarks)


def test_few_samples_are_remarked_on(folder):
    assert any("2 classes have fewer than 10" in r for r in open_data(folder(each=3)).sheet.remarks)


def test_nothing_usable_is_an_error(folder, tmp_path):
    root = folder(each=2)
    for path in root.glob("*/*"):
        path.write_bytes(b"")
    with pytest.raises(
        DataError, match=r"none in .* can be used\. The first of 4: cat/000.png, empty"
    ):
        open_data(root)
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match=r"A data folder holds images, .* holds neither"):
        open_data(tmp_path / "bare")
    for name in ("images", "masks"):
        (tmp_path / "seg" / name).mkdir(parents=True)
    with pytest.raises(DataError, match="a set for segmentation"):
        open_data(tmp_path / "seg")


def test_a_folder_reached_twice_is_read_once(folder):
    root = folder(("cat", "dog"), 4)
    (root / "again").symlink_to(root / "cat")
    (root / "cat" / "all").symlink_to(root)
    (root / "cat" / "others").symlink_to(root / "dog")
    listing = scan(root)
    assert [n.split("/")[0] for n in listing.names] == ["cat"] * 4 + ["dog"] * 4
    assert [f.path for f in listing.faults] == ["again", "cat/all", "cat/others"]
    assert all("already read" in f.reason for f in listing.faults)


def test_progress_rises_to_its_end(folder):
    told: list[tuple[int, int]] = []
    open_data(folder(each=30), progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (120, 120)
    assert len(told) > 4
