"""One folder with everything that can be wrong with files, through every verb."""

import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.faults.made import bars
from tests.faults.processes import SETTINGS

from neocog.cli.main import main

SCRIPT = b"<script>alert(1)<script>"
CLASSES = [b"across", b"caf\xe9", b"do\nwn '\"&" + SCRIPT]


def encoded(x: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    (x if isinstance(x, Image.Image) else Image.fromarray(x)).save(out, kind, **options)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of some hundred bytes whose header promises width x height pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def unusable(x: np.ndarray) -> dict[bytes, bytes]:
    """Files of which no pixel can be used."""
    png = encoded(x, "PNG")
    return {
        b"cut.png": png[: len(png) // 2],
        b"cut.jpg": encoded(x, "JPEG")[:300],
        b"zero.png": b"",
        b"text.png": b"no image at all " * 20,
        b"notes.txt": b"taken on a Sunday",
        b"one.png": encoded(x[:1, :1], "PNG"),
        b"bomb.png": bomb(30_000, 30_000),
        b"cut caf\xe9\n.png": png[:40],
    }


def unusual(x: np.ndarray) -> dict[bytes, bytes]:
    """Files that a careful reader can use."""
    gray = Image.fromarray(x)
    moving = [Image.fromarray(255 - x)]
    return {
        b"cmyk.jpg": encoded(gray.convert("CMYK"), "JPEG"),
        b"palette.png": encoded(gray.convert("P"), "PNG"),
        b"deep.png": encoded(x.astype(np.uint16) * 257, "PNG"),
        b"moving.gif": encoded(gray, "GIF", save_all=True, append_images=moving),
        b"jpeg in truth.png": encoded(x, "JPEG"),
        b"new\nline.png": encoded(255 - x, "PNG"),
        b"quote ' \" &.png": encoded(x.T, "PNG"),
        SCRIPT + b".png": encoded(x[::-1], "PNG"),
        b"caf\xe9.png": encoded(x[:, ::-1], "PNG"),
    }


def name_of(path: bytes) -> str:
    return os.fsdecode(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 16 good images; the first has bad and unusual files and links too."""
    root = tmp_path_factory.mktemp("bad") / "data"
    rng = np.random.default_rng(0)
    files: dict[bytes, bytes] = {}
    for number, name in enumerate(CLASSES):
        for i in range(16):
            files[name + b"/%02d.png" % i] = encoded(bars(number % 2, rng), "PNG")
    for name, content in (unusable(bars(0, rng)) | unusual(bars(0, rng))).items():
        files[CLASSES[0] + b"/" + name] = content
    for name in [*CLASSES, b"nothing"]:
        (root / name_of(name)).mkdir(parents=True)
    for name, content in files.items():
        (root / name_of(name)).write_bytes(content)
    links = {"loop": root, "self.png": Path("self.png"), "dangling.png": Path("gone")}
    for link, target in links.items():
        (root / "across" / link).symlink_to(target)
    os.mkfifo(root / "across" / "pipe.png")
    return root


@pytest.fixture(scope="module")
def run(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training on all of it."""
    out = tmp_path_factory.mktemp("run") / "run"
    settings = SETTINGS | {"train.epochs": 2.0}
    words = [w for k, v in settings.items() for w in ("--set", f"{k}={v}")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(out.parent / "cache"))
        with pytest.raises(SystemExit) as left:
            main(["train", str(place), "--out", str(out), *words])
    assert left.value.code == 0
    return out


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """What a command prints on standard output and error; it must end well."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(list(words))
    out, err = capsys.readouterr()
    assert left.value.code == 0, err
    assert "Traceback" not in err
    return out, err


def test_every_file_that_cannot_be_used_is_named(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = json.loads(asked(capsys, "data", str(place), "--json")[0])
    named = {f["path"]: f["reason"] for f in sheet["faults"]}
    bad = [b"across/" + n for n in unusable(np.zeros((28, 28), np.uint8))]
    links = [b"across/loop", b"across/self.png", b"across/dangling.png", b"across/pipe.png"]
    assert {name_of(n) for n in [*bad, *links]} | {"nothing"} == set(named)
    assert "too large: " in named["across/bomb.png"]
    assert "too small" in named["across/one.png"]
    assert "empty" in named["across/zero.png"]
    assert "empty" in named["nothing"]
    taken = {p: n["reason"] for n in sheet["notes"] for p in n["paths"]}
    assert "several frames" in taken["across/moving.gif"]
    assert "named as PNG, holds JPEG" in taken["across/jpeg in truth.png"]
    assert sum(sheet["n"].values()) == 3 * 16 + len(unusual(np.zeros((28, 28), np.uint8)))


def test_the_data_sheet_is_printed_and_drawn(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = asked(
        capsys, "data", str(place), "--verbose", "--report", str(tmp_path / "sheet.html")
    )
    assert "bomb.png" in out
    assert r"caf\xe9" in out
    html = (tmp_path / "sheet.html").read_text("utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_rest_is_trained_on_and_the_report_escapes_names(run: Path) -> None:
    card = json.loads((run / "model.json").read_text())
    assert {name_of(c) for c in CLASSES} <= set(card["spec"]["classes"])
    html = (run / "report.html").read_text("utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert r"caf\xe9" in html


def test_predict_answers_what_can_be_used_and_names_the_rest(
    place: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = asked(capsys, "predict", str(run), str(place / "across"), "--json")
    assert err == ""
    answers = {Path(a["path"]).name: a for a in map(json.loads, out.splitlines())}
    black = np.zeros((28, 28), np.uint8)
    for name in unusable(black):
        answer = answers[name_of(name)]
        assert answer["error"]
        assert answer["label"] is None
    for name in [*unusual(black), b"00.png"]:
        answer = answers[name_of(name)]
        assert answer["error"] is None
        assert 0 < answer["probability"] <= 1
        assert answer["top"][0] == [answer["label"], answer["probability"]]
    assert {"self.png", "dangling.png"} <= {n for n, a in answers.items() if a["error"]}
    assert "not a regular file" in answers["pipe.png"]["error"]


def test_predict_in_words_keeps_a_line_a_file(
    place: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = asked(capsys, "predict", str(run), str(place / "across"))
    black = np.zeros((28, 28), np.uint8)
    assert len(out.splitlines()) == 16 + len(unusual(black))
    assert len(err.splitlines()) == len(unusable(black)) + 4  # two links, a circle and a pipe
    assert r"new\nline.png" in out
    assert r"caf\xe9" in out
    assert all("not used: " in line for line in err.splitlines())


def test_evaluate_takes_the_same_folder(
    place: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score = json.loads(asked(capsys, "evaluate", str(run), str(place), "--json")[0])
    assert score["n"] == sum(c["n"] for c in score["per_class"]) > 0
    out, _ = asked(capsys, "evaluate", str(run), str(place))
    assert r"do\nwn" in out
    assert r"caf\xe9" in out


def test_strict_stops_at_the_first(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["data", str(place), "--strict"])
    err = capsys.readouterr().err
    assert left.value.code == 2
    assert "Strict reading requires every file to be readable" in err
