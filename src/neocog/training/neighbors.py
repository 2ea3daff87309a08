"""Nearest neighbors on features: how good are they, without training anything?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["nearest", "similar", "votes_of"]

NEIGHBORS = 20
"""Neighbors that vote, fewer where a class has fewer samples."""

TEMPERATURE = 0.07
"""Of the votes: exp(cosine similarity / temperature)."""

_BLOCK = 2**24
"""Similarities that are held at once."""


def votes_of(y: np.ndarray) -> int:
    """How many neighbors vote: as many as the smallest class has, at most `NEIGHBORS`.

    Example:
        >>> votes_of(np.array([0, 0, 0, 1, 1]))
        2
    """
    return max(1, min(NEIGHBORS, int(np.bincount(y)[np.unique(y)].min())))


def nearest(train: Tensor, y: np.ndarray, x: Tensor, *, num_classes: int, k: int) -> np.ndarray:
    """The class that the nearest samples vote for, int64, (B,).

    Neighbors are those of the largest cosine similarity s, and vote with weight exp(s / 0.07)
    (Z. Wu et al., "Unsupervised feature learning via non-parametric instance discrimination",
    CVPR 2018).

    Args:
        train: features, (N, D).
        y: their classes, (N,).
        x: features, (B, D).
        num_classes: K.
        k: neighbors.

    Example:
        >>> train, one = torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1]]), torch.tensor([[0.1, 1]])
        >>> nearest(train, np.array([0, 0, 1]), one, num_classes=2, k=1).tolist()
        [1]
    """
    label, out = torch.from_numpy(np.ascontiguousarray(y)), []
    for similarity, index in _blocks(train, x, k):
        votes = torch.zeros(len(index), num_classes)
        votes.scatter_add_(1, label[index], (similarity / TEMPERATURE).exp())
        out.append(votes.argmax(1))
    return torch.cat(out).numpy()


def similar(train: Tensor, x: Tensor, *, k: int) -> tuple[Tensor, Tensor]:
    """Similarities and positions of the nearest samples, the nearest first, each (B, k).

    Similarity is the cosine between features less their mean over `train`.

    Args:
        train: features, (N, D).
        x: features, (B, D).
        k: neighbors; N, where there are fewer.

    Example:
        >>> train, one = torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1]]), torch.tensor([[0.1, 1]])
        >>> similar(train, one, k=1)[1].tolist()
        [[2]]
    """
    blocks = list(_blocks(train, x, k))
    return torch.cat([b[0] for b in blocks]), torch.cat([b[1] for b in blocks])


def _blocks(train: Tensor, x: Tensor, k: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Similarity and position of the nearest, for some queries at a time."""
    center = train.mean(0)
    known = F.normalize(train - center, dim=1) if len(train) > 2 else F.normalize(train, dim=1)
    queries = F.normalize(x - center, dim=1) if len(train) > 2 else F.normalize(x, dim=1)
    for part in torch.split(queries, max(1, _BLOCK // len(train))):
        similarity, index = (part @ known.T).topk(min(k, len(train)), dim=1)
        yield similarity, index
