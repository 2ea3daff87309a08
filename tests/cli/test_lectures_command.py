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
