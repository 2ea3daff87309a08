"""Where the ticks of an axis go: round numbers, evenly spaced, a handful of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from neocog.render.text import number

__all__ = ["Axis", "axis", "log_ticks", "ticks"]

MOST = 6
"""Requested ticks; with fewer than six, a step of 1, 2 or 5 could leave a single one."""
LIMIT = 1e150
"""Numbers beyond it are not drawn: their differences leave the range of float64. The same holds on
a logarithmic scale for positive numbers below its inverse."""


@dataclass(frozen=True)
class Axis:
    """A range of numbers laid along a line of length 1.

    Args:
        lo: the number at the start.
        hi: the number at the end, above `lo`.
        ticks: numbers within, in rising order.
        log: equal ratios, not equal differences, have equal lengths.
    """

    lo: float
    hi: float
    ticks: tuple[float, ...]
    log: bool = False

    def holds(self, value: float | None) -> bool:
        """Whether this value is on the axis."""
        if value is None or not math.isfinite(value) or abs(value) > LIMIT:
            return False
        return not self.log or value > 1 / LIMIT

    def position(self, value: float) -> float:
        """The position of a value: 0 at the start, 1 at the end."""
        if self.log:
            low, high = math.log(self.lo), math.log(self.hi)
            return (math.log(value) - low) / (high - low)
        return (value - self.lo) / (self.hi - self.lo)


def ticks(lo: float, hi: float, *, least: float = 0.0) -> list[float]:
    """Two to ten round numbers within [lo, hi]: multiples of 1, 2 or 5 times a power of ten.

    Args:
        lo: start of the range.
        hi: end of the range.
        least: the step is at least this, even if that leaves fewer than two ticks.

    Raises:
        ValueError: the range is empty or not finite.

    Example:
        >>> ticks(0.0, 1.0)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        >>> ticks(1, 3, least=1)
        [1.0, 2.0, 3.0]
    """
    return _multiples(lo, hi, *_step(lo, hi, least))


def log_ticks(lo: float, hi: float) -> list[float]:
    """Round numbers within [lo, hi] for a logarithmic scale.

    Powers of ten, every second or third of them where the range is wide, with 2 and 5 between
    where it is narrow. Within less than a factor of about five they are evenly spaced instead.

    Example:
        >>> log_ticks(0.02, 3.0)
        [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]
        >>> log_ticks(1e-6, 1e6)
        [1e-06, 0.001, 1.0, 1000.0, 1000000.0]
    """
    first, last = math.floor(math.log10(lo)) - 1, math.ceil(math.log10(hi)) + 1
    for mantissas in ((1, 2, 5), (1,)):
        values = [
            v for p in range(first, last + 1) for m in mantissas if lo <= (v := _scaled(m, p)) <= hi
        ]
        if 2 <= len(values) <= MOST + 1:
            return values
    if len(values) < 2:
        return ticks(lo, hi)
    stride = math.ceil((last - first) / MOST)
    return [
        v for p in range(first, last + 1) if p % stride == 0 and lo <= (v := _scaled(1, p)) <= hi
    ]


def axis(values: Iterable[float | None], *, log: bool = False, fitted: bool = False) -> Axis:
    """The axis that shows all these values; what is not finite is left out.

    Args:
        values: what will be drawn.
        log: logarithmic, where at least one value is positive.
        fitted: end exactly at the smallest and largest value instead of at round numbers; whole
            numbers then get whole ticks.
    """
    known = [float(v) for v in values if v is not None and math.isfinite(v) and abs(v) <= LIMIT]
    positive = [v for v in known if v > 1 / LIMIT]
    if log and positive:
        lo, hi = min(positive), max(positive)
        margin = max((hi / lo) ** 0.04, 1.1)
        return Axis(lo / margin, hi * margin, tuple(log_ticks(lo / margin, hi * margin)), log=True)
    lo, hi = _widened(min(known, default=0.0), max(known, default=1.0))
    if fitted:
        whole = all(v == int(v) for v in known)
        marks = ticks(lo, hi, least=1.0 if whole else 0.0)
        return Axis(lo, hi, tuple(marks))
    if 0 < lo <= 0.3 * hi:
        lo = 0.0
    step = _step(lo, hi)
    around = _multiples(lo - _scaled(*step), hi + _scaled(*step), *step)
    first, last = max(v for v in around if v <= lo), min(v for v in around if v >= hi)
    return Axis(first, last, tuple(_multiples(first, last, *step)))


def labels(values: Sequence[float]) -> list[Markup]:
    """Ticks as text, with the decimals that their step needs.

    Example:
        >>> [str(t) for t in labels([0.0, 0.5, 1.0])]
        ['0.0', '0.5', '1.0']
        >>> [str(t) for t in labels([0.001, 0.1, 10.0])]
        ['0.001', '0.1', '10']
    """
    steps = [b - a for a, b in itertools.pairwise(values)]
    even = len(steps) > 0 and max(steps) - min(steps) <= 1e-6 * max(steps)
    if not even or min(steps) >= 1 or min(steps) < 1e-6 or abs(values[-1]) >= 1e6:
        return [number(v, digits=6) for v in values]
    decimals = max(0, -math.floor(math.log10(min(steps)) + 1e-9))
    return [Markup(f"{v:,.{decimals}f}".replace("-", "−")) for v in values]


def _widened(lo: float, hi: float) -> tuple[float, float]:
    """A range that ticks fit into: one point gets room to both sides."""
    if hi - lo > 1e-9 * max(abs(lo), abs(hi)) and hi - lo > 1 / LIMIT:
        return lo, hi
    whole = lo == int(lo) and abs(lo) < 1e6
    room = 1.0 if whole or abs(lo) < 10 / LIMIT else abs(lo) * 0.1
    return lo - room, hi + room


def _step(lo: float, hi: float, least: float = 0.0) -> tuple[int, int]:
    """The step of round ticks, a multiple and a power of ten: the finest with at most `MOST`."""
    if not (math.isfinite(hi - lo) and lo < hi):
        raise ValueError(f"Ticks need a finite range with lo < hi; got {lo} to {hi}.")
    power = math.floor(math.log10(max((hi - lo) / MOST, least)))
    for multiple in (1, 2, 5):
        few = len(_multiples(lo, hi, multiple, power)) <= MOST
        if few and multiple * 10.0**power >= least:
            return multiple, power
    return 1, power + 1


def _multiples(lo: float, hi: float, multiple: int, power: int) -> list[float]:
    step = _scaled(multiple, power)
    first, last = math.floor(lo / step) - 1, math.ceil(hi / step) + 1
    if last - first > 200:
        return [lo] * (MOST + 1)
    return [v for k in range(first, last + 1) if lo <= (v := _scaled(k * multiple, power)) <= hi]


def _scaled(whole: int, power: int) -> float:
    """Whole × 10^power, rounded once, so that 3 × 10⁻¹ is 0.3."""
    return whole * 10.0**power if power >= 0 else whole / 10.0**-power
