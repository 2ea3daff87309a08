"""Rows of cells, laid out for the template `table.html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neocog.errors import printable
from neocog.exhibits import Cell, Table
from neocog.render.text import column

__all__ = ["TableView", "view_table"]

MOST = 1000
"""Rows that are drawn; a page with more is slow to open."""
TALL = 30
"""Rows from which the table scrolls within its own box."""

NARROW = 4
"""Short columns up to which a table may stand beside another exhibit."""
SHORT = 24
"""Letters up to which the text of a column stays on one line."""


@dataclass(frozen=True)
class TableView:
    """What the template draws: cells as text, the look of each column, rows left out."""

    rows: list[list[object]]
    looks: list[str]
    narrow: bool
    tall: bool
    left_out: int


def view_table(table: Table) -> TableView:
    """Lay a table out.

    Raises:
        ValueError: a row has not as many cells as there are columns.
    """
    for i, row in enumerate(table.rows):
        if len(row) != len(table.columns):
            raise ValueError(
                f"Each row of a table has a cell a column; row {i} of "
                f"`{printable(table.title)}` has {len(row)} "
                f"for {len(table.columns)}. Put None where there is none."
            )
    rows = table.rows[:MOST]
    columns = [[row[k] for row in rows] for k in range(len(table.columns))]
    texts = [column(cells) for cells in columns]
    looks = [_look(n, c) for n, c in zip(table.columns, columns, strict=True)]
    return TableView(
        rows=[[text[i] for text in texts] for i in range(len(rows))],
        looks=looks,
        narrow=len(looks) <= NARROW and "t" not in looks,
        tall=len(rows) > TALL,
        left_out=len(table.rows) - len(rows),
    )


def _look(name: str, cells: Sequence[Cell]) -> str:
    """The class of a column: `n` numbers, `s` short text on one line, `t` text that wraps."""
    known = [c for c in cells if c is not None]
    texts = [c for c in known if isinstance(c, str)]
    if known and not texts:
        return "n"
    return "s" if max(map(len, [name, *texts])) <= SHORT else "t"
