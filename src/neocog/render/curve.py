"""Lines over one axis, laid out for the template `curve.html`.

The drawing is 1000 × 1000 units stretched to the plot's box; ticks and names are text beside it,
placed in percent, so that they keep their size at every width.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from neocog.errors import printable
from neocog.exhibits import Curve, Table
from neocog.render.axis import Axis, axis, labels
from neocog.render.text import number, quantity

__all__ = ["CurveView", "Line", "Strip", "view_curve"]

HEIGHT = 260
"""Of the plot, in CSS pixels; page.css has the same number."""
LABEL = 17
"""Height of a name at a line's end, in CSS pixels."""
NAMED = 8
"""Lines that get their name at the end; with more there is only the key above."""
DOTTED = 40
"""Points per line may have for each to get a dot."""
DRAWN = 1000
"""Points per line may have before it is thinned."""
STRIPS = 200
"""Positions with a tooltip; fewer where there are many lines."""
HOVERED = 1600
"""Numbers in tooltips, at most."""
NAMES = 24
"""Names along the axis."""
LISTED = 200
"""Rows of the list of numbers."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One line: its name, look (0–7 color, 0–3 dash), paths, and name position in percent.

    The band is the area between the ends of its intervals; empty where it has none.
    """

    name: str
    color: int
    dash: int
    path: str
    dots: str
    end: str | None
    band: str = ""


@dataclass(frozen=True)
class Strip:
    """A vertical strip with the tooltip of one position: left, width, center in units."""

    left: str
    width: str
    middle: str
    at: Markup | str
    values: list[tuple[str, Markup]]


@dataclass(frozen=True)
class CurveView:
    """Data of the template; positions in percent from the left and from the top."""

    x_ticks: list[tuple[str, Markup | str]]
    named: int
    y_ticks: list[tuple[str, Markup]]
    gutter: int
    margin: int
    lines: list[Line]
    strips: list[Strip]
    numbers: Table
    log: bool
    empty: bool
    summary: str


def view_curve(curve: Curve) -> CurveView:
    """Lay a curve out.

    Raises:
        ValueError: a line has not as many values as there are positions.
    """
    _check(curve)
    percent = curve.y_label == "%"
    factor = 100.0 if percent else 1.0
    lines = {
        name: [None if v is None else float(v) * factor for v in values]
        for name, values in curve.lines.items()
    }
    bands = {
        name: [None if v is None else (v[0] * factor, v[1] * factor) for v in values]
        for name, values in curve.intervals.items()
    }
    x = axis(curve.x, fitted=True)
    heights = [v for values in lines.values() for v in values]
    ends = [v for values in bands.values() for pair in values if pair for v in pair]
    y = axis([*heights, *ends], log=curve.log_y)
    y_ticks = [(_p(1 - y.position(v)), t) for v, t in _labeled(y)]
    points = {name: _points(curve.x, values, x, y) for name, values in lines.items()}
    areas = {name: _band(curve.x, values, x, y) for name, values in bands.items()}
    drawn = _lines(points, areas)
    return CurveView(
        x_ticks=_x_ticks(curve, x),
        named=min(18, max(map(len, curve.x_names), default=0)),
        y_ticks=y_ticks,
        gutter=max((len(t) for _, t in y_ticks), default=1),
        margin=min(16, max((len(n.name) + 2 for n in drawn if n.end), default=0)),
        lines=drawn,
        strips=_strips(curve, x),
        numbers=_numbers(curve, bands, percent=percent),
        log=y.log,
        empty=not any(line.path for line in drawn),
        summary=f"Line chart: {', '.join(curve.lines) or 'no lines'} over {curve.x_label}.",
    )


def _x_ticks(curve: Curve, x: Axis) -> list[tuple[str, Markup | str]]:
    """Round numbers; or the names of positions, of many every second, third, …"""
    if not curve.x_names:
        return [(_p(x.position(v)), t) for v, t in _labeled(x)]
    stride = max(1, math.ceil(len(curve.x) / NAMES))
    return [
        (_p(x.position(float(curve.x[i]))), str(curve.x_names[i]))
        for i in range(0, len(curve.x), stride)
        if x.holds(float(curve.x[i]))
    ]


def _check(curve: Curve) -> None:
    if len(curve.x_names) not in (0, len(curve.x)):
        raise ValueError(
            f"A curve has a name for each position or none; `{printable(curve.title)}` has "
            f"{len(curve.x_names)} for {len(curve.x)}. Give all of them, or an empty list."
        )
    for name, values in curve.lines.items():
        if len(values) != len(curve.x):
            raise ValueError(
                f"Each line of a curve has as many values as there are positions; "
                f"`{printable(name)}` in `{printable(curve.title)}` has {len(values)} "
                f"for {len(curve.x)}. Put None where there is none."
            )
    for name, intervals in curve.intervals.items():
        if name not in curve.lines or len(intervals) != len(curve.x):
            raise ValueError(
                f"Intervals are of a line and as many as there are positions; those of "
                f"`{printable(name)}` in `{printable(curve.title)}` are {len(intervals)} for "
                f"{len(curve.x)}. Put None where there is none."
            )


def _points(
    positions: Sequence[float], values: Sequence[float | None], x: Axis, y: Axis
) -> list[Point | None]:
    """Positions in the drawing; None where there is no number that the axes hold."""
    return [
        (x.position(float(a)) * 1000, (1 - y.position(b)) * 1000)
        if b is not None and x.holds(a) and y.holds(b)
        else None
        for a, b in zip(positions, values, strict=True)
    ]


def _lines(points: dict[str, list[Point | None]], bands: dict[str, str]) -> list[Line]:
    ends = {n: p[-1][1] for n, line in points.items() if (p := [q for q in line if q is not None])}
    tops = _apart(ends) if 2 <= len(points) <= NAMED else {}
    out = []
    for i, (name, line) in enumerate(points.items()):
        out.append(
            Line(
                name=name,
                color=i % 8,
                dash=(i + i // 8) % 4,
                path=_path(_thinned(line)),
                dots=_dots(line),
                end=tops.get(name),
                band=bands.get(name, ""),
            )
        )
    return out


def _path(points: Sequence[Point | None]) -> str:
    """An SVG path with a gap wherever there is no point."""
    out, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
        else:
            out.append(f"{pen}{_n(point[0])} {_n(point[1])}")
            pen = "L"
    return "".join(out)


def _band(
    positions: Sequence[float],
    intervals: Sequence[tuple[float, float] | None],
    x: Axis,
    y: Axis,
) -> str:
    """Closed SVG paths, one for each run of positions that have an interval."""
    ends = [
        _points(positions, [None if v is None else v[i] for v in intervals], x, y) for i in (0, 1)
    ]
    out, run = [], list[tuple[Point, Point]]()
    for pair in (*zip(*ends, strict=True), (None, None)):
        if pair[0] is not None and pair[1] is not None:
            run.append((pair[0], pair[1]))
            continue
        around = [*(low for low, _ in run), *(high for _, high in reversed(run))]
        if len(run) > 1:
            out.append(f"{_path(around)}Z")
        elif run:  # an interval of a lonely position is an upright line
            out.append(
                _path([(a - 2, b) for a, b in around] + [(a + 2, b) for a, b in around[::-1]])
            )
        run = []
    return "".join(out)


def _dots(points: Sequence[Point | None]) -> str:
    """Lines of no length, drawn with round ends: every point of a short line, else lonely ones."""
    every = len(points) <= DOTTED
    around = [None, *points, None]
    return "".join(
        f"M{_n(p[0])} {_n(p[1])}h0"
        for before, p, after in zip(around, points, around[2:], strict=False)
        if p is not None and (every or (before is None and after is None))
    )


def _thinned(points: list[Point | None]) -> list[Point | None]:
    """At most about `DRAWN` points: of each run of neighbors the lowest and the highest."""
    if len(points) <= DRAWN:
        return points
    width = math.ceil(2 * len(points) / DRAWN)
    out: list[Point | None] = []
    for start in range(0, len(points), width):
        run = points[start : start + width]
        known = [p for p in run if p is not None]
        if known:
            pair = {min(known, key=lambda p: p[1]), max(known, key=lambda p: p[1])}
            out.extend(sorted(pair))
        if len(known) < len(run):
            out.append(None)
    return out


def _apart(ends: dict[str, float]) -> dict[str, str]:
    """Tops of the names at the lines' ends, moved apart until none covers another."""
    order = sorted(ends, key=lambda name: ends[name])
    tops = [ends[name] / 1000 * HEIGHT for name in order]
    for i in range(1, len(tops)):
        tops[i] = max(tops[i], tops[i - 1] + LABEL)
    limit = float(HEIGHT)
    for i in reversed(range(len(tops))):
        tops[i] = min(tops[i], limit)
        limit = tops[i] - LABEL
    return {name: _p(top / HEIGHT) for name, top in zip(order, tops, strict=True)}


def _strips(curve: Curve, x: Axis) -> list[Strip]:
    rows = {float(a): i for i, a in enumerate(curve.x) if x.holds(a)}
    if len(rows) > STRIPS or len(rows) * len(curve.lines) > HOVERED:
        return []
    order = sorted(rows)
    middles = [x.position(a) * 1000 for a in order]
    edges = [0.0, *((a + b) / 2 for a, b in itertools.pairwise(middles)), 1000.0]
    unit = "%" if curve.y_label == "%" else ""
    return [
        Strip(
            left=_n(edges[k]),
            width=_n(edges[k + 1] - edges[k]),
            middle=_n(middles[k]),
            at=str(curve.x_names[rows[a]]) if curve.x_names else number(a),
            values=[
                (name, quantity(values[rows[a]], unit)) for name, values in curve.lines.items()
            ],
        )
        for k, a in enumerate(order)
    ]


def _numbers(
    curve: Curve,
    bands: dict[str, list[tuple[float, float] | None]],
    *,
    percent: bool,
) -> Table:
    """The same numbers as a table, evenly thinned to what one may want to read."""
    stride = max(1, math.ceil(len(curve.x) / LISTED))
    kept = range(0, len(curve.x), stride)
    note = "" if stride == 1 else f"One row in {stride} of {len(curve.x):,}."
    return Table(
        title=curve.title,
        columns=[
            curve.x_label,
            *(f"{n} (%)" if percent else n for n in curve.lines),
            *(f"{n}, {curve.interval_label}" for n in bands),
        ],
        rows=[
            [
                curve.x_names[i] if curve.x_names else curve.x[i],
                *(_scaled(v[i], 100 if percent else 1) for v in curve.lines.values()),
                *(_between(v[i]) for v in bands.values()),
            ]
            for i in kept
        ],
        note=note,
    )


def _between(ends: tuple[float, float] | None) -> str | None:
    return None if ends is None else f"{ends[0]:.4g} to {ends[1]:.4g}"


def _scaled(value: float | None, factor: int) -> float | None:
    return None if value is None else float(value) * factor


def _labeled(a: Axis) -> list[tuple[float, Markup]]:
    return list(zip(a.ticks, labels(a.ticks), strict=True))


def _n(value: float) -> str:
    """A length in the drawing: one decimal is a tenth of a pixel on a wide screen."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _p(share: float) -> str:
    return f"{min(1.0, max(0.0, share)) * 100:.2f}".rstrip("0").rstrip(".")
