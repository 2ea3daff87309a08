"""Our small, fast default: a stem, stages of 3×3 convolutions with batch norm and ReLU, pools.

Designed from measurements on two processor cores (bfloat16, channels_last):

- Work after the stem runs at stride 1 and is halved by pools. A strided 3×3 convolution reaches
  about half the arithmetic rate of one at stride 1, and a max pool costs little beside it.
- The stem is the exception: 5×5 at stride 2 on one or three channels is cheap, and everything
  behind it then works on a quarter of the samples.
- No bias before a batch norm: it would be subtracted again and costs 8 % of the convolution.

- Wide layers keep the arithmetic units busy and narrow ones wait for memory: the default widths are
  the smallest with which a training step reaches 0.4 of the rate of a matrix product also on
  images of 28 pixels (`benchmarks/flops.py`).

For other ends there are recipes in `benchmarks/recipes`: 99 % on MNIST in the fewest seconds, the
lowest error on MNIST, Fashion-MNIST (a full stem, where detail matters).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.layers.blocks import conv_norm_activation, he_normal, keeps, output_hw
from neocog.layers.downsample import pool as pool_of
from neocog.layers.fieldwise import InvariantPool
from neocog.layers.strided import strided
from neocog.networks.steerable import Equal, SteerableLayers, Symmetry
from neocog.types import Stage

__all__ = ["ConvNet", "convnet"]


class ConvNet(nn.Module):
    """Stem, stages, mean over the map, one linear layer.

    Args:
        stem: the first convolution with what follows it.
        stages: name and module of each stage, with channels and stride.
        num_classes: outputs.
        dropout: rate, of the features.
    """

    def __init__(
        self,
        stem: nn.Module,
        stages: Sequence[tuple[Stage, nn.Module]],
        *,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.stem = stem
        for stage, module in stages:
            self.add_module(stage.name, module)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(stages[-1][0].channels, num_classes)
        self.stages = tuple(stage for stage, _ in stages)
        self.whitened = False
        he_normal(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        x = self.stem(x)
        for stage in self.stages:
            x = self.get_submodule(stage.name)(x)
        logits: Tensor = self.head(self.drop(x.mean((2, 3))))
        return logits


def convnet(
    *,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    downsampling: str = "stride",
    padding: str = "zeros",
    widths: tuple[int, ...] = (48, 96, 192),
    depths: tuple[int, ...] = (2, 2, 2),
    stem: Literal["half", "full"] = "half",
    pool: Literal["max", "average", "conv"] = "max",
    dropout: float = 0.0,
    symmetry: Symmetry = "none",
    equal: Equal = "width",
    whitened: bool = False,
) -> ConvNet:
    """The default network.

    Between two stages stands a pool of 2×2; one that would leave fewer than 2×2 samples is left
    out.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        widths: channels of each stage.
        depths: convolutions of each stage; the stem counts as the first of the first stage.
        stem: "half" is 5×5 at stride 2, "full" is 3×3 at stride 1; to the first width.
        pool: "max", "average", or "conv" for a learned one at the same stride.
        dropout: rate, of the features.
        symmetry: rotations and mirror images that leave the prediction; see `networks.steerable`.
            The pool is max or average, downsampling one of `layers.aligned.ALIGNED`.
        equal: "width" has the channels of the plain network, "parameters" its parameters.
        whitened: a training from random weights begins with stem filters that whiten its images,
            see `layers.whitening`.

    Raises:
        UsageError: widths and depths are not as many, or none, or out of range; or the symmetry
            cannot be kept at this size.

    Example:
        >>> net = convnet(num_classes=10, in_channels=1, size=(28, 28))
        >>> [(s.channels, s.stride) for s in net.stages]
        [(48, 2), (96, 4), (192, 8)]
    """
    if not len(widths) == len(depths) > 0 or min(*widths, *depths) < 1:
        raise UsageError(
            "A convnet has a width and a depth per stage, each at least 1; "
            f"got widths {list(widths)} and depths {list(depths)}."
        )
    kernel, stride = (5, 2) if stem == "half" else (3, 1)
    if symmetry != "none":
        if whitened:
            raise UsageError(
                f"A whitened stem has other filters in each direction, and symmetry {symmetry} the "
                "same in all. Leave one of them out."
            )
        make = SteerableLayers(
            symmetry,
            equal,
            in_channels=in_channels,
            size=size,
            downsampling=downsampling,
            padding=padding,
        )
        return _steerable(
            make,
            (kernel, stride),
            list(zip(widths, depths, strict=True)),
            pool,
            num_classes,
            dropout,
        )
    how = strided(downsampling, widths[0], kernel_size=kernel, stride=stride, padding=padding)
    first = conv_norm_activation(
        in_channels, widths[0], kernel_size=kernel, stride=how.stride, padding=padding, pad=how.pad
    )
    first.append(how.after)
    if not isinstance(how.before, nn.Identity):
        first = nn.Sequential(OrderedDict(windows=how.before, **dict(first.named_children())))
    size = output_hw(size, kernel, stride=stride, padding=kernel // 2)
    inputs, reach, stages = widths[0], stride, []
    for i, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        module = nn.Sequential()
        if i and keeps(size, 2, stride=2, least=2):
            size, reach = output_hw(size, 2, stride=2), 2 * reach
            module.append(
                pool_of(pool, downsampling, inputs, kernel_size=2, stride=2, padding=padding)
            )
        for _ in range(depth if i else depth - 1):
            module.append(conv_norm_activation(inputs, width, kernel_size=3, padding=padding))
            inputs = width
        stages.append((Stage(name=f"stage{i + 1}", channels=inputs, stride=reach), module))
    net = ConvNet(first, stages, num_classes=num_classes, dropout=dropout)
    net.whitened = whitened
    return net


def _steerable(
    make: SteerableLayers,
    stem: tuple[int, int],
    plan: Sequence[tuple[int, int]],
    pool: str,
    num_classes: int,
    dropout: float,
) -> ConvNet:
    """The same layout with fields; the last stage ends with one invariant number a field."""
    field = make.field(plan[0][0])
    first = make.block(make.input, field, kernel_size=stem[0], stride=stem[1])
    stages: list[tuple[Stage, nn.Module]] = []
    for i, (width, depth) in enumerate(plan):
        module = nn.Sequential()
        if i and make.keeps(2):
            module.append(make.pool(pool, field))
        for _ in range(depth if i else depth - 1):
            module.append(make.block(field, make.field(width), kernel_size=3))
            field = make.field(width)
        channels = field.channels
        if i == len(plan) - 1:
            module.append(InvariantPool(field))
            channels = field.count
        stages.append((Stage(name=f"stage{i + 1}", channels=channels, stride=make.stride), module))
    return ConvNet(first, stages, num_classes=num_classes, dropout=dropout)
