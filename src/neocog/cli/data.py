"""`neocog data`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from neocog.cli.options import HELP, OUT_FILE, SIZE, json_option, print_json, resize_mode_option
from neocog.cli.terminal import say, screen

__all__ = ["command"]


@click.command("data", context_settings=HELP)
@click.argument("place", metavar="DATA")
@click.option("--size", type=SIZE, help="Serve images as S or H,W pixels; chosen if left out.")
@resize_mode_option
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the split.")
@click.option("--strict", is_flag=True, help="Stop at the first file that cannot be used.")
@click.option("--report", type=OUT_FILE, help="Write an HTML page with images.")
@json_option
def command(
    place: str,
    size: tuple[int, int] | None,
    resize_mode: str | None,
    seed: int,
    strict: bool,
    report: str | None,
    as_json: bool,
) -> None:
    """What DATA holds: counts, sizes, broken files, duplicates, balance.

    DATA is `digits`, a folder of class folders (with train/, val/, test/ above them or not), a
    folder of idx files, or an .npz. Ten images of each class are the least that is of use.

    \b
    neocog data digits
    neocog data images/ --report sheet.html
    neocog data images/ --json
    """
    from neocog.verbs.data import data

    with _bar() as progress:
        sheet = data(
            place,
            size=size,
            seed=seed,
            strict=strict,
            resize_mode=resize_mode or "crop",
            report=report,
            progress=progress,
        )
    for warning in sheet.warnings:
        say(f"warning  {warning}", err=True)
    if as_json:
        print_json(sheet.to_json())
        return
    from neocog.cli.draw import draw, on_stdout

    console = on_stdout()
    for section in sheet.exhibits():
        draw(console, section)
    if report is not None:
        say(f"Report: {report}", err=True)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Progress on standard error, where that is a terminal."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading and decoding"), BarColumn(), TimeRemainingColumn())
    console = screen(err=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None, visible=False)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        yield tell
