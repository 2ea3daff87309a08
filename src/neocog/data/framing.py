"""What is lost between images of many sizes and samples of one: what is cut, what shrinks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["KeptFraction", "kept_of"]

CUT = 0.2
"""Fraction of an image's area whose loss is a warning."""
SHRUNK = 0.5
"""Scale of an image below which detail is lost, and a warning."""
BENT = 1.25
"""Change of an image's aspect above which it is a warning."""
FEW = 0.01
"""Fraction of all images below which a loss is a remark, not a warning."""
_LARGEST = 1024
"""Pixels of the longest side of a size that is proposed."""


@dataclass(frozen=True, kw_only=True)
class KeptFraction:
    """What is left of images when all are served at one size.

    Args:
        n: images.
        area_min: of the image that is cut most, the fraction of its area that is kept.
        area_median: of the median image.
        cut: images that lose more than a fifth of their area.
        scale_min: of the image that shrinks most, the side after over the side before.
        scale_median: of the median image.
        shrunk: images at less than half their scale.
        enlarged: images at more than twice their scale.
        bent: images whose aspect changes by more than a quarter.
        larger: (H, W) that would serve the median image at half its scale.
    """

    n: int
    area_min: float
    area_median: float
    cut: int
    scale_min: float
    scale_median: float
    shrunk: int
    enlarged: int
    bent: int
    larger: tuple[int, int]

    def warnings(self, size: tuple[int, int]) -> tuple[str, ...]:
        """Sentences on what a model will not get to see, each with the option that keeps it."""
        sentences, shape = [], f"{size[0]} × {size[1]}"
        if self._many(self.cut):
            sentences.append(
                f"{self._of(self.cut)} lose more than a fifth of their area in the crop to {shape} "
                f"(the worst keeps {_percent(self.area_min)}), perhaps the object itself. "
                "`--resize-mode pad` keeps the whole image."
            )
        if self._many(self.bent):
            sentences.append(
                f"{self._of(self.bent)} change their aspect ratio by more than a quarter when "
                f"stretched to {shape}. `--resize-mode pad` keeps it."
            )
        if self._many(self.shrunk):
            larger = f"--size {self.larger[0]},{self.larger[1]}"
            keeps = (
                f"Training with `{larger}` keeps half the scale of the median image."
                if max(self.larger) <= _LARGEST and self.scale_median < SHRUNK
                else "Training with a larger `--size` keeps more."
            )
            sentences.append(
                f"{self._of(self.shrunk)} shrink to less than half their scale at {shape} (the "
                f"smallest scale is {self.scale_min:.2g}, the median {self.scale_median:.2g}): "
                f"fine detail is lost. {keeps}"
            )
        return tuple(sentences)

    def remark(self) -> str:
        """One sentence on all images."""
        if self.area_min >= 1 - 1e-9:
            whole = "Each image is kept whole"
        else:
            whole = (
                f"The crop keeps {_percent(self.area_median)} of the median image and "
                f"{_percent(self.area_min)} of the worst"
            )
        large = (
            f"; {self._of(self.enlarged)} are enlarged more than twofold" if self.enlarged else ""
        )
        return f"{whole}; the median scale is {self.scale_median:.2g}{large}."

    def _many(self, count: int) -> bool:
        return count > 0 and (count >= FEW * self.n)

    def _of(self, count: int) -> str:
        return f"{count:,} of {self.n:,} images"


def kept_of(
    heights: np.ndarray, widths: np.ndarray, *, size: tuple[int, int], resize_mode: str
) -> KeptFraction:
    """What is left of images of many sizes at one size.

    Args:
        heights: of the images, (N,).
        widths: of the images, (N,).
        size: (H, W) they are served at.
        resize_mode: crop, stretch or pad.

    Example:
        >>> import numpy as np
        >>> some = kept_of(np.array([100, 100]), np.array([100, 300]), size=(50, 50),
        ...                resize_mode="crop")
        >>> some.area_min.__round__(3), some.cut, some.scale_min
        (0.333, 1, 0.5)
    """
    resize_mode = resize_mode.partition("-")[0]
    down, across = size[0] / heights.astype(float), size[1] / widths.astype(float)
    bent = np.maximum(down / across, across / down)
    area, scale = np.ones(len(down)), np.minimum(down, across)
    if resize_mode == "crop":
        scale = np.maximum(down, across)
        area = np.minimum(1.0, (down / scale) * (across / scale))
    if resize_mode != "stretch":
        bent = np.ones(len(down))
    middle = float(np.median(scale))
    grow = max(1.0, SHRUNK / middle)
    return KeptFraction(
        n=len(area),
        area_min=float(area.min()),
        area_median=float(np.median(area)),
        cut=int((area < 1 - CUT - 1e-9).sum()),
        scale_min=float(scale.min()),
        scale_median=middle,
        shrunk=int((scale < SHRUNK - 1e-9).sum()),
        enlarged=int((scale > 1 / SHRUNK + 1e-9).sum()),
        bent=int((bent > BENT + 1e-9).sum()),
        larger=(-4 * int(-size[0] * grow // 4), -4 * int(-size[1] * grow // 4)),
    )


def _percent(share: float) -> str:
    """All of it only where it is all of it.

    Example:
        >>> _percent(1.0), _percent(0.998), _percent(0.5), _percent(0.012)
        ('100 %', '99.8 %', '50 %', '1.2 %')
    """
    if 0.99 < share < 1 - 1e-9:
        return f"{min(100 * share, 99.9):.1f} %"
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"
