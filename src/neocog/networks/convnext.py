"""ConvNeXt: a convolutional network with the proportions of a vision transformer.

A patchify stem; blocks of one 7×7 filter per channel, layer normalization, two 1×1 convolutions
with GELU between them, a trainable scale per channel, and the block's input; 2×2 convolutions at
stride 2 between the stages.

Sources: Z. Liu et al., "A ConvNet for the 2020s", CVPR 2022, section 2 and table 9; S. Woo et al.,
"ConvNeXt V2", CVPR 2023, section 4, for the sizes below tiny. 28,589,128 parameters for tiny and
3,695,520 for atto (1000 classes, color).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.layers.blocks import conv
from neocog.layers.normalize import LayerNorm2d
from neocog.layers.same import SameConv2d
from neocog.layers.strided import strided
from neocog.networks.shared_options import is_small
from neocog.types import Stage

__all__ = ["MEMBERS", "ConvNeXt", "ConvNeXtBlock", "convnext"]

MEMBERS: dict[str, tuple[int, tuple[int, int, int, int]]] = {
    "atto": (40, (2, 2, 6, 2)),
    "femto": (48, (2, 2, 6, 2)),
    "pico": (64, (2, 2, 6, 2)),
    "nano": (80, (2, 2, 8, 2)),
    "tiny": (96, (3, 3, 9, 3)),
    "small": (96, (3, 3, 27, 3)),
}
"""Member to (channels of the first stage, twice as many in each that follows; blocks)."""

EXPAND = 4
"""Channels between the two 1×1 convolutions, times those of the map."""

SCALE = 1e-6
"""Of what a block adds, before training."""

SPREAD = 0.02
"""Standard deviation of fresh weights, which are cut off at two of it."""


class ConvNeXtBlock(nn.Module):
    """f(x) + x, where f is 7×7 per channel, normalization, 1×1 to four times as many, GELU, 1×1.

    Args:
        channels: of the map.
        padding: padding mode, one of `layers.blocks.PADDINGS`.
    """

    def __init__(self, channels: int, *, padding: str) -> None:
        super().__init__()
        # Its border wraps and mirrors also maps that are smaller than it is.
        self.conv_dw = SameConv2d(
            channels, channels, kernel_size=7, padding=padding, groups=channels
        )
        self.norm = LayerNorm2d(channels)
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=conv(channels, EXPAND * channels, kernel_size=1),
                act=nn.GELU(),
                fc2=conv(EXPAND * channels, channels, kernel_size=1),
            )
        )
        self.gamma = nn.Parameter(torch.full((channels,), SCALE))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Input plus γ · f(input)."""
        y: Tensor = self.mlp(self.norm(self.conv_dw(x)))
        return x + y * self.gamma.view(-1, 1, 1)


class ConvNeXt(nn.Module):
    """Patchify stem, four stages of blocks, mean over the map, layer norm, one linear layer.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        width: channels of the first stage, twice as many in each that follows.
        depths: blocks of each stage.
        patch: pixels per side of the patches that the stem sees.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        dropout: fraction of the features left out in training.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        width: int,
        depths: tuple[int, ...],
        patch: int,
        downsampling: str,
        padding: str,
        dropout: float,
    ) -> None:
        super().__init__()
        cut = _patches(in_channels, width, patch, downsampling, padding)
        self.stem = nn.Sequential(OrderedDict(**cut, norm=LayerNorm2d(width)))
        inputs, reach, known = width, patch, []
        for i, depth in enumerate(depths):
            outputs, stage = width * 2**i, nn.Sequential()
            if i:
                cut = _patches(inputs, outputs, 2, downsampling, padding)
                # A phase is chosen before the normalization, behind which all samples are as large.
                before = {k: cut.pop(k) for k in ("windows",) if k in cut}
                halved = OrderedDict(**before, norm=LayerNorm2d(inputs), **cut)
                stage.add_module("downsample", nn.Sequential(halved))
                reach *= 2
            blocks = (ConvNeXtBlock(outputs, padding=padding) for _ in range(depth))
            stage.add_module("blocks", nn.Sequential(*blocks))
            self.add_module(f"stage{i + 1}", stage)
            known.append(Stage(name=f"stage{i + 1}", channels=outputs, stride=reach))
            inputs = outputs
        self.norm = nn.LayerNorm(inputs, eps=1e-6)
        self.drop = nn.Dropout(dropout)
        self.classifier = nn.Linear(inputs, num_classes)
        self.stages = tuple(known)
        _fresh(self)

    def features(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """Normalized pixels to what the linear layer gets, before dropout."""
        x = self.stem(x)
        for stage in self.stages:
            x = self.get_submodule(stage.name)(x)
        out: Tensor = self.norm(x.mean((2, 3)))
        return out

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        logits: Tensor = self.classifier(self.drop(self.features(x)))
        return logits


def convnext(
    *,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    downsampling: str = "stride",
    padding: str = "zeros",
    member: str = "atto",
    stem: Literal["auto", "published", "small"] = "auto",
    dropout: float = 0.0,
) -> ConvNeXt:
    """A ConvNeXt.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        member: one of `MEMBERS`.
        stem: "published" cuts the image into patches of 4×4, "small" into 2×2; "auto" takes "small"
            for a side below 96 pixels.
        dropout: fraction of the features left out in training.

    Raises:
        UsageError: no such member, or images smaller than the stride of its last stage.

    Example:
        >>> with torch.device("meta"):
        ...     net = convnext(num_classes=1000, in_channels=3, size=(224, 224), member="tiny")
        >>> sum(p.numel() for p in net.parameters())
        28589128
    """
    if member not in MEMBERS:
        raise UsageError(f"ConvNeXt has the members {', '.join(MEMBERS)}; got {member}.")
    width, depths = MEMBERS[member]
    small = is_small(stem, size)
    patch = 2 if small else 4
    if min(size) < (least := 8 * patch):
        raise UsageError(
            f"A ConvNeXt whose patches are {patch}×{patch} needs {least} pixels per side; "
            f"got images of {size[0]}×{size[1]}. Use stem=small or larger images."
        )
    return ConvNeXt(
        num_classes=num_classes,
        in_channels=in_channels,
        width=width,
        depths=depths,
        patch=patch,
        downsampling=downsampling,
        padding=padding,
        dropout=dropout,
    )


def _patches(
    in_channels: int, out_channels: int, side: int, downsampling: str, padding: str
) -> dict[str, nn.Module]:
    """A convolution whose windows tile the map, and what its stride needs, by name."""
    how = strided(downsampling, out_channels, kernel_size=side, stride=side, padding=padding, pad=0)
    layer = conv(in_channels, out_channels, kernel_size=side, stride=how.stride, pad=0)
    parts = {"windows": how.before, "conv": layer, "reduce": how.after}
    return {name: part for name, part in parts.items() if not isinstance(part, nn.Identity)}


def _fresh(network: nn.Module) -> None:
    """Fresh weights: normal, truncated at two standard deviations; biases zero."""
    for m in network.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)) and not m.weight.is_meta:
            nn.init.trunc_normal_(m.weight, std=SPREAD, a=-2 * SPREAD, b=2 * SPREAD)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
