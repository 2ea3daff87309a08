"""No bound and no pin admits a version with a known hole that a stranger's file can reach."""

from __future__ import annotations

import datetime
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("audit_pins", ROOT / "scripts" / "audit_pins.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def files() -> tuple[str, str, str]:
    names = ("scripts/advisories.toml", "pyproject.toml", "constraints.txt")
    known, project, pins = ((ROOT / n).read_text("utf-8") for n in names)
    return known, project, pins


def test_nothing_is_to_be_mended(script, files):
    known, project, pins = files
    assert script.faults(script.advisories(known), script.bounds(project), script.pins(pins)) == []


def test_the_list_has_a_day_and_names_what_is_pinned_or_bounded(script, files):
    known, project, pins = files
    assert 0 <= script.age(known, datetime.date(2027, 1, 1)) < 400
    named = script.bounds(project).keys() | script.pins(pins).keys()
    for one in script.advisories(known):
        assert one["package"] in named
        assert re.fullmatch(r"(CVE-\d{4}-\d{4,}|GHSA(-\w{4}){3}|PYSEC-\d{4}-\d+)", one["id"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"pillow>=13"', '"pillow>=12.2"', 'Write "pillow>=13.0.0"'),
        ('"pillow>=13"', '"pillow"', 'Write "pillow>=10.2.0"'),
        ('  "h11>=0.16",\n', "", 'Write "h11>=0.16.0"'),
        ('"torch>=2.11,<3"', '"torch>=2.6,<3"', "CVE-2026-24747"),
        ("onnx>=1.21", "onnx>=1.17", "CVE-2025-51480"),
    ],
)
def test_a_lower_bound_is_found(script, files, old, new, said):
    known, project, pins = files
    assert old in project
    lowest = script.bounds(project.replace(old, new))
    found = script.faults(script.advisories(known), lowest, script.pins(pins))
    assert any(said in line for line in found)


def test_an_affected_pin_is_found(script, files):
    known, project, pins = files
    for line in ("pillow==12.1.0", "protobuf==6.31.0", "filelock==3.19.1"):
        name = line.partition("==")[0]
        changed = re.sub(rf"(?m)^{name}==.*$", line, pins)
        assert changed != pins
        found = script.faults(
            script.advisories(known), script.bounds(project), script.pins(changed)
        )
        assert any(name in f and "constraints.txt" in f for f in found)
    since = script.pins("pillow==10.2.0")
    ids = " ".join(script.faults(script.advisories(known), script.bounds(project), since))
    assert "CVE-2024-28219" in ids
    assert "CVE-2026-25990" not in ids  # from 10.3 on


def test_it_runs_alone():
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "audit_pins.py")], capture_output=True, text=True
    )
    assert "known holes" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_installed_here_is_admitted():
    from importlib.metadata import version

    from packaging.requirements import Requirement

    for text in ("torch>=2.11,<3", "pillow>=13", "starlette>=1.3", "h11>=0.16", "jinja2>=3.1.6"):
        wanted = Requirement(text)
        assert wanted.specifier.contains(version(wanted.name), prereleases=True)
