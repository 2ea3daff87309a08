"""A file named .jpg may hold a program, a page of the web, or another format: nothing starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.field.images_by_hand import encoded, png, smooth

from neocog.cli.main import main
from neocog.data.formats import FORMATS, identify
from neocog.data.image_decode import decode, head
from neocog.errors import DataError

EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 40 40
%%EndComments
(/tmp/neocog-was-here) (w) file closefile
0 0 40 40 rectfill showpage
%%EOF
"""
DOS_EPS = b"\xc5\xd0\xd3\xc6" + (30).to_bytes(4, "little") + bytes(22) + EPS
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)

CLAIMS = {
    "PostScript": EPS,
    "PostScript (EPS)": DOS_EPS,
    "PDF": b"%PDF-1.7\n" + bytes(40),
    "PSD": b"8BPS\0\1" + bytes(40),
    "HEIC": HEIC,
    "AVIF": b"\0\0\0\x1cftypavif" + bytes(40),
    "video": b"\0\0\0\x18ftypmp42" + bytes(40),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
    "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40),
    "DICOM": bytes(128) + b"DICM" + bytes(40),
    "FITS": b"SIMPLE  =                    T" + bytes(40),
    "camera raw": b"II*\0\x10\0\0\0CR\2\0" + bytes(40),
    "icon": b"\0\0\1\0\1\0" + bytes(40),
    "SVG": b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="x"></svg>',
    "a web page": b"\n<!DOCTYPE html><html>not found</html>",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "NumPy": b"\x93NUMPY\1\0" + bytes(40),
    "archive": b"PK\3\4" + bytes(40),
    "OpenEXR": b"v/1\1" + bytes(40),
    "Radiance": b"#?RADIANCE\n" + bytes(40),
    "no known image format": b"error: not found\n",
}  # fmt: skip


@pytest.mark.parametrize("what", CLAIMS)
def test_what_is_no_image_is_refused_by_its_name(what):
    for read in (identify, head, decode):
        with pytest.raises(DataError, match=what.replace("(", r"\(").replace(")", r"\)")):
            read(CLAIMS[what])


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_every_other_reader_of_the_library_is_closed():
    """A file in each format that the library writes is read, or refused before a reader starts."""
    Image.init()
    im = smooth(0, 32, 32)
    refused = []
    for kind in sorted(Image.SAVE):
        if kind in ("PDF", "HDF5", "GRIB", "BUFR", "WMF"):
            continue
        try:
            data = encoded(im if kind not in ("XBM", "MSP") else im.convert("1"), kind)
        except (OSError, KeyError, ValueError, AttributeError):
            continue
        try:
            assert decode(data).shape[:2] == (32, 32)
        except DataError:
            refused.append(kind)
        else:
            assert kind in (*FORMATS, "MPO"), kind
    assert {"EPS", "ICO", "TGA", "SGI", "PCX"} <= set(refused)
    assert not set(FORMATS) & set(refused)


READ = """
import sys
from neocog.data.image_decode import decode, head
from neocog.errors import DataError
for path in sys.argv[1:]:
    for read in (head, decode):
        try:
            read(open(path, "rb").read())
        except DataError as e:
            print(e)
"""
TRY_ALL = """
import sys
from PIL import Image
try:
    Image.open(sys.argv[1]).load()
except Exception:
    pass
"""


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A program called gs that leaves a trace; PostScript in files of every ending."""
    trace, programs = tmp_path / "trace", tmp_path / "programs"
    programs.mkdir()
    for name in ("gs", "gswin32c", "gswin64c", "convert", "magick", "djpeg", "cjpeg", "xdg-open"):
        (programs / name).write_text(f"#!/bin/sh\necho {name} >> {trace}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return trace


def claims(folder: Path) -> list[str]:
    """PostScript under every name that an image may have."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for k, content in enumerate((EPS, DOS_EPS)):
        for ending in ("jpg", "png", "tif", "gif", "bmp", "webp", "ppm", "eps"):
            (folder / f"claim{k}.{ending}").write_bytes(content)
            names.append(f"claim{k}.{ending}")
    return names


def test_no_program_is_started_by_a_decoder(tmp_path, canary):
    names = claims(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", READ, *(str(tmp_path / n) for n in names)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("PostScript (EPS), a program") == 2 * len(names)
    assert not canary.exists()
    subprocess.run([sys.executable, "-c", TRY_ALL, str(tmp_path / names[0])], check=True)
    assert canary.exists()  # what happens without a list of formats


def test_no_verb_starts_a_program(tmp_path, canary, capsys, monkeypatch):
    """data, train, predict, explain, and an image brought to the explorer."""
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    place, run = tmp_path / "place", tmp_path / "run"
    rng = np.random.default_rng(0)
    for name in ("dark", "light"):
        (place / name).mkdir(parents=True)
        for i in range(10):
            x = rng.integers(0, 100, (24, 24)) + (155 if name == "light" else 0)
            (place / name / f"{i}.png").write_bytes(png(x, color=0))
    names = claims(place / "dark")

    def ask(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(list(words))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(left.value.code or 0), out, err

    code, out, _ = ask("data", str(place), "--json")
    assert code == 0
    faults = {f["path"]: f["reason"] for f in json.loads(out)["faults"]}
    assert set(faults) == {f"dark/{n}" for n in names}
    assert all("PostScript" in reason for reason in faults.values())
    tiny = ("model.name=lenet5_modern", "train.epochs=1", "train.batch_size=8")
    words = [w for setting in tiny for w in ("--set", setting)]
    assert ask("train", str(place), "--out", str(run), *words)[0] == 0
    _, out, err = ask("predict", str(run), str(place / "dark"))
    assert (out + err).count("PostScript") == len(names)
    code, _, err = ask("explain", str(run), str(place / "dark" / "claim0.jpg"))
    assert code == 2
    assert "PostScript" in err
    from neocog.web.opening import opened

    session = opened(str(run), None)
    with pytest.raises(DataError, match="PostScript"):
        session.album.bring(EPS, session.networks)
    assert not canary.exists()


def test_a_wrong_ending_is_no_fault(tmp_path):
    data = encoded(smooth(1, 20, 20), "PNG")
    assert identify(data) == "PNG"
    assert decode(data).shape == (20, 20, 3)
    phone = encoded(smooth(1, 32, 32), "MPO", save_all=True, append_images=[smooth(2, 32, 32)])
    assert decode(phone).shape == (32, 32, 3)
    assert head(phone).kind == "JPEG"


def test_an_archive_of_images_is_said_to_be_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.jpg", "w") as file:
        file.writestr("a.png", encoded(smooth(1, 20, 20)))
    with pytest.raises(DataError, match="an archive, which is not read; unpack it"):
        decode((tmp_path / "a.jpg").read_bytes())
