"""Color scales, the only ones there are: report, explanations and the explorer's files draw these.

One hue for amounts and two for what goes both ways from zero exist twice, for light and for dark
pages; `heat`, from dark violet to pale yellow, is for what is drawn over images, whose own colors
do not depend on the page. All run evenly in Oklab (Ottosson 2020, "A perceptual color space for
image processing"), so that equal steps of the number look equal. Below zero is blue and above it
orange, everywhere. The color of the text on a step is black or white, whichever is easier to read.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

__all__ = ["ANCHORS", "HEAT", "STEPS", "contrast", "paint", "palette", "scale_css", "step"]

STEPS = 17
"""Odd, so that a diverging scale has a middle."""

ANCHORS = {
    ("amount", "light"): ("#f4f7fb", "#8fb8de", "#0a3d7c"),
    ("amount", "dark"): ("#19222d", "#2f6ca8", "#b5dcff"),
    ("both", "light"): ("#1c519e", "#f3f2ef", "#a2480b"),
    ("both", "dark"): ("#8fc3ff", "#22262b", "#ffb27a"),
}
"""The colors that each scale passes: first, middle, last."""

HEAT = ("#120035", "#410868", "#881378", "#d22c50", "#f8722a", "#fbbd60", "#fef7c8")
"""Even steps of lightness, 0.17 to 0.97 in Oklab."""

LEVELS = 1024
"""Colors that a scale is painted with."""

# Linear sRGB to the cone-like responses of Oklab, and their cube roots to L, a, b.
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def palette(kind: str, scheme: str, count: int) -> np.ndarray:
    """Colors evenly along a scale: uint8, (count, 3).

    Args:
        kind: `amount`, `both` (ways from zero) or `heat`.
        scheme: `light` or `dark`; all the same for `heat`.
        count: how many, at least two.
    """
    anchors = HEAT if kind == "heat" else ANCHORS[kind, scheme]
    lab = np.array([_lab(_rgb(c)) for c in anchors])
    at = np.linspace(0, len(lab) - 1, count)
    mixed = np.stack([np.interp(at, np.arange(len(lab)), lab[:, i]) for i in range(3)], axis=1)
    linear = ((mixed @ np.linalg.inv(_TO_LAB).T) ** 3) @ np.linalg.inv(_TO_LMS).T
    linear = np.clip(linear, 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(coded * 255), dtype=np.uint8)


@functools.cache
def _levels(kind: str) -> np.ndarray:
    return palette(kind, "light", LEVELS)


def paint(share: np.ndarray, kind: str) -> np.ndarray:
    """Positions on a scale, 0 at its start and 1 at its end, as pixels: uint8, (…, 3).

    Args:
        share: any shape; beyond the ends, the colors of the ends; what is not a number, the start.
        kind: `amount`, `both` or `heat`.

    Example:
        >>> paint(np.array([0.0, 1.0]), "heat").tolist()
        [[18, 0, 53], [254, 247, 200]]
    """
    at = np.clip(np.nan_to_num(np.asarray(share, np.float64)), 0, 1)
    return np.ascontiguousarray(_levels(kind)[np.rint(at * (LEVELS - 1)).astype(int)])


def step(share: float) -> int:
    """The step of a position on a scale, 0 at its start and 1 at its end."""
    return min(STEPS - 1, max(0, round(share * (STEPS - 1))))


def contrast(one: Sequence[int], other: Sequence[int]) -> float:
    """The contrast ratio of two sRGB colors as WCAG 2.2 defines it, 1 to 21.

    Example:
        >>> contrast((0, 0, 0), (255, 255, 255))
        21.0
    """
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def scale_css() -> str:
    """Style rules `.q0` … for amounts and `.d0` … for both ways, light and dark."""
    rules = {}
    for scheme in ("light", "dark"):
        rules[scheme] = "".join(
            f".{letter}{i}{{background:{_hex(c)};color:{_ink(c)}}}"
            for letter, kind in (("q", "amount"), ("d", "both"))
            for i, c in enumerate(palette(kind, scheme, STEPS).tolist())
        )
    return f"{rules['light']}\n@media (prefers-color-scheme:dark){{{rules['dark']}}}\n"


def _ink(background: Sequence[int]) -> str:
    black, white = contrast(background, (0, 0, 0)), contrast(background, (255, 255, 255))
    return "#000" if black >= white else "#fff"


def _luminance(color: Sequence[int]) -> float:
    return float(_linear(np.asarray(color) / 255.0) @ (0.2126, 0.7152, 0.0722))


def _linear(coded: np.ndarray) -> np.ndarray:
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def _lab(coded: np.ndarray) -> np.ndarray:
    return np.asarray(_TO_LAB @ np.cbrt(_TO_LMS @ _linear(coded)))


def _rgb(color: str) -> np.ndarray:
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0


def _hex(color: Sequence[int]) -> str:
    return "#" + "".join(f"{int(c):02x}" for c in color)
