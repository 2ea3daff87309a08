"""Normalization over neighboring channels.

Source: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional
Neural Networks", NeurIPS 2012, section 3.3.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["LocalResponseNorm", "local_response_norm"]


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
