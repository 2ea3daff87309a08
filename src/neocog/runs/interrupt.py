"""Ctrl-C that waits for the end of a step, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupt", "Remembering", "deferred"]


class Interrupt:
    """Whether somebody asked to stop.

    Args:
        asked: set by the first Ctrl-C.
    """

    def __init__(self) -> None:
        self.asked = False


class Remembering:
    """A handler that raises as Python's own does, and remembers that it did.

    An exception in the middle of an import may be swallowed there; `deferred` makes up for it.

    Args:
        asked: set by a Ctrl-C.
    """

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt."""
        self.asked = True
        raise KeyboardInterrupt


@contextmanager
def deferred() -> Iterator[Interrupt]:
    """Note the first Ctrl-C instead of raising it; a second one raises as usual.

    Outside the main thread, where Python delivers no signals, nothing changes.

    Example:
        >>> with deferred() as interrupt:
        ...     interrupt.asked
        False
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interrupt.asked:
            raise KeyboardInterrupt
        interrupt.asked = True

    before = signal.signal(signal.SIGINT, note)
    interrupt.asked = isinstance(before, Remembering) and before.asked
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
