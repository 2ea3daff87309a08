"""`neocog data`: the sheet on standard output, progress elsewhere, a report on demand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from neocog.errors import DataError


@pytest.fixture
def place(tmp_path):
    for k, name in enumerate(("cat", "[red]<b>dog")):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(12):
            x = np.random.default_rng([k, i]).integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(x).save(tmp_path / "set" / name / f"{i}.png")
    (tmp_path / "set" / "cat" / "caf\udce9.png").write_bytes(b"")
    return tmp_path / "set"


def _run(*args):
    from neocog.cli.data import command

    return CliRunner().invoke(command, [str(a) for a in args], catch_exceptions=False)


def test_json_is_the_sheet(place):
    done = _run(place, "--json")
    sheet = json.loads(done.stdout)
    assert done.exit_code == 0
    assert sheet["counts"]["train"] == {"[red]<b>dog": 9, "cat": 9}
    assert sheet["faults"] == [
        {"path": "cat/caf\udce9.png", "reason": "empty: the file holds no bytes"}
    ]


def test_text_names_everything_as_it_is(place):
    done = _run(place, "--verbose")
    assert done.exit_code == 0
    assert done.stdout.startswith("Needs a look: 24 images, 2 classes: 0 label conflicts")
    for word in ("[red]<b>dog", r"cat/caf\xe9.png", "empty: the file holds no bytes", "Balance"):
        assert word in done.stdout


def test_report_is_written_and_escapes_names(place, tmp_path):
    pytest.importorskip("neocog.render.page")
    done = _run(place, "--report", tmp_path / "sheet.html")
    assert done.exit_code == 0
    html = (tmp_path / "sheet.html").read_text("utf-8")
    assert "&lt;b&gt;dog" in html
    assert "<b>dog" not in html
    assert "data:image/png" in html


def test_size_and_seed_are_passed_on(place):
    a, b = (json.loads(_run(place, "--json", "--size", "24,30", "--seed", s).stdout) for s in "01")
    assert a["size"] == [24, 30]
    assert "seed 1" in b["remarks"][0]


def test_strict_stops(place):
    with pytest.raises(
        DataError, match=r"Strict reading requires every file to be readable; cat/caf\\xe9"
    ):
        _run(place, "--strict")


def test_data_may_be_a_split(place):
    assert json.loads(_run("digits:test", "--json").stdout)["n"]["test"] == 1000
