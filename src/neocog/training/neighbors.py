"""Nearest neighbors on features: how good are they, without training anything?"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["nearest", "votes_of"]

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
    center = train.mean(0)
    known = F.normalize(train - center, dim=1) if len(train) > 2 else F.normalize(train, dim=1)
    queries = F.normalize(x - center, dim=1) if len(train) > 2 else F.normalize(x, dim=1)
    label, rows = torch.from_numpy(np.ascontiguousarray(y)), max(1, _BLOCK // len(train))
    out = []
    for part in torch.split(queries, rows):
        similarity, index = (part @ known.T).topk(min(k, len(train)), dim=1)
        votes = torch.zeros(len(part), num_classes)
        votes.scatter_add_(1, label[index], (similarity / TEMPERATURE).exp())
        out.append(votes.argmax(1))
    return torch.cat(out).numpy()
