"""The figures of every verb are those that were recorded before the house was rebuilt."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.golden.cases import CASES, Case
from tests.golden.compare import compare, unused
from tests.golden.paths import condensed
from tests.golden.recorded import FOLDER, read
from tests.golden.workshop import Workshop, machine


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("case", [
    pytest.param(case, id=name, marks=[pytest.mark.slow] if case.slow else [])
    for name, case in CASES.items()
])  # fmt: skip
def test_figures_are_as_recorded(case: Case, workshop: Workshop) -> None:
    if case.missing():
        pytest.skip(f"needs {', '.join(case.missing())} of ../shared")
    if case.name == "export-onnx":
        pytest.importorskip("onnxscript", reason="needs the extra `onnx`")
    where, recorded = read(case.name)
    today = condensed(case.figures(workshop))
    found = compare(case.name, recorded, today, None if where == machine() else case.close)
    print(found.text())
    assert found.kept, f"\n{found.text()}"


def test_every_file_is_of_a_case_and_every_name_of_a_figure() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(CASES)
    assert unused({name: read(name)[1] for name in CASES}) == []


def test_the_files_stay_small() -> None:
    assert sum(file.stat().st_size for file in Path(__file__).parent.rglob("*.[js]*")) < 200_000
