"""Depthwise-separable convolutions, alone and inside an inverted residual block.

A K×K convolution from C to D channels costs K²·C·D products per sample. Taken apart it costs K²·C,
one filter per channel, and C·D, a 1×1 convolution across them: a fraction 1/D + 1/K² of the
products.

Sources: A. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017, section 3.1; M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear
Bottlenecks", CVPR 2018, table 1. The submodules are named conv_dw, bn1, conv_pw, bn2 and conv_pw,
bn1, conv_dw, bn2, conv_pwl, bn3, as in the weights one finds published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor, nn

from neocog.layers.blocks import Pair, conv
from neocog.layers.downsample import operator_stride, reduce
from neocog.layers.same import SameConv2d, same_windows
from neocog.layers.strided import strided

__all__ = ["ConvStyle", "DepthwiseSeparable", "InvertedResidual", "StridedConv", "styled_conv"]


@dataclass(frozen=True, kw_only=True)
class ConvStyle:
    """What all convolutions of a network share.

    Args:
        downsampling: one of `DOWNSAMPLINGS`.
        padding: padding mode, one of `layers.blocks.PADDINGS`.
        same: lay borders as TensorFlow does (`layers.same`); else as many samples on both sides.
        activation: makes the activation behind a normalization.
        eps: added to the variance in batch normalization.
    """

    downsampling: str = "stride"
    padding: str = "zeros"
    same: bool = False
    activation: Callable[[], nn.Module] = field(default=nn.ReLU6)
    eps: float = 1e-5

    def norm(self, channels: int) -> nn.BatchNorm2d:
        """Batch normalization of so many channels."""
        return nn.BatchNorm2d(channels, eps=self.eps)


@dataclass(frozen=True, kw_only=True)
class StridedConv:
    """A convolution and what its stride needs around it.

    Args:
        before: what the map goes through before it.
        conv: the convolution.
        after: what follows it with its norm and activation.
    """

    before: nn.Module
    conv: nn.Conv2d
    after: nn.Module


def styled_conv(
    style: ConvStyle,
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: Pair,
    stride: int = 1,
    groups: int = 1,
) -> StridedConv:
    """A convolution of a network's style, without bias.

    Args:
        style: of the network.
        in_channels: input channels.
        out_channels: output channels.
        kernel_size: taps, an odd number.
        stride: of the window.
        groups: independent groups of channels.

    Raises:
        UsageError: no such downsampling or padding, or an even kernel.
    """
    if not style.same:
        how = strided(
            style.downsampling,
            out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=style.padding,
        )
        layer = conv(
            in_channels,
            out_channels,
            kernel_size=kernel_size,
            stride=how.stride,
            padding=style.padding,
            pad=how.pad,
            groups=groups,
            bias=False,
        )
        return StridedConv(before=how.before, conv=layer, after=how.after)
    windows = same_windows(style.downsampling, kernel_size, stride, style.padding)
    if windows is not None:
        layer = conv(
            in_channels,
            out_channels,
            kernel_size=kernel_size,
            stride=stride,
            pad=0,
            groups=groups,
            bias=False,
        )
        return StridedConv(before=windows, conv=layer, after=nn.Identity())
    step = operator_stride(style.downsampling, stride)
    layer = SameConv2d(
        in_channels,
        out_channels,
        kernel_size=kernel_size,
        steps=stride,
        stride=step,
        padding=style.padding,
        groups=groups,
        bias=False,
    )
    after = reduce(style.downsampling, out_channels, stride=stride, padding=style.padding)
    return StridedConv(before=nn.Identity(), conv=layer, after=after)


class DepthwiseSeparable(nn.Module):
    """One filter per channel, with the stride; then a 1×1 convolution across channels.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        kernel_size: taps of the filters.
        stride: of the block.
        style: of the network.
        linear: no activation behind the 1×1 convolution.

    Example:
        >>> block = DepthwiseSeparable(16, 32, style=ConvStyle())
        >>> block.conv_dw.weight.numel(), block.conv_pw.weight.numel()
        (144, 512)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 3,
        stride: int = 1,
        style: ConvStyle,
        linear: bool = False,
    ) -> None:
        super().__init__()
        how = styled_conv(
            style,
            in_channels,
            in_channels,
            kernel_size=kernel_size,
            stride=stride,
            groups=in_channels,
        )
        self.windows, self.conv_dw = how.before, how.conv
        self.bn1, self.act1 = style.norm(in_channels), style.activation()
        self.reduce = how.after
        self.conv_pw = conv(in_channels, out_channels, kernel_size=1, bias=False)
        self.bn2 = style.norm(out_channels)
        self.act2 = nn.Identity() if linear else style.activation()

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Filtered in each channel, then mixed across them."""
        x = self.reduce(self.act1(self.bn1(self.conv_dw(self.windows(x)))))
        out: Tensor = self.act2(self.bn2(self.conv_pw(x)))
        return out


class InvertedResidual(nn.Module):
    """1×1 to more channels, one filter per channel with the stride, 1×1 to few without activation.

    What comes in is added where size and channels stay.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        expand: channels in between, times `in_channels`.
        kernel_size: taps of the filters.
        stride: of the block.
        style: of the network.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expand: int,
        kernel_size: int = 3,
        stride: int = 1,
        style: ConvStyle,
    ) -> None:
        super().__init__()
        width = expand * in_channels
        self.adds = stride == 1 and in_channels == out_channels
        self.conv_pw = conv(in_channels, width, kernel_size=1, bias=False)
        self.bn1, self.act1 = style.norm(width), style.activation()
        how = styled_conv(style, width, width, kernel_size=kernel_size, stride=stride, groups=width)
        self.windows, self.conv_dw = how.before, how.conv
        self.bn2, self.act2 = style.norm(width), style.activation()
        self.reduce = how.after
        self.conv_pwl = conv(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = style.norm(out_channels)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """f(x), and x where they have one shape."""
        y = self.windows(self.act1(self.bn1(self.conv_pw(x))))
        y = self.reduce(self.act2(self.bn2(self.conv_dw(y))))
        out: Tensor = self.bn3(self.conv_pwl(y))
        return x + out if self.adds else out
