"""Folders as people have them: too deep, split in many spellings, beside thumbnails and links."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neocog.data.open import Source, open_data
from neocog.errors import DataError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def make(tmp_path):
    """Images in folders below one root: `make("a/cat", "a/dog")`, four each, all different."""
    count = iter(range(10_000))
    root = tmp_path / "data"

    def made(*folders: str, each: int = 4) -> Path:
        for folder in folders:
            (root / folder).mkdir(parents=True, exist_ok=True)
            for _ in range(each):
                i = next(count)
                x = np.random.default_rng(i).integers(0, 256, (12, 12, 3), np.uint8)
                Image.fromarray(x).save(root / folder / f"{i:04}.png")
        return root

    return made


def _n(source: Source) -> dict[str, int]:
    return {name: len(split) for name, split in source.splits.items()}


def _said(source: Source) -> str:
    return " ".join([*source.sheet.remarks, *source.sheet.cautions])


@pytest.mark.parametrize(
    "above",
    ["pets", "data/data", "dataset/images", "101_ObjectCategories", "EuroSAT/2750", "a/b/c/d"],
)
def test_folders_too_many_are_gone_through(make, above):
    root = make(f"{above}/cat", f"{above}/dog", f"{above}/owl")
    (root / "README.txt").write_text("x")
    source = open_data(root)
    assert source.classes == ("cat", "dog", "owl")
    assert sum(_n(source).values()) == 12
    assert f"Read from `{above}`" in _said(source)


def test_folders_without_images_beside_the_one_are_named(make):
    root = make("pets/cat", "pets/dog")
    (root / "docs").mkdir()
    (root / "docs" / "paper.pdf").write_bytes(b"x")
    source = open_data(root)
    assert source.classes == ("cat", "dog")
    assert ("docs", "folder left out: holds no images") in [
        (f.path, f.reason) for f in source.sheet.faults
    ]


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("Training", "Validation", "Testing"),
        ("TRAIN", "VALID", "TEST"),
        ("trn", "dev", "tst"),
        ("train_images", "val_images", "test_images"),
        ("training_set", "validation_set", "test_set"),
        ("trainset", "valset", "testset"),
        ("train2017", "val2017", "test2017"),
        ("pets-train", "pets-val", "pets-test"),
        ("train", "val", "eval"),
        ("train", "eval", "test"),
        ("seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"),
        ("images/train", "images/val", "images/test"),
        ("dataset/images/train", "dataset/images/valid", "dataset/images/test"),
        ("train/images", "val/images", "test/images"),
        ("chest_xray/train", "chest_xray/val", "chest_xray/test"),
        ("ILSVRC/Data/CLS-LOC/train", "ILSVRC/Data/CLS-LOC/val", "ILSVRC/Data/CLS-LOC/test"),
    ],
)
def test_splits_in_many_spellings(make, train, val, test):
    make(f"{train}/NORMAL", f"{train}/PNEUMONIA", each=5)
    make(f"{val}/NORMAL", f"{val}/PNEUMONIA", each=2)
    root = make(f"{test}/NORMAL", f"{test}/PNEUMONIA", each=3)
    source = open_data(root)
    assert source.classes == ("NORMAL", "PNEUMONIA")
    assert _n(source) == {"train": 10, "val": 4, "test": 6}


def test_train_and_evaluation_are_train_and_test(make):
    make("train/a", "train/b", each=20)
    source = open_data(make("evaluation/a", "evaluation/b", each=3))
    assert _n(source)["test"] == 6
    assert _n(source)["train"] + _n(source)["val"] == 40


def test_classes_that_only_sound_like_splits_are_classes(make):
    assert open_data(make("car", "train", "plane")).classes == ("car", "plane", "train")


def test_splits_below_the_classes(make):
    make("cat/train", "dog/Train", each=6)
    source = open_data(make("cat/test", "dog/Test", each=2))
    assert source.classes == ("cat", "dog")
    assert _n(source)["test"] == 4
    assert _n(source)["train"] + _n(source)["val"] == 12
    assert "The splits stand below the classes" in _said(source)


def test_a_class_folder_that_holds_only_folders_is_said(make):
    source = open_data(make("animal/cat", "animal/dog", "vehicle/car", "vehicle/bus"))
    assert source.classes == ("animal", "vehicle")
    assert "2 class folders hold only folders, as `animal` (cat, dog)" in _said(source)
    assert "only folders" not in _said(open_data(make("x/cat").parent / "data" / "animal"))


def test_what_training_does_not_see_is_a_warning_and_no_remark(make):
    deep = open_data(make("animal/cat", "animal/dog", "vehicle/car", "vehicle/bus"))
    assert any("only folders" in w for w in deep.sheet.warnings)
    root = make("set/train/day", "set/train/night", "set/car", "set/bus", "set/readme", each=9)
    for file in (root / "set" / "readme").iterdir():
        file.unlink()
    (warning,) = open_data(root / "set").sheet.warnings
    assert "2 folders with images are left out, `bus`, `car`: not train, val or test" in warning


def test_a_class_that_is_called_train_is_one_beside_other_classes(make):
    source = open_data(make("car", "bus", "train", "train/more"))
    assert source.classes == ("bus", "car", "train")
    assert sum(_n(source).values()) == 16
    source = open_data(
        make("s/train", "s/train/cat", "s/train/dog", "s/test/cat", "s/test/dog") / "s"
    )
    assert source.classes == ("cat", "dog")  # two splits are splits, whatever lies in them


def test_a_training_counts_files_and_folders_that_it_does_not_see(make):
    from neocog.runs.experiment import _left_out

    root = make("train/cat", "train/dog", "extra", "train/owl", each=9)
    for i, file in enumerate(sorted((root / "train" / "owl").iterdir())):
        file.write_bytes(b"no image %d" % i)
    (said,) = _left_out(open_data(root))  # the class of unreadable files is named elsewhere
    assert said.startswith("9 files could not be used and 1 folder is left out; ")


def test_a_split_without_samples_is_not_named_as_one_to_choose(make):
    source = open_data(make("test/cat", "test/dog"))
    with pytest.raises(DataError, match=r"a split `val` with samples, and has `test`\. Name anot"):
        source.split("val")


def test_splits_without_class_folders_are_not_labeled(make):
    source = open_data(make("train", "test"))
    assert source.classes == ()
    assert _n(source)["test"] == 4
    assert set(source.whole.y.tolist()) == {-1}


@pytest.mark.parametrize(
    "folders",
    [("images", "masks"), ("JPEGImages", "SegmentationClass"), ("images", "annotations/trimaps")],
)
def test_sets_for_segmentation_are_refused(make, folders):
    with pytest.raises(DataError, match="a set for segmentation or detection"):
        open_data(make(*folders))


def test_images_beside_boxes_are_not_labeled_and_a_mask_may_be_a_class(make, tmp_path):
    root = make("yolo/images/train", "yolo/images/val") / "yolo"
    (root / "labels" / "train").mkdir(parents=True)
    (root / "labels" / "train" / "1.txt").write_text("0 0 0 0 0")
    source = open_data(root)
    assert (source.classes, _n(source)) == ((), {"train": 4, "val": 4, "test": 0})
    assert open_data(make("faces/mask", "faces/no_mask") / "faces").classes == ("mask", "no_mask")


def test_a_split_without_labels_is_no_split(make):
    make("train/n01/images", "train/n02/images", each=20)
    source = open_data(make("val/images", "test/images"))
    assert source.classes == ("n01", "n02")
    left = {f.path: f.reason for f in source.sheet.faults}
    assert set(left) == {"val", "test"}
    assert sum(_n(source).values()) == 40


COMPOSED = "caf" + chr(0xE9)


DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [("Cat", "cat", "Cat"), (COMPOSED, DECOMPOSED, COMPOSED), ("STRASSE", "straße", "STRASSE")],
)
@pytest.mark.parametrize("splits", [False, True])
def test_forms_of_one_name_are_one_class(make, one, other, name, splits):
    if splits:
        root = make(f"train/{one}", "train/dog", f"test/{other}", "test/dog", each=12)
    else:
        root = make(one, other, "dog")
    source = open_data(root)
    assert source.classes == tuple(sorted((name, "dog")))
    assert f"are one class, `{name}`" in _said(source)
    assert sum(_n(source).values()) == (48 if splits else 12)


def test_an_alphabet_keeps_its_capitals(make):
    source = open_data(make("a", "A", "b", "B", "c", "C"))
    assert source.classes == ("A", "B", "C", "a", "b", "c")
    assert "Names that differ in case are separate classes" in _said(source)


@pytest.mark.parametrize(
    "name",
    ["@eaDir", ".thumbnails", "__MACOSX", ".ipynb_checkpoints", "#recycle", "$RECYCLE.BIN",
     "lost+found", ".Trash-1000", ".git", ".AppleDouble", "@Recycle", "System Volume Information"],
)  # fmt: skip
def test_what_systems_and_devices_keep_is_no_sample(make, name):
    root = make("cat", "dog", f"cat/{name}", f"cat/{name}/0001.png", name, f"{name}/cat")
    for odd in ("._0001.png", "Thumbs.db", "desktop.ini", ".DS_Store"):
        (root / "cat" / odd).write_bytes(b"no image")
    source = open_data(root)
    assert source.classes == ("cat", "dog")
    assert sum(_n(source).values()) == 8
    assert not source.sheet.faults
    assert "only folders" not in _said(source)


def test_images_beside_the_class_folders_are_counted(make):
    root = make("cat", "dog", ".")
    assert "4 images lie directly in the data folder itself" in _said(open_data(root))
    root = make("s/train/cat", "s/train/dog", "s/train", "s/test/cat", "s/test/dog", each=3)
    assert "3 images lie directly in `train`" in _said(open_data(root / "s"))


def test_linked_folders_are_followed_once_by_data_and_predict_alike(make, tmp_path):
    from neocog.data.folder import walk

    away = make("away/owl", each=3) / "away"
    root = make("set/cat", "set/dog", each=3) / "set"
    (root / "owl").symlink_to(away / "owl")  # a class that lies elsewhere
    (root / "cat" / "loop").symlink_to(root)  # back to the top
    (root / "dog" / "link.png").symlink_to(min((root / "cat").glob("*.png")))
    source = open_data(root)
    assert source.classes == ("cat", "dog", "owl")
    assert sum(_n(source).values()) == 10
    assert [f.path for f in source.sheet.faults] == ["cat/loop"]
    found = list(walk(root))
    assert sum(not reason for _, reason in found) == 10
    assert [p for p, reason in found if reason] == [str(root / "cat" / "loop")]


def test_folders_a_thousand_deep_end(make):
    root = make("cat", "dog")
    deep = "cat" + "/d" * 200
    (root / deep).mkdir(parents=True)
    Image.new("L", (12, 12)).save(root / deep / "x.png")
    source = open_data(root)
    assert sum(_n(source).values()) == 8
    assert "more than 64 folders deep" in source.sheet.faults[0].reason


def test_classes_that_nothing_is_held_out_of_are_named(make):
    held = open_data(make("s/train/cat", "s/train/dog", "s/test/cat") / "s")
    assert "test has no sample of `dog`: its figures" in _said(held)
    alone = open_data(make("a/train/cat", "a/train/dog", "a/val/cat", "a/val/dog") / "a")
    assert "no sample of" not in _said(alone)
    assert "4 classes have fewer" not in _said(alone)
    assert "2 classes have fewer than 10" in _said(alone)


def test_equal_images_of_which_none_is_held_out_are_said(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(5):
            Image.new("RGB", (12, 12), "red").save(tmp_path / "set" / name / f"{i}.png")
    source = open_data(tmp_path / "set")
    assert "1 image occurs under different labels" in _said(source)
    assert "No sample is held out" in _said(source)
