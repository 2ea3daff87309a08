"""Activations that PyTorch does not have."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["AMPLITUDE", "SLOPE", "ScaledTanh", "scaled_tanh"]

AMPLITUDE = 1.7159
SLOPE = 2.0 / 3.0


def scaled_tanh(x: Float[Tensor, ...]) -> Float[Tensor, ...]:
    """1.7159 · tanh(2x / 3): passes through (-1, -1) and (1, 1), where its curvature is largest.

    Source: Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE
    86(11), 1998, eq. 6 and appendix A.

    Example:
        >>> [round(v, 3) for v in scaled_tanh(torch.tensor([-1.0, 0.0, 1.0])).tolist()]
        [-1.0, 0.0, 1.0]
    """
    return AMPLITUDE * torch.tanh(SLOPE * x)


class ScaledTanh(nn.Module):
    """`scaled_tanh` as a module."""

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """1.7159 · tanh(2x / 3)."""
        return scaled_tanh(x)
