"""Exhibits below each other as one SVG drawing: the image of a first screen, for slides and papers.

Everything is laid out by the modules that lay out a page; here it is only drawn, on white.
"""

from __future__ import annotations

from collections.abc import Sequence

from neocog.exhibits import Bars, Checks, Curve, Exhibit, Gallery, Map, Scalar, Table
from neocog.render.bars import Bar, view_bars
from neocog.render.color import STEPS, palette
from neocog.render.gallery import Image, view_gallery
from neocog.render.map import MapView, view_map
from neocog.render.svg import COLORS, HEIGHT, INK, LINE, WIDTH, document, label, parts, titled
from neocog.render.table import view_table
from neocog.render.text import quantity

__all__ = ["as_svg"]

MARGIN = 24
NAMES = 190
"""Width of the names of bars and rows."""
LANE = WIDTH - NAMES - 2 * MARGIN - 52
"""Width of the lane of bars; a value has room behind its end."""
ROW, BAR, CELL = 26, 18, 44
"""Height of a row of text, of a bar, and of the side of a printed cell at most."""
SIDE = 380
"""Longer side of a map that is an image."""
MARKS = {True: ("✓", "#0c7568"), False: ("✗", "#b8480c"), None: ("?", "#565d66")}

Block = tuple[float, list[str]]
"""A height and the elements in it."""


def as_svg(exhibits: Sequence[Exhibit], *, title: str = "") -> str:
    r"""One self-contained SVG file; the same exhibits give the same bytes.

    Args:
        exhibits: from the top.
        title: for readers of screens; of the first exhibit if left out.

    Raises:
        ValueError: the parts of an exhibit do not fit each other.

    Example:
        >>> drawn = as_svg([Bars(title="flips", names=["a"], series={"before": [0.1]})])
        >>> drawn.startswith("<svg") and drawn.endswith("</svg>\n")
        True
    """
    y, drawn = 0.0, []
    for exhibit in exhibits:
        height, elements = _block(exhibit)
        drawn.append(f'<g transform="translate(0 {y:.1f})">')
        drawn += [*elements, "</g>"]
        y += height
    return document(y + MARGIN, title or next((e.title for e in exhibits), ""), drawn)


def _block(exhibit: Exhibit) -> Block:
    match exhibit:
        case Curve():
            return HEIGHT, parts(exhibit)
        case Bars():
            height, drawn = _bars(exhibit)
        case Map():
            height, drawn = _map(exhibit)
        case Gallery():
            height, drawn = _gallery(exhibit)
        case Checks():
            height, drawn = _checks(exhibit)
        case Table():
            height, drawn = _table(exhibit)
        case Scalar():
            value = quantity(exhibit.value, exhibit.unit)
            return ROW, [label(MARGIN, 20, f"{exhibit.title}: {value.striptags()}", size=14)]
    return height, [label(MARGIN, 22, titled(exhibit.title), size=16, weight=600, fill=INK), *drawn]


def _bars(bars: Bars) -> Block:
    view, left, y = view_bars(bars), MARGIN + NAMES + 10, 40.0
    drawn: list[str] = []
    x = float(left)
    for look, name in view.key:
        drawn.append(f'<rect x="{x:.1f}" y="{y}" width="12" height="12" fill="{_color(look)}"/>')
        drawn.append(label(x + 18, y + 11, name, size=12, fill=INK))
        x += 40 + 7 * len(name)
    y += ROW if view.key else 0
    top = y
    for row in view.rows:
        middle = y + BAR * len(row.bars) / 2 + 4
        drawn.append(label(left - 10, middle, row.name[:30], size=12, anchor="end", fill=INK))
        for bar in row.bars:
            drawn += _bar(bar, left, y)
            y += BAR
        y += 8
    ticks = []
    for at, text in view.ticks:
        x = left + float(at) / 100 * LANE
        ticks.append(f'<path d="M{x:.1f} {top:.1f}V{y:.1f}" stroke="{LINE}"/>')
        drawn.append(label(x, y + 14, text, size=11, anchor="middle"))
    if bars.x_label:
        drawn.append(label(left + LANE / 2, y + 34, bars.x_label, size=12, anchor="middle"))
    return y + 50, [*ticks, *drawn]


def _bar(bar: Bar, left: float, y: float) -> list[str]:
    x, width = (float(v) / 100 * LANE for v in (bar.left, bar.width))
    size = f'width="{width:.1f}" height="{BAR - 4}"'
    out = [f'<rect x="{left + x:.1f}" y="{y:.1f}" {size} fill="{_color(bar.look)}"/>']
    if bar.whisker is not None:
        x, width = (float(v) / 100 * LANE for v in bar.whisker)
        middle = y + BAR / 2 - 2
        path = f"M{left + x:.1f} {middle}h{width:.1f}m0 -4v8m{-width:.1f} 0v-8"
        out.append(f'<path d="{path}" stroke="{INK}" fill="none"/>')
    at = left + float(bar.end) / 100 * LANE
    return [*out, label(at + 6, y + BAR - 6, bar.text, size=12, fill=INK)]


def _color(look: int) -> str:
    return COLORS[look % len(COLORS)]


def _gallery(gallery: Gallery) -> Block:
    """Images in lines; those that belong together are not parted."""
    drawn: list[str] = []
    x, y, tallest = float(MARGIN), 36.0, 0.0
    room = WIDTH - 2 * MARGIN
    for group in view_gallery(gallery).groups:
        wide = sum(p.width for p in group) + 12 * (len(group) - 1)
        times = min(1.0, (room - 12 * (len(group) - 1)) / max(1, wide - 12 * (len(group) - 1)))
        if x > MARGIN and x + wide * times > WIDTH - MARGIN:
            x, y, tallest = float(MARGIN), y + tallest + 14, 0.0
        for image in group:
            height, elements = _image(image, x, y, times, smooth=not gallery.pixelated)
            drawn += elements
            tallest = max(tallest, height)
            x += max(image.width * times, 40) + 12
        x += 12
    return y + tallest + 8, drawn


def _image(image: Image, x: float, y: float, times: float, *, smooth: bool) -> Block:
    width, height = image.width * times, image.height * times
    look = "" if smooth else ' style="image-rendering:pixelated"'
    box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    drawn = [f'<image {box} preserveAspectRatio="none" href="{image.address}"{look}/>']
    letters = max(6, int(width / 6.5))
    for i, line in enumerate(image.caption):
        text = line if len(line) <= letters else f"{line[: letters - 1]}…"
        drawn.append(label(x, y + height + 15 + 15 * i, text, size=12, fill=INK))
    return height + 15 * len(image.caption), drawn


def _map(map_: Map) -> Block:
    view = view_map(map_)
    height, drawn = _cells(map_, view) if view.cells else _raster(view)
    colors = palette("both" if map_.diverging else "amount", "light", STEPS)
    y, x = height + 12.0, float(MARGIN + NAMES)
    for i, color in enumerate(colors.tolist()):
        drawn.append(
            f'<rect x="{x + 12 * i}" y="{y}" width="12" height="10" fill="{_rgb(color)}"/>'
        )
    low, high = view.key_labels
    drawn.append(label(x - 8, y + 10, low, size=11, anchor="end"))
    drawn.append(label(x + 12 * STEPS + 8, y + 10, high, size=11))
    return y + 24, drawn


def _cells(map_: Map, view: MapView) -> Block:
    """A small map, with its numbers."""
    colors = palette("both" if map_.diverging else "amount", "light", STEPS).tolist()
    left = MARGIN + (NAMES if view.rows else 30)
    side = min(CELL, (WIDTH - MARGIN - left) / len(view.cells[0]))
    drawn = [label(left, 44, map_.column_label, size=12)] if map_.column_label else []
    if map_.row_label:
        drawn.append(label(left - 10, 44, map_.row_label, size=12, anchor="end"))
    top = 52 + (14 if view.columns else 0)
    for k, name in enumerate(view.columns):
        text = name[: max(3, int(side / 6))]
        drawn.append(label(left + (k + 0.5) * side, top - 4, text, size=10, anchor="middle"))
    for i, row in enumerate(view.cells):
        y = top + i * side
        if view.rows:
            text = view.rows[i][:26]
            drawn.append(label(left - 10, y + side / 2 + 4, text, size=11, anchor="end", fill=INK))
        for k, cell in enumerate(row):
            gap = cell.look == "gap"
            step = 0 if gap else int(cell.look.split()[0][1:])
            fill = "#ffffff" if gap or "nil" in cell.look else _rgb(colors[step])
            ink = "#ffffff" if step > STEPS * 0.6 else INK
            box = f'x="{left + k * side:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}"'
            drawn.append(f'<rect {box} fill="{fill}" stroke="{LINE}"/>')
            x = left + (k + 0.5) * side
            drawn.append(label(x, y + side / 2 + 4, cell.text, size=10, anchor="middle", fill=ink))
    return top + side * len(view.cells), drawn


def _raster(view: MapView) -> Block:
    """A large map: an image with a handful of names along its sides."""
    if not view.light:
        return 60, [label(MARGIN, 50, "no values", size=12)]
    across, down = (int(n) for n in view.aspect.split("/"))
    width, height = (SIDE * n / max(across, down) for n in (across, down))
    left, top = MARGIN + NAMES, 36
    box = f'x="{left}" y="{top}" width="{width:.1f}" height="{height:.1f}"'
    look = 'preserveAspectRatio="none" style="image-rendering:pixelated"'
    drawn = [f'<image {box} {look} href="{view.light}"/>']
    for at, name in view.row_ticks:
        y = top + float(at) / 100 * height + 4
        drawn.append(label(left - 8, y, name[:26], size=11, anchor="end"))
    for at, name in view.column_ticks:
        x = left + float(at) / 100 * width
        drawn.append(label(x, top + height + 14, name[:8], size=11, anchor="middle"))
    return top + height + 16, drawn


def _checks(checks: Checks) -> Block:
    y, drawn = 40.0, []
    for check in checks.checks:
        mark, color = MARKS[check.passed]
        drawn.append(label(MARGIN, y + 14, mark, size=16, weight=700, fill=color))
        drawn.append(label(MARGIN + 26, y + 14, check.name, size=14, weight=600, fill=INK))
        y += 20
        if check.text:
            drawn.append(label(MARGIN + 26, y + 12, check.text, size=12))
            y += 18
        y += 6
    return y, drawn


def _table(table: Table) -> Block:
    view, y = view_table(table), 40.0
    wide = (WIDTH - 2 * MARGIN) / max(1, len(table.columns))
    drawn = []
    rows: list[list[object]] = [list(table.columns), *view.rows]
    for i, row in enumerate(rows):
        for k, cell in enumerate(row):
            text = str(cell)[: int(wide / 7)]
            drawn.append(
                label(MARGIN + k * wide, y + 14, text, size=12, fill=INK, weight=400 if i else 600)
            )
        y += 20
    return y, drawn


def _rgb(color: Sequence[int]) -> str:
    return f"#{''.join(f'{c:02x}' for c in color)}"
