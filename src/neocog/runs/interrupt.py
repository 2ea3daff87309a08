"""Ctrl-C that waits for the end of a step, so that a checkpoint is complete."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupt", "Remembering", "deferred"]


class Interrupt:
    """Whether a stop was requested.

    Attributes:
        requested: set by the first Ctrl-C.
    """

    def __init__(self) -> None:
        self.requested = False


class Remembering:
    """A handler that raises as Python's own does, but not in an import, and remembers that it did.

    An exception in the middle of an import may be swallowed there, or end the process where
    compiled code does not expect it. So the signal comes again until the import is over; one that
    does not end is broken off. `deferred` makes up for what is swallowed then.

    Attributes:
        requested: set by a Ctrl-C.
        waited: how often the signal was sent again.
    """

    PAUSE = 0.05
    """Seconds until the signal comes again."""

    PATIENCE = 100
    """Times that it does."""

    def __init__(self) -> None:
        self.requested = False
        self.waited = 0
        self._again: threading.Timer | None = None
        self._over = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, now or when the import is over."""
        if self._over:
            return
        self.requested = True
        if _importing(frame) and self.waited < self.PATIENCE:
            self.waited += 1
            self._again = threading.Timer(self.PAUSE, os.kill, (os.getpid(), number))
            self._again.daemon = True
            self._again.start()
            return
        raise KeyboardInterrupt

    def rest(self) -> None:
        """Send no signal again and pass over one that is on its way: `requested` has been seen.

        For the main thread, while this is the handler.
        """
        self._over = True
        if self._again is not None:
            self._again.cancel()
            self._again.join()
        signal.signal(signal.SIGINT, self)  # calls the handler first if a signal has come
        self._again, self._over = None, False


def _importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported on the way to this frame."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


@contextmanager
def deferred() -> Iterator[Interrupt]:
    """Note the first Ctrl-C instead of raising it; a second one raises as usual.

    Outside the main thread, where Python delivers no signals, nothing changes.

    Example:
        >>> with deferred() as interrupt:
        ...     interrupt.requested
        False
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        interrupt.requested = True

    before = signal.getsignal(signal.SIGINT)
    if isinstance(before, Remembering):
        before.rest()
        interrupt.requested = before.requested
    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
