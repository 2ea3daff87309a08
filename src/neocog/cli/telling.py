"""Progress on standard error: a status line on a terminal, a line now and then in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from neocog.cli.terminal import say, screen
from neocog.errors import printable

__all__ = ["FIRST", "OFTEN", "telling"]

FIRST, OFTEN = 5.0, 10.0
"""Seconds until the first line in a file or pipe, and from one to the next."""


@contextmanager
def telling(verb: str) -> Iterator[Callable[[object], None]]:
    """A line on a terminal that is written anew with every call; a line now and then elsewhere.

    Args:
        verb: the command, which begins the line.
    """
    from rich.text import Text

    console = screen(err=True)
    if console.is_terminal:
        with console.status(verb) as status:
            yield lambda what: status.update(Text(f"{verb}: {what}"))
        return
    due = time.monotonic() + FIRST

    def tell(what: object) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + OFTEN
            say(f"{verb}: {printable(str(what))}", err=True)

    yield tell
