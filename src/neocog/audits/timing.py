"""Time of a sample, measured for several models in turns, so a busy machine slows all alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from neocog.data.samples import batch_for
from neocog.graph.preserve import preserved

__all__ = ["a_batch", "milliseconds"]

SECONDS = 3.0
"""Timing ends after the round in which so many seconds are over."""

FEWEST = 5
"""Rounds, at least, where they are quick."""

MOST = 60
"""Rounds, at most."""


def a_batch(shape: Sequence[int]) -> Tensor:
    """Random pixels, a batch as models usually take it, channels_last in memory.

    Small batches would time the overhead of single operations, which larger ones amortize.

    Args:
        shape: of one sample, (C, H, W) or (C, N).

    Example:
        >>> a_batch((1, 28, 28)).shape
        torch.Size([256, 1, 28, 28])
    """
    x = torch.rand(batch_for(math.prod(shape)), *shape)
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def milliseconds(models: Sequence[nn.Module], batches: Sequence[Tensor]) -> list[float]:
    """Milliseconds of the forward pass of one sample within a batch; the median of rounds.

    Each round runs the models in turns, after one to warm up, in evaluation mode.

    Args:
        models: pixels in [0, 1] to logits.
        batches: input of each model, (B, C, ...), on the device of its parameters.

    Example:
        >>> x = torch.zeros(8, 4)
        >>> [ms > 0 for ms in milliseconds([nn.Linear(4, 2), nn.Linear(4, 2)], [x, x])]
        [True, True]
    """
    taken: list[list[float]] = [[] for _ in models]
    began = time.perf_counter()
    for turn in range(MOST + 1):  # slow ones need one round only
        for i, (model, x) in enumerate(zip(models, batches, strict=True)):
            seconds = _timed(model, x)
            if turn:
                taken[i].append(seconds / len(x) * 1e3)
        spent = time.perf_counter() - began
        if (turn >= FEWEST and spent > SECONDS) or (turn and spent > 2 * SECONDS):
            break
    return [statistics.median(t) for t in taken]


def _timed(model: nn.Module, x: Tensor) -> float:
    with preserved(model), torch.no_grad():
        model.eval()
        _wait(x)
        began = time.perf_counter()
        model(x)
        _wait(x)
        return time.perf_counter() - began


def _wait(x: Tensor) -> None:
    if x.device.type == "cuda":
        torch.cuda.synchronize(x.device)
