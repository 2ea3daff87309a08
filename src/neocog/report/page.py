"""Sections of exhibits to one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from neocog.errors import RunError, printable
from neocog.exhibits import Section
from neocog.report.draw import draw_all, environment, style

__all__ = ["page", "write"]


def page(title: str, sections: Sequence[Section], *, subtitle: str = "") -> str:
    """One self-contained HTML page; the same sections give the same bytes.

    The page asks for nothing outside itself and says so in its content security policy. It
    follows the reader's choice of light or dark, and fits a telephone, a screen and paper.

    Args:
        title: the heading of the page.
        sections: in reading order.
        subtitle: a line below the heading.

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
        .render(title=title, subtitle=subtitle, sections=drawn, style=Markup(style()))
    )
    return html.rstrip("\n") + "\n"


def write(path: str | os.PathLike[str], html: str) -> None:
    """Write a page so that a reader finds the old file or the new one, never a half.

    Raises:
        RunError: the file cannot be written.
    """
    place = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{place.name[:40]}.", dir=place.parent)
        try:
            with open(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(html)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(place)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as e:
        raise RunError(
            f"A report is written as a file into an existing folder; {printable(place)} could not "
            f"be written ({e.strerror or type(e).__name__}). Give another path, or make room."
        ) from e
