"""Tests mirror the source: what `ROOM/x.py` does is held by `tests/ROOM/test_x.py`.

A module without a mirror is covered by the tests of its room, by `tests/contracts` or by a
situation in `tests/field`; such modules only become fewer.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "neocog"

WITHOUT = 193
"""Modules without a mirror, at most: lower it with each that gets one."""


def without_mirror() -> list[str]:
    """Modules whose tests have another name, or stand in another folder."""
    missing = []
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE)
        mirror = ROOT / "tests" / name.with_name(f"test_{file.name}")
        command = mirror.with_name(f"test_{file.stem}_command.py")  # `cli` calls its verbs
        if not file.stem.startswith("__") and not (mirror.exists() or command.exists()):
            missing.append(name.as_posix())
    return missing


def test_modules_without_a_mirror_become_fewer() -> None:
    missing = without_mirror()
    assert len(missing) <= WITHOUT, f"give the new one its test: {', '.join(missing)}"
