"""Images for the data report: a few of each class, and what occurs several times."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neocog.data.display import as_displayed
from neocog.data.quality import Sheet
from neocog.data.split import Split
from neocog.errors import printable
from neocog.exhibits import Gallery, Section

__all__ = ["copies", "gallery", "samples"]

_EACH = 6
_CLASSES = 12
_COPIES = 24


def gallery(splits: Mapping[str, Split], sheet: Sheet) -> Section:
    """Samples of each class and copies, conflicting ones first, as the network gets to see them."""
    exhibits = [samples(splits, sheet)]
    if sheet.duplicates:
        exhibits.append(copies(splits, sheet))
    text = "At the input size, resized and cropped."
    return Section(title="Images", exhibits=exhibits, text=text)


def samples(splits: Mapping[str, Split], sheet: Sheet, *, each: int = _EACH) -> Gallery:
    """Some images of each class.

    Args:
        splits: of the data.
        sheet: what was found.
        each: images of a class.
    """
    split = max(splits.values(), key=len)
    images, captions = [], []
    for number, name in enumerate(sheet.classes[:_CLASSES]):
        for row in np.flatnonzero(split.y == number)[:each].tolist():
            images.append(as_displayed(split.x[row]))
            captions.append(printable(name))
    if not sheet.classes:
        some = range(min(len(split), each * 4))
        images = [as_displayed(split.x[row]) for row in some]
        captions = [printable(split.names[row]) for row in some]
    title = "samples of each class" if sheet.classes else "samples"
    return Gallery(title=title, images=images, captions=captions)


def copies(
    splits: Mapping[str, Split], sheet: Sheet, *, pairs: int = _COPIES // 2, large: bool = False
) -> Gallery:
    """Pairs of images that are the same, conflicting labels first.

    Args:
        splits: of the data.
        sheet: what was found.
        pairs: at most.
        large: drawn for a first screen.
    """
    ranked = sorted(sheet.duplicates, key=lambda c: (not c.conflict, not c.across, c.kind))
    wanted = [(c, i) for c in ranked for i in range(min(2, len(c.names)))][: 2 * pairs]
    names = {c.names[i] for c, i in wanted}
    pixels = {}
    for split in splits.values():
        for row, name in enumerate(split.names):
            if name in names:
                pixels[name] = as_displayed(split.x[row])
    images, captions = [], []
    for c in dict.fromkeys(c for c, _ in wanted):
        if not all(name in pixels for name in c.names[:2]) or len(c.names) < 2:
            continue
        for i in range(2):
            mark = "✗ " if c.conflict else ""
            images.append(pixels[c.names[i]])
            label = printable(c.labels[i]) if c.labels else Path(printable(c.names[i])).name
            captions.append(f"{mark}{label}\n{c.kind}, {c.splits[i]}")
    return Gallery(
        title="duplicates",
        images=images,
        captions=captions,
        together=2,
        large=large,
        note="✗: the two have different labels." if any(c.conflict for c in ranked) else "",
    )
