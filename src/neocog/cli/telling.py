"""A status line on standard error, where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from neocog.cli.terminal import screen

__all__ = ["telling"]


@contextmanager
def telling(verb: str) -> Iterator[Callable[[str], None]]:
    """A line that is written anew with every call of what is yielded; nothing in a file or pipe.

    Args:
        verb: the command, which begins the line.
    """
    from rich.text import Text

    console = screen(err=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status(verb) as status:
        yield lambda text: status.update(Text(f"{verb}: {text}"))
