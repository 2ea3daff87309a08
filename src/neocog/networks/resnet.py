"""Residual networks for large images: 18, 34, 50, 101, 152 layers.

Source: K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1; the
stride of a bottleneck in its 3×3 convolution. With `stem="published"` the parameters are named as
in the weights that the field exchanges (conv1, bn1, layer1.0.conv1, …, fc), so these load
unchanged; 11,689,512 parameters for 18 layers and 25,557,032 for 50 (1000 classes, color).
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.layers.blocks import conv, he_normal
from neocog.layers.downsample import max_pool
from neocog.layers.residual import BasicBlock, Bottleneck
from neocog.layers.strided import strided
from neocog.networks.shared_options import check_reflection, is_small
from neocog.networks.steerable import Equal, SteerableLayers, SteerableResNet, Symmetry
from neocog.types import Stage

__all__ = ["DEPTHS", "ResNet", "resnet"]

DEPTHS: dict[int, tuple[tuple[int, ...], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
"""Number of layers to (blocks of each stage, whether they are bottlenecks)."""


class ResNet(nn.Module):
    """Stem, four stages of residual blocks, mean over the map, one linear layer.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        blocks: of each stage.
        bottleneck: blocks of three convolutions instead of two.
        small: a stem of one 3×3 convolution that drops no samples.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        blocks: tuple[int, ...],
        bottleneck: bool,
        small: bool,
        downsampling: str,
        padding: str,
    ) -> None:
        super().__init__()
        kernel, stride = (3, 1) if small else (7, 2)
        how = strided(downsampling, 64, kernel_size=kernel, stride=stride, padding=padding)
        self.windows = how.before
        self.conv1 = conv(
            in_channels,
            64,
            kernel_size=kernel,
            stride=how.stride,
            padding=padding,
            pad=how.pad,
            bias=False,
        )
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.reduce = how.after
        self.maxpool = (
            nn.Identity()
            if small
            else max_pool(downsampling, 64, kernel_size=3, stride=2, padding=padding, pad=1)
        )
        kind = Bottleneck if bottleneck else BasicBlock
        inputs, stages, reach = 64, [], 1 if small else 4
        for i, count in enumerate(blocks):
            width, first = 64 * 2**i, 1 if i == 0 else 2
            layer = nn.Sequential()
            for j in range(count):
                stride = first if j == 0 else 1
                layer.append(
                    kind(inputs, width, stride=stride, downsampling=downsampling, padding=padding)
                )
                inputs = width * (4 if bottleneck else 1)
            self.add_module(f"layer{i + 1}", layer)
            reach *= first
            stages.append(Stage(name=f"layer{i + 1}", channels=inputs, stride=reach))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, num_classes)
        self.stages = tuple(stages)
        he_normal(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        x = self.maxpool(self.reduce(self.relu(self.bn1(self.conv1(self.windows(x))))))
        for stage in self.stages:
            x = self.get_submodule(stage.name)(x)
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def resnet(
    *,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    downsampling: str = "stride",
    padding: str = "zeros",
    depth: int = 18,
    stem: Literal["auto", "published", "small"] = "auto",
    symmetry: Symmetry = "none",
    equal: Equal = "width",
) -> ResNet | SteerableResNet:
    """A residual network of the ImageNet form.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        depth: one of `DEPTHS`.
        stem: "published" is 7×7 at stride 2 and a pool, which leaves a quarter of the size;
            "small" is 3×3 at stride 1; "auto" takes "small" for a side below 96 pixels.
        symmetry: rotations and mirror images that leave the prediction; see `networks.steerable`.
        equal: "width" has the channels of the plain network, "parameters" its parameters.

    Raises:
        UsageError: no such depth, or reflection padding of a feature map of one pixel; or the
            symmetry cannot be kept at this size.

    Example:
        >>> net = resnet(num_classes=10, in_channels=3, size=(32, 32))
        >>> net.conv1.kernel_size, [s.stride for s in net.stages]
        ((3, 3), [1, 2, 4, 8])
    """
    if depth not in DEPTHS:
        known = ", ".join(str(d) for d in DEPTHS)
        raise UsageError(f"A residual network of this form has {known} layers; got {depth}.")
    blocks, bottleneck = DEPTHS[depth]
    small = is_small(stem, size)
    check_reflection(padding, size, 3 if small else 5)
    if symmetry != "none":
        make = SteerableLayers(
            symmetry,
            equal,
            in_channels=in_channels,
            size=size,
            downsampling=downsampling,
            padding=padding,
        )
        return SteerableResNet(
            make,
            num_classes=num_classes,
            stem=(64, 3, 1) if small else (64, 7, 2),
            pool=not small,
            widths=[64 * 2**i for i in range(4)],
            blocks=blocks,
            bottleneck=bottleneck,
        )
    return ResNet(
        num_classes=num_classes,
        in_channels=in_channels,
        blocks=blocks,
        bottleneck=bottleneck,
        small=small,
        downsampling=downsampling,
        padding=padding,
    )
