"""Texts that go to a terminal, and the stream that carries them.

Names of classes, files and layers are untrusted; a terminal obeys what it is sent. So what is
written to standard output and error passes `Stream`, which turns control characters, changes of
direction and halves of letters into escapes. Only the colors and bars of `screen` go past it, and
their texts are escaped on their own.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TextIO, cast

import click

from neocog.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Stream", "screen", "visible"]

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
            BrokenPipeError: standard output is closed.
            click.ClickException: there is no room for it.
        """
        self._onto(lambda: self.raw.write(visible(text) if self._escape else text))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written.

        Raises:
            BrokenPipeError: standard output is closed.
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
