"""LeNet-5 as it is built today: ReLU, max pools, full connections, a linear output.

Source of the layout: Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition",
Proc. IEEE 86(11), 1998; the published form is `networks.lenet5`.
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.layers.blocks import conv, he_normal
from neocog.layers.downsample import pool as pool_of
from neocog.layers.fieldwise import InvariantPool
from neocog.networks.steerable import Equal, SteerableLayers, Symmetry
from neocog.types import Stage

__all__ = ["LeNet5Modern", "SteerableLeNet5", "lenet5_modern"]


class LeNet5Modern(nn.Module):
    """Convolution, pool, convolution, pool, three linear layers.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        pool: one of `layers.downsample.POOLS`.
        mean: the linear layers see the mean over the last map.
        dropout: rate, of the units behind the map and of c5.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        size: tuple[int, int],
        downsampling: str,
        padding: str,
        pool: str,
        mean: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.mean = mean
        self.c1 = conv(in_channels, 6, kernel_size=5, padding=padding)
        self.s2 = pool_of(pool, downsampling, 6, kernel_size=2, stride=2, padding=padding)
        self.c3 = conv(6, 16, kernel_size=5, padding=padding, pad=None if mean else 0)
        self.s4 = pool_of(pool, downsampling, 16, kernel_size=2, stride=2, padding=padding)
        height, width = ((n // 2 - 4) // 2 for n in size)
        self.drop = nn.Dropout(dropout)
        self.c5 = nn.Linear(16 if mean else 16 * height * width, 120)
        self.f6 = nn.Linear(120, 84)
        self.out = nn.Linear(84, num_classes)
        self.act = nn.ReLU()
        self.stages = (
            Stage(name="s2", channels=6, stride=2),
            Stage(name="s4", channels=16, stride=4),
        )
        he_normal(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        x = self.s2(self.act(self.c1(x)))
        x = self.s4(self.act(self.c3(x)))
        x = x.mean((2, 3)) if self.mean else x.flatten(1)
        x = self.act(self.c5(self.drop(x)))
        logits: Tensor = self.out(self.act(self.f6(self.drop(x))))
        return logits


class SteerableLeNet5(nn.Module):
    """The same layout with fields: the first linear layer is a convolution over the whole map.

    What it gives is invariant, one number a field, and the other two linear layers follow.

    Args:
        make: of the layers, for the images.
        num_classes: outputs.
        pool: "max" or "average".
        mean: the linear layers see the mean over the last map.
        dropout: rate, of the units before f6.

    Raises:
        UsageError: the last map is not square, and the head is to see it whole.
    """

    def __init__(
        self, make: SteerableLayers, *, num_classes: int, pool: str, mean: bool, dropout: float
    ) -> None:
        super().__init__()
        six, sixteen, wide = (make.field(n) for n in (6, 16, 120))
        self.mean = mean
        self.c1 = make.conv(make.input, six, kernel_size=5, bias=True)
        self.a1 = make.activation(six)
        self.s2 = make.pool(pool, six)
        stages = [Stage(name="s2", channels=six.channels, stride=2)]
        self.c3 = make.conv(six, sixteen, kernel_size=5, pad=None if mean else 0, bias=True)
        self.a3 = make.activation(sixteen)
        self.s4 = make.pool(pool, sixteen)
        stages.append(Stage(name="s4", channels=sixteen.channels, stride=4))
        rows, columns = make.size
        if not mean and rows != columns:
            raise UsageError(
                f"A head that sees the whole map keeps quarter turns of a square one; this map has "
                f"{rows}×{columns} samples. Take head=mean, or square images."
            )
        self.drop = nn.Dropout(dropout)
        self.c5: nn.Module = make.conv(
            sixteen, wide, kernel_size=1 if mean else rows, pad=0, bias=True
        )
        self.a5, self.invariant = make.activation(wide), InvariantPool(wide)
        self.f6 = nn.Linear(wide.count, 84)
        self.act = nn.ReLU()
        self.out = nn.Linear(84, num_classes)
        self.stages = tuple(stages)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        x = self.s2(self.a1(self.c1(x)))
        x = self.s4(self.a3(self.c3(x)))
        x = self.invariant(self.a5(self.c5(x))).mean((2, 3))
        logits: Tensor = self.out(self.act(self.f6(self.drop(x))))
        return logits


def lenet5_modern(
    *,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    downsampling: str = "stride",
    padding: str = "zeros",
    pool: Literal["max", "average", "conv"] = "max",
    head: Literal["published", "mean"] = "published",
    dropout: float = 0.0,
    symmetry: Symmetry = "none",
    equal: Equal = "width",
) -> LeNet5Modern | SteerableLeNet5:
    """LeNet-5 in its modern form.

    The first convolution keeps the size (pad 2: a 28×28 digit stands in the 32×32 of the paper);
    the first linear layer sees the whole last map, 5×5 for 28×28.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        pool: "max", "average", or "conv" for a learned one at the same stride.
        head: "published" sees the whole last map; "mean" sees the mean over it, and the second
            convolution keeps the size as the first one does.
        dropout: rate, of the units before c5 and f6.
        symmetry: rotations and mirror images that leave the prediction; see `networks.steerable`.
        equal: "width" has the channels of the plain network, "parameters" its parameters.

    Raises:
        UsageError: the symmetry cannot be kept at this size.

    Example:
        >>> net = lenet5_modern(num_classes=10, in_channels=1, size=(28, 28))
        >>> sum(p.numel() for p in net.parameters())
        61706
    """
    if symmetry != "none":
        make = SteerableLayers(
            symmetry,
            equal,
            in_channels=in_channels,
            size=size,
            downsampling=downsampling,
            padding=padding,
        )
        return SteerableLeNet5(
            make, num_classes=num_classes, pool=pool, mean=head == "mean", dropout=dropout
        )
    return LeNet5Modern(
        num_classes=num_classes,
        in_channels=in_channels,
        size=size,
        downsampling=downsampling,
        padding=padding,
        pool=pool,
        mean=head == "mean",
        dropout=dropout,
    )
