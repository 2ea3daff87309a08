import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from neocog.cli.main import cli
from neocog.lectures import geometry
from neocog.lectures.evidence import Comparison, Evidence


def run(*words: str):
    return CliRunner().invoke(cli, ["lectures", *words])


def test_some_claims_as_a_table_a_page_and_json(tmp_path):
    page = tmp_path / "l.html"
    done = run("A1", "--only", "B4", "--report", str(page), "--verbose")
    assert done.exit_code == 0, done.output
    assert "2 of 2 claims met." in done.output
    assert "A1  met" in done.output
    assert "<svg" in page.read_text() or "<table" in page.read_text()
    plain = json.loads(run("B4", "--json").stdout)
    assert (plain["met"], plain["n"], plain["not_met"]) == (1, 1, [])


def test_slides_are_one_file_without_script(tmp_path):
    deck = tmp_path / "s.html"
    done = run("A1", "E3", "--slides", str(deck))
    assert done.exit_code == 0, done.output
    html = deck.read_text()
    # A title, a chapter before each claim, the claims.
    assert html.count('<section class="slide opening"') == 3
    assert html.count('<section class="slide"') == 2
    assert "Met: 3×3 input with a 2×2 kernel" in html
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("missing", ["", "a part"])
def test_exit_status_1_where_a_claim_is_not_met_or_not_shown(monkeypatch, missing):
    number = Comparison(name="parameters", value=28 if missing else 29, expected=28)
    evidence = Evidence(measured_on="x", comparisons=(number,), missing=missing)
    claims = [replace(c, measure=lambda m: evidence) if c.id == "B4" else c
              for c in geometry.CLAIMS]  # fmt: skip
    monkeypatch.setattr(geometry, "CLAIMS", tuple(claims))
    done = run("B4")
    assert done.exit_code == 1
    assert ("B4  not shown" if missing else "B4  not met") in done.output
    assert "Next: " in done.output


def test_a_claim_that_is_none_is_refused():
    done = run("--only", "A1,Q7")
    assert done.exit_code != 0
    assert "got `Q7`" in str(done.exception)


def test_exercises_are_written_and_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("--exercises")
    assert done.exit_code == 0, done.output
    assert "neocog lectures check exercises.py" in done.output
    done = run("check", "exercises.py")
    assert done.exit_code == 1
    assert "0 of 10 exercises passed." in done.output
    assert "not written" in done.output
    path = tmp_path / "exercises.py"
    path.write_text(path.read_text() + "\ndef shell(n):\n    return 0.7 / n\n")
    done = run("check", "exercises.py", "--json")
    last = json.loads(done.stdout)["exercises"][-1]
    assert (last["exercise"], last["passed"]) == ("shell", False)
    assert "shell(2) must be 0.29" in last["message"]
    assert run("check").exit_code != 0
    assert "options of a measurement" in str(run("check", "x.py", "--only", "A").exception)
    assert "options of a measurement" in str(run("A1", "--exercises", "y.py").exception)
    assert not (tmp_path / "y.py").exists()
