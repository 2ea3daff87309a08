"""Audits on the page: of the run folder, or made here."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.short import QUICK
from tests.web.conftest import asking, small_model

from neocog.cli.main import main
from neocog.exhibits import Bars, Check, Checks, Curve, Gallery, Map, Scalar, Section, Table
from neocog.runs.load import load
from neocog.runs.saved_audit import fingerprint, keep_audit
from neocog.store.tensors import read_tensors, write_tensors
from neocog.web.audit import well_formed
from neocog.web.opening import opened


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch on digits, which the tests of this file may change."""
    folder = tmp_path_factory.mktemp("audited") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(folder.parent / "cache"))
        with pytest.raises(SystemExit):
            main(["train", "digits", "--out", str(folder), *QUICK])
    return folder


SECTION = Section(title="Shifts", exhibits=(Scalar(title="samples", value=7),), text="Kept.")


def test_an_audit_is_made_once_and_kept() -> None:
    session = opened(small_model(), "digits")
    for ask in asking(session):
        assert ask("/api/about").json()["audits"] == ["none"]
        assert ask("/api/audit?model=0").status_code == 404
        made = ask("/api/audit", {"model": 0, "n": 4})
        assert made.status_code == 200, made.text
        first = made.json()["sections"][0]
        assert first["kind"] == "section"
        assert "of predictions flip under" in first["title"]
        assert {"bars", "scalar"} <= {e["kind"] for e in first["exhibits"]}
        assert "short audit of 4 samples of the split test" in made.json()["source"]
        assert ask("/api/audit?model=0").json() == made.json()
        assert ask("/api/about").json()["audits"] == ["computed"]


def test_the_audit_of_a_run_folder_is_shown_and_says_so(run: Path) -> None:
    keep_audit(load(run), data="digits:val", result={"n": 1234}, sections=[SECTION])
    for ask in asking(opened(run, "digits")):
        assert ask("/api/about").json()["audits"] == ["saved"]
        found = ask("/api/audit?model=0").json()
        assert found["sections"] == [SECTION.to_json()]
        assert found["source"] == (
            "From the run folder, written by neocog audit: 1,234 samples of digits:val."
        )


def test_an_audit_that_comes_later_is_seen(run: Path) -> None:
    (run / "audit.json").unlink(missing_ok=True)
    for ask in asking(opened(run, "digits")):
        assert ask("/api/about").json()["audits"] == ["none"]
        keep_audit(load(run), data="digits", result={"n": 2}, sections=[SECTION])
        assert ask("/api/about").json()["audits"] == ["saved"]
        assert ask("/api/audit?model=0").status_code == 200


def test_an_audit_of_other_weights_is_not_shown(run: Path) -> None:
    trained = load(run)
    keep_audit(trained, data="digits", result={"n": 2}, sections=[SECTION])
    file = run / "model.safetensors"
    tensors, text = read_tensors(file)
    name = next(iter(tensors))
    write_tensors(file, {**tensors, name: tensors[name] + 1}, text)
    try:
        assert fingerprint(load(run)) != fingerprint(trained)
        for ask in asking(opened(run, "digits")):
            assert ask("/api/about").json()["audits"] == ["other"]
            refused = ask("/api/audit?model=0")
            assert refused.status_code == 404
            assert "is of other weights" in refused.json()["error"]
            assert ask("/api/audit", {"n": 4}).status_code == 200
            assert ask("/api/about").json()["audits"] == ["computed"]
    finally:
        write_tensors(file, tensors, text)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b"\xff\xfe",
        json.dumps({"format": 1, "model": "x", "data": "", "result": {}, "sections": [3]}).encode(),
    ],
)
def test_a_file_that_is_no_audit_is_none(run: Path, damage: bytes) -> None:
    (run / "audit.json").write_bytes(damage)
    for ask in asking(opened(run, "digits")):
        assert ask("/api/about").json()["audits"] == ["none"]
        assert ask("/api/audit?model=0").status_code == 404


IMAGE = torch.zeros(2, 2, dtype=torch.uint8).numpy()
EXHIBITS = (
    Scalar(title="a", value=1.5, interval=(1.0, 2.0)),
    Curve(title="b", x=[0, 1], lines={"c": [None, 2.0]}, x_label="", y_label="%"),
    Map(title="d", values=torch.eye(2).numpy(), rows=("e", "f")),
    Gallery(title="g", images=[IMAGE], captions=["h"]),
    Table(title="i", columns=("j",), rows=[["k"], [None], [3]]),
    Bars(title="l", names=["m"], series={"n": [0.5]}, intervals={"n": [(0.4, 0.6)]}, high=1.0),
    Checks(title="o", checks=[Check(name="p", passed=None, text="q")]),
)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda e: type(e).__name__)
def test_only_whole_exhibits_go_to_the_page(exhibit: Any) -> None:
    section = Section(title="s", exhibits=(exhibit,)).to_json()
    assert well_formed(json.loads(json.dumps(section)))
    (plain,) = section["exhibits"]
    for name in plain:
        if name in ("diverging", "log_y", "pixelated"):
            continue
        for wrong in ([{}], {"a": [{}]}, True and object()):
            broken = {**section, "exhibits": [{**plain, name: wrong}]}
            assert not well_formed(broken), (name, wrong)


def test_an_image_of_an_audit_is_in_the_audit() -> None:
    section = Section(title="s", exhibits=(EXHIBITS[3],)).to_json()
    section["exhibits"][0]["images"] = ["http://elsewhere.example/a.png"]
    assert not well_formed(section)
