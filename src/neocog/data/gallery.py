"""Images for the data report: a few of each class, and what occurs several times."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neocog.data.quality import Sheet
from neocog.data.split import Split
from neocog.errors import printable
from neocog.exhibits import Gallery, Section

__all__ = ["gallery"]

_EACH = 6
_CLASSES = 12
_COPIES = 24


def gallery(splits: Mapping[str, Split], sheet: Sheet) -> Section:
    """Samples of each class and copies, conflicting ones first, as the network gets to see them."""
    exhibits = [_samples(splits, sheet)]
    if sheet.duplicates:
        exhibits.append(_copies(splits, sheet))
    text = "As they are served: scaled and cut to one size."
    return Section(title="Images", exhibits=exhibits, text=text)


def _samples(splits: Mapping[str, Split], sheet: Sheet) -> Gallery:
    split = max(splits.values(), key=len)
    images, captions = [], []
    for number, name in enumerate(sheet.classes[:_CLASSES]):
        for row in np.flatnonzero(split.y == number)[:_EACH].tolist():
            images.append(_shown(split.x[row]))
            captions.append(printable(name))
    return Gallery(title="Some of each class", images=images, captions=captions)


def _copies(splits: Mapping[str, Split], sheet: Sheet) -> Gallery:
    ranked = sorted(sheet.duplicates, key=lambda c: (not c.conflict, not c.across, c.kind))
    wanted = [(c, i) for c in ranked for i in range(min(2, len(c.names)))][:_COPIES]
    names = {c.names[i] for c, i in wanted}
    place = {}
    for split in splits.values():
        for row, name in enumerate(split.names):
            if name in names:
                place[name] = _shown(split.x[row])
    images, captions = [], []
    for copies, i in wanted:
        if copies.names[i] in place:
            images.append(place[copies.names[i]])
            captions.append(f"{copies.kind}: {printable(copies.labels[i])}\n{copies.splits[i]}")
    return Gallery(title="Copies, in pairs", images=images, captions=captions)


def _shown(x: np.ndarray) -> np.ndarray:
    x = x if x.dtype == np.uint8 else (x // 257).astype(np.uint8)
    return x[:, :, 0] if x.shape[2] == 1 else np.asarray(x)
