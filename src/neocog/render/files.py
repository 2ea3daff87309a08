"""Exhibits as files: images as PNG, curves as SVG, each by the name of what it shows."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neocog.exhibits import Curve, Gallery, Map, Section, png
from neocog.render.color import palette
from neocog.render.pixels import enlarged, sheet
from neocog.render.svg import svg
from neocog.targets import write_bytes

__all__ = ["drawn_files", "slug", "write_files"]

LONGEST = 48
"""Letters of the name of a file, before its ending."""

SINGLE, SMALL, GAP = 12, 96, 4
"""More images than these that are no larger than these go on one sheet, so many pixels apart."""

CELLS = 512
"""Pixels that the longer side of a map is enlarged to."""


_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")
"""Names that Windows keeps for devices, whatever their ending."""


def write_files(folder: str | os.PathLike[str], sections: Sequence[Section]) -> list[Path]:
    """Write a file for each image, map and curve; tables and numbers have no file.

    Args:
        folder: made where it is missing; files of the same names are replaced.
        sections: whose exhibits.

    Returns:
        The files, in reading order.

    Raises:
        RunError: a file cannot be written.
    """
    written = []
    for name, content in drawn_files(sections).items():
        path = Path(folder) / name
        write_bytes(path, content, durable=False)
        written.append(path)
    return written


def drawn_files(sections: Sequence[Section]) -> dict[str, bytes]:
    """Name to content of what `write_files` writes; names are made of letters and digits alone.

    A file is called by the title of what it shows and the words of its caption; where several
    sections have a title, by that of the section too. Many small images are one sheet.

    Args:
        sections: whose exhibits.
    """
    titles = Counter(t for s in sections for t in {e.title for e in s.exhibits})
    files: dict[str, bytes] = {}
    for section in sections:
        for exhibit in section.exhibits:
            stem = slug(exhibit.title)
            if titles[exhibit.title] > 1:
                stem = f"{slug(section.title)}-{stem}"
            match exhibit:
                case Gallery():
                    for name, image in _images(exhibit, stem):
                        _add(files, name, ".png", png(image))
                case Map():
                    _add(files, stem, ".png", png(_colors(exhibit)))
                case Curve():
                    _add(files, stem, ".svg", svg(exhibit).encode("utf-8"))
                case _:
                    pass
    return files


def _images(gallery: Gallery, stem: str) -> list[tuple[str, np.ndarray]]:
    """A name and an image each, or one sheet of all."""
    images = [np.asarray(p) for p in gallery.images]
    if len(images) == 1:
        return [(stem, images[0])]
    alike = len({p.shape[:2] for p in images}) == 1
    if alike and len(images) > SINGLE and max(images[0].shape[:2]) <= SMALL:
        return [(stem, _sheet(images))]
    return [
        (f"{stem}-{_name(c, i)}", p)
        for i, (c, p) in enumerate(zip(gallery.captions, images, strict=True), 1)
    ]


def _name(caption: str, rank: int) -> str:
    """What an image is called: a caption of words by these, `3: 0.97` by 3, a number by its index.

    A file that is called by a score is another file whenever the score is.
    """
    first = caption.split("\n")[0]
    number = re.fullmatch(r"(\d+)(:.*)?", first)
    if number:
        return number[1]
    try:
        float(first)
    except ValueError:
        return slug(first, or_else="image")
    return str(rank)


def _sheet(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images of one size in rows, enlarged to squares of whole pixels, in color, framed in gray."""
    times = max(1, SMALL // max(images[0].shape[:2]))
    large = [enlarged(p if p.ndim == 3 else np.dstack([p] * 3), times) for p in images]
    inner = sheet(large, columns=math.ceil(math.sqrt(len(images))), gap=GAP)
    return np.pad(inner, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=128)


def slug(text: str, *, or_else: str = "exhibit") -> str:
    """A name for a file: small Latin letters, digits and hyphens.

    Args:
        text: any text.
        or_else: the name where no letter is left.

    Example:
        >>> slug("Rank correlation, all of it"), slug("../é?"), slug("…")
        ('rank-correlation-all-of-it', 'e', 'exhibit')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST].strip("-") or or_else


def _add(files: dict[str, bytes], stem: str, ending: str, content: bytes) -> None:
    stem = f"{stem}-1" if _DEVICE.fullmatch(stem) else stem
    name, n = f"{stem}{ending}", 1
    while name in files:
        n += 1
        name = f"{stem}-{n}{ending}"
    files[name] = content


def _colors(map_: Map) -> np.ndarray:
    """A map in the colors of the report, light, its cells as squares; gaps are white."""
    values = np.asarray(map_.values, np.float64)
    known = np.isfinite(values)
    real = values[known]
    if map_.diverging:
        high = float(np.abs(real).max(initial=0)) or 1.0
        low = -high
    else:
        low, high = (float(real.min()), float(real.max())) if real.size else (0.0, 1.0)
    span = high - low if high > low else 1.0
    share = (np.where(known, values, low) - low) / span
    colors = palette("both" if map_.diverging else "amount", "light", 256)
    image = colors[np.rint(np.clip(share, 0, 1) * 255).astype(int)]
    image[~known] = 255
    times = max(1, CELLS // max(image.shape[:2]))
    return np.ascontiguousarray(image.repeat(times, 0).repeat(times, 1))
