"""Our small, fast default: stages of 3×3 convolutions, batch norm and ReLU."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from neocog.layers.blocks import conv_norm_activation, he_normal
from neocog.layers.downsample import pool as pool_of
from neocog.types import Stage

__all__ = ["ConvNet", "convnet"]


class ConvNet(nn.Module):
    """Three stages, the pool before the second and third, mean over the map, one linear layer.

    Args:
        classes: outputs.
        channels: 1 for grey, 3 for colour.
        width: channels of the first stage, twice and four times as many in the others.
        depth: convolutions of each stage.
        pool: one of `layers.downsample.POOLS`.
        sampling: one of `layers.downsample.SAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        dropout: share of the features left out in training.
    """

    def __init__(
        self,
        *,
        classes: int,
        channels: int,
        width: int,
        depth: int,
        pool: str,
        sampling: str,
        padding: str,
        dropout: float,
    ) -> None:
        super().__init__()
        inputs, stages = channels, []
        for i in range(3):
            outputs = width * 2**i
            stage = nn.Sequential()
            if i:
                stage.append(pool_of(pool, sampling, inputs, kernel=2, stride=2, padding=padding))
            for _ in range(depth):
                stage.append(conv_norm_activation(inputs, outputs, kernel=3, padding=padding))
                inputs = outputs
            self.add_module(f"stage{i + 1}", stage)
            stages.append(Stage(name=f"stage{i + 1}", channels=outputs, stride=2**i))
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(inputs, classes)
        self.stages = tuple(stages)
        he_normal(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalised pixels to logits."""
        for stage in self.stages:
            x = self.get_submodule(stage.name)(x)
        logits: Tensor = self.head(self.drop(x.mean((2, 3))))
        return logits


def convnet(
    *,
    classes: int,
    channels: int,
    size: tuple[int, int],
    sampling: str = "stride",
    padding: str = "zero",
    pool: Literal["max", "average", "conv"] = "max",
    width: int = 32,
    depth: int = 2,
    dropout: float = 0.0,
) -> ConvNet:
    """The default network.

    Args:
        classes: outputs.
        channels: 1 for grey, 3 for colour.
        size: (H, W) of the pictures; the network is the same for all.
        sampling: one of `layers.downsample.SAMPLINGS`.
        padding: one of `layers.blocks.PADDINGS`.
        pool: "max", "average", or "conv" for a learned one at the same stride.
        width: channels of the first stage.
        depth: convolutions of each stage.
        dropout: share of the features left out in training.

    Example:
        >>> net = convnet(classes=10, channels=1, size=(28, 28))
        >>> [s.channels for s in net.stages]
        [32, 64, 128]
    """
    return ConvNet(
        classes=classes,
        channels=channels,
        width=width,
        depth=depth,
        pool=pool,
        sampling=sampling,
        padding=padding,
        dropout=dropout,
    )
