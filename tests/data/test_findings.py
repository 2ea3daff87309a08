"""The first screen of a data report: what is wrong is in its sentence and its badge."""

from __future__ import annotations

import shlex

import pytest

from neocog.data.findings import first_screen
from neocog.data.open import open_data
from neocog.data.quality import Copies, Fault, Sheet
from neocog.exhibits import Bars


def sheet(**more: object) -> Sheet:
    parts: dict[str, object] = {
        "kind": "folder",
        "classes": ("cat", "dog"),
        "counts": {"train": (70, 30), "test": (10, 10)},
        "size": (32, 32),
        "channels": 3,
        "bits": 8,
        **more,
    }
    return Sheet(**parts)  # type: ignore[arg-type]


def copies(labels: tuple[str, str], splits: tuple[str, str] = ("train", "train")) -> Copies:
    return Copies(kind="exact", names=("a.png", "b.png"), splits=splits, labels=labels)


def test_clean_data_is_called_so_and_may_be_trained_on() -> None:
    screen = first_screen(sheet(), "my data")
    assert (screen.badge, screen.level) == ("Clean", "good")
    assert screen.headline == (
        "120 images, 2 classes: 0 label conflicts, 0 exact duplicates, 0 near-duplicates, "
        "0 unreadable files."
    )
    assert [c.line for c in screen.next] == ["neocog train 'my data'"]


@pytest.mark.parametrize(
    ("more", "badge"),
    [
        ({"duplicates": (copies(("cat", "dog")),)}, "Label conflicts"),
        ({"duplicates": (copies(("cat", "cat"), ("train", "test")),)}, "Leaks between splits"),
        ({"duplicates": (copies(("cat", "cat")),)}, "Duplicates"),
        ({"faults": (Fault("x.png", "empty: the file holds no bytes"),)}, "Needs a look"),
        ({"cautions": ("All pixels are black.",)}, "Needs a look"),
    ],
)
def test_the_worst_is_the_badge(more: dict[str, object], badge: str) -> None:
    screen = first_screen(sheet(**more), "d")
    assert screen.badge == badge
    assert screen.level != "good"
    assert shlex.split(screen.next[0].line)[:2] == ["neocog", "data"]


def test_folders_that_are_left_out_are_no_unreadable_files() -> None:
    screen = first_screen(sheet(faults=(Fault("x", "folder that holds no image"),)))
    assert "0 unreadable files" in screen.headline


def test_one_class_and_no_place_have_no_training() -> None:
    screen = first_screen(sheet(classes=("all",), counts={"test": (7,)}))
    assert screen.next == ()
    assert screen.image == ()
    assert screen.headline.startswith("7 images, 1 class: ")


def test_many_classes_are_the_most_and_the_least_frequent() -> None:
    names = tuple(f"c{i}" for i in range(100))
    many = sheet(classes=names, counts={"train": tuple(range(1, 101))})
    (bars,) = first_screen(many).image
    assert isinstance(bars, Bars)
    assert (bars.names[0], bars.names[-1], len(bars.names)) == ("c99", "c0", 12)


def test_a_sheet_shows_itself_briefly() -> None:
    found = open_data("digits").sheet
    assert len(repr(found)) < 1000
    assert "5,000 images, 10 classes" in found.summary()
    assert found._repr_html_().startswith("<iframe")
