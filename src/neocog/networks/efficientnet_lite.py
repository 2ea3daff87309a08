"""EfficientNet-Lite: inverted residual blocks, scaled in width, depth and size; lite0 to lite4.

Against EfficientNet: no squeeze-and-excitation, ReLU6 for swish, and the stem, the head, the first
and the last stage are not scaled. Borders are those of TensorFlow (`layers.same`), ε of batch
normalization is 10⁻³, and pixels come as (x - 127) / 128, x in 0…255 (`MEAN`, `STD`).

Sources: M. Tan, Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
ICML 2019, table 1 and section 4; R. Liu, "Higher accuracy on vision models with EfficientNet-Lite",
TensorFlow blog, March 2020, and the README of its reference implementation. The submodules are
named conv_stem, blocks.STAGE.BLOCK.conv_dw, … classifier, as in the weights that timm exchanges;
5,416,680 parameters for lite1 (1000 classes, color).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from neocog.errors import UsageError
from neocog.layers.inverted import ConvStyle
from neocog.networks.mobilenet import BlockStage, MobileNet, eights

__all__ = ["MEAN", "SCALES", "STD", "efficientnet_lite", "released_names"]

SCALES: dict[int, tuple[float, float, int]] = {
    0: (1.0, 1.0, 224),
    1: (1.0, 1.1, 240),
    2: (1.1, 1.2, 260),
    3: (1.2, 1.4, 280),
    4: (1.4, 1.8, 300),
}
"""Member to (factor of width, factor of depth, pixels per side) as published."""

STAGES = (
    BlockStage(1, 16, 1, 1),
    BlockStage(6, 24, 2, 2),
    BlockStage(6, 40, 2, 2, 5),
    BlockStage(6, 80, 3, 2),
    BlockStage(6, 112, 3, 1, 5),
    BlockStage(6, 192, 4, 2, 5),
    BlockStage(6, 320, 1, 1),
)
"""Before scaling."""

STEM, HEAD = 32, 1280
"""Channels of the first convolution and of the last."""

MEAN, STD = 127 / 255, 128 / 255
"""Of each channel of pixels in [0, 1]."""

EPS = 1e-3
"""Added to the variance in batch normalization."""


def efficientnet_lite(
    *,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    downsampling: str = "stride",
    padding: str = "zeros",
    member: int = 0,
    dropout: float = 0.2,
) -> MobileNet:
    """An EfficientNet-Lite.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images; the network is the same for all.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        member: 0 to 4, each wider or deeper than the one before.
        dropout: fraction of the features left out in training.

    Raises:
        UsageError: no such member.

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     net = efficientnet_lite(num_classes=1000, in_channels=3, size=(240, 240), member=1)
        >>> sum(p.numel() for p in net.parameters())
        5416680
    """
    if member not in SCALES:
        known = ", ".join(str(m) for m in SCALES)
        raise UsageError(f"EfficientNet-Lite has the members {known}; got {member}.")
    return MobileNet(
        num_classes=num_classes,
        in_channels=in_channels,
        stem=(STEM, 2),
        stages=_scaled(member),
        head=HEAD,
        style=ConvStyle(downsampling=downsampling, padding=padding, same=True, eps=EPS),
        dropout=dropout,
    )


def released_names(state: Mapping[str, object]) -> dict[str, str]:
    """Names in the released checkpoints (of the PyTorch ports of 2020) to names of this network.

    Tensors that are not in them, such as those of a learned downsampling, are left out.

    Args:
        state: the state dict of a network of this file.

    Example:
        >>> released_names({"blocks.0.0.bn2.bias": 0, "blocks.1.0.bn2.bias": 0, "bn2.bias": 0})
        {'_blocks.0._bn2.bias': 'blocks.0.0.bn2.bias', '_blocks.1._bn1.bias': 'blocks.1.0.bn2.bias',
        '_bn1.bias': 'bn2.bias'}
    """
    numbers: dict[tuple[str, str], int] = {}
    names = {}
    for own in state:
        head, _, rest = own.partition(".")
        if head != "blocks":
            if head in _OUTER:
                names[f"{_OUTER[head]}.{rest}"] = own
            continue
        stage, block, part, last = rest.split(".", 3)
        number = numbers.setdefault((stage, block), len(numbers))
        parts = _FIRST if stage == "0" else _INNER
        if part in parts:
            names[f"_blocks.{number}.{parts[part]}.{last}"] = own
    return names


_OUTER = {
    "conv_stem": "_conv_stem",
    "bn1": "_bn0",
    "conv_head": "_conv_head",
    "bn2": "_bn1",
    "classifier": "_fc",
}
_FIRST = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
_INNER = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}


def _scaled(member: int) -> list[BlockStage]:
    """The stages of a member: channels to multiples of 8, blocks rounded up but at both ends."""
    width, depth, _ = SCALES[member]
    ends = (STAGES[0], STAGES[-1])
    return [
        s._replace(
            channels=eights(width * s.channels),
            blocks=s.blocks if s in ends else math.ceil(depth * s.blocks),
        )
        for s in STAGES
    ]
