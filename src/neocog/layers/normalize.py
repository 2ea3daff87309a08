"""Normalization over channels, at each sample of a map: of neighboring ones, and of all.

Sources: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional
Neural Networks", NeurIPS 2012, section 3.3; J. Ba, J. Kiros, G. Hinton, "Layer Normalization",
2016.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["LayerNorm2d", "LocalResponseNorm", "local_response_norm"]


def local_response_norm(
    x: Float[Tensor, "B C H W"],
    *,
    n: int = 5,
    k: float = 2.0,
    alpha: float = 1e-4,
    beta: float = 0.75,
) -> Float[Tensor, "B C H W"]:
    """Each value over (k + alpha · the sum of squares over n neighboring channels)^beta.

    The paper's alpha multiplies the sum. PyTorch's function divides its alpha by n first, so it
    is called with n · alpha here.

    Args:
        x: map.
        n: channels of the sum, half of them on each side.
        k: summand.
        alpha: factor of the sum.
        beta: exponent.
    """
    return F.local_response_norm(x, n, alpha=n * alpha, beta=beta, k=k)


class LocalResponseNorm(nn.Module):
    """`local_response_norm` with the numbers of the paper."""

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Normalized over neighboring channels."""
        return local_response_norm(x)


class LayerNorm2d(nn.LayerNorm):
    """Layer normalization of a map: over the channels of each pixel, apart from all others.

    Args:
        num_channels: of the map.
        eps: added to the variance.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
        >>> [round(v, 3) for v in LayerNorm2d(2)(x).flatten().tolist()]
        [-1.0, 1.0]
    """

    def __init__(self, num_channels: int, *, eps: float = 1e-6) -> None:
        super().__init__(num_channels, eps=eps)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Mean 0 and variance 1 at each pixel, then scaled and moved a channel."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
