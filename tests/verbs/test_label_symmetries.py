import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from neocog.cli.main import cli
from neocog.errors import DataError
from neocog.training.label_symmetries import (
    Confusion,
    SymmetryExtent,
    SymmetryTest,
    label_symmetries,
)
from neocog.verbs import label_symmetries as verb
from neocog.verbs.label_symmetries import DataSymmetries, symmetries
from neocog.verbs.label_symmetries_result import is_decided

NAMES = (
    "rotation", "horizontal flip", "vertical flip", "shift of rows", "shift of columns", "scale",
    "brightness", "contrast", "hue", "erasing",
)  # fmt: skip
"""All that are measured of color images; of gray ones hue is not."""


def measured(name: str, extent: float, kept: float, *confusions: Confusion) -> SymmetryExtent:
    step = 15.0 if name == "rotation" else 1.0 if name.endswith("flip") else 0.04
    top = 180.0 if name == "rotation" else 1.0
    return SymmetryExtent(
        name=name,
        extent=extent,
        interval=(extent * 0.9, extent * 1.1),
        least=False,
        kept=kept,
        amounts=(0.0, step, top),
        curve=(1.0, 0.5, 0.0),
        confusions=confusions,
    )


def six_is_nine(amount: float) -> Confusion:
    return Confusion(
        amount=amount,
        label=0,
        recognized_as=1,
        rate=0.8,
        interval=(0.7, 0.9),
        n=50,
        example=0,
    )


def result(
    *,
    accuracy: float | None = 0.97,
    classes: tuple[str, ...] = ("6", "<b>9"),
    per_class: tuple[int, ...] = (150, 150),
    **own: SymmetryExtent,
) -> DataSymmetries:
    usual = {
        "rotation": measured("rotation", 40.0, 30.0, six_is_nine(180.0)),
        "horizontal flip": measured("horizontal flip", 0.05, 0.0, six_is_nine(0.0)),
        "vertical flip": measured("vertical flip", 0.9, 1.0),
        "shift of rows": measured("shift of rows", 0.1, 1.0),
        "shift of columns": measured("shift of columns", 0.2, 0.12),
        "scale": measured("scale", 0.25, 1.0),
        "brightness": measured("brightness", 0.01, 1.0),  # less than a step
        "contrast": measured("contrast", 0.5, 0.0, six_is_nine(0.2)),
        "hue": measured("hue", 0.01, 1.0),
        "erasing": measured("erasing", 0.01, 1.0),
    } | own
    each = tuple(usual[name] for name in NAMES)
    test = SymmetryTest(
        each=each,
        n=900,
        held_out=300,
        accuracy=accuracy,
        per_class=per_class if classes else (),
        images=torch.rand(4, 1, 16, 16),
    )
    judged = is_decided(test)
    verdicts = tuple(verb._verdict(m, classes, judged=judged) for m in each)
    return DataSymmetries(
        source="my data",
        test=test,
        verdicts=verdicts,
        augment=verb._augment(verdicts, 28),
        classes=classes,
    )


def test_what_the_data_holds_and_no_class_is_confused_by_is_safe() -> None:
    one = result()
    safe = {v.measured.name: v.safe for v in one.verdicts}
    assert safe["rotation"] == 30  # the data holds 40
    assert safe["shift of rows"] == 0.1  # no class is confused by more
    assert safe["horizontal flip"] == safe["brightness"] == safe["contrast"] == 0
    assert one.augment == {"rotate": 30, "flip_vertical": True, "shift": 2, "scale": 0.25}


def test_the_first_screen_says_what_to_train_with() -> None:
    screen = result().first_screen()
    assert screen.headline.startswith("Safe on this data: rotation up to ±30°, vertical flip, ")
    assert "Rotated by 180° counterclockwise, 80 % of class 6 are recognized as" in screen.detail
    assert screen.lines == [
        "neocog train 'my data' --augment rotate=30,flip_vertical=true,shift=2,scale=0.25"
    ]


@pytest.mark.parametrize("why", [{"accuracy": 0.6}, {"per_class": (150, 14)}])
def test_labels_are_not_judged_where_they_were_not_learned_or_are_few(why) -> None:  # type: ignore[no-untyped-def]
    one = result(**why)
    plain = one.to_json()
    assert (plain["augment"], plain["decided"]) == ({}, False)
    assert {(t["safe"], t["kept"]) for t in plain["transformations"]} == {(0, None)}
    screen = one.first_screen()
    assert screen.headline.startswith("Not decided")
    assert screen.level == "open"
    assert not screen.next


def test_without_labels_nothing_is_called_safe() -> None:
    bare = {n: measured(n, 1.0 if "flip" in n else 0.3, 1.0) for n in NAMES if n != "rotation"}
    one = result(accuracy=None, classes=(), rotation=measured("rotation", 40.0, 180.0), **bare)
    plain = one.to_json()
    assert (plain["augment"], plain["decided"]) == ({}, False)
    screen = one.first_screen()
    assert screen.headline.startswith("The data itself contains: rotation up to ±40°")
    assert "Safe" not in screen.text()
    assert not screen.next


def test_the_names_here_are_those_of_a_real_result() -> None:
    x = torch.rand(240, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    y = torch.arange(240) % 2
    real = label_symmetries(x, y, num_classes=2, steps=2)
    assert {e.name for e in real.each} == set(NAMES)


def test_names_of_classes_are_escaped_in_its_page(tmp_path) -> None:  # type: ignore[no-untyped-def]
    text = result().save_html(tmp_path / "page.html").read_text()
    assert "&lt;b&gt;9" in text
    assert "<b>9" not in text


def test_json() -> None:
    plain = json.loads(json.dumps(result().to_json()))
    assert plain["augment"] == {"rotate": 30, "flip_vertical": True, "shift": 2, "scale": 0.25}
    first = plain["transformations"][0]
    assert (first["name"], first["safe"], first["unit"]) == ("rotation", 30, "degrees")
    assert first["confusions"][0]["recognized_as"] == "<b>9"


def test_no_test_image_chooses_an_augmentation(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    seen = []

    def spy(x, y, **_):  # type: ignore[no-untyped-def]
        seen.append(len(y))
        raise DataError("enough")

    monkeypatch.setattr(verb, "label_symmetries", spy)
    for source in ("digits", "digits:val"):
        with pytest.raises(DataError, match="enough"):
            symmetries(source, progress=False)
    assert seen == [3500, 500]


def test_few_images_and_unlabeled_ones_among_them_are_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    few = tmp_path / "few.npz"
    np.savez(few, x=rng.integers(0, 255, (90, 16, 16), np.uint8), y=np.arange(90) % 2)
    with pytest.raises(DataError, match="at least 200 images"):
        symmetries(few, progress=False)
    # Enough in all, and not in the split: everything can be named.
    more = tmp_path / "more.npz"
    np.savez(more, x=rng.integers(0, 255, (240, 16, 16), np.uint8), y=np.arange(240) % 2)
    with pytest.raises(DataError, match=r"split train of .* name all: \S+more\.npz:all\."):
        symmetries(more, progress=False)
    run = CliRunner().invoke(cli, ["data", str(few), "--symmetries"])
    assert run.exit_code != 0
    assert isinstance(run.exception, DataError)


@pytest.mark.slow
def test_F3_digits_are_rotated_a_little_and_never_mirrored() -> None:
    one = symmetries("digits", progress=False)
    assert one.test.accuracy is not None
    assert one.test.accuracy > 0.9
    assert 10 <= one.augment["rotate"] <= 35
    assert "flip" not in one.augment
    assert "flip_vertical" not in one.augment
    rotation = next(v for v in one.verdicts if v.measured.name == "rotation")
    turned = {(c["class"], c["recognized_as"]) for c in rotation.plain_confusions}
    assert {("6", "9"), ("9", "6")} & turned
