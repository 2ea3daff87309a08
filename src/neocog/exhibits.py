"""What any result may show: a scalar, a curve, bars, a map, a gallery, a table or checks.

A measurement returns exhibits; terminal, report, JSON and web draw these and nothing else. All
values are plain numbers, strings and NumPy arrays. Text in an exhibit is data: the renderer
escapes it. What a reader is shown before anything else is a `neocog.first_screen.FirstScreen`.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from neocog.jsonable import Jsonable, keys

__all__ = [
    "Bars",
    "Cell",
    "Check",
    "Checks",
    "Curve",
    "Exhibit",
    "Gallery",
    "Map",
    "Scalar",
    "Section",
    "Table",
    "flipped",
    "percent",
    "png",
    "share",
]

Cell = str | int | float | None


class _Drawn(Jsonable):
    """In JSON the first key of an exhibit is its kind."""

    JSON = keys("kind", "...")

    @property
    def kind(self) -> str:
        """The class, in small letters."""
        return type(self).__name__.lower()


@dataclass(frozen=True, kw_only=True)
class Scalar(_Drawn):
    """One number.

    Args:
        title: what it is.
        value: the number; a fraction when `unit` is "%" (0.98 is drawn as 98.00 %).
        unit: "" for a bare number, "%" for a fraction, else the unit's symbol.
        interval: its interval (95 % unless `note` says otherwise), in the same measure.
        note: how it was measured, a sentence.
    """

    title: str
    value: float
    unit: str = ""
    interval: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Curve(_Drawn):
    """One or several lines over one axis.

    Args:
        title: what it shows.
        x: positions.
        lines: name to values, each as long as `x`; None where there is no value.
        x_label: name and unit of the axis.
        y_label: name and unit of the values; "%" for fractions, drawn times 100.
        log_y: draw the values on a logarithmic scale.
        x_names: a name for each position, written in place of its number; or empty.
        intervals: name of a line to an interval a position, None where there is none; or empty.
        interval_label: what they are, as "95 % CI" or "range over seeds".
        note: how it was measured.
    """

    JSON = keys(
        "kind", "title", "x", "lines", "x_label", "y_label", "log_y", "x_names", "note",
        "intervals?=bands", "interval_label?=band_label",
    )  # fmt: skip

    title: str
    x: Sequence[float]
    lines: Mapping[str, Sequence[float | None]]
    x_label: str
    y_label: str
    log_y: bool = False
    x_names: Sequence[str] = ()
    intervals: Mapping[str, Sequence[tuple[float, float] | None]] = field(default_factory=dict)
    interval_label: str = "95 % CI"
    note: str = ""

    @property
    def band_label(self) -> str | None:
        """What the intervals are; None where there are none, or where they are the usual ones."""
        usual = self.interval_label == type(self).interval_label
        return self.interval_label if self.intervals and not usual else None

    @property
    def bands(self) -> Mapping[str, Sequence[tuple[float, float] | None]] | None:
        """The intervals; None where there are none."""
        return self.intervals or None


@dataclass(frozen=True, kw_only=True)
class Bars(_Drawn):
    """Horizontal bars from zero, one for each name in each series, with their intervals.

    Args:
        title: what it shows.
        names: of the rows, from the top.
        series: name to a value per row; None where there is none.
        intervals: name of a series to an interval a row; None where there is none.
        x_label: what the values are.
        unit: "%" for fractions, drawn times 100; else the unit's symbol, or "".
        high: the axis reaches at least so far; the largest value alone if left out.
        note: how it was measured.
    """

    title: str
    names: Sequence[str]
    series: Mapping[str, Sequence[float | None]]
    intervals: Mapping[str, Sequence[tuple[float, float] | None]] = field(default_factory=dict)
    x_label: str = ""
    unit: str = ""
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Map(_Drawn):
    """A matrix of numbers drawn as colors.

    Args:
        title: what it shows.
        values: (rows, columns).
        rows: a name a row, or empty.
        columns: a name a column, or empty.
        row_label: what the rows are.
        column_label: what the columns are.
        diverging: colors go two ways from zero; else from the smallest to the largest value.
        ends: values of the first and last color, for maps that are compared; the smallest and the
            largest value of this map if left out.
        unit: "%" where the values are fractions, and the ends of the scale are written so.
        extent: numbers along the rows and along the columns, each from the edge of the first to
            the edge of the last, in place of names.
        box: a frame around the middle: its fractions of the height and of the width.
        note: how it was measured.
    """

    title: str
    values: np.ndarray
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    row_label: str = ""
    column_label: str = ""
    diverging: bool = False
    ends: tuple[float, float] | None = None
    unit: str = ""
    extent: tuple[tuple[float, float], tuple[float, float]] | None = None
    box: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Gallery(_Drawn):
    """Small images with captions.

    Args:
        title: what it shows.
        images: each (H, W) gray or (H, W, 3) color, uint8.
        captions: one per image; a line break starts a second line.
        pixelated: draw enlarged pixels as squares.
        together: so many in a row belong together, and are never parted by the end of a line.
        large: drawn as large as there is room, as the image of a first screen.
        note: how they were chosen.
    """

    JSON = keys("kind", "...", "images=addresses")

    title: str
    images: Sequence[np.ndarray]
    captions: Sequence[str]
    pixelated: bool = True
    together: int = 1
    large: bool = False
    note: str = ""

    @property
    def addresses(self) -> list[str]:
        """The images as `data:` addresses of PNG files."""
        return [png_address(image) for image in self.images]


@dataclass(frozen=True, kw_only=True)
class Table(_Drawn):
    """Rows of cells under named columns.

    Args:
        title: what it shows.
        columns: a name a column.
        rows: cells; numbers are drawn right-aligned, None as a dash.
        note: how it was measured.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One test that was passed, failed, or could not decide.

    Args:
        name: of the test.
        passed: None where it could not be decided.
        value: what was measured.
        baseline: what it is compared with.
        text: both in words, half a sentence.
    """

    name: str
    passed: bool | None
    value: float | None = None
    baseline: float | None = None
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Checks(_Drawn):
    """Tests with their outcome.

    Args:
        title: what was tested.
        checks: in reading order.
        note: how.
    """

    title: str
    checks: Sequence[Check]
    note: str = ""


Exhibit = Scalar | Curve | Bars | Map | Gallery | Table | Checks


@dataclass(frozen=True, kw_only=True)
class Section(_Drawn):
    """Exhibits that belong together, under a heading.

    Args:
        title: the heading.
        exhibits: in reading order.
        text: a paragraph that says what is to be seen.
    """

    title: str
    exhibits: Sequence[Exhibit] = field(default_factory=tuple)
    text: str = ""


def png_address(image: np.ndarray) -> str:
    """A uint8 image, (H, W) or (H, W, 3), as a `data:` address of a PNG file."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode("ascii")


def png(image: np.ndarray) -> bytes:
    """A uint8 image, (H, W) or (H, W, 3), as a PNG file.

    Args:
        image: the pixels.
    """
    from PIL import Image

    out = io.BytesIO()
    small = image.size <= 2**16  # a larger one would take ten times as long for 7 % less
    Image.fromarray(np.ascontiguousarray(image)).save(out, "PNG", optimize=small)
    return out.getvalue()


def percent(value: float) -> str:
    """A fraction times 100 with two decimals; 0 and 100 only where it is 0 or 1.

    Example:
        >>> percent(0.98), percent(0.99999), percent(1e-6), percent(1.0)
        ('98.00', '99.99', '0.01', '100.00')
    """
    scaled = value * 100
    return f"{min(max(scaled, 0.01), 99.99) if 0 < value < 1 else scaled:.2f}"


def flipped(value: float, digits: int = 1) -> str:
    """A fraction in percent; none or all of it only where it is none or all of it.

    Example:
        >>> flipped(0.065), flipped(0.0003), flipped(0.0003, 2), flipped(0.99999)
        ('6.5', '<0.1', '0.03', '>99.9')
    """
    least = 10.0**-digits
    if 0 < 100 * value < least:
        return f"<{least:.{digits}f}"
    if 100 - least < 100 * value < 100:
        return f">{100 - least:.{digits}f}"
    return f"{100 * value + 0.0:.{digits}f}"


def share(value: float) -> str:
    """A fraction in percent; none or all of it only where it is none or all of it.

    Example:
        >>> share(0.99996), share(1.0), share(0.00001), share(float("nan"))
        ('99.99 %', '100 %', '0.01 %', 'unknown')
    """
    if not math.isfinite(value):
        return "unknown"
    return f"{value:.0%}".replace("%", " %") if value in (0.0, 1.0) else f"{percent(value)} %"
