"""The time of an audit: what is spent, what is left, and how far it has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Clock", "Progress", "TimeIsUp", "counted", "in_words"]


@dataclass(frozen=True)
class Progress:
    """How far a piece of work has come.

    Args:
        text: what is done now.
        fraction: of all that is done; None where nobody knows yet.
        seconds: that are left, about; None where nobody knows yet.
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
        seconds: that it may take.
        began: when it began; now if left out.
        now: the time, in seconds from anywhere.
        tell: called with how far it has come.
    """

    def __init__(
        self,
        seconds: float,
        *,
        began: float | None = None,
        now: Callable[[], float] = time.monotonic,
        tell: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.seconds, self._now, self._tell = seconds, now, tell
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
        """Take note of what is still to come.

        Args:
            parts: name to seconds, as expected.
        """
        self._parts = dict(parts)

    def begin(self, part: str, text: str = "") -> None:
        """A part begins, and the one before it is over.

        Args:
            part: its name in what was expected, or another.
            text: what is said of it.
        """
        now = self._now()
        if self._part in self._parts:  # how long it took beside what was expected
            self._done += self._parts.pop(self._part)
            self._spent += now - self._since
        self._part, self._since, self._text = part, now, text or part
        self.at(0.0)

    def at(self, fraction: float) -> None:
        """How much of the part is done.

        Args:
            fraction: from 0 to 1.
        """
        here = self._parts.get(self._part, 0.0)
        come = sum(self._parts.values()) - here * fraction
        done, spent = self._done + here * fraction, self._spent + self._now() - self._since
        if not self._parts:
            self._tell(Progress(self._text))
            return
        pace = spent / done if done > 0.5 and spent > 0.5 else 1.0
        whole = self.spent + come * pace
        fraction = self.spent / whole if whole > 0 else 1.0
        self._tell(Progress(self._text, fraction, come * pace))


def counted(
    tell: Callable[[Progress], None], text: str, now: Callable[[], float] = time.monotonic
) -> Callable[[int, int], None]:
    """Steps done of steps in all, as progress with the time left.

    Args:
        tell: called with it.
        text: what is done.
        now: the time, in seconds from anywhere.
    """
    began = now()

    def count(done: int, total: int) -> None:
        fraction = done / max(1, total)
        spent = now() - began
        left = spent * (1 - fraction) / fraction if fraction > 0.02 and spent > 1 else None
        tell(Progress(text, fraction, left))

    return count


def in_words(seconds: float) -> str:
    """A time as one says it.

    Example:
        >>> in_words(0.4), in_words(41.7), in_words(250), in_words(9000)
        ('1 s', '42 s', '4 min', '2.5 h')
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
