"""Sections of exhibits as slides: one HTML file that needs nothing else, no network, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from neocog.exhibits import Section
from neocog.render.draw import draw_all, environment, style

__all__ = ["slides"]

A_SLIDE = 3
"""Exhibits that fit on one slide."""


def slides(title: str, sections: Sequence[Section], *, subtitle: str = "") -> str:
    """A deck with a title slide; Page Down, Space and scrolling go to the next one.

    A section is a slide, or several where it has more exhibits than fit; one with a title alone
    opens a chapter. The file follows the reader's choice of light or dark, and prints a slide per
    page.

    Args:
        title: of the deck.
        sections: in the order of the talk.
        subtitle: a line on the title slide.

    Raises:
        ValueError: the parts of an exhibit do not fit each other.

    Example:
        >>> html = slides("A talk", [Section(title="Loss", text="It falls.")])
        >>> html.count('<section class="slide')
        2
    """
    parts = [part for section in sections for part in _parts(section)]
    drawn = [{"title": s.title, "text": s.text, "exhibits": draw_all(s.exhibits)} for s in parts]
    html = (
        environment()
        .get_template("slides.html")
        .render(title=title, subtitle=subtitle, slides=drawn, style=Markup(style()))
    )
    return html.rstrip("\n") + "\n"


def _parts(section: Section) -> list[Section]:
    """A section as slides; its text stands on the first."""
    rows = [section.exhibits[i : i + A_SLIDE] for i in range(0, len(section.exhibits), A_SLIDE)]
    first, *others = rows or [()]
    return [
        replace(section, exhibits=first),
        *(replace(section, text="", exhibits=row) for row in others),
    ]
