"""Ready kernels: low-pass kernels of one axis, the classic filters, Gabor functions.

Low-pass kernels are symmetric and sum to one; the kernel of two axes is their `product`. All are
computed in double precision, and meant to be slid over a signal without turning them round
(`signal.correlate.correlate`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from neocog.errors import UsageError

__all__ = [
    "binomial",
    "difference",
    "frequency_response",
    "gabor",
    "gaussian",
    "laplace",
    "outline",
    "prewitt",
    "product",
    "sharpen",
    "sobel",
    "triangle",
    "windowed_sinc",
]


def binomial(taps: int) -> Float[Tensor, " K"]:
    """A row of Pascal's triangle over its sum: [1, 2, 1] / 4 for three taps.

    Raises:
        UsageError: fewer than one tap.

    Example:
        >>> binomial(4).tolist()
        [0.125, 0.375, 0.375, 0.125]
    """
    _checked(taps)
    row = [math.comb(taps - 1, k) for k in range(taps)]
    return torch.tensor(row, dtype=torch.float64).div(2 ** (taps - 1))


def triangle(taps: int) -> Float[Tensor, " K"]:
    """A ramp up and down: [1, 2, 3, 2, 1] / 9 for five taps.

    With 2s - 1 taps it is a box of s samples with itself, and its frequency response is zero at
    every multiple of 1 / s: nothing of what stride s folds onto the mean is left.

    Raises:
        UsageError: fewer than one tap.

    Example:
        >>> (9 * triangle(5)).tolist()
        [1.0, 2.0, 3.0, 2.0, 1.0]
    """
    _checked(taps)
    ramp = torch.arange(1, taps + 1, dtype=torch.float64)
    row = torch.minimum(ramp, ramp.flip(0))
    return row / row.sum()


def windowed_sinc(taps: int, stride: int) -> Float[Tensor, " K"]:
    """The ideal low-pass for `stride`, cut off by a Hann window.

    Args:
        taps: samples of the kernel; the more, the steeper.
        stride: the pass band ends at 1 / (2 · stride) cycles per sample.

    Raises:
        UsageError: fewer than one tap.

    Example:
        >>> windowed_sinc(5, 2).round(decimals=3).tolist()
        [0.0, 0.244, 0.512, 0.244, 0.0]
    """
    _checked(taps)
    t = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2
    row = torch.sinc(t / stride) * torch.cos(math.pi * t / (taps + 1)).square()
    return row / row.sum()


def gaussian(sigma: float, *, taps: int | None = None) -> Float[Tensor, " K"]:
    """The bell curve exp(-t² / 2σ²), sampled, over its sum.

    Args:
        sigma: its standard deviation, in samples.
        taps: samples of the kernel; as many as lie within 3σ if left out.

    Raises:
        UsageError: a deviation that is not positive, or fewer than one tap.

    Example:
        >>> gaussian(1.0, taps=3).round(decimals=3).tolist()
        [0.274, 0.452, 0.274]
    """
    if not sigma > 0:
        raise UsageError(f"A Gaussian has a width above 0; got sigma={sigma}. Give one, such as 1.")
    taps = 2 * math.ceil(3 * sigma) + 1 if taps is None else taps
    _checked(taps)
    row = torch.exp(-_positions(taps).square() / (2 * sigma**2))
    return row / row.sum()


def product(
    column: Float[Tensor, " K"], row: Float[Tensor, " L"] | None = None
) -> Float[Tensor, "K L"]:
    """The kernel of two axes that is one kernel down and one across; the same both ways if one.

    Example:
        >>> (16 * product(binomial(3))).tolist()
        [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    return torch.outer(column, column if row is None else row)


def difference() -> Float[Tensor, 3]:
    """[1, 0, -1]: what is before a sample less what is behind it."""
    return torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)


def prewitt(axis: int = 1) -> Float[Tensor, "3 3"]:
    """[[1, 0, -1]] three times: vertical edges that are brighter on the left are positive.

    Args:
        axis: along which differences are taken: 1 for vertical edges, 0 for horizontal ones,
            positive where it is brighter above.

    Source: J. Prewitt, "Object Enhancement and Extraction", 1970.

    Example:
        >>> prewitt().tolist()
        [[1.0, 0.0, -1.0], [1.0, 0.0, -1.0], [1.0, 0.0, -1.0]]
    """
    kernel = product(torch.ones(3, dtype=torch.float64), difference())
    return kernel if axis == 1 else kernel.T


def sobel(axis: int = 1) -> Float[Tensor, "3 3"]:
    """`prewitt`, the middle counted twice.

    Source: I. Sobel and G. Feldman, talk at the Stanford Artificial Intelligence Project, 1968.

    Example:
        >>> sobel(axis=0).tolist()
        [[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]]
    """
    kernel = product(4 * binomial(3), difference())
    return kernel if axis == 1 else kernel.T


def laplace() -> Float[Tensor, "3 3"]:
    """The four neighbors less four times the sample: the second derivative of all directions.

    Example:
        >>> laplace().tolist()
        [[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]
    """
    cross = torch.zeros(3, 3, dtype=torch.float64)
    cross[1] += 1
    cross[:, 1] += 1
    cross[1, 1] = -4
    return cross


def outline() -> Float[Tensor, "3 3"]:
    """Eight times the sample less its eight neighbors: edges of every direction.

    Example:
        >>> outline().tolist()
        [[-1.0, -1.0, -1.0], [-1.0, 8.0, -1.0], [-1.0, -1.0, -1.0]]
    """
    kernel = -torch.ones(3, 3, dtype=torch.float64)
    kernel[1, 1] = 8
    return kernel


def sharpen(amount: float = 1.0) -> Float[Tensor, "3 3"]:
    """The image less `amount` times its `laplace`; sums to one.

    Example:
        >>> sharpen().tolist()
        [[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]]
    """
    kernel = -amount * laplace()
    kernel[1, 1] += 1
    return kernel + 0.0  # no negative zeros


def gabor(
    size: int | tuple[int, int],
    *,
    wavelength: float,
    angle: float = 0.0,
    sigma: float,
    aspect: float = 1.0,
    phase: float = 0.0,
) -> Float[Tensor, "K L"]:
    """A wave under a bell curve: exp(-(u² + (aspect · v)²) / 2σ²) · cos(2π u / wavelength + phase).

    u runs in the direction in which the wave travels, v along its crests, both from the middle.

    Args:
        size: rows and columns of the kernel.
        wavelength: from crest to crest, in samples.
        angle: of the direction of u, in degrees, counterclockwise on the screen; 0 is to the right,
            so that the stripes stand upright.
        sigma: width of the bell along u, in samples.
        aspect: width along u over width along v.
        phase: in degrees; 0 is even, 90 is odd.

    Raises:
        UsageError: a wavelength, width or aspect that is not positive, or no tap.

    Source: J. Daugman, "Uncertainty relation for resolution in space, spatial frequency, and
    orientation optimized by two-dimensional visual cortical filters", JOSA A 2(7), 1985.

    Example:
        >>> gabor((1, 5), wavelength=4, sigma=100).round(decimals=1).abs().tolist()
        [[1.0, 0.0, 1.0, 0.0, 1.0]]
    """
    if not min(wavelength, sigma, aspect) > 0:
        raise UsageError(
            "A Gabor function has a wavelength, a width and an aspect above 0; "
            f"got {wavelength}, {sigma} and {aspect}. Give such."
        )
    height, width = (size, size) if isinstance(size, int) else size
    _checked(min(height, width))
    down, right = torch.meshgrid(_positions(height), _positions(width), indexing="ij")
    a = math.radians(angle)
    u = right * math.cos(a) - down * math.sin(a)
    v = right * math.sin(a) + down * math.cos(a)
    bell = torch.exp(-(u.square() + (aspect * v).square()) / (2 * sigma**2))
    return bell * torch.cos(2 * math.pi * u / wavelength + math.radians(phase))


def frequency_response(
    kernel: Float[Tensor, "*many"], size: int | Sequence[int], *, axes: int | None = None
) -> Float[Tensor, "*response"]:
    """By how much a kernel multiplies a wave of each frequency; frequency 0 in the middle.

    Frequency k / size cycles per sample stands at size // 2 + k on each axis.

    Args:
        kernel: one, or many on leading axes.
        size: frequencies along each axis; at least as many as the kernel has taps.
        axes: of one kernel, counted from the last; all if left out.

    Raises:
        UsageError: fewer frequencies than taps.

    Example:
        >>> frequency_response(binomial(3), 4).tolist()
        [0.0, 0.5, 1.0, 0.5]
    """
    count = kernel.ndim if axes is None else axes
    room = [size] * count if isinstance(size, int) else list(size)
    if any(n < k for n, k in zip(room, kernel.shape[kernel.ndim - count :], strict=True)):
        raise UsageError(
            f"A response has at least as many frequencies as the kernel has taps; got {room} for "
            f"{list(kernel.shape[kernel.ndim - count :])}. Ask for more."
        )
    last = tuple(range(-count, 0))
    spectrum = torch.fft.fftn(kernel, s=room, dim=last)
    middle: Tensor = torch.fft.fftshift(spectrum.abs(), dim=last)
    return middle


def _positions(taps: int) -> Tensor:
    """Of the taps, from the middle."""
    return torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2


def _checked(taps: int) -> None:
    if taps < 1:
        raise UsageError(f"A kernel has one tap at least; got {taps}. Ask for more.")
