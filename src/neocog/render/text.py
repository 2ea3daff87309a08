"""Names and numbers as they are written in a report.

Text that comes from a user (class names, file names, notes) is cleaned by `clean` and escaped by
the template. Numbers are written here, once, so that a tile, a tick and a table cell agree.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

from markupsafe import Markup, escape

from neocog.errors import printable
from neocog.exhibits import Cell

__all__ = [
    "clean", "column", "command", "glued", "matrix", "number", "paragraphs", "quantity", "spelling",
]  # fmt: skip

DASH = "–"
THIN = "\u202f"
"""A narrow space that never breaks, between a number and its unit."""
PERCENT = Markup(f"{THIN}%")


def clean(value: object) -> object:
    r"""What a template may write: text that any UTF-8 file can hold, on one line.

    Markup made by this package passes; control characters, directional marks and bytes that are
    no UTF-8 become visible escapes; None is nothing.

    Example:
        >>> clean("two\nlines")
        'two\\nlines'
    """
    if value is None:
        return ""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    if value.isprintable():
        return value
    return "".join(c if unicodedata.category(c) == "Zs" else printable(c) for c in value)


def spelling(title: str) -> str:
    """Whether a heading begins with a "word", which gets a capital letter, or with a "name".

    Example:
        >>> spelling("rank correlation, all of it"), spelling("seven.png, 7"), spelling("c1: ReLU")
        ('word', 'name', 'name')
    """
    word = re.match(r"[^\W\d_]+(-[^\W\d_]+)*[,.]?(\s|$)", title)
    return "word" if word else "name"


def paragraphs(text: str) -> list[str]:
    r"""The paragraphs of a text: parted by empty lines, each on one line; no break before %.

    Example:
        >>> paragraphs("one\nline\n\nanother")
        ['one line', 'another']
    """
    blocks = text.replace("\r\n", "\n").split("\n\n")
    lines = (" ".join(block.split("\n")).strip() for block in blocks)
    return [line.replace(" %", "\u00a0%") for line in lines if line]


def glued(text: str) -> Markup:
    r"""A line, escaped, without a break before a unit, within an interval or within an option.

    Example:
        >>> print(glued("3 % (95 % CI 1.0–2.0 %)").replace("\u00a0", "_"))
        3_% (95_%_CI <span class="unbroken">1.0–2.0_%</span>)
    """
    line = str(escape(str(clean(text))))
    line = re.sub(r" (?=%|px\b|pp\b)", "\u00a0", line)
    line = re.sub(r"(?<=≤) ", "\u00a0", line).replace("% CI", "%\u00a0CI")
    return Markup(_WHOLE.sub(_UNBROKEN, line))


def command(line: object) -> Markup:
    r"""A command line or a cell, escaped, whose options are not broken at their hyphens.

    Example:
        >>> print(command("neocog fix <run> --max-shift 4"))
        neocog fix &lt;run&gt; <span class="unbroken">--max-shift</span> 4
    """
    return Markup(_OPTION.sub(_UNBROKEN, str(escape(clean(line)))))


_UNBROKEN = r'<span class="unbroken">\g<0></span>'
_OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
_WHOLE = re.compile(rf"[\d.,]+–[\d.,]+(\u00a0%)?|{_OPTION.pattern}")
"""What is read as one: intervals, and options of a command."""


def number(value: float | None, *, digits: int = 4) -> Markup:
    """A number to so many significant digits; integers in full, with commas.

    Example:
        >>> [str(number(v)) for v in (61_100_840, 0.123456, 2.0, None)]
        ['61,100,840', '0.1235', '2', '–']
        >>> str(number(-0.00001234))
        '−1.234×10⁻⁵'
    """
    if value is None or math.isnan(value):
        return Markup(DASH)
    if math.isinf(value):
        return Markup("∞" if value > 0 else "−∞")
    if value == int(value) and abs(value) < 1e15:
        return _signed(f"{abs(int(value)):,}", negative=value < 0)
    magnitude = math.floor(math.log10(abs(value)))
    if not -4 <= magnitude < 9:
        mantissa, exponent = f"{abs(value):.{digits - 1}e}".split("e")
        return _signed(f"{_trim(mantissa)}×10{_raised(int(exponent))}", negative=value < 0)
    decimals = max(0, digits - 1 - magnitude)
    return _signed(_trim(f"{abs(value):,.{decimals}f}"), negative=value < 0)


def matrix(rows: Sequence[Sequence[float]], *, digits: int = 3) -> list[list[Markup]]:
    """The cells of a matrix, all with the decimals that show the largest to so many digits.

    Example:
        >>> [[str(t) for t in row] for row in matrix([[0.5, 0.0], [-0.1234, 0.9876]])]
        [['0.500', '0'], ['−0.123', '0.988']]
    """
    sizes = [abs(v) for row in rows for v in row if math.isfinite(v)]
    most = max(sizes, default=0.0)
    if all(v == int(v) for v in sizes) or not 1e-3 <= most < 1e6:
        return [[number(v, digits=digits) for v in row] for row in rows]
    decimals = max(0, digits - 1 - math.floor(math.log10(most)))
    return [
        [_fixed(v, decimals) if v and math.isfinite(v) else number(v) for v in row] for row in rows
    ]


def quantity(value: float | None, unit: str) -> Markup:
    """A number with its unit; a fraction, unit `%`, is drawn times 100 with two decimals.

    The unit is the caller's own text and is escaped.

    Example:
        >>> str(quantity(0.98, "%")).replace("\u202f", " ")
        '98.00 %'
        >>> str(quantity(12.5, "s")).replace("\u202f", " ")
        '12.5<span class="unit"> s</span>'
    """
    if value is None or not math.isfinite(value):
        return number(value)
    if unit == "%":
        if abs(value) >= 1e9:
            return (
                number(value * 100 if abs(value) < 1e300 else math.copysign(math.inf, value))
                + PERCENT
            )
        return _fixed(value * 100, 2) + PERCENT
    if not unit:
        return number(value)
    return number(value) + Markup('<span class="unit">{}</span>').format(f"{THIN}{clean(unit)}")


def column(cells: Sequence[Cell]) -> list[object]:
    """The cells of one table column as text; its numbers share their decimals where they can.

    Example:
        >>> [str(c) for c in column([0.5, 0.125, None])]
        ['0.500', '0.125', '–']
        >>> [str(c) for c in column([1000, "none"])]
        ['1,000', 'none']
    """
    decimals = _decimals([abs(c) for c in cells if isinstance(c, float) and math.isfinite(c)])
    out: list[object] = []
    for cell in cells:
        if isinstance(cell, bool):
            out.append("yes" if cell else "no")
        elif cell is None or isinstance(cell, str):
            out.append(DASH if cell is None else cell)
        elif isinstance(cell, float) and decimals is not None and math.isfinite(cell):
            out.append(_fixed(cell, decimals))
        else:
            out.append(number(cell))
    return out


def _decimals(sizes: Sequence[float]) -> int | None:
    """Decimals that show each of these sizes to three significant digits, if four suffice."""
    real = [s for s in sizes if s > 0]
    if not real or all(s == int(s) for s in real):
        return None
    low, high = math.log10(min(real)), math.log10(max(real))
    decimals = max(1, 2 - math.floor(low)) if high < 3 else 1
    return decimals if decimals <= 4 and high < 9 else None


def _fixed(value: float, decimals: int) -> Markup:
    digits = f"{abs(value):,.{decimals}f}"
    return _signed(digits, negative=value < 0 and any(d in "123456789" for d in digits))


def _signed(digits: str, *, negative: bool) -> Markup:
    return Markup("−" + digits if negative else digits)


def _trim(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _raised(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
