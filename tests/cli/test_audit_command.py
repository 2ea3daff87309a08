from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

FAST = ("--samples", "20", "--map-samples", "5", "--max-shift", "2", "--no-scale", "--no-elastic")


def test_json_and_report(call, digits_run: Path, tmp_path: Path) -> None:
    report = tmp_path / "audit.html"
    said = call("audit", digits_run, "digits", *FAST, "--json", "--report", report)
    assert said.status == 0
    found = json.loads(said.out)
    assert found["n"] == 20
    assert found["scale"] is None
    assert found["shift"]["circular"]["map"]["n"] == 5
    assert len(found["layers"]) > 3
    assert not any(e["name"].startswith("network.") for e in found["layers"])
    assert report.read_text("utf8").startswith("<!doctype html>")
    assert said.err == f"Report: {report}\n"


def test_words(call, digits_run: Path) -> None:
    said = call("audit", digits_run, "digits:val", *FAST, "--shift", "zeros", "--no-layers")
    assert said.status == 0
    lines = said.out.splitlines()
    assert re.match(r"(Not s|S)hift-robust: |Not decided", lines[0])
    assert "of predictions flip under" in lines[0]
    assert any(line.startswith("flips, zero fill") for line in lines)
    assert "flips, circular" not in said.out
    assert "split val" in said.out
    assert len(lines) <= 24
    whole = call(
        "audit", digits_run, "digits:val", *FAST, "--shift", "zeros", "--no-layers", "--verbose"
    )
    assert "zeros consistency" in whole.out
    assert "Protocol" in whole.out


def test_a_missed_bound_is_status_one(call, digits_run: Path) -> None:
    bounds = ("--require", "n>=20", "--require", "shift.zeros.consistency > 1")
    quick = (*FAST, "--shift", "zeros", "--no-layers", "--no-rotation")
    said = call("audit", digits_run, "digits", *quick, *bounds)
    assert said.status == 1
    assert "MISSED" in said.out
    assert "kept" in said.out
    said = call("audit", digits_run, "digits", *quick, *bounds[:2], "--json")
    assert said.status == 0
    assert json.loads(said.out)["required"] == [{"bound": "n >= 20", "value": 20, "kept": True}]


def test_against_another_model(call, digits_run: Path) -> None:
    quick = (*FAST, "--shift", "circular", "--no-layers", "--no-rotation")
    said = call("audit", digits_run, "digits", *quick, "--baseline", digits_run, "--json")
    assert said.status == 0
    (row,) = json.loads(said.out)["compared"]
    assert row["difference"] == 0
    assert row["matched_n"] > 0
    words = call("audit", digits_run, "digits", *quick, "--baseline", digits_run)
    assert re.search(r"baseline +model +Δ in pp", words.out)
    assert re.search(r"flips, circular +[0-9.]+ % +[0-9.]+ % +\+0.0 ", words.out)


def test_the_default_is_planned_said_and_can_be_repeated(call, digits_run: Path) -> None:
    said = call("audit", digits_run, "digits", "--json", "--budget", "3s")
    assert said.status == 0
    found = json.loads(said.out)
    assert set(found["shift"]) == {"circular", "crop"}
    assert found["headline"].endswith(").")
    left = {part["what"]: part["option"] for part in found["left_out"]}
    assert left["rotation"] == "--rotation"
    assert left["zeros and subpixel shifts"] == "--shift all"
    options = shlex.split(found["protocol"]["repeat"])
    assert options[:2] == ["--samples", str(found["n"])]
    again = json.loads(call("audit", digits_run, "digits", "--json", *options).out)
    for key in ("n", "accuracy", "shift", "layers", "aliasing", "rotation", "headline"):
        assert again[key] == found[key]


def test_a_bound_is_measured_though_the_plan_leaves_it_out(call, digits_run: Path) -> None:
    few = ("--samples", "20", "--no-layers", "--json")
    bounds = ("--require", "shift.zeros.flip_rate<=1", "--require", "elastic.slope>=0")
    found = json.loads(call("audit", digits_run, "digits", *few, *bounds).out)
    assert [row["kept"] for row in found["required"]] == [True, True]
    assert set(found["shift"]) == {"circular", "crop", "zeros"}
    assert found["rotation"] is None
    said = call("audit", digits_run, "digits", *few, "--no-elastic", *bounds)
    assert said.status == 2
    assert "with these options `elastic` is not measured" in said.err


def test_full_measures_everything(call, digits_run: Path) -> None:
    few = ("--samples", "12", "--full", "--map-samples", "2", "--layer-samples", "4", "--json")
    found = json.loads(call("audit", digits_run, "digits", *few).out)
    assert set(found["shift"]) == {"circular", "crop", "zeros", "subpixel"}
    assert all(s["map"]["n"] == 2 for s in found["shift"].values())
    assert found["rotation"]["n"] == found["scale"]["n"] == found["elastic"]["n"] == 12
    assert found["layers"][0]["lie_shift"] is not None
    assert found["left_out"] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--shift", "circle"), "`circle` is not a kind of shift. Did you mean `circular`?"),
        (("--require", "accuracy"), "A bound is KEY OP NUMBER"),
        (("--require", "shift.circul.flip<1"), "Did you mean `circular`?"),
        (("--max-shift", "40"), "from 1 to below the size of the samples"),
        (("--size", "1,28,28"), "A run folder knows its model's size"),
    ],
)
def test_wrong_use_is_one_sentence(
    call, digits_run: Path, words: tuple[str, ...], sentence: str
) -> None:
    fast = ("--samples", "5", "--map-samples", "2", "--no-layers", "--no-rotation", "--no-scale")
    said = call("audit", digits_run, "digits", *fast, "--no-elastic", *words)
    assert said.status == 2
    assert sentence in said.err


def test_a_report_that_cannot_be_written(call, digits_run: Path, tmp_path: Path) -> None:
    quick = (*FAST, "--shift", "zeros", "--no-layers", "--no-rotation")
    (tmp_path / "file").write_text("")
    said = call("audit", digits_run, "digits", *quick, "--report", tmp_path / "file" / "a.html")
    assert said.status == 2
    assert "names a file to be written" in said.err


def test_a_run_folder_keeps_its_last_audit(call, digits_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(digits_run, run)
    quick = (*FAST, "--shift", "zeros", "--no-layers", "--no-rotation", "--json")
    said = call("audit", run, "digits:val", *quick)
    kept = json.loads((run / "audit.json").read_text())
    assert kept["result"] == json.loads(said.out)
    assert kept["data"] == "digits:val"
    assert [s["kind"] for s in kept["sections"]] == ["section"] * len(kept["sections"])
    assert said.err == ""


def test_an_audit_that_cannot_be_kept_is_told_all_the_same(
    call, digits_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("neocog.targets.tempfile.mkstemp", full)
    quick = (*FAST, "--shift", "zeros", "--no-layers", "--no-rotation", "--json")
    said = call("audit", digits_run, "digits", *quick)
    assert said.status == 0
    assert json.loads(said.out)["n"] == 20
    assert said.err.startswith(f"The audit is not kept in `{digits_run}`: ")


@pytest.fixture
def waves(tmp_path: Path) -> Path:
    """Thirty series of 32 numbers, with classes."""
    file = tmp_path / "waves.npz"
    rng = np.random.default_rng(0)
    np.savez(file, x=rng.normal(size=(30, 32)), y=rng.integers(0, 2, 30))
    return file


WAVE = ("tests.web.strangers:wave", "--series", "1,32")


@pytest.mark.filterwarnings("ignore:No weights were given")
def test_A8_a_model_of_series(call, waves: Path) -> None:
    said = call("audit", *WAVE, waves, *FAST, "--full", "--json", "--baseline", WAVE[0])
    assert said.status == 0
    found = json.loads(said.out)
    assert found["n"] == 20
    assert set(found["shift"]) == {"circular", "crop", "zeros", "subpixel"}
    assert [r["difference"] for r in found["compared"]] == [0.0] * 4
    assert all(len(e["output"]) <= 2 for e in found["layers"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--size", "1,8,8"), "--size C,N and --series C,N mean the same; give one of them"),
        (("--series", "1,64"), "The model takes series of 1 × 64 values"),
        (("--classes", "4"), "has 3 outputs and 4 classes"),
        (("--std", "0"), "the std 0 is not positive. Correct --std"),
        (("--mean", ".1,.2"), "got 2 for 1 channels"),
    ],
)
@pytest.mark.filterwarnings("ignore:No weights were given")
def test_wrong_use_of_series_is_one_sentence(call, waves: Path, words, sentence: str) -> None:
    said = call("audit", *WAVE, waves, *words)
    assert said.status == 2
    assert sentence in said.err
    assert "Traceback" not in said.err
