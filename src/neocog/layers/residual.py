"""Residual blocks: f(x) + x.

Source: K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016. The submodules
are named conv1, bn1, conv2, bn2, (conv3, bn3,) downsample, as in the weights one finds published.
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UsageError, did_you_mean
from neocog.layers.blocks import conv
from neocog.layers.downsample import downsampling_of, operator_stride, reduce
from neocog.layers.strided import strided_pair

__all__ = ["BasicBlock", "Bottleneck", "PadChannels", "Shortcut", "pad_channels", "shortcut"]

Shortcut = Literal["A", "B"]
"""A: downsample and fill the new channels with zeros; B: a 1×1 convolution and batch norm."""


def pad_channels(x: Float[Tensor, "B C H W"], channels: int) -> Float[Tensor, "B D H W"]:
    """Zero channels before and after, as many on each side, the odd one after.

    Example:
        >>> import torch
        >>> pad_channels(torch.ones(1, 1, 1, 1), 4).flatten()
        tensor([0., 1., 0., 0.])
    """
    before = (channels - x.shape[1]) // 2
    return F.pad(x, (0, 0, 0, 0, before, channels - x.shape[1] - before))


class PadChannels(nn.Module):
    """`pad_channels` as a module.

    Args:
        channels: of the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """Zero channels on both sides."""
        return pad_channels(x, self.channels)


def shortcut(
    kind: str, in_channels: int, out_channels: int, *, stride: int, downsampling: str, padding: str
) -> nn.Module:
    """The branch beside the convolutions, behind the block's `reduce_pair`.

    Args:
        kind: "A" or "B".
        in_channels: input channels.
        out_channels: output channels.
        stride: of the block.
        downsampling: one of `DOWNSAMPLINGS`; where it is folded the stride is taken here.
        padding: padding mode.

    Raises:
        UsageError: no such shortcut.
    """
    if kind not in ("A", "B"):
        raise UsageError(f"`{kind}` is not a shortcut. {did_you_mean(kind, ('A', 'B'))}")
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if kind == "B":
        step = operator_stride(downsampling, stride)
        return nn.Sequential(
            conv(in_channels, out_channels, kernel_size=1, stride=step, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    folded = downsampling_of(downsampling).folded
    drop = reduce(
        downsampling, in_channels, stride=stride if folded else 1, padding=padding, folds=False
    )
    return nn.Sequential(drop, PadChannels(out_channels))


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut; the first one has the stride.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        stride: of the block.
        downsampling: one of `DOWNSAMPLINGS`.
        padding: padding mode.
        short: kind of shortcut where size or channels change.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        downsampling: str,
        padding: str,
        short: Shortcut = "B",
    ) -> None:
        super().__init__()
        how = strided_pair(
            downsampling, (out_channels, in_channels), kernel_size=3, stride=stride, padding=padding
        )
        self.windows = how.before
        self.conv1 = conv(
            in_channels,
            out_channels,
            kernel_size=3,
            stride=how.stride,
            padding=padding,
            pad=how.pad,
            bias=False,
        )
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.reduce = how.after
        self.conv2 = conv(out_channels, out_channels, kernel_size=3, padding=padding, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = shortcut(
            short,
            in_channels,
            out_channels,
            stride=stride,
            downsampling=downsampling,
            padding=padding,
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """ReLU(f(x) + shortcut)."""
        wide, x = self.windows(x, x)
        y: Tensor = self.relu(self.bn1(self.conv1(wide)))
        y, x = self.reduce(y, x)
        y = self.bn2(self.conv2(y))
        out: Tensor = self.relu(y + self.downsample(x))
        return out


class Bottleneck(nn.Module):
    """1×1 to fewer channels, 3×3 with the stride, 1×1 to four times as many; and a shortcut.

    The stride stands in the 3×3 convolution, as in nearly all published weights; the paper has it
    in the first 1×1.

    Args:
        in_channels: input channels.
        width: channels of the 3×3 convolution; four times as many go out.
        stride: of the block.
        downsampling: one of `DOWNSAMPLINGS`.
        padding: padding mode.
    """

    def __init__(
        self, in_channels: int, width: int, *, stride: int, downsampling: str, padding: str
    ) -> None:
        super().__init__()
        out_channels = 4 * width
        how = strided_pair(
            downsampling, (width, in_channels), kernel_size=3, stride=stride, padding=padding
        )
        self.conv1 = conv(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.windows = how.before
        self.conv2 = conv(
            width, width, kernel_size=3, stride=how.stride, padding=padding, pad=how.pad, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.reduce = how.after
        self.conv3 = conv(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.downsample = shortcut(
            "B",
            in_channels,
            out_channels,
            stride=stride,
            downsampling=downsampling,
            padding=padding,
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """ReLU(f(x) + shortcut)."""
        y: Tensor = self.relu(self.bn1(self.conv1(x)))
        y, x = self.windows(y, x)
        y = self.relu(self.bn2(self.conv2(y)))
        y, x = self.reduce(y, x)
        y = self.bn3(self.conv3(y))
        out: Tensor = self.relu(y + self.downsample(x))
        return out
