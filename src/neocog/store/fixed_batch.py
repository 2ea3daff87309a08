"""Any number of samples through something that takes a fixed number at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

__all__ = ["in_batches_of"]


def in_batches_of(n: int, function: Callable[[Tensor], Any], x: Tensor) -> Any:
    """Answers of a function that takes exactly `n` samples; the last ones are repeated to fill up.

    Where it returns several tensors, as a tuple or a mapping, each is put together.

    Args:
        n: samples at once.
        function: (n, ...) to (n, ...).
        x: (B, ...).

    Example:
        >>> in_batches_of(2, lambda x: x * 10, torch.tensor([1, 2, 3]))
        tensor([10, 20, 30])
    """
    answers = []
    for i in range(0, len(x), n):
        some = x[i : i + n]
        missing = n - len(some)
        full = torch.cat([some, some[-1:].expand(missing, *some.shape[1:])]) if missing else some
        answers.append(_first(function(full), len(some)))
    return pytree.tree_map(_joined, *answers)


def _first(tree: Any, n: int) -> Any:
    """Of each tensor the rows of the first samples."""
    return pytree.tree_map(lambda t: t[:n] if isinstance(t, Tensor) and t.ndim else t, tree)


def _joined(*parts: Any) -> Any:
    """Rows one behind the other; of what has none the first."""
    first = parts[0]
    return torch.cat(parts) if isinstance(first, Tensor) and first.ndim else first
