"""Whether a normalization fits the images that it is put to: their mean near 0, their std near 1.

Networks are trained on inputs of mean 0 and standard deviation 1, more or less, and say nothing
where they get others. Less is normal: values in [0, 1] that are left as they are have a deviation
of 0.2 to 0.3, and the statistics of one set serve for others. So only what these cannot explain is
said:

- a mean beyond 3: with those of ImageNet no image has one beyond 2.64, whatever it shows;
- a standard deviation above 5: with those of ImageNet none is above 2.3;
- or below 1/5, which takes images that are nearly flat, or are divided by 255 twice.

Statistics that leave values as wide as they are (a std of 1), or bring them to 0 … 255 (a std of
1/255), are the network's own business: it normalizes them itself, or does without.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from neocog.data.batches import pixels
from neocog.data.split import Split
from neocog.types import InputSpec

__all__ = ["LOOKED_AT", "looked_at", "misfit", "misfit_of_split"]

MEAN = 3.0
"""Largest mean of normalized inputs, of either sign, that is not spoken of."""

STD = 5.0
"""Largest standard deviation that is not spoken of, and the inverse of the least."""

MANY = 8
"""Images from which on these hold; of fewer, which may be odd ones, ten times as much is borne."""

LOOKED_AT = 64
"""Images of a split that are looked at."""


def misfit(x: Tensor, signal: InputSpec) -> str | None:
    """What to say of images that a normalization does not fit; None where it may.

    Args:
        x: images in [0, 1], (B, C, H, W).
        signal: how they are normalized.

    Example:
        >>> import torch
        >>> x = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> for std in (0.25, 0.001):
        ...     spec = InputSpec(channels=1, size=(8, 8), mean=(0.5,), std=(std,))
        ...     print((misfit(x, spec) or "may fit")[:39])
        may fit
        Normalized with mean 0.5 and std 0.001,
    """
    as_they_are = all(s == 1 for s in signal.std)
    to_bytes = all(abs(255 * s - 1) < 0.02 for s in signal.std)
    images = signal.axes == 2 and x.numel() > 0 and x.shape[1] == signal.channels
    if as_they_are or to_bytes or not images:
        return None
    flat = x.double().transpose(0, 1).flatten(1)
    mean, std = flat.mean(1).numpy(), flat.std(1, correction=0).numpy()
    by = np.array(signal.std)
    means, stds = (mean - np.array(signal.mean)) / by, std / by
    slack = 1.0 if len(x) >= MANY else 10.0
    worst, wide, flattest = (int(i) for i in (abs(means).argmax(), stds.argmax(), stds.argmin()))
    if stds[wide] > slack * STD:
        c = wide
    elif abs(means[worst]) > slack * MEAN:
        c = worst
    elif len(x) >= MANY and stds[flattest] < 1 / STD:
        c = flattest
    else:
        return None
    statistics = f"a mean of {means[c]:.3g} and a standard deviation of {stds[c]:.3g}"
    channel = f" in channel {c}" if signal.channels > 1 else ""
    return (
        f"Normalized with mean {signal.mean[c]:g} and std {signal.std[c]:g}, the images have "
        f"{statistics}{channel}, whereas networks are trained with about 0 and 1; the pixels "
        "themselves "
        f"have a mean of {mean[c]:.2g} and a standard deviation of {std[c]:.2g}. Check --mean and "
        "--std, or whether these images resemble the training images."
    )


def misfit_of_split(split: Split, signal: InputSpec) -> tuple[str, ...]:
    """The same of some images, evenly from a whole split, as sentences."""
    if not len(split):
        return ()
    sentence = misfit(pixels(split, looked_at(len(split))), signal)
    return () if sentence is None else (sentence,)


def looked_at(total: int) -> np.ndarray:
    """Which of so many samples are looked at.

    Args:
        total: samples.
    """
    return np.unique(np.linspace(0, max(0, total - 1), LOOKED_AT).astype(np.int64))
