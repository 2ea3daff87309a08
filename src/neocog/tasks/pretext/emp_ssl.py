"""Many crops of each image agree, and the crops of a batch fill the space: few epochs are enough.

S. Tong, Y. Chen, Y. Ma, Y. LeCun, "EMP-SSL: Towards self-supervised learning in one training
epoch", 2023. The spread is the total coding rate, ½ log det(I + D/(B ε²) Zᵀ Z).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.tasks.pretext.method import ProjectedMethod, embed_mlp, views_of

__all__ = ["MultiCrop", "coding_rate", "emp_ssl"]

INVARIANCE = 200.0
"""Weight of the agreement, of the paper."""

EPSILON2 = 0.2
"""Squared precision of the coding rate, of the paper's code."""


def coding_rate(z: Tensor, epsilon2: float = EPSILON2) -> Tensor:
    """Nats that embeddings take at a precision.

    Args:
        z: (B, D), rows of norm 1.
        epsilon2: the squared precision.

    Example:
        >>> round(coding_rate(torch.eye(2), 1.0).item(), 4)  # ½ log det 2 I
        0.6931
    """
    b, d = z.shape
    gram = z.T @ z if d <= b else z @ z.T  # the same determinant
    eye = torch.eye(len(gram), device=z.device)
    return 0.5 * torch.logdet(eye + d / (b * epsilon2) * gram)


def emp_ssl(z: Tensor) -> Tensor:
    """The loss of V crops: agreement with their mean, less the coding rate of each.

    Args:
        z: (V, B, D).
    """
    z = F.normalize(z, dim=-1)
    agreement = F.cosine_similarity(z, z.mean(0, keepdim=True).expand_as(z), dim=-1).mean()
    rate = torch.stack([coding_rate(v) for v in z]).mean()
    return -rate / z.shape[-1] - INVARIANCE / z.shape[-1] * agreement


class MultiCrop(ProjectedMethod):
    """Multi-crop with patches.

    Args:
        width: of the features.
        views: crops of an image.
    """

    def __init__(self, width: int, views: int = 8) -> None:
        super().__init__()
        self.views = views
        self.head = embed_mlp(width, max(256, width), 128)

    def loss(self, output: Tensor) -> Tensor:
        """Agreement and coding rate."""
        return emp_ssl(views_of(output, self.views))
