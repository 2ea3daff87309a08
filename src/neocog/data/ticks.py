"""Progress of what has several stages."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Ticks"]


class Ticks:
    """Adds up steps and reports them.

    Args:
        total: steps in all.
        progress: called with (steps done, steps in all), or None.
    """

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self.total = total
        self.progress = progress
        self.done = 0

    def __call__(self, steps: int) -> None:
        """So many more are done."""
        self.done += steps
        if self.progress:
            self.progress(min(self.done, self.total), self.total)

    def finish(self) -> None:
        """All that is left."""
        self(self.total - self.done)
