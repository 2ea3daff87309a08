"""How long a training step takes here, and a prediction: measured, in a bounded time."""

from __future__ import annotations

import copy
import math
import time

from neocog.runs.experiment import Experiment
from neocog.runs.machine_search import one_step
from neocog.tasks.inference import logits_of
from neocog.types import Batch

__all__ = ["speed"]

STEPS = 6
"""Steps that are timed, where there is time; the first one warms up."""


def speed(experiment: Experiment, *, seconds: float = math.inf) -> tuple[float, float]:
    """Seconds of a training step and of a prediction for one sample, measured on a copy.

    Where time is short a few samples are timed, then more: what a whole step takes is reckoned
    from the largest number of them that was.

    Args:
        experiment: is left as it is.
        seconds: for all of it; two steps with two samples are made in any case.
    """
    end = time.perf_counter() + seconds
    whole = next(experiment.feed(0))
    trial, n = copy.deepcopy(experiment.model), len(whole.y)
    sizes = [n] * STEPS if math.isinf(seconds) else [2, 2, 8, 32, *[n] * STEPS]
    if experiment.recipe.semi_supervised:  # labeled images come first: a part has no unlabeled ones
        sizes = [n] * STEPS
    taken: list[tuple[int, float]] = []
    for size in sizes:
        size = min(size, n)
        now = time.perf_counter()
        # The first step is slow for reasons of its own; the second says more.
        if len(taken) > 1 and now + taken[-1][1] * size / taken[-1][0] > end:
            break
        one_step(
            trial,
            experiment.machine,
            _first(whole, size),
            experiment.recipe,
            task=experiment.task(),
        )
        taken.append((size, time.perf_counter() - now))
    largest = taken[-1][0]
    times = [t for size, t in taken if size == largest]
    warm = sorted(times[1:] or times)
    step = warm[len(warm) // 2] * n / largest
    now = time.perf_counter()
    logits_of(trial, [_first(whole, largest)], device=experiment.machine.device)
    return step, (time.perf_counter() - now) / largest


def _first(batch: Batch, n: int) -> Batch:
    return Batch(batch.x[:n], batch.y[:n], batch.index[:n])
