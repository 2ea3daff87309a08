"""Twins: networks of equal size that differ in one assumption on images, to measure its worth.

All have three hidden layers with ReLU and a linear layer on what the last one returns, position by
position: no global pooling, which would be an assumption of its own.

- `dense`: each unit sees all pixels.
- `local`: each unit sees a window of 3×3, at stride 2, with weights of its own (locality).
- `convolutional`: the same windows, and one set of weights for all positions (weight sharing).
- `anti-aliased`: the same convolutions at stride 1, blurred before they are downsampled.

Widths are chosen so that these have as many parameters, within 1 %. Another four are twelve
convolutions in a row, with and without residual connections and batch norm. A prior that is added
is a line of `TWINS`, and one of `neocog.training.priors.CONTRASTS`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import UsageError, did_you_mean
from neocog.layers.blocks import conv, output_hw
from neocog.layers.local import LocallyConnected2d
from neocog.layers.strided import strided
from neocog.networks.dense import Dense

__all__ = ["TWINS", "DeepTwin", "Twin", "twin"]

WIDTHS = (16, 32, 64)
"""Channels of the convolutional twin, whose parameters the others get."""

KERNEL, STRIDE = 3, 2

DEPTH, WIDTH = 12, 16
"""Convolutions of a deep twin, and their channels."""

TOLERANCE = 0.01
"""Of the number of parameters."""


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """What a twin is built for."""

    num_classes: int
    channels: int
    size: tuple[int, int]

    def sizes(self) -> list[tuple[int, int]]:
        """Of the map before each hidden layer, and after the last."""
        sizes = [self.size]
        for _ in WIDTHS:
            sizes.append(output_hw(sizes[-1], KERNEL, stride=STRIDE, padding=KERNEL // 2))
        return sizes

    def positions(self) -> list[int]:
        """Of the map after each hidden layer."""
        return [h * w for h, w in self.sizes()[1:]]


class Twin(nn.Module):
    """Hidden layers with ReLU, then a linear layer on the whole of the last map.

    Args:
        hidden: layers, each with its activation.
        inputs: values of the last map.
        num_classes: outputs.
    """

    def __init__(self, hidden: nn.Sequential, *, inputs: int, num_classes: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.head = nn.Linear(inputs, num_classes)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        logits: Tensor = self.head(self.hidden(x).flatten(1))
        return logits


@lru_cache(maxsize=64)
def _dense_widths(shape: _Shape) -> tuple[int, int, int]:
    inputs, goal = shape.channels * shape.size[0] * shape.size[1], _goal(shape)

    def params(*widths: int) -> int:
        ends = (inputs, *widths, shape.num_classes)
        return sum((a + 1) * b for a, b in itertools.pairwise(ends))

    return _widths(params, goal, growth=1, most=goal // (inputs + 1) + 1)


def _dense(shape: _Shape) -> nn.Module:
    inputs, hidden = shape.channels * shape.size[0] * shape.size[1], _dense_widths(shape)
    return Dense(inputs=inputs, hidden=hidden, num_classes=shape.num_classes, dropout=0.0)


@lru_cache(maxsize=64)
def _local_widths(shape: _Shape) -> tuple[int, int, int]:
    places = shape.positions()

    def params(*widths: int) -> int:
        ends = itertools.pairwise((shape.channels, *widths))
        layers = sum(
            n * (KERNEL * KERNEL * a + 1) * b for n, (a, b) in zip(places, ends, strict=True)
        )
        return layers + (places[-1] * widths[-1] + 1) * shape.num_classes

    return _widths(params, _goal(shape), growth=2, most=2 * WIDTHS[0])


def _local(shape: _Shape) -> nn.Module:
    layers, inputs = nn.Sequential(), shape.channels
    for width, size in zip(_local_widths(shape), shape.sizes(), strict=False):
        layers.append(
            LocallyConnected2d(inputs, width, size=size, kernel_size=KERNEL, stride=STRIDE)
        ).append(nn.ReLU())
        inputs = width
    return Twin(layers, inputs=inputs * shape.positions()[-1], num_classes=shape.num_classes)


def _widths(
    params: Callable[[int, int, int], int], goal: int, *, growth: int, most: int
) -> tuple[int, int, int]:
    """Of three hidden layers, for a number of parameters that is linear in the last width.

    Args:
        params: of three widths.
        goal: parameters that are wanted.
        growth: of the widths from layer to layer, as far as parameters allow.
        most: of the first width.
    """
    some = []
    for a in range(1, most + 1):
        for b in range(max(1, a * growth // 3), 3 * a * growth + 3, 1 + a // 16):
            none = params(a, b, 0)
            c = round((goal - none) / (params(a, b, 1) - none))
            if c > 0:
                unlike = abs(b / a / growth - 1) + abs(c / b / growth - 1)
                off = abs(params(a, b, c) / goal - 1)
                some.append((max(0.0, off - 0.9 * TOLERANCE), unlike, (a, b, c)))
    return min(some)[2]


def _convolutional(shape: _Shape, downsampling: str = "stride") -> nn.Module:
    layers, inputs = nn.Sequential(), shape.channels
    for width in WIDTHS:
        how = strided(downsampling, width, kernel_size=KERNEL, stride=STRIDE, padding="zeros")
        layers.append(how.before)
        layers.append(conv(inputs, width, kernel_size=KERNEL, stride=how.stride, pad=how.pad))
        layers.append(nn.ReLU()).append(how.after)
        inputs = width
    return Twin(layers, inputs=inputs * shape.positions()[-1], num_classes=shape.num_classes)


class DeepTwin(nn.Module):
    """Twelve convolutions in a row at one size, with or without residual connections, batch norm.

    Batch norm brings 0.7 % more parameters: a scale and a shift per channel in place of a bias.

    Args:
        channels: of the images.
        num_classes: outputs.
        size: (H, W) of the images.
        residual: add its input to what a convolution returns.
        batch_norm: normalize what a convolution returns.
    """

    def __init__(
        self,
        *,
        channels: int,
        num_classes: int,
        size: tuple[int, int],
        residual: bool,
        batch_norm: bool,
    ) -> None:
        super().__init__()
        self.residual = residual
        grid = output_hw(size, 4, stride=4)
        self.stem = nn.Conv2d(channels, WIDTH, 4, stride=4)
        self.blocks = nn.ModuleList(_layer(batch_norm) for _ in range(DEPTH))
        self.head = nn.Linear(WIDTH * grid[0] * grid[1], num_classes)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        x = self.stem(x).relu()
        for block in self.blocks:
            x = x + block(x) if self.residual else block(x)
        logits: Tensor = self.head(x.flatten(1))
        return logits


def _layer(batch_norm: bool) -> nn.Sequential:
    layer = nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=not batch_norm))
    if batch_norm:
        layer.append(nn.BatchNorm2d(WIDTH))
    return layer.append(nn.ReLU())


def _deep(shape: _Shape, *, residual: bool = False, batch_norm: bool = False) -> nn.Module:
    return DeepTwin(
        channels=shape.channels,
        num_classes=shape.num_classes,
        size=shape.size,
        residual=residual,
        batch_norm=batch_norm,
    )


TWINS: dict[str, Callable[[_Shape], nn.Module]] = {
    "dense": _dense,
    "local": _local,
    "convolutional": _convolutional,
    "anti-aliased": partial(_convolutional, downsampling="blur"),
    "deep": _deep,
    "deep, batch norm": partial(_deep, batch_norm=True),
    "deep, residual": partial(_deep, residual=True),
    "deep, residual, batch norm": partial(_deep, residual=True, batch_norm=True),
}
"""Name to builder."""


def twin(name: str, *, num_classes: int, in_channels: int, size: tuple[int, int]) -> nn.Module:
    """A network with one set of assumptions, of as many parameters as its twins.

    Args:
        name: one of `TWINS`.
        num_classes: outputs.
        in_channels: of the images.
        size: (H, W) of the images, 8 at least.

    Returns:
        A module from normalized pixels (B, C, H, W) to logits (B, K), with PyTorch's random
        weights.

    Raises:
        UsageError: no such twin, or smaller images.

    Example:
        >>> names = ("dense", "local", "convolutional", "anti-aliased")
        >>> nets = [twin(n, num_classes=10, in_channels=1, size=(28, 28)) for n in names]
        >>> [sum(p.numel() for p in net.parameters()) for net in nets]
        [33561, 33254, 33546, 33546]
    """
    if name not in TWINS:
        raise UsageError(f"`{name}` is not a twin. {did_you_mean(name, TWINS)}")
    if min(size) < 8 or num_classes < 2:
        raise UsageError(
            f"A twin needs two classes and 8 pixels per side; got {num_classes} classes and "
            f"{size[0]}×{size[1]} pixels. Enlarge the images."
        )
    return TWINS[name](_Shape(num_classes=num_classes, channels=in_channels, size=size))


def _goal(shape: _Shape) -> int:
    """Parameters of the convolutional twin."""
    params, inputs = 0, shape.channels
    for width in WIDTHS:
        params += (KERNEL * KERNEL * inputs + 1) * width
        inputs = width
    return params + (inputs * shape.positions()[-1] + 1) * shape.num_classes
