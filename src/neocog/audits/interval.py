"""Intervals of what is measured on some samples: the bootstrap over samples."""

from __future__ import annotations

import numpy as np

__all__ = ["interval", "paired_interval"]

DRAWS = 2000
"""Samples of samples that an interval rests on."""

_BLOCK = 2**22


def interval(values: np.ndarray, *, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of a mean, from samples drawn with repeats (Efron 1979).

    Where all values are the same 0 or 1 the bootstrap has nothing to draw from and would claim
    to be certain; the exact binomial bound takes its place (Clopper & Pearson 1934).

    Args:
        values: one a sample; truth values count as 0 and 1.
        seed: of the draws.
        level: share of draws inside.

    Example:
        >>> low, high = interval(np.ones(100, bool))
        >>> round(low, 3), high
        (0.964, 1.0)
    """
    values = np.asarray(values)
    n = len(values)
    if n == 0:
        return (0.0, 1.0)
    if values.dtype != bool and np.isin(values, (0, 1)).all():
        values = values.astype(bool)
    if values.dtype == bool:
        right = int(values.sum())
        if right in (0, n):
            bound = (1 - level) / 2
            return (float(bound ** (1 / n)), 1.0) if right else (0.0, float(1 - bound ** (1 / n)))
        means = np.random.default_rng([seed, 0xB007]).binomial(n, right / n, DRAWS) / n
    else:
        means = _means(values.astype(np.float64), seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_interval(
    a: np.ndarray, b: np.ndarray, *, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """The mean of a - b over the same samples, and its interval.

    Args:
        a: one a sample.
        b: the same samples under another condition.
        seed: of the draws.
        level: share of draws inside.

    Returns:
        (difference, low, high).
    """
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    if not len(difference):
        return (0.0, -1.0, 1.0)
    low, high = np.quantile(_means(difference, seed), [(1 - level) / 2, (1 + level) / 2])
    return float(difference.mean()), float(low), float(high)


def _means(values: np.ndarray, seed: int) -> np.ndarray:
    rng, n = np.random.default_rng([seed, 0xB007]), len(values)
    rows = max(1, _BLOCK // n)
    parts = [
        values[rng.integers(0, n, (min(rows, DRAWS - start), n))].mean(1)
        for start in range(0, DRAWS, rows)
    ]
    return np.concatenate(parts)
