"""Images of bars."""

from __future__ import annotations

import numpy as np


def bars(number: int, rng: np.random.Generator, size: int = 28) -> np.ndarray:
    """Noise with a bright bar: across for 0, down for 1."""
    x = rng.integers(0, 80, (size, size)).astype(np.uint8)
    at = int(rng.integers(4, size - 8))
    if number == 0:
        x[at : at + 4] = 220
    else:
        x[:, at : at + 4] = 220
    return x
