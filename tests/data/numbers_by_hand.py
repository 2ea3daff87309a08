"""Every kind of number that a pixel may have, and what is decoded of it."""

from __future__ import annotations

import numpy as np

from neocog.data.image_decode import decode, head
from neocog.errors import DataError

__all__ = ["RNG", "SIZE", "eight", "numbers", "over_white", "same", "taken_or_named"]


RNG = np.random.default_rng(7)


SIZE = (5, 7)  # odd, so that rows end within a byte


def numbers(bits: int, bands: int = 0) -> np.ndarray:
    """Every kind of number of so many bits, the ends among them."""
    x = RNG.integers(0, 1 << bits, SIZE + ((bands,) if bands else ()))
    x[0, 0], x[0, 1] = 0, (1 << bits) - 1
    return x


def eight(x: np.ndarray, white: int) -> np.ndarray:
    """Numbers scaled to 255, as (H, W, bands)."""
    wide = np.floor(x * 255 / white + 0.5).astype(np.uint8)
    return wide if wide.ndim == 3 else wide[:, :, None]


def same(data: bytes, expected: np.ndarray, *, off: int = 0) -> None:
    """The pixels are those expected, the header agrees; a copy in other sizes works."""
    expected = expected if expected.ndim == 3 else expected[:, :, None]
    found, facts = decode(data), head(data)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape == (facts.height, facts.width, facts.channels)
    assert facts.bits == 8 * found.dtype.itemsize
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= off
    for channels in (1, 3):
        assert decode(data, size=(6, 6), channels=channels).shape == (6, 6, channels)


def over_white(x: np.ndarray, white: int) -> np.ndarray:
    """Straight transparency, in exact numbers."""
    color, opacity = x[:, :, :-1].astype(float), x[:, :, -1:].astype(float) / white
    return np.rint(color * opacity + white * (1 - opacity))


def taken_or_named(data: bytes, expected: np.ndarray) -> None:
    """Right, or refused: never anything else."""
    try:
        found = decode(data)
    except DataError:
        return
    expected = expected if expected.ndim == 3 else expected[:, :, None]
    np.testing.assert_array_equal(found, expected)
