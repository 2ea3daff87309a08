"""VGG: stacks of 3×3 convolutions between five pools; 11, 13, 16, 19 layers.

Source: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015, table 1 (A, B, D, E). The parameters are named features.N and
classifier.N, as in the weights that the field exchanges; 138,357,544 of them for 16 layers (1000
classes, color).
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.layers.blocks import conv, he_normal, keeps, output_hw
from neocog.layers.downsample import pool as pool_of
from neocog.layers.fieldwise import FieldNorm2d, InvariantPool
from neocog.networks.shared_options import head_grid
from neocog.networks.steerable import Equal, SteerableLayers, Symmetry
from neocog.types import Stage

__all__ = ["DEPTHS", "VGG", "vgg"]

DEPTHS: dict[int, tuple[int, ...]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""Number of layers to convolutions of each stage."""

GRID = 7
"""Samples per side that the published head sees."""


class VGG(nn.Module):
    """Five stages of convolutions, three linear layers.

    Args:
        features: the convolutions and pools.
        grid: samples of each axis that the linear layers see.
        num_classes: outputs.
        hidden: units of the two hidden linear layers.
        dropout: rate, of the outputs of these.
        stages: of `features`, with channels and strides.
        channels: of the last map.
    """

    def __init__(
        self,
        features: nn.Sequential,
        *,
        grid: tuple[int, int],
        num_classes: int,
        hidden: int,
        dropout: float,
        stages: tuple[Stage, ...],
        channels: int = 512,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(grid)
        self.classifier = nn.Sequential(
            nn.Linear(channels * grid[0] * grid[1], hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        self.stages = stages
        he_normal(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def vgg(
    *,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    downsampling: str = "stride",
    padding: str = "zeros",
    depth: int = 16,
    batch_norm: bool = False,
    pool: Literal["max", "average", "conv"] = "max",
    head: Literal["auto", "published", "fitted", "mean"] = "auto",
    hidden: int = 4096,
    dropout: float = 0.5,
    symmetry: Symmetry = "none",
    equal: Equal = "width",
) -> VGG:
    """A VGG network.

    A pool that would leave the following convolutions fewer than 2×2 samples is left out.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        depth: one of `DEPTHS`.
        batch_norm: batch normalization behind every convolution.
        pool: "max", "average", or "conv" for a learned one at the same stride.
        head: "published" brings any map to 7×7; "fitted" sees the map as it is, up to 7×7; "auto"
            is "published" where the map has 7×7 samples, else "fitted"; "mean" sees the mean over
            the map, as a prediction that must not depend on the position requires.
        hidden: units of the two hidden linear layers.
        dropout: rate, of the outputs of these.
        symmetry: rotations and mirror images that leave the prediction; see `networks.steerable`.
            The head is "mean" then: the others see positions.
        equal: "width" has the channels of the plain network, "parameters" its parameters.

    Raises:
        UsageError: no such depth, or the symmetry cannot be kept.

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     net = vgg(num_classes=1000, in_channels=3, size=(224, 224))
        >>> sum(p.numel() for p in net.parameters())
        138357544
    """
    if depth not in DEPTHS:
        known = ", ".join(str(d) for d in DEPTHS)
        raise UsageError(f"A VGG network has {known} layers; got {depth}.")
    if symmetry != "none":
        if head in ("published", "fitted"):
            raise UsageError(
                f"A network with symmetry {symmetry} has a head that sees the mean over the map; "
                f"`{head}` sees positions, which turn. Take head=mean."
            )
        make = SteerableLayers(
            symmetry,
            equal,
            in_channels=in_channels,
            size=size,
            downsampling=downsampling,
            padding=padding,
        )
        features, stages, channels = _steerable(
            make, DEPTHS[depth], pool=pool, batch_norm=batch_norm
        )
        return VGG(
            features,
            grid=(1, 1),
            num_classes=num_classes,
            hidden=hidden,
            dropout=dropout,
            stages=stages,
            channels=channels,
        )
    features, stages, size = _features(
        DEPTHS[depth],
        in_channels=in_channels,
        size=size,
        batch_norm=batch_norm,
        pool=pool,
        downsampling=downsampling,
        padding=padding,
    )
    return VGG(
        features,
        grid=head_grid(head, size, GRID),
        num_classes=num_classes,
        hidden=hidden,
        dropout=dropout,
        stages=stages,
    )


def _features(
    counts: tuple[int, ...],
    *,
    in_channels: int,
    size: tuple[int, int],
    batch_norm: bool,
    pool: str,
    downsampling: str,
    padding: str,
) -> tuple[nn.Sequential, tuple[Stage, ...], tuple[int, int]]:
    """Convolutions and pools, what they say about their maps, and the size of the last map."""
    features = nn.Sequential()
    stages: list[Stage] = []
    inputs, reach = in_channels, 1
    for i, count in enumerate(counts):
        outputs = min(512, 64 * 2**i)
        for _ in range(count):
            features.append(conv(inputs, outputs, kernel_size=3, padding=padding))
            if batch_norm:
                features.append(nn.BatchNorm2d(outputs))
            features.append(nn.ReLU())
            inputs = outputs
        if keeps(size, 2, stride=2, least=1 if i == 4 else 2):
            size, reach = output_hw(size, 2, stride=2), 2 * reach
            features.append(
                pool_of(pool, downsampling, outputs, kernel_size=2, stride=2, padding=padding)
            )
        else:
            features.append(nn.Identity())
        name = f"features.{len(features) - 1}"
        stages.append(Stage(name=name, channels=outputs, stride=reach))
    return features, tuple(stages), size


def _steerable(
    make: SteerableLayers, counts: tuple[int, ...], *, pool: str, batch_norm: bool
) -> tuple[nn.Sequential, tuple[Stage, ...], int]:
    """Convolutions and pools with fields, their stages, and the invariant numbers at the end."""
    features, stages, field = nn.Sequential(), [], make.input
    for i, count in enumerate(counts):
        out = make.field(min(512, 64 * 2**i))
        for _ in range(count):
            features.append(make.conv(field, out, kernel_size=3, bias=not batch_norm))
            if batch_norm:
                features.append(FieldNorm2d(out))
            features.append(make.activation(out))
            field = out
        if make.keeps(1 if i == 4 else 2):
            features.append(make.pool(pool, field))
        name = f"features.{len(features) - 1}"
        stages.append(Stage(name=name, channels=field.channels, stride=make.stride))
    features.append(InvariantPool(field))
    return features, tuple(stages), field.count
