"""Horizontal bars with their intervals, laid out for the template `bars.html`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from neocog.errors import printable
from neocog.exhibits import Bars
from neocog.render.axis import Axis, axis, labels
from neocog.render.text import PERCENT, number

__all__ = ["Bar", "BarsView", "Row", "view_bars"]


@dataclass(frozen=True)
class Bar:
    """One bar: its look (0-7), and positions along the lane in percent."""

    look: int
    left: str
    width: str
    whisker: tuple[str, str] | None
    end: str
    text: Markup


@dataclass(frozen=True)
class Row:
    """A name and a bar for each series."""

    name: str
    bars: list[Bar]


@dataclass(frozen=True)
class BarsView:
    """What the template draws."""

    rows: list[Row]
    key: list[tuple[int, str]]
    ticks: list[tuple[str, Markup]]
    zero: str
    summary: str


def view_bars(bars: Bars) -> BarsView:
    """Lay bars out.

    Raises:
        ValueError: a series has not as many values or intervals as there are names.
    """
    _check(bars)
    factor = 100.0 if bars.unit == "%" else 1.0
    ends = [0.0, bars.high]
    for name, values in bars.series.items():
        ends += [v for v in values if v is not None and math.isfinite(v)]
        ends += [e for pair in bars.intervals.get(name, ()) if pair is not None for e in pair]
    scale = axis([None if e is None else e * factor for e in ends])
    rows = [
        Row(str(name), [b for b in (_bar(bars, s, i, scale) for s in bars.series) if b is not None])
        for i, name in enumerate(bars.names)
    ]
    unit = PERCENT if bars.unit == "%" else Markup("")
    return BarsView(
        rows=rows,
        key=list(enumerate(bars.series)) if len(bars.series) > 1 else [],
        ticks=[
            (_p(scale.position(v)), t + unit)
            for v, t in zip(scale.ticks, labels(scale.ticks), strict=True)
        ],
        zero=_p(scale.position(0.0)),
        summary=f"Bar chart of {len(rows)}: {', '.join(bars.series)}.",
    )


def _check(bars: Bars) -> None:
    for what, table in (("value", bars.series), ("interval", bars.intervals)):
        parts: Sequence[tuple[str, Sequence[object]]] = list(table.items())
        for name, values in parts:
            if len(values) != len(bars.names):
                raise ValueError(
                    f"Bars have a {what} for each name; `{printable(name)}` in "
                    f"`{printable(bars.title)}` has {len(values)} for {len(bars.names)}. "
                    "Put None where there is none."
                )


def _bar(bars: Bars, series: str, i: int, scale: Axis) -> Bar | None:
    value = bars.series[series][i]
    if value is None or not math.isfinite(value):
        return None
    factor = 100.0 if bars.unit == "%" else 1.0
    intervals = bars.intervals.get(series)
    pair = intervals[i] if intervals else None
    low, high = sorted((0.0, value * factor))
    whisker, furthest = None, high
    if pair is not None and all(math.isfinite(e) for e in pair):
        a, b = (e * factor for e in pair)
        whisker = (_p(scale.position(a)), _p(scale.position(b) - scale.position(a)))
        furthest = max(high, b)
    return Bar(
        look=list(bars.series).index(series),
        left=_p(scale.position(low)),
        width=_p(scale.position(high) - scale.position(low)),
        whisker=whisker,
        end=_p(scale.position(furthest)),
        text=_text(value, bars.unit),
    )


def _text(value: float, unit: str) -> Markup:
    if unit == "%":
        percent = 100 * value
        digits = 1 if abs(percent) >= 1 or value == 0 else 2
        return number(round(percent, digits), digits=4) + PERCENT
    return number(value, digits=2)


def _p(share: float) -> str:
    return f"{min(1.0, max(0.0, share)) * 100:.2f}".rstrip("0").rstrip(".") or "0"
