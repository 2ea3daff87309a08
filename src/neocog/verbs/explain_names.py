"""Layers by the names that a user knows: without the wrapper that normalises."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from neocog.exhibits import Exhibit, Gallery, Section, Table

__all__ = ["named", "renamed"]

_WRAPPED = re.compile(r"\bnetwork\.(?=\w)")


def named(text: str) -> str:
    """A text without the name of the wrapper in front of those of layers.

    Example:
        >>> named("`network.conv1` of the network. It is the first.")
        '`conv1` of the network. It is the first.'
    """
    return _WRAPPED.sub("", text)


def renamed(section: Section) -> Section:
    """A section whose titles, captions, cells and notes name layers so."""
    return replace(
        section,
        title=named(section.title),
        text=named(section.text),
        exhibits=tuple(_exhibit(e) for e in section.exhibits),
    )


def _exhibit(exhibit: Exhibit) -> Exhibit:
    changed: dict[str, Any] = {"title": named(exhibit.title), "note": named(exhibit.note)}
    if isinstance(exhibit, Gallery):
        changed["captions"] = [named(c) for c in exhibit.captions]
    if isinstance(exhibit, Table):
        changed["rows"] = [
            [named(cell) if isinstance(cell, str) else cell for cell in row] for row in exhibit.rows
        ]
    return replace(exhibit, **changed)
