"""Any number of samples through something that takes a fixed number at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["in_batches_of"]


def in_batches_of(n: int, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Answers of a function that takes exactly `n` samples; the last ones are repeated to fill up.

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
        answers.append(function(full)[: len(some)])
    return torch.cat(answers)
