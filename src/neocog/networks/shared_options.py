"""Options that several architectures share, decided by the size of the images."""

from __future__ import annotations

from neocog.errors import UsageError
from neocog.layers.blocks import output_hw

__all__ = ["check_reflection", "head_grid", "is_small"]

SMALL = 96
"""Images with a side shorter than this get the small stem when it is left to us."""


def is_small(stem: str, size: tuple[int, int]) -> bool:
    """Whether a network gets the stem for small images.

    Args:
        stem: "published", "small", or "auto", which is by the size.
        size: (H, W) of the images.

    Example:
        >>> is_small("auto", (32, 32)), is_small("auto", (224, 224)), is_small("small", (224, 224))
        (True, False, True)
    """
    return min(size) < SMALL if stem == "auto" else stem == "small"


def head_grid(head: str, size: tuple[int, int], published: int) -> tuple[int, int]:
    """Samples of each axis that linear layers behind a map see.

    Args:
        head: "published", "fitted" (the map as it is, up to the published grid), "mean", or "auto":
            published where the map has so many samples, else fitted.
        size: of the map.
        published: samples per side in the published network.

    Example:
        >>> head_grid("auto", (7, 9), 7), head_grid("auto", (2, 9), 7), head_grid("mean", (7, 9), 7)
        ((7, 7), (2, 7), (1, 1))
    """
    if head == "mean":
        return 1, 1
    if head == "published":
        return published, published
    return min(published, size[0]), min(published, size[1])


def check_reflection(padding: str, size: tuple[int, int], halvings: int) -> None:
    """Refuse padding by reflection where the last map has one sample along an axis.

    Args:
        padding: padding mode.
        size: (H, W) of the images.
        halvings: how often 3×3 windows at stride 2 downsample.

    Raises:
        UsageError: nothing can be reflected.
    """
    last = size
    for _ in range(halvings):
        last = output_hw(last, 3, stride=2, padding=1)
    if padding == "reflect" and min(last) < 2:
        raise UsageError(
            f"Reflection padding needs feature maps of at least 2×2; images of {size[0]}×{size[1]} "
            f"end at {last[0]}×{last[1]}. Use stem=small, larger images, or another padding mode."
        )
