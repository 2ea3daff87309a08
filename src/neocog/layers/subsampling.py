"""Trainable subsampling: a sum over each window, times a number, plus a number.

Source: Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE
86(11), 1998, section II.B (layers S2 and S4).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neocog.layers.downsample import average_pool

__all__ = ["TrainableSubsampling", "window_affine"]


def window_affine(
    means: Float[Tensor, "B C H W"],
    coefficient: Float[Tensor, " C"],
    bias: Float[Tensor, " C"],
    samples: int,
) -> Float[Tensor, "B C H W"]:
    """Coefficient times the sum of each window, plus bias; the windows come as means.

    Args:
        means: of the windows.
        coefficient: one per channel.
        bias: one per channel.
        samples: of one window, which turn its mean into its sum.
    """
    return means * (samples * coefficient)[:, None, None] + bias[:, None, None]


class TrainableSubsampling(nn.Module):
    """Windows of 2×2 that do not overlap, summed, scaled and shifted, per channel.

    Args:
        channels: of the map.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: padding mode, for kinds of downsampling that use it.
    """

    def __init__(self, channels: int, *, downsampling: str, padding: str) -> None:
        super().__init__()
        self.pool = average_pool(downsampling, channels, kernel_size=2, stride=2, padding=padding)
        self.coefficient = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        nn.init.uniform_(self.coefficient, -2.4 / 4, 2.4 / 4)
        nn.init.uniform_(self.bias, -2.4 / 4, 2.4 / 4)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """Coefficient · sum + bias."""
        return window_affine(self.pool(x), self.coefficient, self.bias, 4)
