"""Data without labels, or of other classes: what needs no label works on all of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from neocog.cli.main import main
from neocog.data.open import open_data

pytestmark = [
    pytest.mark.filterwarnings("ignore:No weights"),
    pytest.mark.filterwarnings("ignore:The network returns 2 tensors"),
]


def imagenet() -> nn.Module:
    """A network of a thousand classes."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
                         nn.Flatten(), nn.Linear(24, 1000))  # fmt: skip


class Two(nn.Module):
    """Five outputs for one question, ten for another."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=4)
        self.five, self.ten = nn.Linear(4, 5), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv(x).mean((2, 3))
        return self.five(x), self.ten(x)


def two() -> nn.Module:
    """A factory."""
    torch.manual_seed(0)
    return Two()


NET = f"{__name__}:imagenet"


TOLD = ("--size", "3,32,32", "--mean", ".5", "--std", ".5")


NARROW = (
    "--shift", "crop", "--no-rotation", "--no-scale", "--no-elastic", "--no-layers",
    "--map-samples", "1",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def call(capsys):
    def called(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(w) for w in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(left.value.code or 0), out, " ".join(err.split())

    return called


def image(seed: int, size: tuple[int, int] = (60, 48)) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    """Pictures as a phone leaves them: some upright, a film and a text among them."""
    place = tmp_path / "phone"
    (place / ".thumbnails").mkdir(parents=True)
    image(0).save(place / ".thumbnails" / "0.jpg")
    for i in range(20):
        exif = Image.Exif()
        exif[0x0112] = 6 if i % 4 == 0 else 1
        image(i).save(place / f"IMG_20240{i:02}.JPG", "JPEG", exif=exif)
    (place / "VID_1.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (place / "edited").mkdir()
    image(99).save(place / "edited" / "IMG_1.png")
    return place


def names(folder: Path, *classes: str) -> Path:
    file = folder / "classes.txt"
    file.write_text("\n".join(classes) + "\n")
    return file


def test_pictures_of_a_phone(call, phone: Path, tmp_path: Path) -> None:
    status, out, err = call("audit", NET, phone, *TOLD, *NARROW, "--json")
    assert status == 0, err
    plain = json.loads(out)
    assert (plain["n"], plain["accuracy"]) == (21, None)
    assert 0 <= plain["shift"]["crop"]["consistency"] <= 1
    said = " ".join(plain["notes"])
    assert "Data: all 21 samples" in said
    assert "1 file cannot be used and was left out" in said
    assert "has no labels, so there is no accuracy" in said
    status, out, err = call("predict", NET, phone, *TOLD, "--json")
    assert status == 0, err
    assert sum(json.loads(line)["error"] is None for line in out.splitlines()) == 21
    out_ = ("--out", tmp_path / "x", "--json")
    status, out, err = call("explain", NET, phone, *TOLD, "--samples", "2", *out_)
    assert status == 0, err
    found = json.loads(out)
    assert len(found["images"]) == 2
    assert any("VID_1.mp4 was not used" in n for n in found["notes"])
    words = ("--method", "top-activations", "--layer", "0", "--units", "0")
    assert call("explain", NET, phone, *TOLD, *words, *out_)[0] == 0
    status, out, err = call("data", phone, "--json")
    plain = json.loads(out)
    assert (sum(plain["n"].values()), plain["labeled"], plain["classes"]) == (21, False, [])
    status, out, err = call("data", phone, "--report", tmp_path / "sheet.html")
    assert (status, "21 images, no labels" in " ".join(out.split())) == (0, True)
    words = ("--finetune", "0", "--samples", "8", "--keep", "fixed", "--device", "cpu", "--json")
    status, out, err = call("fix", NET, phone, *TOLD, *words, "--out", tmp_path / "fixed")
    assert status in (0, 2), err
    assert status == 0 or "nothing" in err or "no" in err


def test_three_images(call, tmp_path: Path) -> None:
    place = tmp_path / "three"
    place.mkdir()
    for i in range(3):
        image(i).save(place / f"{i}.png")
    plain = json.loads(call("audit", NET, place, *TOLD, *NARROW, "--json")[1])
    assert plain["n"] == 3
    out = ("--out", tmp_path / "x", "--json", "--no-sanity-checks")
    found = json.loads(call("explain", NET, place, *TOLD, *out)[1])
    assert [Path(row["path"]).name for row in found["images"]] == ["0.png", "1.png", "2.png"]
    assert json.loads(call("audit", NET, place / "0.png", *TOLD, *NARROW, "--json")[1])["n"] == 1
    status, _, err = call("fix", NET, place, *TOLD, "--finetune", "0", "--out", tmp_path / "f")
    assert status == 2
    assert "needs at least 4 images" in err


@pytest.mark.parametrize("verb", ["evaluate", "train"])
def test_what_needs_labels_says_what_to_do(call, phone: Path, tmp_path: Path, verb: str) -> None:
    words = (NET, phone, *TOLD) if verb == "evaluate" else (phone, "--out", tmp_path / "run")
    status, out, err = call(verb, *words)
    assert (status, out) == (2, "")
    if verb == "evaluate":
        assert "Put the images of each class into a folder with its name" in err
        assert "`neocog predict` and `neocog audit` need no labels" in err
    else:
        assert "Supported layouts are CLASS/image, {train,val,test}/CLASS/image" in err


def test_images_that_are_named_after_their_class_are_told_how_to_be_sorted(call, tmp_path) -> None:
    place = tmp_path / "pets"
    place.mkdir()
    for i in range(12):
        image(i).save(place / f"{('cat', 'hot dog')[i % 2]}_{i:03}.png")
    status, _, err = call("train", place, "--out", tmp_path / "run")
    assert status == 2
    assert "The file names begin with `cat` (6), `hot dog` (6)" in err
    assert "`mkdir cat && mv cat_*.png cat/`" in err
    assert open_data(place).classes == ()


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    for k, name in enumerate(("daisy", "rose", "tulip")):
        (tmp_path / "flowers" / name).mkdir(parents=True)
        for i in range(8):
            image(100 * k + i).save(tmp_path / "flowers" / name / f"{i}.png")
    return tmp_path / "flowers"


def test_a_network_of_a_thousand_classes_without_names(call, flowers: Path) -> None:
    status, out, err = call("audit", NET, flowers, *TOLD, *NARROW, "--json")
    assert status == 0, err
    plain = json.loads(out)
    assert (plain["n"], plain["accuracy"]) == (24, None)
    assert "The model's 1000 outputs have no names" in " ".join(plain["notes"])
    status, _, err = call("evaluate", NET, flowers, *TOLD)
    assert status == 2
    assert "has 1000 outputs and" in err
    assert "Name the outputs with --classes FILE" in err
    assert "--output selects" in err


def test_a_network_that_knows_one_of_three_classes(call, flowers: Path, tmp_path: Path) -> None:
    known = [f"thing {i}" for i in range(1000)]
    known[7], known[985] = "Tulip", "daisies"
    told = (*TOLD, "--classes", names(tmp_path, *known))
    plain = json.loads(call("audit", NET, flowers, *told, *NARROW, "--json")[1])
    assert plain["n"] == 24
    assert plain["shift"]["crop"]["n"] == 24
    assert plain["shift"]["crop"]["both_correct"] is None
    said = " ".join(plain["notes"])
    assert "2 of the 3 classes of" in said
    assert "(`daisy`, `rose`): accuracy covers only the others (`tulip`)" in said
    assert "Accuracy covers the 8 of 24 samples" in said
    status, out, err = call("evaluate", NET, flowers, *told, "--json")
    assert status == 0, err
    scored = json.loads(out)
    assert (scored["n"], scored["accuracy"]) == (8, plain["accuracy"])
    told = (*TOLD, "--classes", names(tmp_path, *(f"thing {i}" for i in range(1000))))
    plain = json.loads(call("audit", NET, flowers, *told, *NARROW, "--json")[1])
    assert plain["accuracy"] is None
    assert "None of the 3 classes of" in " ".join(plain["notes"])
    status, _, err = call("evaluate", NET, flowers, *told)
    assert status == 2
    assert "must be a class of the model, and `daisy` is not" in err


def test_a_network_of_two_answers_and_data_of_the_other(call, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    file, net = tmp_path / "ten.npz", f"{__name__}:two"
    np.savez(file, x=x, y=np.arange(40) % 10)
    status, _, err = call("evaluate", net, file, *TOLD)
    assert status == 2
    assert "--output selects" in err
    status, out, err = call("evaluate", net, file, *TOLD, "--output", "1", "--json")
    assert status == 0, err
    assert json.loads(out)["n"] == 40
    plain = json.loads(call("audit", net, file, *TOLD, *NARROW, "--json")[1])
    assert plain["accuracy"] is None


def test_labels_of_arrays_are_numbers_of_outputs_that_have_names(call, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "ten.npz", x=x, y=np.arange(40) % 10)
    told = (*TOLD, "--classes", names(tmp_path, *"abcdefghij"), "--output", "1")
    status, out, err = call("evaluate", f"{__name__}:two", tmp_path / "ten.npz", *told, "--json")
    assert status == 0, err
    assert "numbers, used as indices of the model's outputs: 0 is `a`" in out
    status, _, err = call("evaluate", f"{__name__}:two", "digits", *told)
    assert status == 2
    assert "must be a class of the model, and `0` is not" in err
