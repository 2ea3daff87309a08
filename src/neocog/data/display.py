"""Samples of any kind as images to look at."""

from __future__ import annotations

import numpy as np

__all__ = ["as_displayed"]


def as_displayed(x: np.ndarray) -> np.ndarray:
    """A sample (H, W, C) as uint8, (H, W) or (H, W, 3), for eyes alone.

    Raw values go from the smallest of the image, black, to the largest, white. Of other channels
    than 1 and 3 the mean is drawn.

    Args:
        x: uint8, uint16 or raw values.

    Example:
        >>> as_displayed(np.array([[[-5.0], [15.0]]], np.float32)).tolist()
        [[0, 255]]
    """
    if x.shape[2] not in (1, 3):
        x = x.mean(2, keepdims=True, dtype=np.float32).astype(x.dtype)
    if x.dtype == np.float32:
        low, high = float(x.min()), float(x.max())
        x = np.rint((x - low) * (255 / (high - low or 1))).astype(np.uint8)
    elif x.dtype == np.uint16:
        x = (x // 257).astype(np.uint8)
    return x[:, :, 0] if x.shape[2] == 1 else np.asarray(x)
