"""The harmonic network for rotated digits: seven harmonic convolutions, invariant at the end.

Source: D. Worrall et al., "Harmonic Networks: Deep Translation and Rotation Equivariance", CVPR
2017, section 5: streams of orders 0 and 1, 5×5 filters, three blocks of two convolutions with 8, 16
and 32 complex channels a stream, a ReLU of magnitudes after the first and batch norm of magnitudes
after the second, a mean pool before the second and third block; the last convolution has a complex
channel a class, whose magnitudes are added over orders and averaged over the map. The paper's error
on rotated MNIST is 1.69 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.layers.aligned import aligned_pool
from neocog.layers.harmonic import (
    ComplexReLU,
    HarmonicConv2d,
    MagnitudeNorm2d,
    magnitudes,
    stream_field,
)
from neocog.types import Stage

__all__ = ["HNet", "hnet"]


class HNet(nn.Module):
    """Blocks, a convolution to the classes, sums of magnitudes, mean over the map.

    Args:
        blocks: name and module of each, with channels and stride.
        last: harmonic convolution to a complex channel a class and order.
        num_classes: outputs.
    """

    def __init__(
        self, blocks: Sequence[tuple[Stage, nn.Module]], last: HarmonicConv2d, *, num_classes: int
    ) -> None:
        super().__init__()
        for stage, module in blocks:
            self.add_module(stage.name, module)
        self.last = last
        self.bias = nn.Parameter(torch.zeros(num_classes))
        self.stages = tuple(stage for stage, _ in blocks)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        for stage in self.stages:
            x = self.get_submodule(stage.name)(x)
        sizes = magnitudes(self.last(x)).mean((2, 3))
        logits: Tensor = sizes.reshape(x.shape[0], -1, len(self.bias)).sum(1) + self.bias
        return logits


def hnet(
    *,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    downsampling: str = "stride",
    padding: str = "zeros",
    widths: tuple[int, ...] = (8, 16, 32),
    max_order: int = 1,
    rings: int = 4,
) -> HNet:
    """The harmonic network, exact under quarter turns of a square image.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images.
        downsampling: of the mean pools, one of `layers.aligned.ALIGNED`.
        padding: one of `layers.blocks.PADDINGS`.
        widths: complex channels a stream of each block.
        max_order: of the streams.
        rings: learned values of each radial profile.

    Raises:
        UsageError: no blocks, or a size at which the pools do not keep quarter turns.

    Example:
        >>> net = hnet(num_classes=10, in_channels=1, size=(28, 28))
        >>> [(s.channels, s.stride) for s in net.stages]
        [(32, 1), (64, 2), (128, 4)]
    """
    if not widths or min(widths) < 1:
        raise UsageError(
            f"A harmonic network has a width a block, each at least 1; got {list(widths)}."
        )
    blocks, inputs, order, reach = [], in_channels, None, 1
    for i, width in enumerate(widths):
        field = stream_field(max_order, width)
        block = nn.Sequential()
        if i:
            before = stream_field(max_order, inputs)
            pool = aligned_pool(
                "average", downsampling, before, size=size, padding=padding, stride=reach
            )
            block.append(pool)
            size, reach = (-(-size[0] // 2), -(-size[1] // 2)), 2 * reach
        for activation in (ComplexReLU, MagnitudeNorm2d):
            layer = HarmonicConv2d(
                inputs,
                width,
                kernel_size=5,
                max_order=max_order,
                in_order=order,
                rings=rings,
                padding=padding,
            )
            block.append(layer).append(activation(field))
            inputs, order = width, max_order
        blocks.append((Stage(name=f"block{i + 1}", channels=field.channels, stride=reach), block))
    last = HarmonicConv2d(
        inputs,
        num_classes,
        kernel_size=5,
        max_order=max_order,
        in_order=order,
        rings=rings,
        phase=False,
        padding=padding,
    )
    return HNet(blocks, last, num_classes=num_classes)
