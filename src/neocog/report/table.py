"""Rows of cells, laid out for the template `table.html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neocog.exhibits import Cell, Table
from neocog.report.text import column

__all__ = ["TableView", "view_table"]

MOST = 1000
"""Rows that are drawn; a page with more is slow to open."""
TALL = 30
"""Rows from which the table scrolls within its own box."""


@dataclass(frozen=True)
class TableView:
    """What the template draws: text cells, which columns hold numbers, rows left out."""

    rows: list[list[object]]
    numeric: list[bool]
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
                f"Each row of a table has a cell a column; row {i} of `{table.title}` has "
                f"{len(row)} for {len(table.columns)}. Put None where there is none."
            )
    shown = table.rows[:MOST]
    columns = [[row[k] for row in shown] for k in range(len(table.columns))]
    texts = [column(cells) for cells in columns]
    return TableView(
        rows=[[text[i] for text in texts] for i in range(len(shown))],
        numeric=[_numeric(cells) for cells in columns],
        tall=len(shown) > TALL,
        left_out=len(table.rows) - len(shown),
    )


def _numeric(cells: Sequence[Cell]) -> bool:
    known = [c for c in cells if c is not None]
    return len(known) > 0 and not any(isinstance(c, str) for c in known)
