"""Both gradients of a convolution, from correlations and convolutions.

With y the correlation of the padded input x with the kernel k at stride S and dilation D, and g the
gradient of a loss with respect to y (spread out: S - 1 zeros between its samples):

    kernel   ∂L/∂k[o, i] = Σ_b  x[b, i] ⋆ spread(g)[b, o]    a correlation, every D-th sample of it
    input    ∂L/∂x[b, i] = Σ_o  spread(g)[b, o] ∗ k[o, i]    a full convolution, less the padding
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "ConvGeometry",
    "input_gradient",
    "kernel_gradient",
    "padded",
    "spread",
    "unpadded",
]

_SLIDE = (F.conv1d, F.conv2d, F.conv3d)


@dataclass(frozen=True, kw_only=True)
class ConvGeometry:
    """How a convolution slides, a number per axis of space.

    Args:
        kernel_size: taps.
        stride: of the convolution.
        padding: samples added (before, behind).
        dilation: of the window.
        groups: into which the channels are divided.
    """

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1


def kernel_gradient(
    x: Float[Tensor, "B I *space"],
    upstream: Float[Tensor, "B O *out"],
    geometry: ConvGeometry,
) -> Float[Tensor, "O J *kernel"]:
    """The correlation of the padded input with the spread gradient; every D-th sample of it.

    Each input channel is a sample of one large batch, each filter's gradient is its kernel, and the
    samples of the batch are the channels that are summed over.

    Args:
        x: input with its padding.
        upstream: gradient with respect to the output.
        geometry: how the convolution slides.
    """
    slide = _SLIDE[x.ndim - 3]
    parts = []
    for own, above in zip(
        x.chunk(geometry.groups, 1), upstream.chunk(geometry.groups, 1), strict=True
    ):
        # A kernel with S - 1 zeros between its taps is one of dilation S.
        gradient = slide(
            own.transpose(0, 1),
            above.transpose(0, 1),
            stride=geometry.dilation,
            dilation=geometry.stride,
        )
        cut = tuple(
            slice(0, k) for k in geometry.kernel_size
        )  # samples that the stride skips at the end
        parts.append(gradient[(slice(None), slice(None), *cut)].transpose(0, 1))
    return torch.cat(parts)


def input_gradient(
    weight: Float[Tensor, "O J *kernel"],
    upstream: Float[Tensor, "B O *out"],
    geometry: ConvGeometry,
    size: Sequence[int],
) -> Float[Tensor, "B I *space"]:
    """The full convolution of the spread gradient with the kernels, for the padded input.

    Args:
        weight: kernels.
        upstream: gradient with respect to the output.
        geometry: how the convolution slides.
        size: of the padded input.
    """
    slide = _SLIDE[weight.ndim - 3]
    axes = tuple(range(2, weight.ndim))
    wide = spread(upstream, geometry.stride)
    reach = [d * (k - 1) for d, k in zip(geometry.dilation, geometry.kernel_size, strict=True)]
    pads: list[int] = []
    for n, r, s in zip(reversed(size), reversed(reach), reversed(wide.shape[2:]), strict=True):
        pads += [r, n - s]  # behind: the reach, and what no position of the kernel covered
    wide = F.pad(wide, pads)
    parts = []
    for kernels, above in zip(
        weight.chunk(geometry.groups), wide.chunk(geometry.groups, 1), strict=True
    ):
        turned = kernels.flip(axes).transpose(0, 1)  # a convolution turns the kernel round
        parts.append(slide(above, turned, dilation=geometry.dilation))
    return torch.cat(parts, 1)


def spread(x: Float[Tensor, "B C *space"], stride: Sequence[int]) -> Float[Tensor, "B C *wide"]:
    """Put S - 1 zeros between neighboring samples.

    Example:
        >>> spread(torch.tensor([[[1.0, 2.0, 3.0]]]), (2,))
        tensor([[[1., 0., 2., 0., 3.]]])
    """
    size = [(n - 1) * s + 1 for n, s in zip(x.shape[2:], stride, strict=True)]
    wide = x.new_zeros(*x.shape[:2], *size)
    wide[(slice(None), slice(None), *(slice(None, None, s) for s in stride))] = x
    return wide


def padded(x: Tensor, geometry: ConvGeometry, mode: str) -> Tensor:
    """An input with what lies beyond its border, as `padding_mode` names it."""
    pads = [n for pair in reversed(geometry.padding) for n in pair]
    return F.pad(x, pads, mode="constant" if mode == "zeros" else mode) if any(pads) else x


def unpadded(gradient: Tensor, x: Tensor, geometry: ConvGeometry, mode: str) -> Tensor:
    """The gradient of the input from that of the padded one.

    Zeros take theirs with them; a padding that repeats samples hands it back to them.
    """
    if mode == "zeros":
        cut = tuple(
            slice(before, before + n)
            for (before, _), n in zip(geometry.padding, x.shape[2:], strict=True)
        )
        return gradient[(slice(None), slice(None), *cut)]
    with torch.enable_grad():
        still = x.detach().requires_grad_()
        wide = padded(still, geometry, mode)
        (back,) = torch.autograd.grad(wide, still, gradient)
    return back
