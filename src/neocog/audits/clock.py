"""The time of an audit: seconds spent, seconds left, and progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Clock", "Progress", "TimeIsUp", "counted", "in_words"]


@dataclass(frozen=True)
class Progress:
    """Progress of one piece of work.

    Args:
        text: what is being done.
        fraction: that is done; None where unknown.
        seconds: left, about; None where unknown.
    """

    text: str
    fraction: float | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        """A line.

        Example:
            >>> str(Progress("crop shifts", 0.4, 21.7)), str(Progress("geometry"))
            ('crop shifts, 40 % done, about 22 s left', 'geometry')
        """
        parts = [self.text]
        if self.fraction is not None:
            parts.append(f"{self.fraction:.0%} done".replace("%", " %"))
        if self.seconds is not None:
            parts.append(f"about {in_words(self.seconds)} left")
        return ", ".join(parts)


class TimeIsUp(Exception):
    """A planned part takes much longer than expected."""


class Clock:
    """Keeps the time of one audit.

    Args:
        seconds: budget.
        began: when it began; now if left out.
        now: clock, in seconds from any origin.
        on_progress: called with how far it has come.
    """

    def __init__(
        self,
        seconds: float,
        *,
        began: float | None = None,
        now: Callable[[], float] = time.monotonic,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.seconds, self._now, self._on_progress = seconds, now, on_progress
        self._began = now() if began is None else began
        self._parts: dict[str, float] = {}
        self._part, self._since = "", self._now()
        self._done = self._spent = 0.0

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self._now() - self._began

    @property
    def left(self) -> float:
        """Seconds until the time is up; negative afterwards."""
        return self.seconds - self.spent

    def expect(self, parts: Mapping[str, float]) -> None:
        """Set what is still to come.

        Args:
            parts: expected seconds, by name.
        """
        self._parts = dict(parts)

    def begin(self, part: str, text: str = "") -> None:
        """A part begins, and the one before it ends.

        Args:
            part: its name among the expected parts, or another.
            text: its description.
        """
        now = self._now()
        if self._part in self._parts:  # measured against expected time
            self._done += self._parts.pop(self._part)
            self._spent += now - self._since
        self._part, self._since, self._text = part, now, text or part
        self.at(0.0)

    def at(self, fraction: float) -> None:
        """Fraction of the current part that is done.

        Args:
            fraction: from 0 to 1.
        """
        here = self._parts.get(self._part, 0.0)
        come = sum(self._parts.values()) - here * fraction
        done, spent = self._done + here * fraction, self._spent + self._now() - self._since
        if not self._parts:
            self._on_progress(Progress(self._text))
            return
        pace = spent / done if done > 0.5 and spent > 0.5 else 1.0
        whole = self.spent + come * pace
        fraction = self.spent / whole if whole > 0 else 1.0
        self._on_progress(Progress(self._text, fraction, come * pace))


def counted(
    on_progress: Callable[[Progress], None], text: str, now: Callable[[], float] = time.monotonic
) -> Callable[[int, int], None]:
    """Steps done of all steps, as progress with the time left.

    Args:
        on_progress: called with it.
        text: what is done.
        now: clock, in seconds from any origin.
    """
    began = now()

    def count(done: int, total: int) -> None:
        fraction = done / max(1, total)
        spent = now() - began
        left = spent * (1 - fraction) / fraction if fraction > 0.02 and spent > 1 else None
        on_progress(Progress(text, fraction, left))

    return count


def in_words(seconds: float) -> str:
    """A duration in words.

    Example:
        >>> in_words(0.4), in_words(41.7), in_words(250), in_words(9000)
        ('1 s', '42 s', '4 min', '2.5 h')
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
