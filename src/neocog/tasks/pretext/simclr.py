"""SimCLR: two views of an image are distinguished from the views of all others.

T. Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.tasks.pretext.method import ProjectedMethod, embed_mlp

__all__ = ["SimCLR", "nt_xent"]


def nt_xent(z: Tensor, temperature: float = 0.5) -> Tensor:
    """Normalized temperature-scaled cross-entropy of two views.

    For each of the 2B embeddings the other view of its image is the class to name among all others,
    the logits being cosine similarities over the temperature.

    Args:
        z: (2B, D), the second view behind the first.
        temperature: above 0.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(2, 1)  # e/(e + 2) each, at 1
        >>> round(nt_xent(z, 1.0).item(), 4)
        0.5514
    """
    z = F.normalize(z.float(), dim=1)
    n = len(z)
    similarity = (z @ z.T / temperature).masked_fill(
        torch.eye(n, dtype=torch.bool, device=z.device), float("-inf")
    )
    return F.cross_entropy(similarity, torch.arange(n, device=z.device).roll(n // 2))


class SimCLR(ProjectedMethod):
    """Contrastive learning.

    Args:
        width: of the features.
        temperature: of the loss.
    """

    def __init__(self, width: int, temperature: float = 0.2) -> None:
        super().__init__()
        self.temperature = temperature
        self.head = embed_mlp(width, max(256, width), 128)

    def loss(self, output: Tensor) -> Tensor:
        """NT-Xent."""
        return nt_xent(output, self.temperature)
