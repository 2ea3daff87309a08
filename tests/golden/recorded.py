"""The files: one a case, with the machine on which it was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.golden.compare import Comparison
from tests.golden.names import CLOCK
from tests.golden.paths import condensed, kept
from tests.golden.workshop import machine

__all__ = ["accept", "read", "write"]

FOLDER = Path(__file__).with_name("figures")


def read(name: str) -> tuple[dict[str, str], Any]:
    """The machine of a case, and its figures."""
    held = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return held["machine"], held["figures"]


def write(name: str, figures: Any, *, without: Iterable[str] = ()) -> Path:
    """Record figures; what a clock decides is left out, and so are sentences."""
    return _kept(name, machine(), kept(condensed(figures), CLOCK, without))


def accept(name: str, found: Comparison) -> Path:
    """Take over what differs, and leave names and all other figures as they were recorded.

    Args:
        name: of a case.
        found: what `compare` found.
    """
    where, figures = read(name)
    for difference in found.differences:
        if difference.gone:
            continue
        at = figures
        for part in difference.path[:-1]:
            at = at[int(part) if isinstance(at, list) else part]
        last = difference.path[-1]
        at[int(last) if isinstance(at, list) else last] = difference.now
    return _kept(name, where, figures)


def _kept(name: str, where: dict[str, str], figures: Any) -> Path:
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{name}.json"
    file.write_text(_lines({"machine": where, "figures": figures}) + "\n", encoding="utf-8")
    return file


def _lines(value: Any, indent: int = 0) -> str:
    """JSON whose lists of numbers, and tables of a few figures, stand in a line each."""
    plain = json.dumps(value, ensure_ascii=True, allow_nan=False)
    if not isinstance(value, dict | list) or len(plain) <= 100 or _row(value):
        return plain
    pad = " " * (indent + 1)
    if isinstance(value, list):
        return "[\n" + ",\n".join(pad + _lines(v, indent + 1) for v in value) + f"\n{' ' * indent}]"
    rows = (f"{pad}{json.dumps(k)}: {_lines(v, indent + 1)}" for k, v in value.items())
    return "{\n" + ",\n".join(rows) + f"\n{' ' * indent}}}"


def _row(value: Any) -> bool:
    """Whether it is a list of numbers, or a table of a few figures."""
    if isinstance(value, list):
        return all(v is None or isinstance(v, int | float) for v in value)
    parts = value.values()
    return len(value) <= 16 and not any(isinstance(v, dict) or len(str(v)) > 60 for v in parts)
