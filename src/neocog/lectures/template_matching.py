"""Where is the piece that was cut out? Template matching, and what it survives.

A template is cut from an image and looked for in that image, as it is and changed: brighter,
with less contrast, under uneven light, in other colors, with noise, rotated, enlarged. Four ways of
looking: the raw correlation, the correlation with the mean-free template, the normalized one (the
correlation coefficient), and the normalized one of the features that a network computes of both.

Source: J. P. Lewis, "Fast Normalized Cross-Correlation", Vision Interface, 1995.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Num
from torch import Tensor

from neocog.data.samples import in_range
from neocog.errors import DataError, ShapeMismatch, UsageError, did_you_mean
from neocog.exhibits import Cell, Exhibit, Gallery, Section, Table
from neocog.explainers.features import Features
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords
from neocog.lectures.image_changes import CHANGES, ImageChange
from neocog.render.pixels import amounts, as_image, framed
from neocog.signal.correlate import MATCHES, match, peaks, window_sums

__all__ = ["MatchRow", "Search", "busiest", "search"]

WAYS = {
    "raw": "raw",
    "mean_free": "mean-free",
    "normalized": "normalized",
    "features": "normalized, of features",
}
"""Ways of looking, as they are called in tables."""

_CORRECT = (40, 160, 60)
_INCORRECT = (220, 30, 30)
_TRUE = (255, 210, 0)
_OVERLAP = 0.5
"""Fraction of intersection over union from which a window is the correct one."""


@dataclass(frozen=True, kw_only=True)
class MatchRow(Jsonable):
    """One way of looking at one changed image.

    Args:
        method: key of `WAYS`.
        change: key of `CHANGES`.
        corner: (row, column) of the best window, in pixels.
        expected: (row, column) of the window where the piece is now.
        overlap: intersection over union of the two.
        score: at the maximum.
        lead: by how much it is above the best maximum elsewhere, in standard deviations of the heat
            map.
        heat: the map of scores, a value per window.
    """

    JSON = keys("method", "change", "corner", "expected", "overlap", "score", "lead", "correct")

    method: str
    change: str
    corner: tuple[int, int]
    expected: tuple[int, int]
    overlap: float
    score: float
    lead: float
    heat: np.ndarray = field(repr=False)

    @property
    def correct(self) -> bool:
        """Whether the best window covers the piece."""
        return self.overlap >= _OVERLAP


@dataclass(frozen=True, kw_only=True)
class Search(Jsonable):
    """Where each way of looking finds the piece.

    Args:
        image: (C, H, W) in [0, 1].
        window: (first row, row behind the last, first column, column behind the last) of the piece.
        changed: name to the changed image.
        rows: one a way and change.
        network: what computed the features; "" without.
    """

    JSON = keys("window", "network", "rows")

    image: np.ndarray = field(repr=False)
    window: tuple[int, int, int, int]
    changed: Mapping[str, np.ndarray] = field(repr=False)
    rows: tuple[MatchRow, ...]
    network: str = ""

    def of(self, method: str) -> tuple[MatchRow, ...]:
        """The rows of one way of looking."""
        return tuple(row for row in self.rows if row.method == method)

    def sections(self) -> list[Section]:
        """For a report."""
        top, bottom, left, right = self.window
        first = Gallery(
            title="Image and template",
            images=[
                framed(as_image(self.image), self.window, color=_TRUE),
                as_image(self.image[:, top:bottom, left:right]),
            ],
            captions=["where it was cut", "template"],
            pixelated=False,
        )
        exhibits: list[Exhibit] = [first, self._table(), self._leads()]
        for change in self.changed:
            exhibits.append(self._heat(change))
        counts = ", ".join(
            f"{WAYS[m]} {sum(r.correct for r in self.of(m))} of {len(self.of(m))}"
            for m in WAYS
            if self.of(m)
        )
        text = (
            f"The correct position is found by: {counts}. A position is correct where it overlaps "
            "the piece by half. On the images: yellow where the piece is, "
            "green the best window where it is correct, red where it is not."
        )
        if self.network:
            text += (
                f" Features are those of {self.network}, of the template alone and of the image."
            )
        return [Section(title="Template matching", exhibits=exhibits, text=text)]

    def _table(self) -> Table:
        methods = [m for m in WAYS if self.of(m)]
        rows = []
        for change in self.changed:
            by = {r.method: r for r in self.rows if r.change == change}
            cells = ["correct" if by[m].correct else "INCORRECT" for m in methods]
            rows.append([change, *cells])
        return Table(
            title="Is it found?", columns=("image", *(WAYS[m] for m in methods)), rows=rows
        )

    def _leads(self) -> Table:
        methods = [m for m in WAYS if self.of(m)]
        rows: list[list[Cell]] = []
        for change in self.changed:
            by = {r.method: r for r in self.rows if r.change == change}
            rows.append([change, *(round(by[m].lead, 2) for m in methods)])
        return Table(
            title="How far it stands out",
            columns=("image", *(WAYS[m] for m in methods)),
            rows=rows,
            note="Best score minus the next best, in standard deviations of the heat map.",
        )

    def _heat(self, change: str) -> Gallery:
        height, width = (b - a for a, b in (self.window[:2], self.window[2:]))
        images, captions = [], []
        for r in (r for r in self.rows if r.change == change):
            ground = framed(
                as_image(self.changed[change]), _box(r.expected, height, width), color=_TRUE
            )
            color = _CORRECT if r.correct else _INCORRECT
            images += [
                framed(ground, _box(r.corner, height, width), color=color),
                _drawn(r.heat, self.image.shape[1:], height, width),
            ]
            label = "correct" if r.correct else "incorrect"
            captions += [
                f"{WAYS[r.method]}\n{label}, score {r.score:.3g}",
                f"heat map, {WAYS[r.method]}",
            ]
        return Gallery(title=f"Image {change}", images=images, captions=captions, pixelated=False)


@known_keywords
def search(
    image: Num[Tensor, ...],
    window: tuple[int, int, int, int],
    *,
    features: Features | None = None,
    changes: Sequence[str] | None = None,
    seed: int = 0,
) -> Search:
    """Cut a template from an image and look for it in the image, as it is and changed.

    Args:
        image: values in [0, 1].
        window: of the template: (first row, row behind the last, first column, column behind the
            last).
        features: what a network computes, to look in as well.
        changes: keys of `CHANGES`; all if left out.
        seed: of what is random in the changes.

    Raises:
        UsageError: the window is not within the image, or there is no such change.
        DataError: values are not finite, or integers that are not in [0, 1].
        ShapeMismatch: the input is not an image.

    Example:
        >>> x = torch.zeros(1, 24, 24)
        >>> x[0, 4:7, 4:10], x[0, 14:20, 15:21] = 0.5, 1.0
        >>> found = search(x, (2, 9, 2, 12), changes=["as it is"])
        >>> [(r.method, r.correct) for r in found.rows]
        [('raw', False), ('mean_free', False), ('normalized', True)]
    """
    names = _checked(image, window, changes)
    x = image.detach().cpu().float()[None]
    size = tuple(x.shape[2:])
    top, bottom, left, right = window
    template = x[0, :, top:bottom, left:right]
    rows, changed = [], {}
    for name in names:
        change = CHANGES[name]
        seen = change.apply(x, torch.Generator().manual_seed(seed))[0]
        changed[name] = seen.numpy()
        expected = _expected(change, window, size)
        for how in MATCHES:
            heat = match(seen, template, how=how)
            rows.append(_row(how, name, heat, expected, template.shape[1:], step=(1, 1)))
        if features is not None:
            heat, step, first = features.match(seen, template)
            rows.append(
                _row("features", name, heat, expected, template.shape[1:], step=step, first=first)
            )
    return Search(
        image=x[0].numpy(),
        window=window,
        changed=changed,
        rows=tuple(rows),
        network="" if features is None else features.name,
    )


def busiest(image: Num[Tensor, ...]) -> tuple[int, int, int, int]:
    """A window of a third of an image, where values differ most from their mean.

    Args:
        image: values in [0, 1].

    Raises:
        UsageError: there is no window in it that is smaller than it.
        ShapeMismatch: the input is not an image.

    Example:
        >>> x = torch.zeros(1, 12, 15)
        >>> x[0, 6:8, 9:11] = 1.0
        >>> busiest(x)
        (4, 8, 6, 11)
    """
    _is_image(image)
    height, width = (int(n) for n in image.shape[1:])
    if min(height, width) < 3:
        raise UsageError(
            "A template is a part of an image of 3 × 3 pixels or more; got one of "
            f"{height} × {width}. Take a larger image."
        )
    high, wide = (max(n // 3, min(4, n - 1)) for n in (height, width))
    x = image.detach().cpu().double()
    x = x - x.mean((1, 2), keepdim=True)
    count = high * wide
    spread = window_sums(x.square(), (high, wide)) - window_sums(x, (high, wide)).square() / count
    top, left = divmod(int(spread.sum(0).argmax()), width - wide + 1)
    return top, top + high, left, left + wide


def _expected(
    change: ImageChange, window: tuple[int, int, int, int], size: Sequence[int]
) -> tuple[int, int]:
    """The corner of the window about which the piece has its middle after a change."""
    top, bottom, left, right = window
    now = change.moved(((top + bottom - 1) / 2, (left + right - 1) / 2), size)
    return round(now[0] - (bottom - top - 1) / 2), round(now[1] - (right - left - 1) / 2)


def _row(
    method: str,
    change: str,
    heat: Tensor,
    expected: tuple[int, int],
    window: Sequence[int],
    *,
    step: tuple[int, int],
    first: tuple[int, int] = (0, 0),
) -> MatchRow:
    """The maximum of a heat map, in pixels: (i, j) is the window at first + step · (i, j)."""
    height, width = int(window[0]), int(window[1])
    apart = (max(1, height // (2 * step[0])), max(1, width // (2 * step[1])))
    best = peaks(heat, 2, apart=apart)
    at = best[0]
    corner = (first[0] + step[0] * at[0], first[1] + step[1] * at[1])
    second = float(heat[best[1]]) if len(best) > 1 else float(heat.min())
    spread = float(heat.double().std()) if heat.numel() > 1 else 0.0
    return MatchRow(
        method=method,
        change=change,
        corner=corner,
        expected=expected,
        overlap=_overlap(corner, expected, height, width),
        score=float(heat[at]),
        lead=(float(heat[at]) - second) / spread if spread > 0 else 0.0,
        heat=heat.double().numpy(),
    )


def _overlap(one: tuple[int, int], other: tuple[int, int], height: int, width: int) -> float:
    """Intersection over union of two windows of one size."""
    down = max(0, height - abs(one[0] - other[0]))
    across = max(0, width - abs(one[1] - other[1]))
    return down * across / (2 * height * width - down * across)


def _box(corner: tuple[int, int], height: int, width: int) -> tuple[int, int, int, int]:
    return corner[0], corner[0] + height, corner[1], corner[1] + width


def _drawn(heat: np.ndarray, size: Sequence[int], height: int, width: int) -> np.ndarray:
    """A heat map in the frame of the image: each score at the middle of its window."""
    rows, columns = size[0] - height + 1, size[1] - width + 1
    down = np.minimum(np.arange(rows) * heat.shape[0] // rows, heat.shape[0] - 1)
    across = np.minimum(np.arange(columns) * heat.shape[1] // columns, heat.shape[1] - 1)
    out = np.zeros((size[0], size[1], 3), np.uint8)
    top, left = height // 2, width // 2
    out[top : top + rows, left : left + columns] = amounts(heat)[down][:, across]
    return out


def _is_image(image: Tensor) -> None:
    if image.ndim != 3:
        raise ShapeMismatch(
            f"A template is looked for in one image (C, H, W); got {tuple(image.shape)}. "
            "Take one of the batch; series have no templates.",
            expected=(3,),
            actual=tuple(image.shape),
        )


def _checked(
    image: Tensor, window: tuple[int, int, int, int], changes: Sequence[str] | None
) -> list[str]:
    _is_image(image)
    if not bool(torch.isfinite(in_range(image)).all()):
        raise DataError(
            "A template is looked for among finite values; got others. Replace what is missing."
        )
    height, width = image.shape[1:]
    top, bottom, left, right = window
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise UsageError(
            "A template is a window (first row, row behind the last, first column, column behind "
            f"the last) within its image; got {tuple(window)} for {height}×{width}. Move it."
        )
    unknown = [c for c in changes or () if c not in CHANGES]
    if unknown:
        raise UsageError(
            f"`{unknown[0]}` is not an image change. {did_you_mean(unknown[0], CHANGES)}"
        )
    if changes is None:  # what is gray has no colors to exchange
        return [c for c in CHANGES if c != "colors exchanged" or image.shape[0] > 1]
    return list(changes)
