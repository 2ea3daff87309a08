"""Do embeddings of different images differ? Their spread, their rank, and what follows.

Self-supervised losses can be made small by giving every image the same embedding (collapse), or
embeddings along a few directions (dimensional collapse, L. Jing et al., ICLR 2022). Two figures
show it without a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

__all__ = ["Diagnosis", "effective_rank", "relative_std", "verdict"]

LEAST_STD = 0.05
"""Relative standard deviation below which embeddings count as one."""

LEAST_RANK = 2.0
"""Effective rank below which embeddings count as a line."""

GAIN = 0.01
"""Accuracy of nearest neighbors that training must add to count as learning, at least."""

STANDARD_ERRORS = 2.0
"""Standard errors of the difference of two accuracies that it must add, too."""


def relative_std(z: Tensor) -> float:
    """Root mean square of the standard deviations of the dimensions, of rows of norm √D.

    1 where embeddings spread evenly around zero, 0 where all are one (after X. Chen, K. He, CVPR
    2021, who take rows of norm 1 and compare with 1/√D).

    Args:
        z: (B, D).

    Example:
        >>> relative_std(torch.tensor([[1.0, 0.0], [-3.0, 0.0]])), relative_std(torch.ones(4, 2))
        (1.0, 0.0)
    """
    rows = torch.nn.functional.normalize(z.double(), dim=1)
    return float(rows.var(0, correction=0).sum().clamp(min=0).sqrt())


def effective_rank(z: Tensor) -> float:
    """Exponential of the entropy of the singular values: how many directions embeddings use.

    O. Roy, M. Vetterli, "The effective rank", EUSIPCO 2007; as a sign of pretraining Q. Garrido et
    al., "RankMe", ICML 2023. The mean is taken off first.

    Args:
        z: (B, D).

    Example:
        >>> z = torch.cat([torch.eye(3), -torch.eye(3)])
        >>> round(effective_rank(z), 4), effective_rank(torch.ones(4, 2))
        (3.0, 0.0)
    """
    centered = z.double() - z.double().mean(0)
    scale = float(z.double().abs().max())
    s = torch.linalg.svdvals(centered)
    if not len(s) or float(s[0]) <= 1e-9 * max(scale, 1e-30):
        return 0.0
    p = s / s.sum()
    return float(torch.exp(torch.special.entr(p).sum()))


@dataclass(frozen=True)
class Diagnosis:
    """What the signs of a training say.

    Args:
        collapsed: embeddings of different images hardly differ.
        text: a sentence.
        learns: nearest neighbors got better; None where there are no labels to tell.
    """

    collapsed: bool
    text: str
    learns: bool | None = None


def verdict(
    std: float | None,
    rank: float,
    *,
    knn: float | None = None,
    before: float | None = None,
    n: int = 1,
) -> Diagnosis:
    """Learning, or collapsing, because of what.

    Args:
        std: see `relative_std`; None of features that are not embeddings: behind a ReLU their mean
            is far from zero, so that their relative std is small with any weights.
        rank: see `effective_rank`.
        knn: accuracy of nearest neighbors; None without labels.
        before: the same with random weights.
        n: images whose class neighbors name.

    Example:
        >>> verdict(0.01, 8.0).text
        'collapsing, because all embeddings are nearly identical: their relative std is 0.010 (1 is
        even)'
        >>> verdict(0.9, 30.0, knn=0.8, before=0.5, n=500).text
        'learning: nearest neighbors name the class of 80.0 % of images, 50.0 % with random weights'
    """
    if std is not None and std < LEAST_STD:
        why = f"all embeddings are nearly identical: their relative std is {std:.3f} (1 is even)"
        return Diagnosis(True, f"collapsing, because {why}", False)
    if rank < LEAST_RANK:
        why = f"embeddings lie along a line: their effective rank is {rank:.1f}"
        return Diagnosis(True, f"collapsing, because {why}", False)
    if knn is None or before is None:
        even = "" if std is None else f"relative std {std:.2f}, "
        spread = f"embeddings are spread ({even}effective rank {rank:.1f})"
        return Diagnosis(False, f"learning, as far as can be told without labels: {spread}")
    numbers = f"nearest neighbors name the class of {knn:.1%} of images"
    numbers = numbers.replace("%", " %")
    random = f"{before:.1%} with random weights".replace("%", " %")
    error = sqrt((knn * (1 - knn) + before * (1 - before)) / n)
    if knn - before <= max(GAIN, STANDARD_ERRORS * error):
        return Diagnosis(False, f"no gain beyond chance yet: {numbers}, {random}", False)
    return Diagnosis(False, f"learning: {numbers}, {random}", True)
