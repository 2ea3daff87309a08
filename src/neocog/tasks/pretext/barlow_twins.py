"""Barlow Twins: the cross-correlation matrix of two views is to be the identity.

J. Zbontar et al., "Barlow Twins: Self-supervised learning via redundancy reduction", ICML 2021.
"""

from __future__ import annotations

from torch import Tensor

from neocog.tasks.pretext.method import ProjectedMethod, embed_mlp, views_of

__all__ = ["BarlowTwins", "barlow_twins"]

REDUNDANCY = 5e-3
"""Weight of the entries beside the diagonal, of the paper."""


def barlow_twins(z: Tensor, redundancy: float = REDUNDANCY) -> Tensor:
    """The loss of two views: (1 − cᵢᵢ)² summed, and the weight times cᵢⱼ² summed.

    Args:
        z: (2, B, D).
        redundancy: weight of the entries beside the diagonal.

    Example:
        >>> import torch
        >>> z = torch.tensor([[[-1.0, -1.0], [1.0, 1.0]]]).repeat(2, 1, 1)  # all entries are 1
        >>> round(barlow_twins(z, 0.5).item(), 4)
        1.0
    """
    standard = (z - z.mean(1, keepdim=True)) / (z.var(1, keepdim=True, correction=0) + 1e-6).sqrt()
    c = standard[0].T @ standard[1] / z.shape[1]
    diagonal = c.diagonal()
    beside = c.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum() + redundancy * beside


class BarlowTwins(ProjectedMethod):
    """Redundancy reduction.

    Args:
        width: of the features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = embed_mlp(width, 2 * max(256, width), 512)

    def loss(self, output: Tensor) -> Tensor:
        """Of the cross-correlation matrix."""
        return barlow_twins(views_of(output, self.views))
