"""How alike two maps are: by the order of their values, and by their structure."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["by_parts", "constant", "ranks", "spearman", "ssim"]

WINDOW = 7
"""Side of the windows of `ssim`."""


_VALUES = 2**21
"""Values that are compared at once, at most: 16 MiB in float64."""


def by_parts(
    measure: Callable[[Tensor, Tensor], Tensor], a: Float[Tensor, B * S], b: Float[Tensor, B * S]
) -> Tensor:
    """What is measured of each two maps, of as many at once as there is room for.

    Args:
        measure: from maps and as many others to a row each.
        a: maps.
        b: as many.

    Example:
        >>> x = torch.zeros(3, 4, 4)
        >>> by_parts(lambda a, b: (a - b).flatten(1).norm(dim=1), x, x)
        tensor([0., 0., 0.])
    """
    step = max(1, _VALUES // max(1, a[0].numel()))
    parts = (slice(i, i + step) for i in range(0, len(a), step))
    return torch.cat([measure(a[rows], b[rows]) for rows in parts])


def constant(maps: Float[Tensor, B * S]) -> Bool[Tensor, " B"]:
    """Which maps are constant, so that no position stands out.

    Example:
        >>> constant(torch.tensor([[1.0, 1.0], [1.0, 2.0]]))
        tensor([ True, False])
    """
    flat = maps.flatten(1)
    return flat.amax(1) == flat.amin(1)


def ranks(values: Float[Tensor, "B P"]) -> Float[Tensor, "B P"]:
    """The rank of each value in its row, from 0; equal values get their mean rank.

    Example:
        >>> ranks(torch.tensor([[3.0, 1.0, 3.0]]))
        tensor([[1.5000, 0.0000, 1.5000]], dtype=torch.float64)
    """
    values = values.contiguous()
    order = values.sort(1).values
    low = torch.searchsorted(order, values)
    high = torch.searchsorted(order, values, right=True)
    return (low + high - 1).double() / 2


def spearman(a: Float[Tensor, B * S], b: Float[Tensor, B * S]) -> Float[Tensor, " B"]:
    """The rank correlation of two maps, from -1 to 1; 0 where one of them is constant.

    Example:
        >>> spearman(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1.0, 4.0, 9.0]]))
        tensor([1.], dtype=torch.float64)
    """
    p, q = ranks(a.flatten(1)), ranks(b.flatten(1))
    p, q = p - p.mean(1, keepdim=True), q - q.mean(1, keepdim=True)
    norm = (p.square().sum(1) * q.square().sum(1)).sqrt()
    return (p * q).sum(1) / torch.where(norm > 0, norm, torch.ones_like(norm))


def ssim(a: Float[Tensor, B * S], b: Float[Tensor, B * S], *, reach: float) -> Float[Tensor, " B"]:
    """Structural similarity, mean over windows; 1 for equal maps.

    Args:
        a: maps.
        b: as many.
        reach: from the smallest to the largest value that they may have.

    Source: Z. Wang et al., "Image quality assessment: from error visibility to structural
    similarity", 2004; with windows that are flat.

    Example:
        >>> x = torch.rand(2, 9, 9)
        >>> ssim(x, x, reach=1.0)
        tensor([1., 1.], dtype=torch.float64)
    """
    side = min(WINDOW, *a.shape[1:])
    pool = F.avg_pool1d if a.ndim == 2 else F.avg_pool2d

    def mean(t: Tensor) -> Tensor:
        return pool(t[:, None], side, 1)[:, 0]

    a, b = a.double(), b.double()
    ma, mb = mean(a), mean(b)
    va, vb = mean(a * a) - ma * ma, mean(b * b) - mb * mb
    both = mean(a * b) - ma * mb
    c1, c2 = (0.01 * reach) ** 2, (0.03 * reach) ** 2
    similarity = (2 * ma * mb + c1) * (2 * both + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return similarity.flatten(1).mean(1)
