"""Matrices drawn as colors, laid out for the template `map.html`.

Up to 20 × 20 a map is a table that prints its numbers, so that color is never the only sign;
larger ones are an image, once for light and once for dark pages.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from neocog.errors import printable
from neocog.exhibits import Map
from neocog.render.axis import labels, ticks
from neocog.render.color import STEPS, palette, step
from neocog.render.text import PERCENT, matrix, number

__all__ = ["Cell", "MapView", "view_map"]

PRINTED = 20
"""Rows and columns up to which the numbers are printed."""
WIDE = 12
"""Columns up to which fractions are printed to three digits; with more, to two."""
TICKS = 12
"""Names along the side of an image."""
UPRIGHT = 3
"""Letters up to which the names of columns lie; longer ones stand."""


@dataclass(frozen=True)
class Cell:
    """One printed number: its color class, or `gap` where there is no number."""

    look: str
    text: Markup


@dataclass(frozen=True)
class MapView:
    """What the template draws: cells for a small map, two images for a large one."""

    cells: list[list[Cell]]
    rows: list[str]
    columns: list[str]
    upright: bool
    light: Markup
    dark: Markup
    row_ticks: list[tuple[str, str]]
    column_ticks: list[tuple[str, str]]
    longest: tuple[int, int]
    aspect: str
    key: list[str]
    key_labels: tuple[Markup, Markup]
    gaps: bool
    box: str
    summary: str


def view_map(map_: Map) -> MapView:
    """Lay a map out.

    Raises:
        ValueError: the values are not a matrix, or the names do not fit them.
    """
    values = np.asarray(map_.values)
    _check(map_, values)
    lo, hi = map_.ends or _range(values, diverging=map_.diverging)
    height, width = values.shape
    small = 0 < height <= PRINTED and 0 < width <= PRINTED and map_.extent is None
    drawn = values.size > 0 and not small
    letter = "d" if map_.diverging else "q"
    columns = [str(c) for c in map_.columns]
    row_ticks, column_ticks = _ticks(map_.rows, height), _ticks(map_.columns, width)
    if map_.extent is not None:
        row_ticks, column_ticks = (_along(*ends) for ends in map_.extent)
    return MapView(
        cells=_cells(map_, lo, hi, letter) if small else [],
        rows=[str(r) for r in map_.rows],
        columns=columns,
        upright=max((len(c) for c in columns), default=0) > UPRIGHT,
        light=_image(values, lo, hi, map_.diverging, "light") if drawn else Markup(""),
        dark=_image(values, lo, hi, map_.diverging, "dark") if drawn else Markup(""),
        row_ticks=row_ticks,
        column_ticks=column_ticks,
        longest=(_longest(row_ticks), _longest(column_ticks)),
        aspect=f"{max(width, 1)}/{max(height, 1)}",
        key=[f"{letter}{i}" for i in range(STEPS)],
        key_labels=(_end(lo, map_.unit), _end(hi, map_.unit)),
        gaps=bool((~np.isfinite(values.astype(np.float64))).any()),
        box=_box(map_.box),
        summary=f"Color map, {height} rows by {width} columns.",
    )


def _check(map_: Map, values: np.ndarray) -> None:
    if values.ndim != 2:
        raise ValueError(
            f"The values of a map are a matrix (rows, columns); `{printable(map_.title)}` has "
            f"the shape {values.shape}. Draw one matrix per map."
        )
    for kind, names, count in zip(
        ("row", "column"), (map_.rows, map_.columns), values.shape, strict=True
    ):
        if len(names) not in (0, count):
            raise ValueError(
                f"A map has a name for each {kind} or none; `{printable(map_.title)}` has "
                f"{len(names)} names for {count} {kind}s. Give all of them, or an empty list."
            )


def _range(values: np.ndarray, *, diverging: bool) -> tuple[float, float]:
    real = values.astype(np.float64)
    known = real[np.isfinite(real)]
    if known.size == 0:
        return (-1.0, 1.0) if diverging else (0.0, 1.0)
    if diverging:
        most = float(np.abs(known).max()) or 1.0
        return -most, most
    return float(known.min()), float(known.max())


def _share(value: float, lo: float, hi: float) -> float:
    """The position of a value between the ends; halves keep differences within float64."""
    span = hi / 2 - lo / 2
    return (value / 2 - lo / 2) / span if span > 0 else 0.0


def _end(value: float, unit: str) -> Markup:
    """An end of the scale."""
    if unit == "%":
        return number(100 * value, digits=3) + PERCENT
    return number(value, digits=3)


def _box(box: tuple[float, float] | None) -> str:
    """Style of a frame around the center of the image; nothing where there is none."""
    if box is None:
        return ""
    high, wide = (min(1.0, max(0.0, part)) * 100 for part in box)
    return (
        f"top:{50 - high / 2:.2f}%;height:{high:.2f}%;left:{50 - wide / 2:.2f}%;width:{wide:.2f}%"
    )


def _percents(rows: list[list[float]]) -> list[list[Markup]]:
    """Fractions in percent with one decimal; all and none only where it is all or none."""

    def text(value: float) -> Markup:
        if not math.isfinite(value) or value in (0.0, 1.0):
            return number(100 * value)
        percent = 100 * value
        return Markup(f"{min(max(percent, 0.1), 99.9) if 0 < value < 1 else percent:.1f}")

    return [[text(float(v)) for v in row] for row in rows]


def _cells(map_: Map, lo: float, hi: float, letter: str) -> list[list[Cell]]:
    values = np.asarray(map_.values)
    plain = values.tolist()
    digits = 3 if values.shape[1] <= WIDE else 2
    texts = _percents(plain) if map_.unit == "%" else matrix(plain, digits=digits)

    def cell(value: float, text: Markup) -> Cell:
        if not math.isfinite(value):
            return Cell("gap", text)
        look = f"{letter}{step(_share(float(value), lo, hi))}"
        pale = value == 0 and look in ("q0", f"d{STEPS // 2}")
        return Cell(f"{look} nil" if pale else look, text)

    return [
        [cell(*pair) for pair in zip(*both, strict=True)] for both in zip(plain, texts, strict=True)
    ]


def _image(values: np.ndarray, lo: float, hi: float, diverging: bool, scheme: str) -> Markup:
    """A PNG with a palette of 255 colors and one, the last, that shows the page."""
    from PIL import Image

    real = values.astype(np.float64)
    known = np.isfinite(real)
    span = hi / 2 - lo / 2
    share = (np.where(known, real, lo) / 2 - lo / 2) / (span if span > 0 else 1.0)
    level = np.where(known, np.rint(np.clip(share, 0, 1) * 254), 255).astype(np.uint8)
    image = Image.fromarray(level).convert("P")
    colors = palette("both" if diverging else "amount", scheme, 255)
    image.putpalette([*colors.reshape(-1).tolist(), 128, 128, 128])
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True, transparency=255)
    return Markup("data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii"))


def _ticks(names: Sequence[str], count: int) -> list[tuple[str, str]]:
    """A few names and their positions, in percent, at the center of their row or column."""
    if count == 0:
        return []
    stride = next(s for k in range(20) for s in (10**k, 2 * 10**k, 5 * 10**k) if count / s <= TICKS)
    return [
        (f"{(i + 0.5) / count * 100:.2f}", str(names[i]) if names else str(i))
        for i in range(0, count, stride)
    ]


def _along(lo: float, hi: float) -> list[tuple[str, str]]:
    """Round numbers and their positions along a side, in percent."""
    values = ticks(min(lo, hi), max(lo, hi))
    return [
        (f"{(v - lo) / (hi - lo) * 100:.2f}", str(t))
        for v, t in zip(values, labels(values), strict=True)
    ]


def _longest(ticks: list[tuple[str, str]]) -> int:
    return min(14, max((len(name) for _, name in ticks), default=0))
