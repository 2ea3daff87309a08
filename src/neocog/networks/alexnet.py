"""AlexNet: as published in 2012, and the single tower that the field exchanges weights of.

Sources: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional
Neural Networks", NeurIPS 2012: two towers, written as two groups of channels, normalization over
channels, overlapping pools; 60,965,224 parameters (1000 classes, color). A. Krizhevsky, "One
Weird Trick for Parallelizing Convolutional Neural Networks", 2014: one tower, fewer channels, no
normalization; 61,100,840 parameters, named features.N and classifier.N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from neocog.layers.blocks import conv, he_normal, keeps, output_hw
from neocog.layers.downsample import activation_then_reduce, operator_stride
from neocog.layers.downsample import pool as pool_of
from neocog.layers.normalize import LocalResponseNorm
from neocog.networks.shared_options import head_grid, is_small
from neocog.types import Stage

__all__ = ["AlexNet", "alexnet"]

GRID = 6
"""Samples per side that the published head sees."""


@dataclass(frozen=True)
class AlexNetForm:
    """What the two forms differ in: output channels and groups of the five convolutions."""

    widths: tuple[int, ...]
    groups: tuple[int, ...]
    normalized: bool


FORMS = {
    "towers": AlexNetForm((96, 256, 384, 384, 256), (1, 2, 1, 2, 2), normalized=True),
    "single": AlexNetForm((64, 192, 384, 256, 256), (1, 1, 1, 1, 1), normalized=False),
}


class AlexNet(nn.Module):
    """Five convolutions, three pools, three linear layers.

    Args:
        features: the convolutions and pools.
        grid: samples of each axis that the linear layers see.
        outputs: channels of `features`.
        num_classes: outputs.
        hidden: units of the two hidden linear layers.
        dropout: rate in training: of the inputs of these, or of their outputs.
        published: of their outputs, as published.
        stages: of `features`, with channels and strides.
    """

    def __init__(
        self,
        features: nn.Sequential,
        *,
        grid: tuple[int, int],
        outputs: int,
        num_classes: int,
        hidden: int,
        dropout: float,
        published: bool,
        stages: tuple[Stage, ...],
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(grid)
        self.classifier = nn.Sequential()
        for inputs in (outputs * grid[0] * grid[1], hidden):
            layers = [nn.Linear(inputs, hidden), nn.ReLU()]
            layers.insert(2 if published else 0, nn.Dropout(dropout))
            self.classifier.extend(layers)
        self.classifier.append(nn.Linear(hidden, num_classes))
        self.stages = stages

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def alexnet(
    *,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    downsampling: str = "stride",
    padding: str = "zeros",
    form: Literal["single", "towers"] = "single",
    pool: Literal["max", "average", "conv"] = "max",
    stem: Literal["auto", "published", "small"] = "auto",
    head: Literal["auto", "published", "fitted", "mean"] = "auto",
    hidden: int = 4096,
    dropout: float = 0.5,
) -> AlexNet:
    """AlexNet.

    A pool that would leave the following convolutions fewer than 2×2 samples is left out.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        form: "towers" as published, "single" the later one.
        pool: "max", "average", or "conv" for a learned one at the same stride.
        stem: "published" is 11×11 at stride 4; "small" is 5×5 at stride 1; "auto" takes "small"
            for a side below 96 pixels.
        head: "published" brings any map to 6×6; "fitted" sees the map as it is, up to 6×6; "auto"
            is "published" where the map has 6×6 samples, else "fitted"; "mean" sees the mean over
            the map, and every window gets the border that the published form leaves out: then no
            position is treated in another way than the others.
        hidden: units of the two hidden linear layers.
        dropout: rate in training: of the inputs of the two hidden linear layers, in
            the form "towers" of their outputs.

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     net = alexnet(num_classes=1000, in_channels=3, size=(224, 224))
        >>> sum(p.numel() for p in net.parameters())
        61100840
    """
    kind = FORMS[form]
    small = is_small(stem, size)
    features, stages, size = _features(
        kind,
        in_channels=in_channels,
        size=size,
        small=small,
        whole=head == "mean",
        pool=pool,
        downsampling=downsampling,
        padding=padding,
    )
    net = AlexNet(
        features,
        grid=head_grid(head, size, GRID),
        outputs=kind.widths[-1],
        num_classes=num_classes,
        hidden=hidden,
        dropout=dropout,
        published=form == "towers",
        stages=stages,
    )
    if form == "towers":
        start_as_published(net)
    else:
        he_normal(net)
    return net


def _features(
    kind: AlexNetForm,
    *,
    in_channels: int,
    size: tuple[int, int],
    small: bool,
    whole: bool,
    pool: str,
    downsampling: str,
    padding: str,
) -> tuple[nn.Sequential, tuple[Stage, ...], tuple[int, int]]:
    """Convolutions and pools, what they say about their maps, and the size of the last map.

    With `whole`, every window keeps its border, so a stride divides what it leaves.
    """
    kernels, reach, pads = ((5, 5, 3, 3, 3), 1, 2) if small else ((11, 5, 3, 3, 3), 4, 2)
    rim = 0
    if whole:
        pads, rim = kernels[0] // 2, 1
    features, stages, inputs = nn.Sequential(), list[Stage](), in_channels
    size = output_hw(size, kernels[0], stride=reach, padding=pads)
    for i, (outputs, taps, groups) in enumerate(
        zip(kind.widths, kernels, kind.groups, strict=True)
    ):
        stride = reach if i == 0 else 1
        features.append(
            conv(
                inputs,
                outputs,
                kernel_size=taps,
                stride=operator_stride(downsampling, stride),
                padding=padding,
                pad=pads if i == 0 else taps // 2,
                groups=groups,
            )
        )
        features.append(
            activation_then_reduce(nn.ReLU(), downsampling, outputs, stride=stride, padding=padding)
        )
        inputs = outputs
        if i in (2, 3):
            continue
        if kind.normalized and i < 2:
            features.append(LocalResponseNorm())
        if keeps(size, 3, stride=2, padding=rim, least=1 if i == 4 else 2):
            size, reach = output_hw(size, 3, stride=2, padding=rim), 2 * reach
            features.append(
                pool_of(
                    pool, downsampling, outputs, kernel_size=3, stride=2, padding=padding, pad=rim
                )
            )
        else:
            features.append(nn.Identity())
        name = f"features.{len(features) - 1}"
        stages.append(Stage(name=name, channels=outputs, stride=reach))
    return features, tuple(stages), size


def start_as_published(net: AlexNet) -> None:
    """Weights normal with standard deviation 0.01; biases 1 in convolutions 2, 4, 5 and the hidden
    linear layers, 0 elsewhere (section 5 of the paper).
    """
    convs = [m for m in net.features if isinstance(m, nn.Conv2d)]
    linears = [m for m in net.classifier if isinstance(m, nn.Linear)]
    ones = {convs[1], convs[3], convs[4], linears[0], linears[1]}
    for m in (*convs, *linears):
        for p in m.parameters():
            if p.dim() == 1:
                nn.init.constant_(p, 1.0 if m in ones else 0.0)
            elif not p.is_meta:  # which holds no values
                nn.init.normal_(p, std=0.01)
