"""The map of the house names every room, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "src" / "neocog"
MAP = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
ROOMS = sorted(p.parent.name for p in HOUSE.glob("*/__init__.py"))
GROUND = sorted(p.name for p in HOUSE.glob("*.py") if p.name not in ("__init__.py", "version.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_paragraph(room: str) -> None:
    assert f"**`{room}`**" in MAP


@pytest.mark.parametrize("file", GROUND)
def test_every_file_of_the_ground_floor_is_named(file: str) -> None:
    assert f"`{file}`" in MAP


def test_every_file_that_is_named_exists() -> None:
    named: dict[str, str] = dict(re.findall(r"(?ms)^\*\*`(\w+)`\*\*(.*?)(?=^\n|\Z)", MAP))
    missing = [
        f"{room}/{name}"
        for room, text in named.items()
        for name in re.findall(r"`([\w/]+(?:\.py|/))`", text)
        if not (HOUSE / room / name).exists()
    ]
    walks = MAP[MAP.index("## Three walks") :]
    missing += [n for n in re.findall(r"`([\w/]+\.py)`", walks) if not (HOUSE / n).exists()]
    assert not missing
