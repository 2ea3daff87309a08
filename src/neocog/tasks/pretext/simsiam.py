"""SimSiam and FastSiam: a predictor names the embedding of another view, without a slow copy.

X. Chen, K. He, "Exploring simple Siamese representation learning", CVPR 2021; the target is not
differentiated. FastSiam (D. Pototzky, A. Sultan, L. Schmidt-Thieme, GCPR 2022) takes the mean over
several views as the target, which is less noisy: fewer epochs and small batches are enough.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from neocog.tasks.pretext.method import Encoder, ProjectedMethod, embed_mlp, views_of

__all__ = ["FastSiam", "fastsiam", "negative_cosine"]


def negative_cosine(a: Tensor, b: Tensor) -> Tensor:
    """Minus the mean cosine similarity of the rows of a and b, (B, D); b is not differentiated.

    Example:
        >>> import torch
        >>> negative_cosine(torch.tensor([[2.0, 0.0]]), torch.tensor([[3.0, 0.0]])).item()
        -1.0
    """
    return -F.cosine_similarity(a.float(), b.detach().float(), dim=-1).mean()


def fastsiam(p: Tensor, z: Tensor) -> Tensor:
    """Each view's prediction against the mean of the other views' embeddings.

    Args:
        p: predictions, (V, B, D).
        z: embeddings, (V, B, D).

    Example:
        >>> import torch
        >>> z = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]]])
        >>> round(fastsiam(z, z).item(), 4)  # cosines (1/√2 + 1/√2 + 0) / 3
        -0.4714
    """
    z = F.normalize(z, dim=-1)
    total = z.sum(0)
    losses = [negative_cosine(p[v], total - z[v]) for v in range(len(z))]
    return sum(losses[1:], losses[0]) / len(z)


class FastSiam(ProjectedMethod):
    """Siamese networks with a stopped gradient.

    Args:
        width: of the features.
        views: two is SimSiam, four FastSiam.
    """

    def __init__(self, width: int, views: int = 4) -> None:
        super().__init__()
        self.views = views
        self.head = embed_mlp(width, max(256, width), 256, norm_last=True)
        self.predictor = embed_mlp(256, 64, 256)

    def forward(self, encoder: Encoder, x: Tensor) -> tuple[Tensor, Tensor]:
        """Predictions and embeddings, (V·B, D)."""
        z = self.embed(encoder(x))
        return self.predictor(z), z

    def loss(self, output: tuple[Tensor, Tensor]) -> Tensor:
        """Of predictions and means of embeddings."""
        p, z = (views_of(t, self.views) for t in output)
        return fastsiam(p, z)
