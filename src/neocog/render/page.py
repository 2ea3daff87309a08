"""Sections of exhibits to one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from neocog.exhibits import Section
from neocog.first_screen import FirstScreen
from neocog.render.draw import draw_all, draw_first, environment, style
from neocog.targets import write_bytes

__all__ = ["page", "write"]


def page(
    title: str,
    sections: Sequence[Section],
    *,
    subtitle: str = "",
    first: FirstScreen | None = None,
) -> str:
    """One self-contained HTML page; the same sections give the same bytes.

    The page asks for nothing outside itself and says so in its content security policy. It
    follows the reader's choice of light or dark, and fits a telephone, a screen and paper.

    Args:
        title: the heading of the page.
        sections: in reading order.
        subtitle: a line below the heading.
        first: what the page opens with; the sections are folded below it. Without one they are
            open.

    Raises:
        ValueError: the parts of an exhibit do not fit each other.

    Example:
        >>> html = page("A run", [Section(title="Loss", text="It falls.")])
        >>> html.startswith("<!doctype html>")
        True
    """
    drawn = [{"title": s.title, "text": s.text, "exhibits": draw_all(s.exhibits)} for s in sections]
    html = (
        environment()
        .get_template("page.html")
        .render(
            title=title,
            subtitle=subtitle,
            first=None if first is None else draw_first(first, title=title, subtitle=subtitle),
            sections=drawn,
            style=Markup(style()),
        )
    )
    return html.rstrip("\n") + "\n"


def write(path: str | os.PathLike[str], html: str) -> None:
    """Write a page so that a reader finds the old file or the new one, never a half.

    Raises:
        RunError: the file cannot be written.
    """
    write_bytes(Path(path), html.encode("utf-8"))
