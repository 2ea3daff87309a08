"""Circular convolution of small maps in the frequency domain.

A circular convolution is a product at each frequency. A real map of N samples has N degrees of
freedom there: a few real coefficients and pairs of real and imaginary parts, so

    in space                  N · K · C · D products           (K taps)
    in the frequency domain   about 2 N · C · D                (4 for each pair of samples)
    and there and back        N² · (C + D)                     (as matrix products)

No border is copied and none is convolved. On a map of 4×4, a 3×3 kernel needs a fifth of the
products, where a convolution that skips the zeros beyond a border needs 0.7 of them.

Source: M. Mathieu, M. Henaff, Y. LeCun, "Fast Training of Convolutional Networks through FFTs",
2014; transforms of so few samples are faster as matrix products than as FFTs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from neocog.layers._cpu.plain import is_plain
from neocog.layers.border import beside

__all__ = ["circular_conv2d", "in_space", "is_cheaper", "is_unobserved"]

_LARGEST = 64
"""Samples of a map beyond which a transform as one matrix product costs more than it saves."""

_PRODUCT, _TRANSFORM, _KERNEL = 1.2, 2.0, 60.0
"""Time of a product at a frequency, of one in a transform, and of writing and reading a coefficient
of a kernel, in units of a product of a direct convolution: small matrices are slower than large
ones. Measured on one thread, maps of 2×2 to 8×8 with 32 to 512 channels."""

_ROOM = 4 * 2**20
"""Coefficients of kernels beyond which memory for them costs more than the convolution."""


_IN_SPACE = ContextVar("in_space", default=False)


@contextmanager
def in_space() -> Iterator[None]:
    """No convolution by frequencies inside: where the last bits of shifted maps are compared."""
    token = _IN_SPACE.set(True)
    try:
        yield
    finally:
        _IN_SPACE.reset(token)


@dataclass(frozen=True)
class _Basis:
    """The Fourier transform of a real map of N samples as matrices, in float64.

    Coefficients stand in this order: the real ones of `single` frequencies, the real parts of
    `pairs`, their imaginary parts. They are N.
    """

    single: int
    pairs: int
    frequencies: Tensor
    """(single + pairs, 2): cycles per sample on each axis."""
    forward: Tensor
    """(N, N): map to coefficients."""
    inverse: Tensor
    """(N, N): coefficients to map."""


@lru_cache(maxsize=64)
def _basis(size: tuple[int, int]) -> _Basis:
    single, pairs = [], []
    for u in range(size[0]):
        for v in range(size[1]):
            mirrored = (-u % size[0], -v % size[1])
            if mirrored == (u, v):
                single.append((u, v))
            elif (u, v) < mirrored:  # the other one has the conjugate coefficient
                pairs.append((u, v))
    frequencies = torch.tensor(single + pairs, dtype=torch.float64)
    frequencies = frequencies / torch.tensor(size, dtype=torch.float64)
    n = len(single)
    real, imaginary = _waves(frequencies, size, (0, 0))
    forward = torch.cat([real, -imaginary[n:]])
    inverse = torch.cat([real[:n], 2 * real[n:], -2 * imaginary[n:]]).T / math.prod(size)
    return _Basis(n, len(pairs), frequencies, forward, inverse)


def _waves(
    frequencies: Tensor, size: tuple[int, int], before: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each frequency at the samples of a window that begins at -before."""
    at = torch.cartesian_prod(*(torch.arange(n) - b for n, b in zip(size, before, strict=True)))
    angle = 2 * math.pi * frequencies @ at.double().T
    return angle.cos(), angle.sin()


@lru_cache(maxsize=64)
def _mix(size: tuple[int, int], taps: tuple[int, int], before: tuple[int, int]) -> Tensor:
    """(N, taps): what each tap of a kernel adds to its coefficients."""
    basis = _basis(size)
    real, imaginary = _waves(basis.frequencies, taps, before)
    return torch.cat([real, imaginary[basis.single :]])


def is_unobserved(*tensors: Tensor | None) -> bool:
    """Whether nobody needs to see a convolution here: plain tensors, without gradients.

    Not while an operation is differentiated, mapped over, recorded, counted or given other types.
    """
    return (
        not _IN_SPACE.get()
        and is_plain(*tensors)
        and not any(_is_differentiated(t) for t in tensors if t is not None)
        and not torch._C._is_torch_function_mode_enabled()
        and not torch._C._len_torch_dispatch_stack()
    )


def _is_differentiated(t: Tensor) -> bool:
    tangent = unpack_dual(t).tangent  # type: ignore[no-untyped-call]
    return (t.requires_grad and torch.is_grad_enabled()) or tangent is not None


def is_cheaper(x: Tensor, weight: Tensor) -> bool:
    """Whether `circular_conv2d` needs less time than padding and convolving.

    Args:
        x: (B, C, H, W).
        weight: (D, C, kh, kw).
    """
    batch, channels, *size = x.shape
    samples, taps, outputs = math.prod(size), math.prod(weight.shape[2:]), weight.shape[0]
    coefficients = samples * channels * outputs
    if not 0 < samples <= _LARGEST or coefficients > _ROOM:
        return False
    direct = batch * samples * taps * channels * outputs
    there_and_back = batch * samples**2 * (channels + outputs)
    spectral = (
        _PRODUCT * batch * 2 * coefficients + _TRANSFORM * there_and_back + _KERNEL * coefficients
    )
    return spectral < direct


def circular_conv2d(
    x: Float[Tensor, "B C H W"],
    weight: Float[Tensor, "D C kh kw"],
    bias: Float[Tensor, " D"] | None = None,
    *,
    before: tuple[int, int],
) -> Float[Tensor, "B D H W"]:
    """Convolution at stride 1 of a map that wraps around, by its frequencies; no gradient.

    It gives what `F.conv2d` gives of the circularly padded map, to rounding.

    Args:
        x: map.
        weight: kernels, of any size.
        bias: a number for each output channel.
        before: samples of padding above and left of the map; below and right there are as many as
            keep the size.

    Example:
        >>> x = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
        >>> circular_conv2d(x, torch.tensor([[[[1.0, 0.0, -1.0]]]]), before=(0, 1)).round()
        tensor([[[[ 2., -2., -2.,  2.]]]])
    """
    batch, channels, *size = x.shape
    outputs, samples = weight.shape[0], math.prod(size)
    basis = _basis((size[0], size[1]))
    n, m = basis.single, basis.single + basis.pairs
    pixels = x.permute(0, 2, 3, 1).reshape(batch, samples, channels)
    map_ = torch.bmm(basis.forward.to(x).expand(batch, -1, -1), pixels).transpose(0, 1)
    kernel = _coefficients(weight, (size[0], size[1]), before)
    out = x.new_empty(samples, batch, outputs)
    torch.bmm(map_[:m], kernel[:m], out=out[:m])
    if basis.pairs:
        real, imaginary = map_[n:m], map_[m:]
        out[n:m].baddbmm_(imaginary, kernel[m:], alpha=-1)
        torch.bmm(real, kernel[m:], out=out[m:])
        out[m:].baddbmm_(imaginary, kernel[n:m])
    back, spread = basis.inverse.to(x).expand(batch, -1, -1), out.transpose(0, 1)
    result = torch.bmm(back, spread) if bias is None else torch.baddbmm(bias, back, spread)
    return result.view(batch, *size, outputs).permute(0, 3, 1, 2)


def _coefficients(weight: Tensor, size: tuple[int, int], before: tuple[int, int]) -> Tensor:
    """(N, C, D): the coefficients of the kernels, conjugated, since a convolution does not flip.

    Views of products in the order in which the weights lie, so that none is copied.
    """
    outputs, channels, *taps = weight.shape
    mix = _mix(size, (taps[0], taps[1]), before).to(weight)
    if beside(weight):
        return (mix @ weight.permute(0, 2, 3, 1).flatten(1, 2)).permute(1, 2, 0)
    flat = weight.reshape(outputs * channels, math.prod(taps))
    return (mix @ flat.T).view(-1, outputs, channels).transpose(1, 2)
