"""Lines are written in one place, where what a terminal would obey is escaped."""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "neocog"
OTHER = re.compile(
    r"\bclick\.echo\(|\bclick\.secho\(|(?<![\w.])print\(|(?<!\w)Console\(|\.buffer\.write\("
)


def test_nothing_writes_past_the_terminal_module() -> None:
    found = []
    for file in SOURCE.rglob("*.py"):
        if file.name == "terminal.py":
            continue
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if OTHER.search(line) and ">>>" not in line and "..." not in line:
                found.append(f"{file.relative_to(SOURCE)}:{number}: {line.strip()}")
    assert found == []


def test_files_from_outside_are_opened_by_the_one_door() -> None:
    """JSON and TOML are parsed in `files` alone; the rest parses what it has just written."""
    other = re.compile(r"\bjson\.loads?\(|\btomllib\.loads?\(")
    ours = {
        "files.py",  # the door
        "verbs/export.py",  # a copy of plain values
        "store/archive.py",  # of archives, which are bounded and looked at there
    }
    found = []
    for file in SOURCE.rglob("*.py"):
        name = file.relative_to(SOURCE).as_posix()
        if name not in ours and other.search(file.read_text("utf-8")):
            found.append(name)
    assert found == []
