"""Any batch size through a function of a fixed batch size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

__all__ = ["in_batches_of"]


def in_batches_of(n: int, function: Callable[[Tensor], Any], x: Tensor) -> Any:
    """Outputs of a function of exactly `n` samples; the last ones are repeated to fill up.

    Several tensors, in a tuple or a mapping, are concatenated one by one.

    Args:
        n: the fixed batch size.
        function: (n, ...) to (n, ...).
        x: (B, ...).

    Example:
        >>> in_batches_of(2, lambda x: x * 10, torch.tensor([1, 2, 3]))
        tensor([10, 20, 30])
    """
    outputs = []
    for i in range(0, len(x), n):
        some = x[i : i + n]
        missing = n - len(some)
        full = torch.cat([some, some[-1:].expand(missing, *some.shape[1:])]) if missing else some
        outputs.append(_first(function(full), len(some)))
    return pytree.tree_map(_joined, *outputs)


def _first(tree: Any, n: int) -> Any:
    """The rows of the first samples of each tensor."""
    return pytree.tree_map(lambda t: t[:n] if isinstance(t, Tensor) and t.ndim else t, tree)


def _joined(*parts: Any) -> Any:
    """Rows concatenated; of anything without rows the first."""
    first = parts[0]
    return torch.cat(parts) if isinstance(first, Tensor) and first.ndim else first
