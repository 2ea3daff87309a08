"""What self-supervised methods share: an encoder, its projection head, the task of a loop.

A method takes V views of each of B images, stacked as (V·B, C, H, W), view after view, and gives a
scalar. What it compares is called an embedding; what stays after training is the encoder, whose
output is called a feature. No method sees a label.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from neocog.tasks.task import Target
from neocog.types import Batch

__all__ = [
    "Encoder",
    "Pretext",
    "PretextMethod",
    "Pretraining",
    "ProjectedMethod",
    "embed_mlp",
    "repeated",
    "views_of",
]


class Encoder(nn.Module):
    """A classifier whose last linear layer was taken off: pixels to features.

    Args:
        model: pixels (B, C, H, W) in [0, 1] to features (B, D).
        width: D.
        stage: name of the submodule whose output is the last feature map; empty where it has none.
        stride: pixels from one value of that map to the next.
        channels: of that map.
    """

    def __init__(
        self, model: nn.Module, *, width: int, stage: str = "", stride: int = 1, channels: int = 0
    ) -> None:
        super().__init__()
        self.model, self.width = model, width
        self.stage, self.stride, self.channels = stage, stride, channels

    def forward(self, x: Tensor) -> Tensor:
        """Features, (B, D)."""
        features: Tensor = self.model(x)
        return features

    def map_of(self, x: Tensor) -> Tensor:
        """The last feature map, (B, C, h, w)."""
        maps: list[Tensor] = []
        layer = self.model.get_submodule(self.stage)
        handle = layer.register_forward_hook(lambda _, __, out: maps.append(out))
        try:
            self.model(x)
        finally:
            handle.remove()
        return maps[-1]


class PretextMethod(nn.Module, ABC):
    """A self-supervised method: its own layers, and the loss of what they give.

    Attributes:
        views: V, of each image in a batch.
    """

    views: int = 2

    @abstractmethod
    def forward(self, encoder: Encoder, x: Tensor) -> Any:
        """What the loss needs of a batch, in the precision of the loop.

        Args:
            encoder: that is trained.
            x: (V·B, C, H, W), pixels in [0, 1].
        """

    @abstractmethod
    def loss(self, output: Any) -> Tensor:
        """A scalar.

        Args:
            output: what `forward` gave.
        """

    def embed(self, features: Tensor) -> Tensor:
        """Embeddings, whose spread tells a collapse, from features (B, D)."""
        return features

    @property
    def has_embeddings(self) -> bool:
        """Whether it compares embeddings: of features alone only the rank tells a collapse."""
        return type(self).embed is not PretextMethod.embed


class ProjectedMethod(PretextMethod):
    """A method whose loss is of embeddings: features that go through a projection head.

    Subclasses set `head`.
    """

    head: nn.Module

    def forward(self, encoder: Encoder, x: Tensor) -> Any:
        """Embeddings, (V·B, D)."""
        return self.embed(encoder(x))

    def embed(self, features: Tensor) -> Tensor:
        """Through the projection head."""
        z: Tensor = self.head(features)
        return z


class Pretraining(nn.Module):
    """What is trained: an encoder and the layers of a method.

    Args:
        encoder: stays.
        method: goes after the training.
    """

    def __init__(self, encoder: Encoder, method: PretextMethod) -> None:
        super().__init__()
        self.encoder, self.method = encoder, method

    def forward(self, x: Tensor) -> Any:
        """What the method's loss needs."""
        return self.method(self.encoder, x)


class Pretext:
    """A method as the training loop calls it, see `tasks.task.Task`; labels play no part."""

    targets = ("none", "class")
    paired = False

    def forward(self, model: nn.Module, x: Tensor) -> Any:
        """The model and what its method's loss needs."""
        return model, model(x)

    def loss(self, output: Any, target: Target) -> Tensor:
        """Of the method, in float32."""
        model, out = output
        value: Tensor = model.method.loss(out)
        return value


def embed_mlp(width: int, hidden: int, out: int, *, norm_last: bool = False) -> nn.Sequential:
    """Linear, batch norm, ReLU, linear: a projection head or a predictor.

    Args:
        width: of its input.
        hidden: of its hidden layer.
        out: of its output.
        norm_last: a batch norm without scale and shift follows.
    """
    layers: list[nn.Module] = [
        nn.Linear(width, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, out, bias=not norm_last),
    ]
    if norm_last:
        layers.append(nn.BatchNorm1d(out, affine=False))
    return nn.Sequential(*layers)


def views_of(z: Tensor, views: int) -> Tensor:
    """(V·B, D) as (V, B, D), in float32."""
    return z.float().reshape(views, -1, z.shape[-1])


def repeated(batches: Iterator[Batch], views: int) -> Iterator[Batch]:
    """Each batch so often, view after view; every copy is augmented on its own.

    Example:
        >>> import torch
        >>> x, y = torch.zeros(2, 1, 2, 2), torch.arange(2)
        >>> next(repeated(iter([Batch(x, y, y)]), 3)).index.tolist()
        [0, 1, 0, 1, 0, 1]
    """
    for b in batches:
        x = b.x.repeat(views, *(1,) * (b.x.dim() - 1))
        yield Batch(x, b.y.repeat(views), b.index.repeat(views))
