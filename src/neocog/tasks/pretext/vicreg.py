"""VICReg: views of an image agree, each dimension varies, no two dimensions say the same.

A. Bardes, J. Ponce, Y. LeCun, "VICReg: Variance-invariance-covariance regularization for
self-supervised learning", ICLR 2022.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from neocog.tasks.pretext.method import ProjectedMethod, embed_mlp, views_of

__all__ = ["VICReg", "covariance", "variance", "vicreg"]

INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0
"""Weights of the three terms, of the paper."""


def variance(z: Tensor) -> Tensor:
    """Mean over the dimensions of how far the standard deviation is below 1.

    Args:
        z: (B, D).

    Example:
        >>> import torch
        >>> round(variance(torch.tensor([[0.0, 0.0], [0.0, 2.0]])).item(), 3)  # std 0 and √2
        0.495
    """
    return F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean()


def covariance(z: Tensor) -> Tensor:
    """Sum of squared covariances of different dimensions, over their number.

    Args:
        z: (B, D).

    Example:
        >>> import torch
        >>> covariance(torch.tensor([[-1.0, -1.0], [1.0, 1.0]])).item()  # 2 · 2² / 2
        4.0
    """
    centered = z - z.mean(0)
    c = centered.T @ centered / (len(z) - 1)
    return (c.square().sum() - c.diagonal().square().sum()) / z.shape[1]


def vicreg(z: Tensor) -> Tensor:
    """The loss of two views.

    Args:
        z: (2, B, D).

    Example:
        >>> import torch
        >>> z = torch.tensor([[[-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]]).repeat(2, 1, 1)
        >>> vicreg(z).item()  # views agree, std above 1, nothing in common
        0.0
    """
    a, b = z
    return (
        INVARIANCE * F.mse_loss(a, b)
        + VARIANCE * (variance(a) + variance(b)) / 2
        + COVARIANCE * (covariance(a) + covariance(b))
    )


class VICReg(ProjectedMethod):
    """Variance, invariance, covariance.

    Args:
        width: of the features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = embed_mlp(width, 2 * max(256, width), 512)

    def loss(self, output: Tensor) -> Tensor:
        """Of the three terms."""
        return vicreg(views_of(output, self.views))
