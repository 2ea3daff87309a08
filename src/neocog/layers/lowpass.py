"""Downsampling and activations that add no frequency which the grid cannot hold.

Source: H. Michaeli, T. Michaeli, D. Soudry, "Alias-Free Convnets: Fractional Shift Invariance via
Polynomial Activations", CVPR 2023.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neocog.layers.blocks import per_axis
from neocog.signal.fourier import resample

__all__ = ["AliasFreeActivation", "IdealDown", "alias_free_polynomial", "ideal_down"]

RELU_FIT = tuple(v / math.sqrt(2 * math.pi) for v in (0.5, math.sqrt(2 * math.pi) / 2, 0.5))
"""a, b, c of the parabola a + bx + cx² next to ReLU in the mean square, for normal x of variance 1.

By Hermite polynomials: 1 / √(2π) + x / 2 + (x² - 1) / (2 √(2π)).
"""


def ideal_down(
    x: Float[Tensor, "B C *space"], stride: int | Sequence[int]
) -> Float[Tensor, "B C *smaller"]:
    """Every s-th sample of what every s-th sample can hold.

    Moves with x by any part of a sample, with wrap-around, where the stride divides the size.

    Args:
        x: map, of one or two axes of space.
        stride: of all axes or of each.

    Example:
        >>> ideal_down(torch.tensor([[[1.0, -1.0, 3.0, 1.0]]]), 2)
        tensor([[[1., 1.]]])
    """
    steps = per_axis(stride, x.dim() - 2)
    axes = list(zip(x.shape[2:], steps, strict=True))
    mixes = [_sinc_matrix(*axes[0]).to(x)]
    mixes += mixes if axes[-1] == axes[0] else [_sinc_matrix(*axes[1]).to(x)]
    if len(steps) == 1:
        return x @ mixes[0].T
    rows, columns = mixes
    if x.is_contiguous():
        return rows @ (x @ columns.T)
    # Channels lie side by side, and stay so.
    last = columns @ x.permute(0, 2, 3, 1)
    mixed = rows @ last.flatten(2)
    return mixed.view(x.shape[0], rows.shape[0], columns.shape[0], x.shape[1]).permute(0, 3, 1, 2)


def _sinc_matrix(n: int, stride: int) -> Float[Tensor, "m n"]:
    """`low_pass` and every s-th sample of one axis, as weights of its n samples.

    Low-pass filtering with wrap-around is a convolution with the sum of the cosines that are kept.
    """
    at = torch.arange(n, dtype=torch.float64)
    kept = torch.arange(1, math.ceil(n / (2 * stride)), dtype=torch.float64)
    turns = torch.outer(at, kept) * (2 * math.pi / n)
    kernel = (1 + 2 * turns.cos().sum(1)) / n
    return kernel[(torch.arange(0, n, stride)[:, None] - torch.arange(n)) % n]


class IdealDown(nn.Module):
    """`ideal_down` as a module.

    Args:
        stride: of all axes or of each.
    """

    geometry = (None,)
    """Each sample sees the whole map; see `neocog.graph.operations`."""

    def __init__(self, stride: int | Sequence[int]) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *smaller"]:
        """Low-pass, and every s-th sample."""
        return ideal_down(x, self.stride)

    def extra_repr(self) -> str:
        """The stride."""
        return f"stride={self.stride}"


def alias_free_polynomial(
    x: Float[Tensor, "B C *space"], coefficients: Float[Tensor, "C 3"]
) -> Float[Tensor, "B C *space"]:
    """A + bx + cx² of the band-limited function through the samples, brought back to the grid.

    The square of a function has twice its frequencies. They are computed on a grid twice as fine,
    which holds them, and those that the grid of x cannot hold are taken out.

    Args:
        x: map, of one or two axes of space.
        coefficients: a, b, c of each channel.

    Example:
        >>> square = torch.tensor([[0.0, 0.0, 1.0]])
        >>> alias_free_polynomial(torch.tensor([[[2.0, 0.0, -2.0, 0.0]]]), square)
        tensor([[[2., 2., 2., 2.]]])
    """
    shape = (1, x.shape[1], *[1] * (x.dim() - 2))
    a, b, c = (v.view(shape) for v in coefficients.to(x.dtype).unbind(1))
    fine = resample(x, [2 * n for n in x.shape[2:]])
    return resample(a + fine * (b + fine * c), x.shape[2:])


class AliasFreeActivation(nn.Module):
    """`alias_free_polynomial` with trainable coefficients, which start next to ReLU.

    Args:
        channels: of the map.
    """

    geometry = (None,)
    """Each sample sees the whole map; see `neocog.graph.operations`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coefficients = nn.Parameter(torch.tensor(RELU_FIT).repeat(channels, 1))

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *space"]:
        """A parabola per channel, without new frequencies."""
        return alias_free_polynomial(x, self.coefficients)
