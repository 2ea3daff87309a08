"""Statistics of the images of a data set: the mean, where and how they vary, the spectrum.

Activation maximization starts from noise with these statistics and takes steps in their units: a
step of one unit is then as large in every direction as the data are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neocog.data.samples import Samples, batch_of
from neocog.errors import UsageError
from neocog.jsonable import Jsonable, keys

__all__ = ["Statistics", "statistics_from", "statistics_of"]

_COLORS = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))
"""Brightness, blue against yellow, green against purple."""
_SHARES = (1.0, 0.28, 0.13)
"""Relative standard deviation of natural images along each (measured on CIFAR-10)."""

_LEAST = 1e-7
"""Minimum standard deviation of images that differ; rounding is the root of 1e-16 at most."""


@dataclass(frozen=True, kw_only=True)
class Statistics(Jsonable):
    """Statistics of a set of images.

    Args:
        mean: (C, *size), of values in [0, 1].
        spread: (*size), standard deviation at each position; the mean square is 1.
        color: (C, C), L with L · Lᵀ the covariance of the channels.
        amplitude: the root of the mean power of each frequency, laid out as the output of `rfftn`;
            its mean square over all frequencies is 1.
        size: (H, W) or (N,).
        source: description of the images.
    """

    JSON = keys("mean=channel_means", "color", "size", "source")

    mean: np.ndarray
    spread: np.ndarray
    color: np.ndarray
    amplitude: np.ndarray
    size: tuple[int, ...]
    source: str

    def field(self, coefficients: Float[Tensor, "B C *half 2"]) -> Float[Tensor, "B C *size"]:
        """From coefficients of unit variance to differences from the mean, varying as the data do.

        Args:
            coefficients: real and imaginary parts, laid out as the output of `rfftn`.
        """
        like = coefficients
        axes = tuple(range(2, 2 + len(self.size)))
        gain = torch.from_numpy(self.amplitude).to(like)
        spectrum = torch.view_as_complex(like.contiguous()) * (gain * _paired(self.size).to(like))
        plain = torch.fft.irfftn(spectrum, s=self.size, dim=axes, norm="ortho")
        plain = plain * torch.from_numpy(self.spread).to(like)
        mixed = torch.tensordot(torch.from_numpy(self.color).to(like), plain, dims=([1], [1]))
        moved: Tensor = mixed.movedim(0, 1)
        return moved

    def image(self, coefficients: Float[Tensor, "B C *half 2"]) -> Float[Tensor, "B C *size"]:
        """`field` about the mean, squashed into (0, 1) by a sigmoid of slope 1 at the mean."""
        mean = torch.from_numpy(self.mean).to(coefficients).clamp(0.02, 0.98)
        slope = 1 / (mean * (1 - mean)).clamp_min(0.05)
        return torch.sigmoid(torch.logit(mean) + slope * self.field(coefficients))

    @property
    def channel_means(self) -> np.ndarray:
        """The mean of each channel over all positions, (C,)."""
        return np.asarray(self.mean.reshape(len(self.mean), -1).mean(1))


def statistics_of(samples: Samples, *, n: int = 1000, seed: int = 0) -> Statistics:
    """The statistics of data.

    Args:
        samples: images or series.
        n: maximum number of samples that are used.
        seed: of their choice.

    Raises:
        UsageError: all samples are the same.

    Example:
        >>> found = statistics_of(Samples.of(torch.rand(50, 3, 8, 8)))
        >>> found.mean.shape, found.color.shape, found.amplitude.shape
        ((3, 8, 8), (3, 3), (8, 5))
    """
    some = samples.first(n, seed=seed)
    size, channels = some.size, some.channels
    axes = tuple(range(2, 2 + len(size)))
    total = torch.zeros(channels, *size, dtype=torch.float64)
    squares, outer = torch.zeros_like(total), total.new_zeros(channels, channels)
    power = total.new_zeros((*size[:-1], size[-1] // 2 + 1))
    step = batch_of(some, None)
    for start in range(0, len(some), step):
        x = some.take(slice(start, start + step)).double()
        flat = x.movedim(1, 0).flatten(1)
        total += x.sum(0)
        squares += x.square().sum(0)
        outer += flat @ flat.T
        power += torch.fft.rfftn(x, dim=axes, norm="ortho").abs().square().sum((0, 1))
    mean = total / len(some)
    around = mean.flatten(1)
    covariance = (outer / len(some) - around @ around.T) / around.shape[1]
    power -= len(some) * torch.fft.rfftn(mean[None], dim=axes, norm="ortho")[0].abs().square().sum(
        0
    )
    spread = (squares / len(some) - mean.square()).clamp_min(0).mean(0).sqrt()
    level = spread.square().mean().sqrt()
    if float(level) < _LEAST:
        raise UsageError(
            f"Statistics need images that differ; got {len(some)} equal ones. Give others, or omit "
            "the data."
        )
    return Statistics(
        mean=mean.numpy(),
        spread=np.asarray((spread / level).numpy()),
        color=_root(covariance),
        amplitude=_unit(power.clamp_min(0).sqrt(), size),
        size=tuple(size),
        source=f"{len(some)} samples",
    )


def statistics_from(mean: Sequence[float], std: Sequence[float], size: Sequence[int]) -> Statistics:
    """Statistics of natural images with a given mean and standard deviation, without data.

    Amplitudes fall as 1 / frequency (D. Field, "Relations between the statistics of natural images
    and the response properties of cortical cells", JOSA A 4(12), 1987); three channels vary mostly
    together, other numbers of channels independently.

    Args:
        mean: of each channel, of values in [0, 1].
        std: of each channel.
        size: (H, W) or (N,).

    Raises:
        UsageError: the numbers of means and standard deviations differ, or there is no size.
    """
    if len(mean) != len(std) or not len(mean) or not size or min(size) < 1:
        raise UsageError(
            "Statistics have a mean and a standard deviation for each channel, and a size; "
            f"got {len(mean)} means, {len(std)} standard deviations and the size {tuple(size)}. "
            "Give as many, and a size."
        )
    frequencies = [torch.fft.fftfreq(n, dtype=torch.float64) for n in size[:-1]]
    frequencies.append(torch.fft.rfftfreq(size[-1], dtype=torch.float64))
    grid = torch.meshgrid(*frequencies, indexing="ij")
    length = torch.stack([g.square() for g in grid]).sum(0).sqrt()
    color = np.diag(np.asarray(std, np.float64))
    if len(mean) == 3:
        axes = np.array(_COLORS).T
        axes = axes / np.linalg.norm(axes, axis=0) * np.array(_SHARES)
        own = np.sqrt((axes**2).sum(1))
        color = axes * (np.asarray(std) / own)[:, None]
    shape = (len(mean), *[1] * len(size))
    return Statistics(
        mean=np.broadcast_to(np.reshape(mean, shape), (len(mean), *size)).astype(np.float64),
        spread=np.ones(tuple(size)),
        color=color,
        amplitude=_unit(1 / length.clamp_min(1 / max(size)), size),
        size=tuple(size),
        source="natural images (amplitude 1 / frequency)",
    )


def _paired(size: Sequence[int]) -> Tensor:
    """√2 for the coefficients that stand for two conjugate ones."""
    factor = torch.ones(size[-1] // 2 + 1)
    factor[0] = 2**0.5
    if size[-1] % 2 == 0:
        factor[-1] = 2**0.5
    return factor


def _root(covariance: Tensor) -> np.ndarray:
    values, vectors = torch.linalg.eigh(covariance)
    return np.asarray((vectors * values.clamp_min(0).sqrt()).numpy())


def _unit(amplitude: Tensor, size: Sequence[int]) -> np.ndarray:
    """Scaled so that the mean square over all frequencies, both halves, is 1."""
    twice = torch.full((size[-1] // 2 + 1,), 2.0, dtype=torch.float64)
    twice[0] = 1
    if size[-1] % 2 == 0:
        twice[-1] = 1
    mean = (amplitude.square() * twice).sum() / float(np.prod(size))
    return np.asarray((amplitude / mean.clamp_min(1e-30).sqrt()).numpy())
