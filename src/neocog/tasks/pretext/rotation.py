"""Rotation prediction: by which multiple of 90° was the image rotated?

S. Gidaris, P. Singh, N. Komodakis, "Unsupervised representation learning by predicting image
rotations", ICLR 2018.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.tasks.pretext.method import Encoder, PretextMethod

__all__ = ["RotationPrediction", "rotated"]


def rotated(x: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, C, S, S), each rotated by its own random multiple of 90°, and which one.

    Example:
        >>> x = torch.arange(4.0).view(1, 1, 2, 2).expand(64, 1, 2, 2)
        >>> turned, k = rotated(x)
        >>> all(torch.equal(t, torch.rot90(s, int(i), (1, 2))) for t, s, i in zip(turned, x, k))
        True
    """
    k = torch.randint(4, (len(x),))
    out = torch.empty_like(x)
    for turns in range(4):
        own = k == turns
        out[own] = torch.rot90(x[own], turns, (2, 3))
    return out, k.to(x.device)


class RotationPrediction(PretextMethod):
    """A classifier of four rotations.

    Args:
        width: of the features.
    """

    views = 1

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, 4)

    def forward(self, encoder: Encoder, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the four rotations, and the true ones."""
        turned, k = rotated(x)
        return self.head(encoder(turned)), k

    def loss(self, output: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-entropy."""
        logits, k = output
        return F.cross_entropy(logits.float(), k)
