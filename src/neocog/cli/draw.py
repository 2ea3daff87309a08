"""Exhibits on a terminal: numbers and tables in full, the rest in a line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from neocog.cli.terminal import screen
from neocog.errors import printable
from neocog.exhibits import Cell, Curve, Exhibit, Gallery, Map, Scalar, Section, Table, percent

__all__ = ["draw", "on_stdout"]

WIDEST_MAP = 12
"""Columns up to which a map's numbers are printed."""


def on_stdout() -> Console:
    """A console for results: no colors but where it is a terminal, no line broken by force."""
    return screen()


def draw(console: Console, section: Section) -> None:
    """Print a section: its heading, its text, and what it shows."""
    console.print(f"\n[bold]{escape(printable(section.title))}[/bold]")
    if section.text:
        lines = [line for line in section.text.split("\n") if line]
        console.print("\n".join(map(printable, lines)), markup=False)
    for exhibit in section.exhibits:
        _draw(console, exhibit)


def _draw(console: Console, exhibit: Exhibit) -> None:
    match exhibit:
        case Scalar():
            console.print(_scalar(exhibit), markup=False)
        case Table():
            _grid(console, exhibit.title, exhibit.columns, exhibit.rows, exhibit.note)
        case Map() if len(exhibit.values.T) <= WIDEST_MAP and exhibit.rows:
            rows = [
                [name, *values]
                for name, values in zip(exhibit.rows, exhibit.values.tolist(), strict=True)
            ]
            corner = f"{exhibit.row_label} \\ {exhibit.column_label}"
            _grid(console, exhibit.title, [corner, *exhibit.columns], rows, exhibit.note)
        case Map() | Curve() | Gallery():
            console.print(f"{exhibit.title}: drawn in the report", markup=False)


def _scalar(exhibit: Scalar) -> str:
    words = [f"{exhibit.title} {_number(exhibit.value, exhibit.unit)}"]
    if exhibit.interval is not None:
        low, high = (_number(v, exhibit.unit) for v in exhibit.interval)
        words.append(f"({low} to {high})")
    if exhibit.note:
        words.append(f" {exhibit.note}")
    return " ".join(words)


def _number(value: float, unit: str) -> str:
    if unit == "%":
        return f"{percent(value)}%"
    text = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def _grid(
    console: Console,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    note: str,
) -> None:
    grid = Grid(title=escape(printable(title)), title_justify="left", title_style="")
    for i, name in enumerate(columns):
        numbers = all(isinstance(row[i], int | float | None) for row in rows)
        justify = "right" if numbers else "left"
        grid.add_column(escape(printable(name)), justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        grid.add_row(*(_cell(c) for c in row))
    console.print(grid)
    if note:
        console.print(note, markup=False)


def _cell(value: Cell) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return escape(printable(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
