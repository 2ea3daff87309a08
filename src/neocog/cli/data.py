"""`neocog data`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from neocog.cli.options import SIZE, json_option, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from neocog.exhibits import Exhibit

__all__ = ["command"]


@click.command("data")
@click.argument("place", metavar="DATA")
@click.option("--size", type=SIZE, help="Serve pictures as S or H,W pixels; chosen if left out.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the split.")
@click.option("--strict", is_flag=True, help="Stop at the first file that cannot be used.")
@click.option("--report", type=click.Path(dir_okay=False), help="Write an HTML page with pictures.")
@json_option
def command(
    place: str,
    size: tuple[int, int] | None,
    seed: int,
    strict: bool,
    report: str | None,
    as_json: bool,
) -> None:
    r"""What DATA holds: counts, sizes, broken files, duplicates, balance.

    DATA is `digits`, a folder of class folders (with train/, val/, test/ above them or not), a
    folder of idx files, or an .npz. Ten pictures of each class are the least that is of use.

    \b
    neocog data digits
    neocog data pictures/ --report sheet.html
    neocog data pictures/ --json
    """
    from neocog.verbs.data import data

    with _bar() as progress:
        sheet = data(place, size=size, seed=seed, strict=strict, report=report, progress=progress)
    if as_json:
        print_json(sheet.to_json())
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for section in sheet.exhibits():
        console.print(f"\n[bold]{section.title}[/bold]")
        if section.text:
            console.print(section.text, markup=False)
        for exhibit in section.exhibits:
            _draw(console, exhibit)
    if report is not None:
        click.echo(f"Report: {report}", err=True)


def _draw(console: Console, exhibit: Exhibit) -> None:
    from rich.markup import escape
    from rich.table import Table as Grid

    from neocog.exhibits import Scalar, Table

    if isinstance(exhibit, Scalar):
        console.print(f"{exhibit.title}: {exhibit.value:.1%}  {exhibit.note}", markup=False)
    elif isinstance(exhibit, Table):
        grid = Grid(title=exhibit.title, title_justify="left", title_style="")
        numbers = {
            i
            for i in range(len(exhibit.columns))
            if all(isinstance(row[i], int) for row in exhibit.rows)
        }
        for i, name in enumerate(exhibit.columns):
            grid.add_column(name, justify="right" if i in numbers else "left", overflow="fold")
        for row in exhibit.rows:
            grid.add_row(*(f"{c:,}" if isinstance(c, int) else escape(str(c)) for c in row))
        console.print(grid)
        if exhibit.note:
            console.print(exhibit.note, markup=False)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Progress on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading and decoding"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        yield tell
