"""Pooling by a p-norm: from the mean of absolute values (p = 1) to the largest one (p = ∞).

Source of the family: Y.-L. Boureau, J. Ponce, Y. LeCun, "A Theoretical Analysis of Feature Pooling
in Visual Recognition", ICML 2010: (mean of |x|^p)^(1/p).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UsageError
from neocog.layers.blocks import per_axis

__all__ = ["PNormPool", "p_norm_pool"]


def p_norm_pool(
    x: Float[Tensor, "B C *space"],
    p: float,
    *,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    mean: bool = True,
) -> Float[Tensor, "B C *smaller"]:
    """(mean of |x|^p)^(1/p) of each window, channel by channel.

    For values that are nowhere negative, p = 1 is average pooling and p = ∞ is max pooling. Windows
    of zeros only give 0 and pass no gradient, where the root itself has none.

    Args:
        x: map, of one or two axes of space.
        p: of the norm, from 1 to `math.inf`.
        kernel_size: samples of a window, on all axes or on each.
        stride: of the window; the kernel if left out.
        mean: divide the sum by the number of samples before the root; False for the norm itself.

    Raises:
        UsageError: p below 1, or a kernel or stride that does not fit the map.

    Example:
        >>> x = torch.tensor([[[3.0, -4.0, 0.0, 1.0]]])
        >>> p_norm_pool(x, 2, kernel_size=2, mean=False).round(decimals=4)
        tensor([[[5., 1.]]])
        >>> p_norm_pool(x, math.inf, kernel_size=2)
        tensor([[[4., 1.]]])
    """
    _checked(p)
    axes = x.dim() - 2
    window = per_axis(kernel_size, axes)
    steps = window if stride is None else per_axis(stride, axes)
    size = x.abs()
    largest = F.max_pool1d if axes == 1 else F.max_pool2d
    if math.isinf(p):
        return largest(size, window, steps)
    if p == 1:
        pooled = (F.avg_pool1d if axes == 1 else F.avg_pool2d)(size, window, steps)
    else:
        # The largest value of each window is divided out, as its p-th power may be no number.
        unit = largest(size.detach(), window, steps)
        unit = torch.where(unit > 0, unit, torch.ones_like(unit))
        parts = _parts(size, window, steps, unit.shape[2:])
        powers = torch.stack([(part / unit).pow(p) for part in parts]).mean(0)
        some = powers != 0  # what is not a number stays none
        root = torch.where(some, powers, torch.ones_like(powers)).pow(1 / p)
        pooled = torch.where(some, root, torch.zeros_like(root)) * unit
    return pooled if mean else pooled * math.prod(window) ** (1 / p)


def _parts(
    x: Tensor, window: tuple[int, ...], steps: tuple[int, ...], counts: Sequence[int]
) -> list[Tensor]:
    """The first sample of all windows, the second of all, and so on."""
    parts = []
    for at in itertools.product(*map(range, window)):
        cuts = [slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(at, counts, steps, strict=True)]
        parts.append(x[(slice(None), slice(None), *cuts)])
    return parts


def _checked(p: float) -> None:
    if not p >= 1:
        raise UsageError(f"A p-norm has p from 1 to infinity; got {p}.")


class PNormPool(nn.Module):
    """`p_norm_pool` as a module; it has no parameters.

    Args:
        p: of the norm, from 1 to `math.inf`.
        kernel_size: samples of a window, on all axes or on each.
        stride: of the window; the kernel if left out.
        mean: divide the sum by the number of samples before the root.

    Raises:
        UsageError: p below 1.
    """

    def __init__(
        self,
        p: float,
        *,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        mean: bool = True,
    ) -> None:
        super().__init__()
        _checked(p)
        self.p, self.kernel_size, self.stride, self.mean = p, kernel_size, stride, mean

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *smaller"]:
        """(mean of |x|^p)^(1/p) of each window."""
        return p_norm_pool(
            x, self.p, kernel_size=self.kernel_size, stride=self.stride, mean=self.mean
        )

    def extra_repr(self) -> str:
        """Norm, window and stride."""
        return f"p={self.p}, kernel_size={self.kernel_size}, stride={self.stride}, mean={self.mean}"
