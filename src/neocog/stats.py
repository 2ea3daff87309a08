"""Statistics: intervals of what is measured on some samples, and the quantiles they rest on.

Quantiles of the normal and of Student's t distribution are SciPy's; it is imported when they are
needed, since the command line starts without it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["interval", "mean_interval", "paired_interval", "student_t", "wilson_interval"]

Z95 = 1.959964
"""The 97.5 % point of the normal distribution, for the interval that every accuracy has."""

DRAWS = 2000
"""Samples of samples that an interval rests on."""

_BLOCK = 2**22


def interval(
    values: np.ndarray, *, seed: int = 0, level: float = 0.95, shares: bool = True
) -> tuple[float, float]:
    """The percentile interval of a mean, from resampling with replacement (Efron 1979).

    Where all values are the same the bootstrap has nothing to draw from and would claim to be
    certain. Of fractions, which lie between 0 and 1, the exact binomial bound takes its place
    (Clopper & Pearson 1934): it bounds the fraction of others, none of which was sampled.

    Args:
        values: one per sample; booleans count as 0 and 1.
        seed: of the draws.
        level: probability inside.
        shares: the values lie between 0 and 1; distances and errors have no such bound.

    Example:
        >>> low, high = interval(np.ones(100, bool))
        >>> round(low, 3), high
        (0.964, 1.0)
    """
    values = np.asarray(values)
    n = len(values)
    if n == 0:
        return (0.0, 1.0)
    if shares and (values == values[0]).all():
        return _alike(float(values[0]), n, level, least=0.0)
    if shares and np.isin(values, (0, 1)).all():
        draws = np.random.default_rng([seed, 0xB007])
        means = draws.binomial(n, int(values.sum()) / n, DRAWS) / n
    else:
        means = _means(values.astype(np.float64), seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_interval(
    a: np.ndarray, b: np.ndarray, *, seed: int = 0, level: float = 0.95, shares: bool = True
) -> tuple[float, float, float]:
    """The mean of a - b over the same samples, and its interval.

    Where all differences are the same, those of fractions get the bound that `interval` has.

    Args:
        a: one per sample.
        b: the same samples under another condition.
        seed: of the draws.
        level: probability inside.
        shares: the values lie between 0 and 1.

    Returns:
        (difference, low, high).

    Example:
        >>> same = np.ones(100, bool)
        >>> [round(v, 3) for v in paired_interval(same, same)]
        [0.0, -0.036, 0.036]
    """
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    n = len(difference)
    if not n:
        return (0.0, -1.0, 1.0)
    if shares and (difference == difference[0]).all():
        low, high = _alike(float(difference[0]), n, level, least=-1.0)
    else:
        low, high = np.quantile(_means(difference, seed), [(1 - level) / 2, (1 + level) / 2])
    return float(difference.mean()), float(low), float(high)


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """The interval of a fraction (Wilson 1927); all of [0, 1] where nothing was counted.

    Args:
        successes: so many of n.
        n: samples.
        level: of confidence.

    Example:
        >>> low, high = wilson_interval(98, 100)
        >>> round(low, 3), round(high, 3)
        (0.93, 0.994)
    """
    if n == 0:
        return (0.0, 1.0)
    p, z = successes / n, _normal(level)
    center = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return (max(0.0, center - half), min(1.0, center + half))


def student_t(df: int, *, level: float = 0.95) -> float:
    """How many standard errors the interval of a mean reaches to each side (Student's t).

    Args:
        df: degrees of freedom, one less than there are samples.
        level: of confidence.

    Example:
        >>> round(student_t(4), 3), round(student_t(60), 3)
        (2.776, 2.0)
    """
    from scipy.special import stdtrit

    return float(stdtrit(df, (1 + level) / 2))


def mean_interval(values: Sequence[float], *, level: float = 0.95) -> tuple[float, float] | None:
    """The interval of a mean of a few values, as of seeds (Student's t); None for a single one.

    Args:
        values: independent, two or more.
        level: of confidence.

    Example:
        >>> low, high = mean_interval([1.0, 2.0, 3.0])
        >>> round(low, 2), round(high, 2)
        (-0.48, 4.48)
    """
    n = len(values)
    if n < 2:
        return None
    mean = math.fsum(values) / n
    error = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1) / n)
    half = student_t(n - 1, level=level) * error
    return mean - half, mean + half


def _normal(level: float) -> float:
    if level == 0.95:
        return Z95
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def _alike(value: float, n: int, level: float, *, least: float) -> tuple[float, float]:
    """The interval of a mean of which n samples all had one value; others reach from least to 1."""
    others = 1 - float(((1 - level) / 2) ** (1 / n))
    return value - others * (value - least), value + others * (1 - value)


def _means(values: np.ndarray, seed: int) -> np.ndarray:
    rng, n = np.random.default_rng([seed, 0xB007]), len(values)
    rows = max(1, _BLOCK // n)
    parts = [
        values[rng.integers(0, n, (min(rows, DRAWS - start), n))].mean(1)
        for start in range(0, DRAWS, rows)
    ]
    return np.concatenate(parts)
