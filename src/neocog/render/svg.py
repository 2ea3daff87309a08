"""A curve as a separate SVG drawing: for slides and papers, on white."""

from __future__ import annotations

from markupsafe import Markup, escape

from neocog.exhibits import Curve
from neocog.render.curve import CurveView, view_curve
from neocog.render.text import clean, spelling

__all__ = [
    "COLORS",
    "HEIGHT",
    "INK",
    "LINE",
    "WIDTH",
    "document",
    "escaped",
    "label",
    "parts",
    "svg",
    "titled",
]

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 78, 24, 64, 58
"""Margins of the plot, in the drawing's pixels."""
NAMED = 70
"""More room below, where positions have names."""

COLORS = (
    "#1f5fae", "#b8480c", "#0c7568", "#9c1f63", "#6a5a00", "#5e3fb0", "#4f565e", "#8a2c2c",
)  # fmt: skip
ROOT = 'role="img" font-family="system-ui, Segoe UI, Roboto, Noto Sans, DejaVu Sans, sans-serif"'
DASHES = ("", "7 5", "1.5 4.5", "10 4 1.5 4")
INK, SOFT, LINE = "#1d2126", "#565d66", "#dedbd3"


def svg(curve: Curve) -> str:
    r"""One self-contained SVG file; the same curve gives the same bytes.

    Args:
        curve: what is drawn.

    Raises:
        ValueError: a line has not as many values as there are positions.

    Example:
        >>> drawn = svg(Curve(title="loss", x=[1, 2], lines={"a": [2.0, 1.0]}, x_label="epoch",
        ...                   y_label="loss"))
        >>> drawn.startswith("<svg") and drawn.endswith("</svg>\n")
        True
    """
    return document(HEIGHT, curve.title, parts(curve))


def document(height: float, title: str, drawn: list[str]) -> str:
    """A whole file: a root, a title for readers of screens, a white ground and what is drawn.

    Args:
        height: in the drawing's pixels; the width is `WIDTH`.
        title: what it shows.
        drawn: elements.
    """
    size = f'viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {ROOT}>',
        f"<title>{escaped(title)}</title>",
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
        *drawn,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def parts(curve: Curve) -> list[str]:
    """The elements of a curve, in `HEIGHT` pixels.

    Args:
        curve: what is drawn.
    """
    view = view_curve(curve)
    inner = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM - (NAMED if view.named else 0))
    return [
        label(LEFT, 22, titled(curve.title), size=16, weight=600, fill=INK),
        label(LEFT, TOP - 10, curve.y_label, size=12),
        label(LEFT + inner[0] / 2, HEIGHT - 12, curve.x_label, size=12, anchor="middle"),
        *_grid(view, inner),
        *_lines(view, inner),
        *_names(view),
    ]


def _grid(view: CurveView, inner: tuple[int, int]) -> list[str]:
    width, height = inner
    out = []
    for at, text in view.y_ticks:
        y = TOP + float(at) / 100 * height
        out.append(f'<path d="M{LEFT} {y:.1f}h{width}" stroke="{LINE}"/>')
        out.append(label(LEFT - 8, y + 4, text, size=12, anchor="end"))
    for at, name in view.x_ticks:
        x = LEFT + float(at) / 100 * width
        if view.named:
            y = TOP + height + 14
            named = label(x, y, str(name)[:18], size=11, anchor="end")
            out.append(f'<g transform="rotate(-45 {x:.1f} {y:.1f})">{named}</g>')
        else:
            out.append(label(x, TOP + height + 20, name, size=12, anchor="middle"))
    return out


def _lines(view: CurveView, inner: tuple[int, int]) -> list[str]:
    """The paths of the page, whose unit is a thousandth of the plot."""
    scale = f"translate({LEFT} {TOP}) scale({inner[0] / 1000} {inner[1] / 1000})"
    out = [f'<g transform="{scale}" fill="none" stroke-linejoin="round" stroke-linecap="round">']
    for line in view.lines:
        stroke = f'stroke="{COLORS[line.color]}" vector-effect="non-scaling-stroke"'
        dash = f' stroke-dasharray="{DASHES[line.dash]}"' if DASHES[line.dash] else ""
        if line.band:
            fill = f'fill="{COLORS[line.color]}" fill-opacity="0.13"'
            out.append(f'<path d="{line.band}" {fill} stroke="none"/>')
        if line.path:
            out.append(f'<path d="{line.path}" {stroke} stroke-width="2"{dash}/>')
        if line.dots:
            out.append(f'<path d="{line.dots}" {stroke} stroke-width="6"/>')
    return [*out, "</g>"]


def _names(view: CurveView) -> list[str]:
    """The key, from the right end of the line above the plot."""
    if len(view.lines) < 2:
        return []
    out, x = [], float(WIDTH - RIGHT)
    for line in reversed(view.lines[:6]):
        name = str(clean(line.name))
        x -= 7.0 * len(name)
        out.append(label(x, TOP - 10, name, size=12, fill=INK))
        x -= 32
        dash = f' stroke-dasharray="{DASHES[line.dash]}"' if DASHES[line.dash] else ""
        color = COLORS[line.color]
        out.append(f'<path d="M{x:.0f} {TOP - 14}h26" stroke="{color}" stroke-width="2"{dash}/>')
        x -= 14
    return out


def label(
    x: float,
    y: float,
    text: object,
    *,
    size: int,
    anchor: str = "start",
    weight: int = 400,
    fill: str = SOFT,
) -> str:
    """A line of text.

    Args:
        x: of its anchor.
        y: of its base line.
        text: cleaned and escaped.
        size: of the font, in pixels.
        anchor: `start`, `middle` or `end`.
        weight: of the font.
        fill: its color.
    """
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{fill}">{escaped(text)}</text>'
    )


def titled(title: str) -> str:
    """A heading: one that begins with a word gets a capital letter, as on a page."""
    return f"{title[:1].upper()}{title[1:]}" if spelling(title) == "word" else title


def escaped(value: object) -> Markup:
    """What a user named, cleaned and escaped; the numbers of an axis without markup."""
    if isinstance(value, Markup):
        return escape(value.striptags())
    return escape(str(clean(value)))
