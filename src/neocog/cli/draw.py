"""Exhibits on a terminal: numbers, bars and tables in full, the rest in a line.

A table is never wider than the terminal, and no word of its head is broken: what does not fit goes
into a second table below, which begins with the same first column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from neocog.cli.terminal import screen
from neocog.errors import printable
from neocog.exhibits import (
    Bars,
    Cell,
    Checks,
    Curve,
    Exhibit,
    Gallery,
    Map,
    Scalar,
    Section,
    Table,
    percent,
)

__all__ = ["draw", "draw_all", "on_stdout"]

WIDEST_MAP = 12
"""Columns up to which a map's numbers are printed."""

LONGEST_WORD = 24
"""Letters up to which a cell stays on one line; longer ones, as paths, are folded."""


def on_stdout() -> Console:
    """A console for results: no colors but where it is a terminal, no line broken by force."""
    return screen()


def draw_all(sections: Iterable[Section]) -> None:
    """Print sections on standard output, one after the other."""
    for section in sections:
        draw(on_stdout(), section)


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
        case Bars():
            columns = ["", *exhibit.series]
            values = [list(v) for v in zip(*exhibit.series.values(), strict=True)]
            cells: list[list[Cell]] = [
                [name, *(_bar(v, exhibit.unit) for v in row)]
                for name, row in zip(exhibit.names, values, strict=True)
            ]
            _grid(console, exhibit.title, columns, cells, exhibit.note)
        case Checks():
            outcome = {True: "passed", False: "FAILED", None: "undecided"}
            outcomes: list[list[Cell]] = [
                [c.name, outcome[c.passed], c.text] for c in exhibit.checks
            ]
            _grid(console, exhibit.title, ["check", "", ""], outcomes, exhibit.note)
        case Map() | Curve() | Gallery():
            console.print(f"{exhibit.title}: drawn in the report", markup=False)


def _bar(value: float | None, unit: str) -> Cell:
    return value if value is None or unit != "%" else f"{percent(value)} %"


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
    names = [escape(printable(name)) for name in columns]
    cells = [[_cell(c) for c in row] for row in rows]
    least = [_least(name, [row[i] for row in cells]) for i, name in enumerate(names)]
    most = [max(map(cell_len, [name, *(row[i] for row in cells)])) for i, name in enumerate(names)]
    for k, part in enumerate(_parts(least, console.width)):
        wide = _widths([least[i] for i in part], [most[i] for i in part], console.width)
        head = escape(printable(title)) + (", continued" if k else "")
        grid = Grid(title=head, title_justify="left", title_style="")
        for i, width in zip(part, wide, strict=True):
            numbers = all(isinstance(row[i], int | float | None) for row in rows)
            justify: Literal["right", "left"] = "right" if numbers else "left"
            grid.add_column(names[i], justify=justify, overflow="fold", width=width)
        for row in cells:
            grid.add_row(*(row[i] for i in part))
        console.print(grid, soft_wrap=False)
    if note:
        console.print(note, markup=False)


def _least(name: str, cells: Sequence[str]) -> int:
    """The width of a column in which no word of its head is broken, and no number."""
    words = max((cell_len(word) for word in name.split()), default=1)
    return max(words, min(LONGEST_WORD, max(map(cell_len, cells), default=1)))


def _widths(least: Sequence[int], most: Sequence[int], width: int) -> list[int]:
    """Of the columns of one table: what is left goes to those that would have more, in turn."""
    widths = list(least)
    left = width - sum(widths) - 3 * len(widths) - 1
    if left < 0:  # one column, or the first and one more: they are folded
        room = max(1, (width - 1) // max(1, len(widths)) - 3)
        return [min(n, room) for n in widths]
    for i, n in enumerate(most):
        more = max(0, min(left, n - widths[i]))
        widths[i] += more
        left -= more
    return widths


def _parts(least: Sequence[int], width: int) -> list[list[int]]:
    """Columns, by number, of each table: as many as fit; the first one begins each."""

    def wide(part: Sequence[int]) -> int:
        return sum(least[i] + 3 for i in part) + 1  # a border and two spaces each

    parts: list[list[int]] = [[]]
    for i in range(len(least)):
        if len(parts[-1]) > min(1, len(parts) - 1) and wide([*parts[-1], i]) > width:
            parts.append([0])
        parts[-1].append(i)
    return parts


def _cell(value: Cell) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return escape(printable(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
