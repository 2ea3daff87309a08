"""A locally connected layer: the windows of a convolution, each position with its own weights.

It has the sparse connections of a convolution (its outputs see a small window) without its shared
weights, so that a network can be given the one prior without the other.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.layers.blocks import Pair, output_hw, pair, same_padding

__all__ = ["LocallyConnected2d", "local_conv2d"]


def local_conv2d(
    x: Float[Tensor, "B C H W"],
    weight: Float[Tensor, "L O R"],
    bias: Float[Tensor, "L O"] | None = None,
    *,
    kernel_size: Pair,
    stride: Pair = 1,
    pad: Pair = 0,
) -> Float[Tensor, "B O h w"]:
    """A convolution whose weights differ from position to position.

    Args:
        x: map.
        weight: of each of L = h·w positions, row by row, of each output channel; R = C·taps, in the
            order of `torch.nn.functional.unfold`: channel, row, column.
        bias: of each position and output channel.
        kernel_size: taps.
        stride: of the window.
        pad: zeros on each side.

    Example:
        >>> x = torch.arange(16.0).view(1, 1, 4, 4)
        >>> mean = torch.full((4, 1, 4), 0.25)
        >>> local_conv2d(x, mean, kernel_size=2, stride=2).tolist()
        [[[[2.5, 4.5], [10.5, 12.5]]]]
    """
    h, w = output_hw((x.shape[2], x.shape[3]), kernel_size, stride=stride, padding=pad)
    windows = F.unfold(x, pair(kernel_size), padding=pair(pad), stride=pair(stride))
    out = torch.bmm(windows.permute(2, 0, 1), weight.transpose(1, 2))  # (L, B, O)
    if bias is not None:
        out = out + bias[:, None]
    return out.permute(1, 2, 0).reshape(len(x), weight.shape[1], h, w)


class LocallyConnected2d(nn.Module):
    """`nn.Conv2d` without shared weights.

    Weights start as those of a convolution do: uniform in ±1/√(C·taps), the bias too.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        size: (H, W) of the map, which is fixed: each position has its own weights.
        kernel_size: taps.
        stride: of the window.
        pad: zeros on each side; None for as many as keep the size at stride 1.
        bias: add a trainable number per position and channel.

    Example:
        >>> layer = LocallyConnected2d(1, 2, size=(28, 28), kernel_size=3, stride=2)
        >>> sum(p.numel() for p in layer.parameters())  # 14·14 positions, 2·(9 + 1) each
        3920
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        size: tuple[int, int],
        kernel_size: Pair,
        stride: Pair = 1,
        pad: Pair | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = pair(kernel_size), pair(stride)
        self.pad = same_padding(kernel_size) if pad is None else pair(pad)
        self.output_size = output_hw(size, self.kernel_size, stride=self.stride, padding=self.pad)
        positions, reach = math.prod(self.output_size), in_channels * math.prod(self.kernel_size)
        self.weight = nn.Parameter(torch.empty(positions, out_channels, reach))
        # Of one axis, as every bias: weight decay is of parameters of two or more.
        self.bias = nn.Parameter(torch.empty(positions * out_channels)) if bias else None
        bound = 1 / math.sqrt(reach)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B O h w"]:
        """The map that its own weights make of each window."""
        return local_conv2d(
            x,
            self.weight,
            None if self.bias is None else self.bias.view(self.weight.shape[:2]),
            kernel_size=self.kernel_size,
            stride=self.stride,
            pad=self.pad,
        )

    def extra_repr(self) -> str:
        """As a convolution writes itself."""
        positions, outputs, reach = self.weight.shape
        return (
            f"{reach // math.prod(self.kernel_size)}, {outputs}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.pad}, positions={positions}"
        )
