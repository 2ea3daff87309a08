"""How many pixels are being decoded at a time, in the whole process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

__all__ = [
    "BYTES_IN_FLIGHT",
    "PIXELS_IN_FLIGHT",
    "Flight",
    "bytes_in_flight",
    "in_flight",
    "large_blocks",
]

BYTES_IN_FLIGHT = 1 << 28
"""Bytes of files that are held while they are decoded; a larger file is held alone."""
PIXELS_IN_FLIGHT = 1 << 26
"""Pixels that are decoded at a time: 67 million; a larger image is decoded alone."""

_BLOCK = 1 << 26
"""Bytes; allocators map what is larger than half of that by itself, and give it back at once."""


class Flight:
    """A budget that threads wait for: many small images, or one large one.

    Args:
        most: what may be in flight at a time; what is larger goes alone.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._used = 0
        self._free = threading.Condition()
        self._turn = threading.Lock()

    @contextmanager
    def room(self, n: int) -> Iterator[None]:
        """Wait until there is room for `n`; in the order of asking, so that none waits for ever."""
        n = min(n, self.most)
        with self._turn, self._free:
            self._free.wait_for(lambda: self._used + n <= self.most)
            self._used += n
        try:
            yield
        finally:
            with self._free:
                self._used -= n
                self._free.notify_all()


_FLIGHT = Flight(PIXELS_IN_FLIGHT)
_FILES = Flight(BYTES_IN_FLIGHT)


def in_flight(pixels: int) -> AbstractContextManager[None]:
    """Room for an image of so many pixels."""
    return _FLIGHT.room(pixels)


def bytes_in_flight(n: int) -> AbstractContextManager[None]:
    """Room for a file of so many bytes; requested before room for its pixels, never after."""
    return _FILES.room(n)


@contextmanager
def large_blocks() -> Iterator[None]:
    """Within it, memory of large images is allocated in large pieces.

    Pillow takes 16 MB at a time, which allocators keep for each thread when they are given back:
    a process grows with its threads, whatever is in flight. A setting of the process: enter it
    once around a pool of threads.
    """
    from PIL import Image

    core: Any = getattr(Image, "core")  # noqa: B009 (what it exports is not typed)
    before = core.get_block_size()
    core.set_block_size(_BLOCK)
    try:
        yield
    finally:
        core.set_block_size(before)
