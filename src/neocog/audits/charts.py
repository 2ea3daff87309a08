"""The charts of an audit: pairs that flip, layers by cause, maps of shifts on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neocog.audits.compare import flipped, moved_by
from neocog.audits.shift import Flip, Shift
from neocog.audits.verdict import NOTHING
from neocog.errors import printable
from neocog.exhibits import Bars, Gallery, Map
from neocog.render.pixels import as_image, enlarged

if TYPE_CHECKING:
    from neocog.audits.layers import LayerError
    from neocog.audits.result import Audit

__all__ = [
    "agreement_map",
    "breaking_layers",
    "flip_pairs",
    "flip_rate",
    "flip_rate_ci",
    "layers_by_cause",
    "shared_low",
]

DRAWN = 6
"""Layers that the image of a first screen names."""

SMALL = 48
"""Pixels per side up to which images are enlarged."""


def flip_rate(s: Shift) -> float:
    """Fraction of the predictions that differ at two positions."""
    return s.flip_rate if s.flip_rate is not None else 1 - s.consistency


def flip_rate_ci(s: Shift) -> tuple[float, float]:
    """Its interval."""
    low, high = s.consistency_ci
    return max(0.0, 1 - high), min(1.0, 1 - low)


def breaking_layers(audit: Audit) -> list[tuple[LayerError, float, float]]:
    """Layers with their local error, split into aliasing and border, the worst first.

    Args:
        audit: what was measured.
    """
    rows = []
    for e in audit.layers:
        if e.local_shift is None or not math.isfinite(e.local_shift):
            continue
        inside, border = e.own_inside, e.own_at_border
        if max(inside, border) > NOTHING:
            rows.append((e, inside, border))
    return sorted(rows, key=lambda row: -max(row[1:]))


def layers_by_cause(audit: Audit, most: int = DRAWN) -> Bars | None:
    """The layers that break equivariance most, by cause; None where no layer does.

    Args:
        audit: what was measured.
        most: layers that are drawn.
    """
    rows = breaking_layers(audit)[:most]
    if not rows:
        energy = sorted(
            (a for a in audit.aliasing if not a.consistent and math.isfinite(a.aliased_energy)),
            key=lambda a: -a.aliased_energy,
        )[:most]
        if not energy:
            return None
        return Bars(
            title="aliased energy by layer",
            names=[f"{printable(a.name)} ({a.kind})" for a in energy],
            series={"aliased": [a.aliased_energy for a in energy]},
            unit="%",
            note=(
                "Fraction of the energy before downsampling that lies above the new Nyquist "
                "frequency."
            ),
        )
    known = audit.alignment is not None and not audit.alignment.unknown
    return Bars(
        title="layers that break equivariance, by cause",
        names=[printable(e.name) for e, _, _ in rows],
        series={
            "aliasing": [inside for _, inside, _ in rows],
            "padding" if known else "at the border": [border for _, _, border in rows],
        },
        x_label="equivariance error of the layer itself (relative L2)",
        note="" if len(rows) == len(breaking_layers(audit)) else f"The {len(rows)} worst.",
    )


def flip_pairs(
    flips: Sequence[Flip], classes: Sequence[str], title: str, *, large: bool = False
) -> Gallery:
    """Each image at both positions side by side, with its predictions.

    Args:
        flips: images with two predictions.
        classes: names of the classes.
        title: of the gallery.
        large: one pair, as large as there is room.
    """
    images, captions = [], []
    for f in flips:
        drawn = [_drawn(p, f.values) for p in f.images]
        if any(d is None for d in drawn):
            continue
        where = f.poses or tuple(_offset(offset) for offset in f.offsets)
        for image, position, number in zip(drawn, where, f.predictions, strict=True):
            assert image is not None
            images.append(image)
            mark = "" if f.truth is None else "✓ " if f.truth == number else "✗ "
            captions.append(f"{mark}{_class(number, classes)}\n{position}")
        if large:
            break
    note = "The same image at two positions, the predictions there"
    note += " (✓ correct, ✗ incorrect)" if any(f.truth is not None for f in flips) else ""
    if not large:
        note += ". The first that flip, not the worst ones"
    return Gallery(
        title=title, images=images, captions=captions, together=2, large=large, note=f"{note}."
    )


def agreement_map(s: Shift, low: float, *, title: str = "") -> Map:
    """Agreement with the unshifted prediction at every shift, on a fixed scale.

    Args:
        s: with its map, of two axes.
        low: value of the palest color, one for all maps that are compared.
        title: of the map; chosen if left out.
    """
    assert s.map is not None
    steps = [f"{v:+g}" if v else "0" for v in s.map.offsets]
    fractions = bool(s.unit)
    if fractions:
        what = "agreement with the unshifted prediction"
        scale = f"The scale, {low:.0%} to 100 %, is the same for all maps here.".replace(
            "%", " %", 1
        )
    else:
        what = "mean difference from the unshifted prediction"
        scale = "The scale is the same for all maps here."
    return Map(
        title=title or f"{moved_by(s)}: {what}",
        values=s.map.agreement,
        rows=steps,
        columns=steps,
        row_label="pixels down",
        column_label="pixels right",
        ends=(low, 1.0) if fractions else (0.0, low),
        unit="%" if fractions else "",
        note=f"{s.map.n:,} image{'' if s.map.n == 1 else 's'}, "
        f"{flipped(s.map.stable)} % of them with one prediction at all of these shifts. {scale}",
    )


def shared_low(audit: Audit) -> float:
    """The palest color of all maps of shifts: the highest round number that none goes below.

    One image of 64 is then a step and not the whole range, and a perfect cell never looks like the
    worst cell of another map. For outputs in their own units it is the maximum difference.

    Args:
        audit: with its maps.
    """
    maps = [s for s in audit.shift.values() if s.map is not None]
    fractions = [s.map.agreement for s in maps if s.map is not None and s.unit]
    if fractions:
        least = min((float(np.nanmin(a)) for a in fractions if a.size), default=1.0)
        return next((end for end in (0.8, 0.5) if least >= end), 0.0)
    return max((float(np.nanmax(s.map.agreement)) for s in maps if s.map is not None), default=1.0)


def _class(number: int, classes: Sequence[str]) -> str:
    return printable(classes[number]) if number < len(classes) else str(number)


def _offset(offset: Sequence[float]) -> str:
    """A shift in words."""
    if not any(offset):
        return "unshifted"
    ways = (("down", "up"), ("right", "left"))[-len(offset) :]
    parts = [
        f"{abs(v):.3g} {way[0] if v > 0 else way[1]}"
        for v, way in zip(offset, ways, strict=True)
        if v
    ]
    return ", ".join(parts)


def _drawn(image: np.ndarray, values: str) -> np.ndarray | None:
    """(C, H, W) as uint8; None of what is not an image."""
    if image.ndim != 3 or (len(image) not in (1, 3) and values != "raw"):
        return None
    x = as_image(image, values=values)
    return enlarged(x, 2) if max(x.shape[:2]) <= SMALL else x  # to be seen
