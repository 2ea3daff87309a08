"""Tests mirror the source: what `ROOM/x.py` does is held by `tests/ROOM/test_x.py`.

A module without a mirror is covered by the tests of its room, by `tests/contracts` or by a
situation in `tests/field`; such modules only become fewer.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "neocog"

WITHOUT = 51
"""Modules without a mirror, at most: lower it with each that gets one."""

DATA_ALONE = {
    "data/plan.py": "a named tuple of what is known of a file",
    "runs/events.py": "what callbacks of a training receive",
    "surgery/result.py": "what a conversion returns",
    "tasks/task.py": "the protocol of a task",
    "version.py": "the number of the version",
    "web/refused.py": "errors with their HTTP status",
}
"""Modules that compute nothing: there is nothing to test."""


def without_mirror() -> list[str]:
    """Modules whose tests have another name, or stand in another folder."""
    missing = []
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE)
        mirror = ROOT / "tests" / name.with_name(f"test_{file.name}")
        command = mirror.with_name(f"test_{file.stem}_command.py")  # `cli` calls its verbs
        exempt = file.stem.startswith("__") or name.as_posix() in DATA_ALONE
        if not exempt and not (mirror.exists() or command.exists()):
            missing.append(name.as_posix())
    return missing


@pytest.mark.parametrize("name", DATA_ALONE)
def test_modules_of_data_alone_compute_nothing(name: str) -> None:
    tree = ast.parse((SOURCE / name).read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    assert all(len(f.body) == 1 and isinstance(f.body[0], ast.Expr) for f in functions)


def test_modules_without_a_mirror_become_fewer() -> None:
    missing = without_mirror()
    assert len(missing) <= WITHOUT, f"give the new one its test: {', '.join(missing)}"
