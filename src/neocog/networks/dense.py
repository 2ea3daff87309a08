"""The fully connected baseline: no convolution, no notion of neighboring pixels."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from neocog.layers.blocks import padding_mode
from neocog.layers.downsample import downsampling_of
from neocog.types import Stage

__all__ = ["Dense", "dense"]


class Dense(nn.Module):
    """Flatten, then linear layers with ReLU between them.

    Args:
        inputs: numbers of one image.
        hidden: units of each hidden layer; empty for a linear classifier.
        num_classes: outputs.
        dropout: rate, of each hidden layer.
    """

    def __init__(
        self, *, inputs: int, hidden: tuple[int, ...], num_classes: int, dropout: float
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for units in hidden:
            layers += [nn.Linear(inputs, units), nn.ReLU(), nn.Dropout(dropout)]
            inputs = units
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, num_classes))
        self.stages: tuple[Stage, ...] = ()

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        logits: Tensor = self.layers(x)
        return logits


def dense(
    *,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    downsampling: str = "stride",
    padding: str = "zeros",
    hidden: tuple[int, ...] = (256,),
    dropout: float = 0.0,
) -> Dense:
    """A fully connected network.

    `sampling` and `padding` are understood, as in every network, and change nothing: there is no
    window here. It has no stages: none of its outputs is a map.

    Args:
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        hidden: units of each hidden layer.
        dropout: rate, of each hidden layer.

    Raises:
        UsageError: no such downsampling or padding.

    Example:
        >>> net = dense(num_classes=2, in_channels=1, size=(24, 24), hidden=(10, 10))
        >>> sum(p.numel() for p in net.parameters())  # 576·10 + 10, 10·10 + 10, 10·2 + 2
        5902
    """
    downsampling_of(downsampling)
    padding_mode(padding)
    return Dense(
        inputs=in_channels * size[0] * size[1],
        hidden=hidden,
        num_classes=num_classes,
        dropout=dropout,
    )
