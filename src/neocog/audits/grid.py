"""All shifts of a grid: where around a sample the prediction changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neocog.audits.moving import Movable

__all__ = ["Grid", "grid", "shifts_of"]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What happens at every shift of a grid around the unshifted samples.

    Args:
        n: samples it was measured on.
        offsets: along each axis, in pixels, rising.
        agreement: fraction of samples with their unshifted prediction, an axis for each shift axis.
        accuracy: fraction of correct predictions, None without labels.
        worst_case_accuracy: fraction of samples that are classified correctly at every shift.
        stable: fraction of samples with one prediction at all shifts.
        largest_difference: of any output from the unshifted one, over all samples and shifts.
    """

    n: int
    offsets: tuple[float, ...]
    agreement: np.ndarray
    accuracy: np.ndarray | None
    worst_case_accuracy: float | None
    stable: float
    largest_difference: float


def grid(
    movable: Movable,
    reach: int | None,
    n: int,
    *,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Grid:
    """Measure the predictions at every shift of a grid.

    Args:
        movable: samples and model.
        reach: maximum shift along each axis; None for all possible shifts (circular only).
        n: the number of samples, taken from the start.
        progress: called with the fraction that is done.
    """
    steps, axes = _offsets(movable, reach), len(movable.size)
    every = torch.cartesian_prod(*[steps] * axes).view(-1, axes)
    agree = torch.zeros(len(every), dtype=torch.float64)
    right = torch.zeros(len(every), dtype=torch.float64)
    stable, safe, total, largest = 0.0, 0.0, 0, 0.0
    n = min(n, len(movable.data))
    known = movable.data.y is not None and movable.model.task == "classify"
    for rows in movable.batches(n):
        x, truth = movable.load(rows), movable.truth(rows)
        still = torch.zeros(len(x), axes, dtype=every.dtype)
        reference = movable.model(x if movable.mode == "subpixel" else movable.move(x, still))
        base = movable.kind.predicted(movable.whole(reference))
        same = torch.ones(len(x), dtype=torch.bool)
        always = same.clone()
        for k, offset in enumerate(every):
            if movable.mode != "subpixel" and not offset.any():
                out = reference  # the same samples once more
            else:
                out = movable.model(movable.move(x, offset.expand(len(x), axes)))
            predicted = movable.predicted(out, offset.expand(len(x), axes))
            equal = movable.kind.agreement(base, predicted)
            agree[k] += float(equal.sum())
            same &= equal == (1 if movable.kind.unit else 0)
            if out.shape == reference.shape and movable.model.task != "segment":
                largest = max(largest, float((out - reference).abs().max()))
            if known:
                assert truth is not None
                right[k] += float((predicted == truth).sum())
                always &= predicted == truth
            progress((rows.start + len(x) * (k + 1) / len(every)) / n)
        total += len(x)
        stable, safe = stable + float(same.sum()), safe + float(always.sum())
    shape = (len(steps),) * axes
    return Grid(
        n=total,
        offsets=tuple(float(v) for v in steps.tolist()),
        agreement=(agree / total).view(shape).numpy(),
        accuracy=(right / total).view(shape).numpy() if known else None,
        worst_case_accuracy=safe / total if known else None,
        stable=stable / total,
        largest_difference=largest,
    )


def shifts_of(mode: str, size: tuple[int, ...], max_shift: int, reach: int | None) -> int:
    """How many shifts a map holds.

    Args:
        mode: kind of shift.
        size: of the samples.
        max_shift: maximum shift along each axis of the measured samples.
        reach: maximum shift of the map; None for all circular shifts.

    Example:
        >>> shifts_of("crop", (32, 32), 4, 4), shifts_of("circular", (8, 8), 2, None)
        (81, 64)
    """
    if reach is None and mode == "circular":
        return math.prod([max(size)] * len(size))
    reach = max_shift if reach is None else min(reach, max_shift)
    return math.prod([9 if mode == "subpixel" else 2 * reach + 1] * len(size))


def _offsets(movable: Movable, reach: int | None) -> Tensor:
    """Of a map, along each axis."""
    if reach is None and movable.mode == "circular":
        return torch.arange(max(movable.size))
    reach = movable.reach if reach is None else min(reach, movable.reach)
    if movable.mode == "subpixel":
        return torch.linspace(-1, 1, 9)
    return torch.arange(-reach, reach + 1)
