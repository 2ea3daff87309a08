"""Where every line of a command is written: escaped once, and with an end that may go away.

Names of classes, files and layers come from strangers; a terminal obeys what it is sent. So what is
written to standard output and error passes `Stream`, which turns control characters, changes of
direction and halves of letters into escapes. Only the colors and bars of `screen` go past it, and
their texts are escaped on their own.

Who reads the output may leave: of standard output that ends the command (`BrokenPipeError`, status
141); of standard error nobody misses the progress, and the work goes on.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TextIO, cast

import click

from neocog.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["GONE", "Stream", "flush", "lines", "say", "screen", "streams", "visible"]

GONE = 141
"""Exit status where nobody reads the output any more: 128 + SIGPIPE, as a shell says it."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Controls, C1 among them; directions, invisible marks, line separators; halves of letters."""


def visible(text: str) -> str:
    r"""A text with what a terminal would obey or hide as escapes; lines and tabs stay.

    Example:
        >>> visible("\x1b[31mred\n"), visible("a\u202eb"), visible("naïve 日本 ±½")
        ('\\x1b[31mred\n', 'a\\u202eb', 'naïve 日本 ±½')
    """
    return text if text.isprintable() else _UNSEEN.sub(lambda m: printable(m.group()), text)


class Stream(io.TextIOBase):
    """A text stream of the process, whose other end may be closed or full.

    Args:
        raw: what is written to.
        escape: turn what a terminal obeys into escapes.
        needed: it carries the result; else what cannot be written is dropped.
    """

    def __init__(self, raw: TextIO, *, escape: bool = True, needed: bool = True) -> None:
        self.raw = raw
        self._escape, self._needed = escape, needed
        self._lost: Exception | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream below."""
        return self.raw.encoding or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """Of the stream below."""
        return self.raw.errors or "strict"

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        try:
            return self.raw.isatty()
        except ValueError:  # closed
            return False

    def fileno(self) -> int:
        """Of the stream below."""
        return self.raw.fileno()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Write a text.

        Raises:
            BrokenPipeError: nobody reads a result.
            click.ClickException: there is no room for it.
        """
        self._onto(lambda: self.raw.write(visible(text) if self._escape else text))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written.

        Raises:
            BrokenPipeError: nobody reads a result.
            click.ClickException: there is no room for it.
        """
        self._onto(self.raw.flush)

    def _onto(self, act: Callable[[], object]) -> None:
        if self._lost is None:
            try:
                act()
            except (OSError, ValueError) as e:
                self._lost = self._lose(e)
        if self._lost is not None and self._needed:
            raise self._lost  # each time: click swallows it where it tries what a stream is

    def _lose(self, e: OSError | ValueError) -> Exception:
        # What is still in the buffer goes nowhere; else Python complains as it ends.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.raw.fileno())
            os.close(nowhere)
        if isinstance(e, ValueError) or e.errno in (errno.EPIPE, errno.EBADF, errno.ESHUTDOWN):
            return BrokenPipeError()
        return click.ClickException(
            "The result goes to standard output, which cannot be written: "
            f"{e.strerror or e}. Make room, or send it elsewhere."
        )


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


def screen(*, err: bool = False, soft_wrap: bool = True) -> Console:
    """A console for tables and bars: colors only on a terminal, no line broken by force.

    Args:
        err: on standard error.
        soft_wrap: leave it to the terminal to break lines.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Screen(Console):
        """Escapes texts, but not what it says to the terminal itself."""

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                if segment.control or segment.text.isprintable():
                    yield segment
                else:
                    yield Segment(visible(segment.text), segment.style)

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    stream = sys.stderr if err else sys.stdout
    raw = stream.raw if isinstance(stream, Stream) else stream
    file = Stream(raw, escape=False, needed=not err)
    return Screen(file=cast("TextIO", file), highlight=False, soft_wrap=soft_wrap, emoji=False)
