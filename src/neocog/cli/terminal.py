"""Where every line of a command is written: with an end that may go away.

Standard output and error are a `neocog.render.terminal.Stream` each while a command runs. Who reads
the output may leave: of standard output that ends the command (`BrokenPipeError`, status 141); of
standard error nobody misses the progress, and the work goes on.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator

import click

from neocog.render.terminal import Stream, screen, visible

__all__ = ["GONE", "Stream", "flush", "lines", "say", "screen", "streams", "visible"]

GONE = 141
"""Exit status where nobody reads the output any more: 128 + SIGPIPE, as a shell says it."""


@contextlib.contextmanager
def streams() -> Iterator[None]:
    """Standard output and error as a `Stream` each; a closed one leads nowhere."""
    _opened()
    before = sys.stdin, sys.stdout, sys.stderr
    with contextlib.ExitStack() as stack:
        out = before[1] or stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
        err = before[2] or stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
        for stream in (out, err):
            # A terminal that cannot show a character gets its number, not an error.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        sys.stdin = before[0] or stack.enter_context(open(os.devnull, encoding="utf-8"))
        sys.stdout, sys.stderr = Stream(out), Stream(err, needed=False)
        try:
            yield
        finally:
            sys.stdin, sys.stdout, sys.stderr = before


def _opened() -> None:
    """Lead closed standard streams nowhere: the next file that is opened would take their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the smallest number that is free


def flush(status: int) -> int:
    """The exit status, once everything is written.

    Args:
        status: if it can be.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return GONE
    except click.ClickException as e:
        if status != 2:  # else it was said already
            say(f"neocog: {e.format_message()}", err=True)
        return 2
    finally:
        sys.stderr.flush()
    return status


def say(text: str, *, err: bool = False) -> None:
    """Write one line, whatever the text holds.

    Args:
        text: of the line.
        err: to standard error.
    """
    stream = sys.stderr if err else sys.stdout
    stream.write(visible(text.replace("\n", "\\n")) + "\n")
    stream.flush()


def lines(parts: Iterable[str]) -> None:
    """Write some lines to standard output."""
    for part in parts:
        say(part)
