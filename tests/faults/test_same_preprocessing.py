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
from neocog.data.image_decode import decode
from neocog.data.open import open_data
from neocog.data.split import Split
from neocog.models.model import Model
from neocog.tasks.inference import logits_of
from neocog.verbs.train import train

KINDS = ("gray.png", "gray.jpg", "color.png", "color.jpg", "deep.png", "palette.png",
         "alpha.png", "cmyk.jpg", "turned.jpg", "image.gif", "image.webp")  # fmt: skip


def _encoded(kind: str, x: np.ndarray) -> bytes:
    gray = Image.fromarray(x)
    color = Image.merge("RGB", (gray, gray.transpose(Image.Transpose.ROTATE_90), gray)) if (
        gray.width == gray.height
    ) else gray.convert("RGB")  # fmt: skip
    out = io.BytesIO()
    match kind.split("."):
        case ["gray", "png"]:
            gray.save(out, "PNG")
        case ["gray", "jpg"]:
            gray.save(out, "JPEG")
        case ["color", "png"]:
            color.save(out, "PNG")
        case ["color", "jpg"]:
            color.save(out, "JPEG", quality=80)
        case ["deep", _]:
            Image.fromarray(x.astype(np.uint16) * 257 + 11).save(out, "PNG")
        case ["palette", _]:
            color.convert("P", palette=Image.Palette.ADAPTIVE).save(out, "PNG")
        case ["alpha", _]:
            color.putalpha(gray)
            color.save(out, "PNG")
        case ["cmyk", _]:
            color.convert("CMYK").save(out, "JPEG")
        case ["turned", _]:
            exif = Image.Exif()
            exif[0x0112] = 6
            color.save(out, "JPEG", exif=exif)
        case [_, "gif"]:
            color.save(out, "GIF")
        case _:
            color.save(out, "WEBP", lossless=True)
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
    params=[KINDS, ("gray.png", "gray.jpg"), ("deep.png", "gray.png", "gray.jpg")],
    ids=["color", "gray", "deep"],
)
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Model, Path]:
    """A model, and the folder that it was trained on."""
    base = tmp_path_factory.mktemp("same")
    place = _folder(base / "data", request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(base / "cache"))
        settings = SETTINGS | {"train.epochs": 1.0, "model.name": "dense",
                               "model.hidden": [16], "data.size": [32, 30]}  # fmt: skip
        model = train(place, settings=settings, out=base / "run")
    return model, place


def _splits(model: Model, place: Path) -> list[Split]:
    """What a training gets, read anew."""
    signal = model.spec.input
    source = open_data(
        place, size=signal.size, channels=signal.channels, resize_mode=signal.resize_mode
    )
    return [s for s in source.splits.values() if len(s)]


def test_the_pixels_of_every_file_are_those_of_training(trained: tuple[Model, Path]) -> None:
    model, place = trained
    signal = model.spec.input
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


def test_the_values_of_every_file_are_those_of_training(trained: tuple[Model, Path]) -> None:
    """Also where 8 and 16 bits are mixed: x·257/65535 and x/255 are one number, rounded once."""
    model, place = trained
    signal = model.spec.input
    for split in _splits(model, place):
        (batch,) = batches(split, size=len(split), shuffle=False, seed=0, epoch=0)
        for row, name in enumerate(split.names):
            x = decode((place / name).read_bytes(), size=signal.size, channels=signal.channels,
                       resize_mode=signal.resize_mode)  # fmt: skip
            one = Split(x[None], np.zeros(1, np.int64), [name])
            (alone,) = batches(one, size=1, shuffle=False, seed=0, epoch=0)
            assert torch.equal(alone.x[0], batch.x[row]), name


def test_predict_answers_as_evaluate_does(trained: tuple[Model, Path]) -> None:
    model, place = trained
    for split in _splits(model, place):
        logits = logits_of(model.module, batches(split, size=7, shuffle=False, seed=0, epoch=0))
        expected = logits.double().softmax(1)
        for batch in (1, 5, 64):
            found = list(model.stream([place / n for n in split.names], batch_size=batch))
            for row, answer in enumerate(found):
                assert answer.error is None
                shares = dict(answer.top)
                got = torch.tensor([shares[c] for c in model.spec.classes])
                # A product may sum in another order for another number of rows: logits of size
                # ten agree to some units in the last place, 1e-6 each.
                torch.testing.assert_close(got.double(), expected[row], atol=2e-5, rtol=0)
