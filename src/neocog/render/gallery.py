"""Small images with captions, laid out for the template `gallery.html`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from neocog.errors import printable
from neocog.exhibits import Gallery, png_address
from neocog.render.text import clean

__all__ = ["GalleryView", "Image", "view_gallery"]

MOST = 400
"""Images that are drawn."""
CAPTIONED = 112
"""The longer side of a small image with a caption is enlarged to this, in CSS pixels."""
BARE = 84
"""The same without captions or with brief ones."""
BRIEF = 6
"""Letters of a brief caption."""
LARGE = 164
"""The longer side of an image that is larger than `CAPTIONED`."""
BIG = 320
"""The same on a first screen; two or three that belong together share twice as much."""
FEW, LARGER = 3, 284
"""The same where there are no more images than these: three fit side by side on a small screen,
one alone may be twice as large."""


@dataclass(frozen=True)
class Image:
    """An image address, its size on the page in CSS pixels, and the lines of its caption."""

    address: Markup
    width: int
    height: int
    caption: list[str]
    alt: str


@dataclass(frozen=True)
class GalleryView:
    """What the template draws, and how many images were left out."""

    groups: list[list[Image]]
    bare: bool
    cell: int
    n_drawn: int
    left_out: int

    @property
    def images(self) -> list[Image]:
        """All of them, in order."""
        return [image for group in self.groups for image in group]


def view_gallery(gallery: Gallery) -> GalleryView:
    """Lay a gallery out.

    Raises:
        ValueError: an image is not (H, W) or (H, W, 3) uint8, or captions are missing.
    """
    _check(gallery)
    each = max(1, gallery.together)
    drawn = list(gallery.images[: MOST - MOST % each])
    texts = [line for c in gallery.captions[:MOST] for line in c.split("\n")]
    bare = max(map(len, texts), default=0) <= BRIEF and not gallery.large
    longest = max((max(p.shape[:2]) for p in drawn), default=1)
    if gallery.large:
        scale = _fitted(longest, BIG if each < 3 else BIG * 2 // each, whole=gallery.pixelated)
    else:
        largest = LARGE if len(drawn) > FEW else LARGER if len(drawn) > 1 else 2 * LARGER
        scale = _scale(longest, largest, bare=bare, whole=gallery.pixelated)
    images = []
    for i, (image, caption) in enumerate(zip(drawn, gallery.captions, strict=False)):
        lines = [line for line in caption.split("\n") if line]
        images.append(
            Image(
                address=Markup(png_address(image)),
                width=max(1, round(image.shape[1] * scale)),
                height=max(1, round(image.shape[0] * scale)),
                caption=lines,
                alt=", ".join(str(clean(line)) for line in lines) or f"{i + 1} of {len(drawn)}",
            )
        )
    groups = [images[i : i + each] for i in range(0, len(images), each)]
    cell = max((p.width for p in images), default=1)
    return GalleryView(groups, bare, cell, len(drawn), len(gallery.images) - len(drawn))


def _fitted(longest: int, side: int, *, whole: bool) -> float:
    """CSS pixels per image's pixel, so that the longer side is about so long."""
    return max(1, side // longest) if whole and longest <= side else side / longest


def _scale(longest: int, largest: int, *, bare: bool, whole: bool) -> float:
    """CSS pixels per image's pixel; an integer where pixels are enlarged to squares."""
    target = BARE if bare else CAPTIONED
    if longest > target:
        return min(1.0, largest / longest)
    return target // longest if whole else target / longest


def _check(gallery: Gallery) -> None:
    if len(gallery.captions) != len(gallery.images):
        raise ValueError(
            f"A gallery has a caption for each image; `{printable(gallery.title)}` has "
            f"{len(gallery.captions)} for {len(gallery.images)}. Give an empty one where "
            "there is nothing to say."
        )
    for image in gallery.images:
        gray_or_color = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
        if image.dtype != np.uint8 or not gray_or_color or image.size == 0:
            raise ValueError(
                "An image of a gallery is uint8, (H, W) or (H, W, 3), and not empty; one in "
                f"`{printable(gallery.title)}` is {image.dtype} {image.shape}. "
                "Scale to 0–255 and convert."
            )
