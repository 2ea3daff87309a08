"""What a model sees of a file is the same in training, evaluation and prediction."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.faults.made import bars
from tests.faults.processes import SETTINGS

from neocog.data.batches import batches
from neocog.data.open import open_data
from neocog.data.pictures import decode
from neocog.data.split import Split
from neocog.runs.trained import Trained
from neocog.training.answers import answers
from neocog.verbs.train import train

KINDS = ("grey.png", "grey.jpg", "colour.png", "colour.jpg", "deep.png", "palette.png",
         "alpha.png", "cmyk.jpg", "turned.jpg", "picture.gif", "picture.webp")  # fmt: skip


def _encoded(kind: str, x: np.ndarray) -> bytes:
    grey = Image.fromarray(x)
    colour = Image.merge("RGB", (grey, grey.transpose(Image.Transpose.ROTATE_90), grey)) if (
        grey.width == grey.height
    ) else grey.convert("RGB")  # fmt: skip
    out = io.BytesIO()
    match kind.split("."):
        case ["grey", "png"]:
            grey.save(out, "PNG")
        case ["grey", "jpg"]:
            grey.save(out, "JPEG")
        case ["colour", "png"]:
            colour.save(out, "PNG")
        case ["colour", "jpg"]:
            colour.save(out, "JPEG", quality=80)
        case ["deep", _]:
            Image.fromarray(x.astype(np.uint16) * 257 + 11).save(out, "PNG")
        case ["palette", _]:
            colour.convert("P", palette=Image.Palette.ADAPTIVE).save(out, "PNG")
        case ["alpha", _]:
            colour.putalpha(grey)
            colour.save(out, "PNG")
        case ["cmyk", _]:
            colour.convert("CMYK").save(out, "JPEG")
        case ["turned", _]:
            exif = Image.Exif()
            exif[0x0112] = 6
            colour.save(out, "JPEG", exif=exif)
        case [_, "gif"]:
            colour.save(out, "GIF")
        case _:
            colour.save(out, "WEBP", lossless=True)
    return out.getvalue()


def _folder(root: Path, kinds: tuple[str, ...]) -> Path:
    """Both classes with four sizes of each kind of file."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("across", "down")):
        (root / name).mkdir(parents=True)
        for kind in kinds:
            for height, width in ((28, 28), (40, 28), (60, 90), (130, 113)):
                x = np.zeros((height, width), np.uint8)
                small = bars(number, rng)
                x[:28, :28] = small
                x[28:] = rng.integers(0, 255, x[28:].shape)
                (root / name / f"{height}-{kind}").write_bytes(_encoded(kind, x))
    return root


@pytest.fixture(
    scope="module",
    params=[KINDS, ("grey.png", "grey.jpg"), ("deep.png", "grey.png", "grey.jpg")],
    ids=["colour", "grey", "deep"],
)
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trained, Path]:
    """A model, and the folder that it was trained on."""
    base = tmp_path_factory.mktemp("same")
    place = _folder(base / "data", request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(base / "cache"))
        settings = SETTINGS | {"course.epochs": 1.0, "network.name": "dense",
                               "network.hidden": [16], "data.size": [32, 30]}  # fmt: skip
        model = train(place, settings=settings, out=base / "run")
    return model, place


def _splits(model: Trained, place: Path) -> list[Split]:
    """What a training gets, read anew."""
    signal = model.contract.signal
    source = open_data(
        place, size=signal.size, channels=signal.channels, resize_mode=signal.resize_mode
    )
    return [s for s in source.splits.values() if len(s)]


def test_the_pixels_of_every_file_are_those_of_training(trained: tuple[Trained, Path]) -> None:
    model, place = trained
    signal = model.contract.signal
    seen = 0
    for split in _splits(model, place):
        wide = split.x.dtype == np.uint16
        for row, name in enumerate(split.names):
            x = decode((place / name).read_bytes(), size=signal.size, channels=signal.channels,
                       resize_mode=signal.resize_mode)  # fmt: skip
            if wide and x.dtype == np.uint8:
                x = x.astype(np.uint16) * 257  # 255 and 65535 are the same white
            assert np.array_equal(split.x[row], x), name
            seen += 1
    assert seen == len([p for p in place.rglob("*") if p.is_file()])


def test_the_values_of_every_file_are_those_of_training(trained: tuple[Trained, Path]) -> None:
    """Also where 8 and 16 bits are mixed: x·257/65535 and x/255 are one number, rounded once."""
    model, place = trained
    signal = model.contract.signal
    for split in _splits(model, place):
        (batch,) = batches(split, size=len(split), shuffle=False, seed=0, epoch=0)
        for row, name in enumerate(split.names):
            x = decode((place / name).read_bytes(), size=signal.size, channels=signal.channels,
                       resize_mode=signal.resize_mode)  # fmt: skip
            one = Split(x[None], np.zeros(1, np.int64), [name])
            (alone,) = batches(one, size=1, shuffle=False, seed=0, epoch=0)
            assert torch.equal(alone.x[0], batch.x[row]), name


def test_predict_answers_as_evaluate_does(trained: tuple[Trained, Path]) -> None:
    model, place = trained
    for split in _splits(model, place):
        logits = answers(model.module, batches(split, size=7, shuffle=False, seed=0, epoch=0))
        expected = logits.double().softmax(1)
        for batch in (1, 5, 64):
            found = list(model.stream([place / n for n in split.names], batch_size=batch))
            for row, answer in enumerate(found):
                assert answer.error is None
                shares = dict(answer.top)
                got = torch.tensor([shares[c] for c in model.contract.classes])
                # A product may sum in another order for another number of rows: logits of size
                # ten agree to some units in the last place, 1e-6 each.
                torch.testing.assert_close(got.double(), expected[row], atol=2e-5, rtol=0)
