"""MobileNet: depthwise-separable convolutions (V1) and inverted residual blocks (V2).

Sources: A. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017, table 1; M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear
Bottlenecks", CVPR 2018, table 2. 4,231,976 and 3,504,872 parameters (1000 classes, color). Those of
V2 are named as in the weights that timm exchanges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.layers.blocks import conv, he_normal
from neocog.layers.inverted import (
    ConvStyle,
    DepthwiseSeparable,
    InvertedResidual,
    styled_conv,
)
from neocog.networks.shared_options import check_reflection, is_small
from neocog.types import Stage

__all__ = ["VERSIONS", "BlockStage", "MobileNet", "eights", "mobilenet"]


class BlockStage(NamedTuple):
    """Blocks at one size of the map; the first of them has the stride."""

    expand: int
    """Channels inside a block, times those that come in; 0 for a depthwise-separable one."""
    channels: int
    """That go out."""
    blocks: int
    stride: int
    kernel_size: int = 3


VERSIONS: dict[int, tuple[BlockStage, ...]] = {
    1: (
        BlockStage(0, 64, 1, 1),
        BlockStage(0, 128, 2, 2),
        BlockStage(0, 256, 2, 2),
        BlockStage(0, 512, 6, 2),
        BlockStage(0, 1024, 2, 2),
    ),
    2: (
        BlockStage(1, 16, 1, 1),
        BlockStage(6, 24, 2, 2),
        BlockStage(6, 32, 3, 2),
        BlockStage(6, 64, 4, 2),
        BlockStage(6, 96, 3, 1),
        BlockStage(6, 160, 3, 2),
        BlockStage(6, 320, 1, 1),
    ),
}
"""Version to its stages, behind a stem of 32 channels."""


class MobileNet(nn.Module):
    """Stem, stages of blocks, (a 1×1 convolution,) mean over the map, one linear layer.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        stem: channels and stride of the first convolution.
        stages: of blocks.
        head: channels of the last 1×1 convolution; 0 for none.
        style: of all convolutions.
        dropout: fraction of the features left out in training.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        stem: tuple[int, int],
        stages: Sequence[BlockStage],
        head: int,
        style: ConvStyle,
        dropout: float,
    ) -> None:
        super().__init__()
        inputs, reach = stem
        how = styled_conv(style, in_channels, inputs, kernel_size=3, stride=reach)
        self.windows, self.conv_stem = how.before, how.conv
        self.bn1, self.act1 = style.norm(inputs), style.activation()
        self.reduce = how.after
        self.blocks, known = nn.Sequential(), []
        for i, stage in enumerate(stages):
            blocks = nn.Sequential()
            for j in range(stage.blocks):
                blocks.append(_block(inputs, stage, stage.stride if j == 0 else 1, style))
                inputs = stage.channels
            self.blocks.append(blocks)
            reach *= stage.stride
            known.append(Stage(name=f"blocks.{i}", channels=inputs, stride=reach))
        if head:
            self.conv_head: nn.Module = conv(inputs, head, kernel_size=1, bias=False)
            self.bn2: nn.Module = style.norm(head)
            self.act2 = style.activation()
        else:
            self.conv_head = self.bn2 = self.act2 = nn.Identity()
        self.drop = nn.Dropout(dropout)
        self.classifier = nn.Linear(head or inputs, num_classes)
        self.stages = tuple(known)
        he_normal(self, grouped=True)

    def features(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """Normalized pixels to what the linear layer gets, before dropout."""
        x = self.reduce(self.act1(self.bn1(self.conv_stem(self.windows(x)))))
        x = self.act2(self.bn2(self.conv_head(self.blocks(x))))
        return x.mean((2, 3))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        logits: Tensor = self.classifier(self.drop(self.features(x)))
        return logits


def mobilenet(
    *,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    downsampling: str = "stride",
    padding: str = "zeros",
    version: int = 2,
    width: float = 1.0,
    stem: Literal["auto", "published", "small"] = "auto",
    dropout: float = 0.0,
) -> MobileNet:
    """A MobileNet, version 1 or 2.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        version: 1 or 2.
        width: factor of all channels, which are rounded to multiples of 8.
        stem: "published" leaves a 32nd of the size; "small" an eighth, with the first two strides
            left out; "auto" takes "small" for a side below 96 pixels.
        dropout: fraction of the features left out in training.

    Raises:
        UsageError: no such version, a width out of range, or reflection on a map of one pixel.

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     net = mobilenet(num_classes=1000, in_channels=3, size=(224, 224))
        >>> sum(p.numel() for p in net.parameters())
        3504872
    """
    if version not in VERSIONS:
        raise UsageError(f"MobileNet has the versions 1 and 2 here; got {version}.")
    if not 0.1 <= width <= 4:
        raise UsageError(
            f"The width of a MobileNet is a factor from 0.1 to 4; got {width:g}. As published: 1."
        )
    small = is_small(stem, size)
    check_reflection(padding, size, 3 if small else 5)
    stages = [s._replace(channels=eights(width * s.channels)) for s in VERSIONS[version]]
    if small:
        stages[1] = stages[1]._replace(stride=1)
    style = ConvStyle(downsampling=downsampling, padding=padding)
    return MobileNet(
        num_classes=num_classes,
        in_channels=in_channels,
        stem=(eights(32 * width), 1 if small else 2),
        stages=stages,
        head=eights(1280 * max(1.0, width)) if version == 2 else 0,
        style=style if version == 2 else replace(style, activation=nn.ReLU),
        dropout=dropout,
    )


def eights(channels: float) -> int:
    """The nearest multiple of 8, the next one where that is less than nine tenths.

    Example:
        >>> eights(44.0), eights(26.4), eights(17.6), eights(3.0)
        (48, 24, 16, 8)
    """
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def _block(
    in_channels: int, stage: BlockStage, stride: int, style: ConvStyle
) -> DepthwiseSeparable | InvertedResidual:
    frame = {"kernel_size": stage.kernel_size, "stride": stride}
    if stage.expand < 2:
        return DepthwiseSeparable(
            in_channels, stage.channels, style=style, linear=stage.expand == 1, **frame
        )
    return InvertedResidual(in_channels, stage.channels, expand=stage.expand, style=style, **frame)
