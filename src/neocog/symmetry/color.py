"""Hue and saturation as linear maps of red, green and blue.

Source: the YIQ color space of the NTSC standard, in which hue is an angle and saturation a radius.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["chroma_matrix"]

_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
"""Luma and two axes of chroma."""


def chroma_matrix(
    angle: Float[Tensor, " B"], radius: Float[Tensor, " B"]
) -> Float[Tensor, "B 3 3"]:
    """Matrices that rotate chroma by an angle and scale it; luma stays.

    Args:
        angle: of hue, in radians.
        radius: factor of saturation.

    Example:
        >>> none = chroma_matrix(torch.zeros(1), torch.ones(1))[0]
        >>> bool(torch.allclose(none, torch.eye(3), atol=1e-5))
        True
    """
    change = torch.zeros(len(angle), 3, 3)
    change[:, 0, 0] = 1.0
    change[:, 1, 1] = change[:, 2, 2] = radius * torch.cos(angle)
    change[:, 1, 2] = -radius * torch.sin(angle)
    change[:, 2, 1] = radius * torch.sin(angle)
    matrices: Tensor = torch.linalg.inv(_YIQ) @ change @ _YIQ
    return matrices
