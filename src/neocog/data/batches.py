"""From a split to batches of tensors, and the statistics that normalize them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from neocog.data.split import Split
from neocog.errors import DataError, UsageError
from neocog.types import Batch

__all__ = ["batches", "order", "pixels", "spec_statistics", "statistics"]

_BLOCK = 1 << 20
"""Values that `statistics` looks at in one go."""

LEAST_STD = 1e-3
"""Standard deviation of a channel by which pixels are divided, at least."""

FLAT = 1e-6
"""Spread of a channel of raw values, by its mean, that float32 rounds away."""


def order(n: int, *, seed: int, epoch: int) -> np.ndarray:
    """The order of one epoch: a permutation of range(n), a pure function of seed and epoch.

    Example:
        >>> order(5, seed=0, epoch=1).tolist() == order(5, seed=0, epoch=1).tolist()
        True
    """
    return np.random.default_rng([seed, epoch]).permutation(n)


def pixels(split: Split, rows: np.ndarray | slice) -> Tensor:
    """Some samples as float32, (B, C, H, W), channels_last in memory: in [0, 1], or raw.

    The pixels are gathered as whole bytes and widened once; the change from (B, H, W, C) is a
    view.
    """
    x = split.x
    if isinstance(rows, slice):
        some = x[rows]
        raw = torch.from_numpy(some if some.flags.writeable else some.copy())
    elif x.dtype == np.uint8 and x.flags.writeable and x.flags.c_contiguous:
        raw = torch.from_numpy(x).index_select(0, torch.from_numpy(rows))
    else:
        raw = torch.from_numpy(np.take(x, rows, axis=0))
    if raw.dtype == torch.float32:  # raw values; a view of them is never written to
        return (raw.clone() if isinstance(rows, slice) else raw).permute(0, 3, 1, 2)
    return raw.to(torch.float32).div_(_white(split)).permute(0, 3, 1, 2)


def batches(
    split: Split,
    *,
    size: int,
    shuffle: bool,
    seed: int,
    epoch: int,
    drop_last: bool = False,
    even: bool = False,
) -> Iterator[Batch]:
    """All samples of a split once, `size` at a time.

    Args:
        split: what is served.
        size: samples of a batch; the last may hold fewer.
        shuffle: mix by `order(n, seed, epoch)`; else as they are.
        seed: of the order.
        epoch: of the order.
        drop_last: leave out a last batch that is not full.
        even: batches of nearly equal size instead, none above `size`: no sample is left out, and
            the last batch is no smaller than the others.

    Example:
        >>> from neocog.data.open import open_data
        >>> first = next(batches(open_data("digits").splits["val"], size=8, shuffle=True,
        ...                      seed=0, epoch=0))
        >>> tuple(first.x.shape), first.x.dtype
        ((8, 1, 28, 28), torch.float32)
    """
    if size < 1:
        raise UsageError(f"A batch needs at least one sample; got size={size}. Give 1 or more.")
    n = len(split)
    rows = order(n, seed=seed, epoch=epoch) if shuffle else np.arange(n)
    if even and n:
        for some in np.array_split(rows, -(-n // size)):
            x = pixels(split, np.ascontiguousarray(some))
            yield Batch(x, torch.from_numpy(split.y[some]), torch.from_numpy(some))
        return
    for start in range(0, n - size + 1 if drop_last else n, size):
        some = rows[start : start + size]
        x = pixels(split, some if shuffle else slice(start, start + len(some)))
        yield Batch(x, torch.from_numpy(split.y[some]), torch.from_numpy(some))


def statistics(
    split: Split, channels: int | None = None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of pixels in [0, 1] exact, or of raw values.

    Those of raw values are of every value of the split, in double precision.

    Args:
        split: whose pixels.
        channels: how many numbers are wanted; those of gray images are repeated.

    Raises:
        DataError: the split is empty.
        UsageError: color images and another number of channels.
    """
    if not len(split):
        raise DataError("Statistics need images; this split is empty. Use another split.")
    own = split.x.shape[3]
    wanted = own if channels is None else channels
    if own not in (1, wanted):
        raise UsageError(
            f"The images have {own} channels; got {wanted} for their statistics. "
            f"Give {own}, or open the data with channels={wanted}."
        )
    repeat = wanted // own
    if split.x.dtype == np.float32:
        means, stds = _moments(split.x)
        return means * repeat, stds * repeat
    count = np.stack([_histogram(split.x, c) for c in range(own)])
    levels = count.shape[1]
    value = np.arange(levels) / _white(split)
    share = count / count.sum(1, keepdims=True)
    mean = share @ value
    std = np.sqrt(np.maximum(share @ value**2 - mean**2, 0))
    return tuple(map(float, mean)) * repeat, tuple(map(float, std)) * repeat


def spec_statistics(split: Split) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation as a spec holds them: rounded, and no channel divided by 0.

    Of pixels four decimals, of raw values six digits; a raw channel without spread is divided by 1.

    Args:
        split: of training samples.

    Example:
        >>> x = np.float32([[[[-31.2345678, 7.0]]], [[[412.5, 7.0]]]])
        >>> spec_statistics(Split(x, np.zeros(2, np.int64), ("a", "b")))
        ((190.633, 7.0), (221.867, 1.0))
    """
    mean, std = statistics(split)
    if split.x.dtype != np.float32:
        return tuple(round(v, 4) for v in mean), tuple(round(max(v, LEAST_STD), 4) for v in std)
    flat = [s <= FLAT * abs(m) for m, s in zip(mean, std, strict=True)]
    return tuple(float(f"{v:.6g}") for v in mean), tuple(
        1.0 if none else float(f"{v:.6g}") for v, none in zip(std, flat, strict=True)
    )


def _moments(x: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of raw values (B, H, W, C), in two passes."""
    flat = x.reshape(-1, x.shape[3])
    step = max(1, _BLOCK // x.shape[3])
    blocks = [slice(i, i + step) for i in range(0, len(flat), step)]
    mean = np.sum([flat[b].sum(0, dtype=np.float64) for b in blocks], axis=0) / len(flat)
    squares = np.sum([((flat[b] - mean) ** 2).sum(0) for b in blocks], axis=0)
    return tuple(map(float, mean)), tuple(map(float, np.sqrt(squares / len(flat))))


def _histogram(x: np.ndarray, channel: int) -> np.ndarray:
    """How often each value occurs in a channel, int64, (256,) or (65536,)."""
    levels = 256 if x.dtype == np.uint8 else 65536
    count = np.zeros(levels, np.int64)
    flat = x.reshape(-1, x.shape[3])
    if levels == 256 and x.shape[3] == 1 and len(flat) % 2 == 0 and x.flags.c_contiguous:
        # Two neighbors at a time: half the work.
        pair = np.zeros((256, 256), np.int64)
        twice = flat.reshape(-1).view(np.uint16)
        for start in range(0, len(twice), _BLOCK):
            some = np.bincount(twice[start : start + _BLOCK], minlength=65536)
            pair += some.reshape(256, 256)
        return np.asarray(pair.sum(0) + pair.sum(1))
    for start in range(0, len(flat), _BLOCK):
        count += np.bincount(flat[start : start + _BLOCK, channel], minlength=levels)
    return count


def _white(split: Split) -> float:
    return 255.0 if split.x.dtype == np.uint8 else 65535.0
