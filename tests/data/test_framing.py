"""Images far from square or of sizes far apart: the size follows them, and what is lost is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from neocog.cli.main import cli
from neocog.data.framing import kept_of
from neocog.data.open import open_data
from neocog.runs.load import load
from neocog.types import RESIZE_MODES
from neocog.verbs.train import train


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


def _make(root: Path, *shapes: tuple[int, int], each: int = 8) -> Path:
    rng = np.random.default_rng(0)
    for k, (h, w) in enumerate(shapes * 2 if len(shapes) == 1 else shapes):
        folder = root / "abcdef"[k]
        folder.mkdir(parents=True)
        for i in range(each):
            x = rng.integers(0, 256, (-(-h // 8), -(-w // 8), 3), np.uint8)
            Image.fromarray(x).resize((w, h)).save(folder / f"{i}.png")
    return root


@pytest.mark.parametrize(
    ("shape", "served"),
    [
        ((100, 160), (100, 160)),  # small ones stay as they are
        ((480, 640), (112, 148)),
        ((640, 480), (148, 112)),  # portrait scans
        ((200, 1000), (58, 288)),  # panoramas
        ((40, 1000), (26, 640)),  # spectrograms
        ((1000, 40), (640, 26)),
        ((300, 300), (128, 128)),
    ],
)
def test_an_aspect_that_all_share_is_kept(tmp_path, shape, served):
    sheet = open_data(_make(tmp_path / "set", shape, each=3)).sheet
    assert sheet.size == served
    assert sheet.kept is not None
    assert sheet.kept.area_min > 0.95
    assert not any("crop" in w for w in sheet.warnings)
    shrinks = max(served[0] / shape[0], served[1] / shape[1]) < 0.5
    assert shrinks == any("less than half their scale" in w for w in sheet.warnings)


def test_what_the_crop_takes_is_counted_and_padding_keeps_it(tmp_path):
    root = _make(tmp_path / "set", (100, 100), (100, 130), (100, 400))
    sheet = open_data(root).sheet
    assert sheet.size == (100, 100)
    assert sheet.kept is not None
    assert sheet.kept.cut == 16
    assert sheet.kept.area_min == pytest.approx(0.25)
    assert len(sheet.warnings) == 1
    assert "16 of 24 images lose more than a fifth" in sheet.warnings[0]
    assert "`--resize-mode pad` keeps the whole" in sheet.warnings[0]
    padded = open_data(root, resize_mode="pad").sheet
    assert padded.kept is not None
    assert padded.kept.area_min == 1
    assert "8 of 24 images shrink to less than half" in padded.warnings[0]
    bent = open_data(root, resize_mode="stretch").sheet
    assert "16 of 24 images change their aspect" in bent.warnings[0]


def test_icons_beside_photos(tmp_path):
    sheet = open_data(_make(tmp_path / "set", (16, 16), (600, 800), each=6)).sheet
    assert sheet.kept is not None
    assert sheet.kept.shrunk == 6
    assert any("6 of 12 images shrink to less than half their scale" in w for w in sheet.warnings)
    text = sheet.exhibits()[0].text
    assert "6 of 12 images are enlarged more than twofold" in text
    assert all(w in text for w in sheet.warnings)


def test_one_odd_image_among_many_is_a_remark(tmp_path):
    h, w = np.full(1000, 100), np.full(1000, 100)
    w[0] = 300
    kept = kept_of(h, w, size=(100, 100), resize_mode="crop")
    assert kept.cut == 1
    assert kept.warnings((100, 100)) == ()
    assert "and 33 % of the worst" in kept.remark()


def test_a_size_is_proposed_only_where_it_helps():
    h, w = np.full(100, 1000), np.full(100, 1000)
    w[:10], h[:10] = 3000, 3000  # the median image has more than half its scale already
    (small,) = kept_of(h, w, size=(600, 602), resize_mode="crop").warnings((600, 602))
    assert "10 of 100 images shrink" in small
    assert small.endswith("Training with a larger `--size` keeps more.")
    (most,) = kept_of(h, w, size=(250, 250), resize_mode="crop").warnings((250, 250))
    assert most.endswith("Training with `--size 500,500` keeps half the scale of the median image.")


def test_images_of_the_served_size_are_not_said_to_be_resized(tmp_path):
    same = open_data(_make(tmp_path / "same", (40, 40), each=3)).sheet
    assert "Input size 40 × 40 pixels (height × width), color" in same.exhibits()[0].text
    other = open_data(_make(tmp_path / "other", (400, 400), each=3)).sheet
    assert "(height × width), resized and cropped, color" in other.exhibits()[0].text


def test_the_fraction_kept_is_that_of_the_pixels():
    """Against counting: a crop of an image whose columns are numbered."""
    from neocog.data.image_decode import resize

    rng = np.random.default_rng(0)
    for _ in range(30):
        h, w, a, b = rng.integers(20, 90, 4).tolist()
        x = np.zeros((h, w, 1), np.uint16)
        x[..., 0] = (
            np.linspace(0, 60000, w)[None] if w / h > b / a else np.linspace(0, 60000, h)[:, None]
        )
        seen = resize(x, (a, b)).astype(float)
        share = (seen.max() - seen.min()) / 60000
        kept = kept_of(np.array([h]), np.array([w]), size=(a, b), resize_mode="crop")
        assert share == pytest.approx(kept.area_min, abs=0.12)  # a pixel at each end of twenty


def test_padding_shows_all_of_the_image_and_nothing_else():
    from neocog.data.image_decode import resize

    for dtype, white in ((np.uint8, 255), (np.uint16, 65535)):
        x = np.full((20, 60, 1), white, dtype)
        out = resize(x, (30, 30), resize_mode="pad")[..., 0]
        assert (out[10:20] == white).all()
        assert (out[:10] == 0).all()
        assert (out[20:] == 0).all()


def test_a_mode_with_bicubic_behind_it_frames_alike_and_interpolates_as_pillow_does():
    from PIL import Image

    from neocog.data.image_decode import resize

    x = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    assert "bicubic" not in "".join(RESIZE_MODES[:3])
    expected = Image.fromarray(x).resize((24, 24), Image.Resampling.BICUBIC, box=(10, 0, 50, 40))
    np.testing.assert_array_equal(resize(x, (24, 24), resize_mode="crop-bicubic"), expected)
    for mode in RESIZE_MODES[:3]:
        frame = {"size": (24, 24), "resize_mode": f"{mode}-bicubic"}
        plain, bicubic = resize(x, (24, 24), resize_mode=mode), resize(x, **frame)
        assert not np.array_equal(plain, bicubic)
        sides = np.array([40]), np.array([60])
        assert kept_of(*sides, **frame) == kept_of(*sides, size=(24, 24), resize_mode=mode)


@pytest.mark.parametrize("mode", [*RESIZE_MODES[:3], "pad-bicubic"])
def test_training_evaluating_and_predicting_see_the_same(tmp_path, mode):
    root = _make(tmp_path / "set", (40, 120), (120, 40), each=14)
    quick = {"model.name": "lenet5_modern", "train.batch_size": 8, "train.epochs": 2.0,
             "train.ema_decay": 0.0, "data.resize_mode": mode, "data.size": (32, 32),
             "machine.memory_format": "channels_last", "machine.precision": "float32"}  # fmt: skip
    run = tmp_path / "run"
    done = train(root, settings=quick, out=run)
    model = load(run)
    assert model.spec.input.resize_mode == mode
    scored = model.evaluate(root)
    assert scored.accuracy == done.card["metrics"]["test"]["accuracy"]
    split = model.samples(root).split
    said = {a.path: a.label for a in model.predict(root)}
    right = [said[str(root / n)] == model.spec.classes[k]
             for n, k in zip(split.names, split.y, strict=True)]  # fmt: skip
    assert np.mean(right) == pytest.approx(scored.accuracy)
    _, pixels = next(model.images(root / split.names[0]))
    np.testing.assert_array_equal(pixels, split.x[0])


def test_the_command_warns_on_standard_error(tmp_path):
    root = _make(tmp_path / "set", (60, 240), (240, 60), each=4)
    done = CliRunner().invoke(cli, ["data", str(root)])
    assert done.exit_code == 0
    assert "warning  8 of 8 images lose more than a fifth" in done.stderr
    kept = CliRunner().invoke(
        cli, ["data", str(root), "--resize-mode", "pad", "--size", "200", "-v"]
    )
    assert kept.stderr == ""
    assert "resized and padded" in " ".join(kept.stdout.split())


def test_strips_can_be_trained_on(tmp_path):
    root = _make(tmp_path / "set", (40, 1000), each=12)
    quick = {"train.batch_size": 8, "train.epochs": 1.0, "model.name": "convnet"}
    done = train(root, settings=quick, out=tmp_path / "run")
    assert done.spec.input.size == (26, 640)
