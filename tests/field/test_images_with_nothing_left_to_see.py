"""White icons on transparent ground turn all white; dark sets look black: it is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.field.images_by_hand import encoded, png

from neocog.cli.main import main
from neocog.data.open import open_data

RNG = np.random.default_rng(5)


def icon(color: tuple[int, int, int], kind: str = "RGBA") -> Image.Image:
    """A disk of one color on transparent ground, somewhere."""
    rows, columns = np.mgrid[:32, :32]
    far = np.hypot(rows - RNG.integers(10, 22), columns - RNG.integers(10, 22))
    alpha = (far < RNG.integers(5, 10)) * np.uint8(255)
    x = np.dstack([*(np.full((32, 32), c, np.uint8) for c in color), alpha])
    return Image.fromarray(x).convert(kind)


def saved(root: Path, **classes: list[bytes]) -> Path:
    for name, files in classes.items():
        (root / name).mkdir(parents=True)
        for k, data in enumerate(files):
            (root / name / f"{k}.png").write_bytes(data)
    return root


@pytest.mark.parametrize("kind", ["RGBA", "LA"])
def test_white_icons_on_transparent_ground_are_said(kind, tmp_path):
    white = [encoded(icon((255, 255, 255), kind)) for _ in range(8)]
    nearly = [encoded(icon((250, 250, 250), kind)) for _ in range(4)]
    black = [encoded(icon((0, 0, 0), kind)) for _ in range(12)]
    sheet = open_data(saved(tmp_path / "a", white=white + nearly, black=black)).sheet
    notes = {n.reason: n.paths for n in sheet.notes}
    (pale,) = [paths for reason, paths in notes.items() if "blank over white" in reason]
    assert {p.split("/")[0] for p in pale} == {"white"}
    assert len(pale) == 12
    assert len(notes["transparency, flattened onto white"]) == 24
    assert any(
        r.startswith("12 of 24 transparent images are blank over white") for r in sheet.warnings
    )


def test_images_without_transparency_are_no_icons(tmp_path):
    flat = [png(np.full((32, 32), v), color=0) for v in range(12)]
    black = [encoded(icon((0, 0, 0))) for _ in range(12)]
    sheet = open_data(saved(tmp_path / "a", flat=flat, black=black)).sheet
    assert not any("blank over white" in n.reason for n in sheet.notes)


@pytest.mark.parametrize(("bits", "top"), [(8, 15), (16, 4095), (16, 255)])
def test_a_dark_set_is_said(bits, top, tmp_path):
    """Masks of 0 to 15, sensors of 12 bits, bytes in 16 bits: taken as they are, and said."""
    made = [[png(RNG.integers(0, top + 1, (32, 32)), bits=bits, color=0) for _ in range(12)]
            for _ in range(2)]  # fmt: skip
    source = open_data(saved(tmp_path / "a", one=made[0], two=made[1]))
    white = (1 << bits) - 1
    assert any(f"is {top:,} of {white:,}" in r for r in source.sheet.warnings)
    assert max(int(s.x.max(initial=0)) for s in source.splits.values()) == top
    bright = [png(RNG.integers(0, white + 1, (32, 32)), bits=bits, color=0) for _ in range(12)]
    other = open_data(saved(tmp_path / "b", one=made[0], two=bright))
    assert not any("which is dark" in r for r in other.sheet.warnings)


@pytest.mark.filterwarnings("default")
def test_every_verb_says_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    white = [encoded(icon((255, 255, 255))) for _ in range(10)]
    black = [encoded(icon((0, 0, 0))) for _ in range(10)]
    place = str(saved(tmp_path / "a", white=white, black=black))
    tiny = ("model.name=lenet5_modern", "train.epochs=1", "train.batch_size=8")
    words = [w for setting in tiny for w in ("--set", setting)]
    for ask in (["data", place], ["train", place, "--out", str(tmp_path / "run"), *words]):
        with pytest.raises(SystemExit) as left:
            main(ask)
        out, err = capsys.readouterr()
        assert left.value.code == 0, err
        assert "10 of 20 transparent images are blank over white" in out + err
    for one in ("white", "black"):
        words = ["predict", str(tmp_path / "run"), f"{place}/{one}/0.png"]
        for ask in (words, [*words, "--json"]):
            with pytest.raises(SystemExit) as left:
                main(ask)
            out, err = capsys.readouterr()
            assert left.value.code == 0, err
            assert ("blank over white" in err) == (one == "white")
            assert "blank over white" not in out
