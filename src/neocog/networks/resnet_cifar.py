"""Residual networks for small images: 20, 32, 44, 56 layers.

Source: K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2: a
3×3 convolution to 16 channels, three stages of n basic blocks at 16, 32, 64 channels, mean over
the map, one linear layer; 6n + 2 layers; shortcut A, without parameters.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.layers.blocks import conv, he_normal
from neocog.layers.residual import BasicBlock, Shortcut
from neocog.networks.steerable import Equal, SteerableLayers, SteerableResNet, Symmetry
from neocog.types import Stage

__all__ = ["SmallResNet", "resnet_cifar"]


class SmallResNet(nn.Module):
    """Stem, three stages of basic blocks, mean over the map, one linear layer.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        blocks: of each stage.
        width: channels of the first stage.
        short: kind of shortcut where size and channels change.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        blocks: int,
        width: int,
        short: Shortcut,
        downsampling: str,
        padding: str,
    ) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, width, kernel_size=3, padding=padding, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        inputs, stages = width, []
        for i in range(3):
            outputs = width * 2**i
            layer = nn.Sequential()
            for j in range(blocks):
                layer.append(
                    BasicBlock(
                        inputs,
                        outputs,
                        stride=2 if i > 0 and j == 0 else 1,
                        downsampling=downsampling,
                        padding=padding,
                        short=short,
                    )
                )
                inputs = outputs
            self.add_module(f"layer{i + 1}", layer)
            stages.append(Stage(name=f"layer{i + 1}", channels=outputs, stride=2**i))
        self.linear = nn.Linear(inputs, num_classes)
        self.stages = tuple(stages)
        he_normal(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        x = self.relu(self.bn1(self.conv1(x)))
        for stage in self.stages:
            x = self.get_submodule(stage.name)(x)
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


def resnet_cifar(
    *,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    downsampling: str = "stride",
    padding: str = "zeros",
    depth: int = 20,
    shortcut: Shortcut = "A",
    width: int = 16,
    symmetry: Symmetry = "none",
    equal: Equal = "width",
) -> SmallResNet | SteerableResNet:
    """A residual network of the CIFAR form.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images; the network is the same for all.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        depth: layers, 6n + 2.
        shortcut: "A" downsamples and adds zero channels; "B" is a 1×1 convolution.
        width: channels of the first stage, twice and four times as many in the others.
        symmetry: rotations and mirror images that leave the prediction; see `networks.steerable`.
        equal: "width" has the channels of the plain network, "parameters" its parameters.

    Raises:
        UsageError: the depth is not of the form 6n + 2, or the symmetry cannot be kept.

    Example:
        >>> net = resnet_cifar(num_classes=10, in_channels=3, size=(32, 32))
        >>> sum(p.numel() for p in net.parameters())
        269722
    """
    if depth < 8 or (depth - 2) % 6:
        raise UsageError(
            f"A residual network of this form has 6n + 2 layers (20, 32, 44, 56); got {depth}."
        )
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
            stem=(width, 3, 1),
            pool=False,
            widths=[width * 2**i for i in range(3)],
            blocks=[(depth - 2) // 6] * 3,
            short=shortcut,
        )
    return SmallResNet(
        num_classes=num_classes,
        in_channels=in_channels,
        blocks=(depth - 2) // 6,
        width=width,
        short=shortcut,
        downsampling=downsampling,
        padding=padding,
    )
