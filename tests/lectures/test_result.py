import json

import pytest

from neocog.lectures.chapters import all_claims
from neocog.lectures.evidence import Comparison, Evidence
from neocog.lectures.result import JudgedClaim, LectureReport


def report(misses: int = 0, missing: int = 0, source: str = "digits") -> LectureReport:
    """All claims, so many of them not met and not shown."""
    claims = []
    for i, claim in enumerate(all_claims().values()):
        one = Comparison(name="<b>sum" * 30, value=3 if i < misses else 2, expected=2)
        gap = "the rest" if misses <= i < misses + missing else ""
        evidence = Evidence(measured_on="numbers", comparisons=(one,), missing=gap)
        claims.append(JudgedClaim(claim=claim, evidence=evidence, seconds=0.1))
    return LectureReport(source=source, claims=tuple(claims), seed=0, seconds=1.0)


@pytest.mark.parametrize(("misses", "missing"), [(0, 0), (1, 1), (2, 9), (15, 5)])
def test_the_first_screen_has_24_lines_of_80_columns_and_misses_first(misses, missing):
    lines = report(misses, missing).summary().split("\n")
    assert len(lines) <= 24
    assert all(len(line) <= 80 for line in lines if not line.startswith("  neocog"))
    rows = [line.split()[0] for line in lines if " not " in line[:17]]
    assert rows == [c.claim.id for c in report(misses, missing).claims][: len(rows)]
    assert bool(rows) == bool(misses + missing)


def test_counts_and_verdicts_follow_from_the_evidence():
    one = report(2, 1)
    assert (one.n - one.met, one.all_met) == (3, False)
    assert one.not_met == ("A1", "A2")
    assert one.incomplete == ("A3",)
    assert "2 not met, 1 not shown" in one.first_screen().headline
    assert report().all_met


def test_the_page_escapes_and_the_json_is_plain(tmp_path):
    one = report(1, source="my <b>data")
    page = one.save_html(tmp_path / "l.html").read_text()
    assert "<b>sum" not in page
    assert "my <b>data" not in page
    plain = json.loads(json.dumps(one.to_json(), allow_nan=False))
    assert plain["claims"][0]["verdict"] == "not met"
    assert plain["claims"][0]["comparisons"][0]["holds"] is False
    assert plain["claims"][1]["id"] == "A2"
