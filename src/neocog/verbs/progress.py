"""Progress on standard error: a status line on a terminal, a line now and then in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from neocog.errors import printable
from neocog.render.terminal import screen, visible

__all__ = ["FIRST", "OFTEN", "Progress", "progress_line"]

Progress = bool | Callable[[Any], None]
"""True for a line on standard error, False for none, or a callback."""

FIRST, OFTEN = 5.0, 10.0
"""Seconds until the first line in a file or pipe, and from one to the next."""


@contextmanager
def progress_line(verb: str, progress: Progress = True) -> Iterator[Callable[[Any], None]]:
    """A line on a terminal that every call rewrites; a line now and then elsewhere.

    Args:
        verb: the command, which begins the line.
        progress: True, False, or a callback.
    """
    if progress is not True:
        yield progress or (lambda what: None)
        return
    from rich.text import Text

    console = screen(err=True)
    if console.is_terminal:
        with console.status(verb) as status:
            yield lambda what: status.update(Text(f"{verb}: {what}"))
        return
    due = time.monotonic() + FIRST

    def on_progress(what: object) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + OFTEN
            sys.stderr.write(visible(f"{verb}: {printable(str(what))}") + "\n")
            sys.stderr.flush()

    yield on_progress
