"""Ctrl-C that waits for the end of a step, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupt", "deferred"]


class Interrupt:
    """Whether somebody asked to stop.

    Args:
        asked: set by the first Ctrl-C.
    """

    def __init__(self) -> None:
        self.asked = False


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
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
