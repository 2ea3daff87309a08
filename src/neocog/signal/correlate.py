"""Correlation and convolution of signals, and where a template is found in an image.

With a kernel of taps 0 … K - 1, along each axis:

    correlation     (x ⋆ k)[i] = Σ_j k[j] · x[i + j]
    convolution     (x ∗ k)[i] = Σ_j k[j] · x[i - j]

What networks call a convolution is a correlation. In every mode but `circular` the one is the other
with the kernel flipped; `same` is the middle of `full`, from sample K // 2 on.

Sources of the matching: J. P. Lewis, "Fast Normalized Cross-Correlation", Vision Interface, 1995.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor

from neocog.errors import ShapeMismatch, UsageError, did_you_mean

__all__ = [
    "FFT_FROM",
    "MATCHES",
    "METHODS",
    "MODES",
    "convolve",
    "correlate",
    "match",
    "peaks",
    "window_sums",
]

MODES = {
    "valid": "only where the whole kernel lies on the signal: n - K + 1 samples",
    "same": "as many samples as the signal has, zeros beyond it",
    "full": "wherever kernel and signal meet, zeros beyond it: n + K - 1 samples",
    "circular": "the signal wraps around: n samples",
}
"""Which samples come out, and what lies beyond the signal."""

METHODS = ("direct", "fft", "auto")
"""Sums of products, products of spectra, or the one that is expected to be faster."""

FFT_FROM = 49
"""Taps of a kernel from which `auto` takes the transform (measured: `benchmarks/correlate.py`)."""

MATCHES = {
    "raw": "Σ t · x: large where the image is bright, whatever its shape",
    "mean_free": "Σ (t - mean) · x: brightness added to the image changes nothing",
    "normalized": "correlation coefficient, -1 … 1: neither brightness nor contrast change it",
}
"""How well a template fits at each position."""


def correlate(
    x: Num[Tensor, "*batch"],
    kernel: Num[Tensor, "*kernel"],
    *,
    mode: str = "valid",
    method: str = "direct",
) -> Tensor:
    """Slide a kernel over signals and sum the products; the kernel is not flipped.

    Args:
        x: one signal or many; the last axes, as many as the kernel has, are those of space.
        kernel: (K,) for series, (K, L) for images.
        mode: one of `MODES`.
        method: one of `METHODS`.

    Raises:
        UsageError: an unknown mode or method.
        ShapeMismatch: a kernel of other than one or two axes, or larger than a signal that it has
            to lie on.

    Example:
        >>> x = torch.arange(9.0).view(3, 3)
        >>> correlate(x, torch.tensor([[0.0, 1.0], [2.0, 3.0]]))
        tensor([[19., 25.],
                [37., 43.]])
    """
    x, kernel = _alike(x, kernel)
    _check(x, kernel, mode, method)
    axes = tuple(range(x.ndim - kernel.ndim, x.ndim))
    if method == "fft" or (method == "auto" and kernel.numel() >= FFT_FROM):
        return _by_spectra(x, kernel, mode, axes)
    return _by_sums(x, kernel, mode)


def convolve(
    x: Num[Tensor, "*batch"],
    kernel: Num[Tensor, "*kernel"],
    *,
    mode: str = "valid",
    method: str = "direct",
) -> Tensor:
    """True convolution: the kernel is flipped on every axis, then slid over the signal.

    With the mode `circular` the spectrum of the result is the product of the two spectra. The
    arguments and errors are those of `correlate`.

    Example:
        >>> convolve(torch.tensor([0.0, 1.0, 0.0, 0.0]), torch.tensor([1.0, 2.0]), mode="full")
        tensor([0., 1., 2., 0., 0.])
    """
    axes = tuple(range(kernel.ndim))
    turned = correlate(x, kernel.flip(axes), mode=mode, method=method)
    if mode != "circular":
        return turned
    last = tuple(a - kernel.ndim for a in axes)  # tap 0 was the last of the flipped kernel
    return turned.roll([n - 1 for n in kernel.shape], last)


def match(
    x: Float[Tensor, "*batch C *space"],
    template: Float[Tensor, C * window],
    *,
    how: str = "normalized",
    method: str = "auto",
) -> Float[Tensor, "*batch *places"]:
    """How well a template fits at every position where it lies wholly on the image.

    Products are summed over channels. `normalized` takes the mean of each channel off window
    and template, and divides by both lengths; in windows without any contrast it is 0. All sums
    are in double precision; of integers come numbers with a fraction.

    Args:
        x: images (…, C, H, W) or series (…, C, N).
        template: smaller, with as many channels.
        how: one of `MATCHES`.
        method: one of `METHODS`.

    Raises:
        UsageError: an unknown way of matching, or a template without contrast.
        ShapeMismatch: other channels, or a template that is larger than the image.

    Example:
        >>> x = torch.tensor([[3.0, 3.0, 4.0, 1.0, 2.0, 1.0, 9.0, 9.0]])
        >>> t = torch.tensor([[1.0, 2.0, 1.0]])
        >>> match(x, t).argmax().item(), match(x, t, how="raw").argmax().item()
        (3, 5)
    """
    _check_match(x, template, how)
    space = template.ndim - 1
    dtype = _alike(x, template)[0].dtype
    wide, shape = x.double(), template.double()
    if how != "raw":
        axes = tuple(range(1, template.ndim))
        shape = shape - shape.mean(axes, keepdim=True)
        if float(shape.abs().max()) <= 1e-12 * float(template.abs().max()):
            raise UsageError(
                "A template is found by its contrast; got one that is the same everywhere. "
                "Cut it where there is something to see."
            )
        # The sum with a template of mean 0 is the same; less is lost to rounding.
        wide = wide - wide.mean(tuple(range(-space, 0)), keepdim=True)
    matches = [
        correlate(wide.select(-space - 1, c), kernel, method=method)
        for c, kernel in enumerate(shape)
    ]
    total = torch.stack(matches).sum(0)
    if how != "normalized":
        return total.to(dtype)
    spread = _window_spread(wide, template.shape[1:])
    length = (shape.square().sum() * spread).sqrt()
    flat = spread == 0
    score = torch.where(flat, 0.0, total / torch.where(flat, 1.0, length))
    return score.clamp(-1, 1).to(dtype)


def window_sums(x: Float[Tensor, "*batch"], size: torch.Size | tuple[int, ...]) -> Tensor:
    """The sum over every window, from cumulative sums: as cheap for large windows as for small.

    Args:
        x: signals; the last axes, as many as `size` has, are those of space.
        size: samples of the window along each axis.

    Example:
        >>> window_sums(torch.tensor([1.0, 2.0, 3.0, 4.0]), (2,))
        tensor([3., 5., 7.])
    """
    for axis, k in enumerate(size, start=x.ndim - len(size)):
        before = x.new_zeros([1 if a == axis else n for a, n in enumerate(x.shape)])
        total = torch.cat([before, x.cumsum(axis)], axis)
        positions = x.shape[axis] - k + 1
        x = total.narrow(axis, k, positions) - total.narrow(axis, 0, positions)
    return x


def peaks(
    scores: Float[Tensor, "*places"], count: int = 1, *, apart: tuple[int, ...] | None = None
) -> list[tuple[int, ...]]:
    """The positions of the largest values, so far apart that their windows do not overlap.

    Args:
        scores: a map or a series.
        count: how many, at most; fewer come where the map is full.
        apart: along each axis, samples within which a larger value hides others; 1 if left out.

    Example:
        >>> peaks(torch.tensor([1.0, 5.0, 4.0, 0.0, 3.0]), 2, apart=(2,))
        [(1,), (4,)]
    """
    left = scores.detach().clone().double()
    near = apart or (1,) * scores.ndim
    maxima: list[tuple[int, ...]] = []
    for _ in range(count):
        flat = int(left.argmax())
        at = tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), left.shape))
        if not math.isfinite(float(left[at])):
            break
        maxima.append(at)
        left[
            tuple(slice(max(0, i - k + 1), i + k) for i, k in zip(at, near, strict=True))
        ] = -math.inf
    return maxima


def _window_spread(x: Tensor, size: torch.Size | tuple[int, ...]) -> Tensor:
    """Σ (x - mean of the window and channel)² over each window and all channels; 0 if flat.

    x has the mean of the image taken off, so that the difference of large sums is small.
    """
    space, values = len(size), math.prod(size)
    squares = window_sums(x.square(), size)
    spread = (squares - window_sums(x, size).square() / values).sum(-space - 1)
    # What the cumulative sums lose is as large as they are, not as the window's own sum is.
    largest = x.square().sum(tuple(range(-space - 1, 0)))
    rounding = 64 * torch.finfo(x.dtype).eps * largest
    floor = rounding.view(*rounding.shape, *[1] * space)
    return torch.where(spread > floor, spread, 0.0)


def _by_sums(x: Tensor, kernel: Tensor, mode: str) -> Tensor:
    space, taps = kernel.ndim, kernel.shape
    flat = x.reshape(-1, 1, *x.shape[x.ndim - space :])
    pads: list[int] = []
    for k in reversed(taps):  # PyTorch counts pads from the last axis
        before = {"same": (k - 1) // 2, "full": k - 1}.get(mode, 0)
        after = {"same": k // 2, "full": k - 1, "circular": k - 1}.get(mode, 0)
        pads += [before, after]
    if any(pads):
        flat = F.pad(flat, pads, mode="circular" if mode == "circular" else "constant")
    slide = F.conv1d if space == 1 else F.conv2d
    out = slide(flat, kernel.reshape(1, 1, *taps))
    return out.reshape(*x.shape[: x.ndim - space], *out.shape[2:])


def _by_spectra(x: Tensor, kernel: Tensor, mode: str, axes: tuple[int, ...]) -> Tensor:
    room = [
        x.shape[a] + (k - 1 if mode in ("same", "full") else 0)
        for a, k in zip(axes, kernel.shape, strict=True)
    ]
    spectrum = torch.fft.rfftn(x, s=room, dim=axes)
    turned = torch.fft.rfftn(kernel, s=room).conj()
    out: Tensor = torch.fft.irfftn(spectrum * turned, s=room, dim=axes)
    for a, k in zip(axes, kernel.shape, strict=True):
        n = x.shape[a]
        if mode == "valid":  # the first positions are those without wrap-around
            out = out.narrow(a, 0, n - k + 1)
        elif mode in ("same", "full"):
            out = out.roll(k - 1, a)
            out = out.narrow(a, k // 2, n) if mode == "same" else out
    return out


def _alike(x: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one floating type."""
    dtype = torch.promote_types(x.dtype, kernel.dtype)
    if not dtype.is_floating_point:
        dtype = torch.get_default_dtype()
    return x.to(dtype), kernel.to(dtype)


def _check_match(x: Tensor, template: Tensor, how: str) -> None:
    if how not in MATCHES:
        raise UsageError(f"`{how}` is not a way of matching. {did_you_mean(how, MATCHES)}")
    if x.ndim < template.ndim or x.shape[-template.ndim] != template.shape[0]:
        raise ShapeMismatch(
            "A template has the channels of the image before its axes of space; "
            f"got template {tuple(template.shape)} and image {tuple(x.shape)}. "
            "Cut it from an image of the same kind.",
            expected=tuple(x.shape),
            actual=tuple(template.shape),
        )


def _check(x: Tensor, kernel: Tensor, mode: str, method: str) -> None:
    if mode not in MODES:
        raise UsageError(f"`{mode}` is not a mode of a correlation. {did_you_mean(mode, MODES)}")
    if method not in METHODS:
        raise UsageError(
            f"`{method}` is not a method of a correlation. {did_you_mean(method, METHODS)}"
        )
    if kernel.ndim not in (1, 2) or x.ndim < kernel.ndim or not kernel.numel():
        raise ShapeMismatch(
            "A kernel has one axis for series and two for images, and taps on each; "
            f"got {tuple(kernel.shape)}, for a signal {tuple(x.shape)}. "
            "Correlate channel by channel.",
            expected=(1, 2),
            actual=tuple(kernel.shape),
        )
    size = tuple(x.shape[x.ndim - kernel.ndim :])
    if mode in ("valid", "circular") and any(
        k > n for k, n in zip(kernel.shape, size, strict=True)
    ):
        raise ShapeMismatch(
            f"With the mode `{mode}` a kernel lies wholly on the signal; got one of "
            f"{tuple(kernel.shape)} for {size}. Take a smaller one, or the mode `full`.",
            expected=size,
            actual=tuple(kernel.shape),
        )
