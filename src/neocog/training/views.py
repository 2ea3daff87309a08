"""Augmentations that make views for self-supervised training, by what images there are.

A view must change what a class does not depend on, and nothing else. Photographs are cropped,
mirrored and recolored (Chen et al. 2020). Of gray drawings and digits that would change the class:
a small crop of an 8 is a 3, a mirrored b a d. They are cropped little, and rotated and sheared a
few degrees.
"""

from __future__ import annotations

from neocog.errors import DataError
from neocog.training.augment import Augment

__all__ = ["suited_strong", "suited_views"]


def suited_views(channels: int, size: tuple[int, int], *, raw: bool = False) -> Augment:
    """Augmentations of each view.

    Args:
        channels: 3 for color, taken for photographs; 1 for gray, taken for drawings.
        size: (H, W) of the images.
        raw: values of any range: only where they lie is changed, of any number of channels.

    Raises:
        DataError: other channels.

    Example:
        >>> suited_views(3, (32, 32)).flip, suited_views(1, (28, 28)).flip
        (True, False)
    """
    shift = float(max(1, round(min(size) / 14)))
    if raw:
        return Augment(
            crop=0.5, rotate=10.0, shear=0.2, aspect_jitter=0.2, shift=shift, border="reflect"
        )
    if channels == 3:
        return Augment(
            crop=0.2,
            aspect_jitter=0.33,
            flip=True,
            brightness=0.2,
            contrast=0.4,
            saturation=0.4,
            hue=0.1,
            grayscale=0.2,
            border="reflect",
        )
    if channels == 1:
        return Augment(
            crop=0.5,
            rotate=10.0,
            shear=0.2,
            aspect_jitter=0.2,
            shift=shift,
            contrast=0.3,
        )
    raise DataError(
        f"Views for pretraining are known for gray and color images, 1 or 3 channels; these have "
        f"{channels}. Give --augment yourself."
    )


def suited_strong(channels: int, size: tuple[int, int]) -> Augment:
    """Strong augmentation of an unlabeled image, after which its class must still be seen.

    Args:
        channels: 3 for color, 1 for gray.
        size: (H, W) of the images.

    Example:
        >>> suited_strong(1, (28, 28)).random_erasing
        1.0
    """
    color = channels == 3
    return Augment(
        shift=float(max(1, round(min(size) / 14))),
        rotate=15.0,
        scale=0.2,
        aspect_jitter=0.2,
        shear=0.25,
        border="reflect" if color else "zeros",
        random_erasing=1.0,
        erasing_size=0.5,
        brightness=0.2 if color else 0.0,
        contrast=0.5,
        saturation=0.5 if color else 0.0,
        hue=0.05 if color else 0.0,
    )
