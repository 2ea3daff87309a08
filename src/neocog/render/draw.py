"""An exhibit to a fragment of HTML: what the page is made of, and what a web page may show alone.

Each kind has a module that lays it out (`curve`, `bars`, `map`, `gallery`, `table`) and a template
that writes it. All text is cleaned and escaped in one place, the template environment.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib.resources import files

import jinja2
from markupsafe import Markup

from neocog.exhibits import Bars, Checks, Curve, Exhibit, Gallery, Map, Scalar, Table
from neocog.first_screen import FirstScreen
from neocog.render.bars import view_bars
from neocog.render.color import scale_css
from neocog.render.curve import view_curve
from neocog.render.gallery import view_gallery
from neocog.render.map import view_map
from neocog.render.table import view_table
from neocog.render.text import clean, command, glued, paragraphs, quantity, spelling

__all__ = ["draw", "draw_all", "draw_first", "environment", "style"]

LONG = 10
"""Letters above which the number on a tile is written smaller."""


def draw(exhibit: Exhibit) -> Markup:
    """One exhibit as HTML that needs `style` and nothing else.

    Raises:
        ValueError: the parts of the exhibit do not fit each other (a line shorter than its axis).

    Example:
        >>> "98.00" in draw(Scalar(title="accuracy", value=0.98, unit="%"))
        True
    """
    return draw_all([exhibit])


def draw_all(exhibits: Iterable[Exhibit]) -> Markup:
    """Exhibits in their order; scalars that follow each other share a row of tiles.

    Raises:
        ValueError: the parts of an exhibit do not fit each other.
    """
    parts: list[Markup] = []
    tiles: list[Scalar] = []
    for exhibit in exhibits:
        if isinstance(exhibit, Scalar):
            tiles.append(exhibit)
            continue
        if tiles:
            parts.append(_tiles(tiles))
            tiles = []
        parts.append(_figure(exhibit))
    if tiles:
        parts.append(_tiles(tiles))
    return Markup("\n").join(parts)


def draw_first(screen: FirstScreen, *, title: str = "", subtitle: str = "") -> Markup:
    """A first screen as HTML that needs `style` and nothing else.

    Args:
        screen: its content.
        title: its subject, a line above it.
        subtitle: more of that.

    Raises:
        ValueError: the parts of an exhibit do not fit each other.
    """
    figures = [
        {
            "title": f.title,
            "value": quantity(f.value, f.unit),
            "interval": [quantity(v, f.unit) for v in f.interval] if f.interval else [],
            "note": f.note,
        }
        for f in screen.figures
    ]
    return Markup(
        environment()
        .get_template("first.html")
        .render(
            screen=screen,
            figures=figures,
            images=[draw(e) for e in screen.image],
            title=title,
            subtitle=subtitle,
        )
    )


def style() -> str:
    """The style sheet of all exhibits and of the page."""
    sheet = files("neocog.render").joinpath("templates", "page.css").read_text(encoding="utf-8")
    return sheet + scale_css()


@functools.cache
def environment() -> jinja2.Environment:
    """The templates: everything they write is cleaned, then escaped."""
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("neocog.render"),
        autoescape=True,
        finalize=clean,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    env.filters["command"] = command
    env.filters["glued"] = glued
    env.filters["paragraphs"] = paragraphs
    env.filters["spelling"] = spelling
    return env


def _tiles(scalars: list[Scalar]) -> Markup:
    tiles = [
        {
            "title": s.title,
            "value": quantity(s.value, s.unit),
            "long": len(quantity(s.value, s.unit).striptags()) > LONG,
            "interval": [quantity(v, s.unit) for v in s.interval] if s.interval else [],
            "note": s.note,
        }
        for s in scalars
    ]
    return Markup(environment().get_template("scalars.html").render(tiles=tiles))


def _figure(exhibit: Curve | Bars | Map | Gallery | Table | Checks) -> Markup:
    match exhibit:
        case Curve():
            view = view_curve(exhibit)
            return _render("curve.html", exhibit, view, numbers=view_table(view.numbers))
        case Bars():
            return _render("bars.html", exhibit, view_bars(exhibit))
        case Checks():
            return _render("checks.html", exhibit, None)
        case Map():
            return _render("map.html", exhibit, view_map(exhibit))
        case Gallery():
            return _render("gallery.html", exhibit, view_gallery(exhibit))
        case Table():
            return _render("table.html", exhibit, view_table(exhibit))


def _render(name: str, exhibit: Exhibit, view: object, *, numbers: object = None) -> Markup:
    template = environment().get_template(name)
    return Markup(template.render(exhibit=exhibit, view=view, numbers=numbers))
