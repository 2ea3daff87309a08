"""Before a training: can this network overfit a handful of these images?

A network that cannot overfit one small batch will learn nothing from more. The reasons are few, and
most show in the data before a step is made: images that are all the same, equal images with
different labels, samples of one class. What is left is the learning rate.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from neocog.data.batches import pixels
from neocog.data.split import Split
from neocog.errors import Diverged, printable
from neocog.runs.recipe import Recipe
from neocog.training.augment import Augment
from neocog.training.loop import StepPlan, fit
from neocog.training.machine import Machine
from neocog.training.optimize import ScheduleConfig, build_optimizer
from neocog.types import Batch

__all__ = ["Preflight", "overfit", "preflight", "problems"]

SAMPLES, STEPS = 16, 200
"""Samples of the batch, and steps on it."""

LEARNED, OVERFITTED = 0.8, 0.5
"""Of where it began, the loss must fall below the one; below the other the test is over."""

LONGEST = 2.0
"""Seconds of the steps on one batch, at most."""

LOOKED_AT = 2**28
"""Bytes of pixels that are looked at for images of one color, at most."""


@dataclass(frozen=True)
class Preflight:
    """What one batch showed.

    Args:
        first: its loss before the first step.
        last: after the last.
        steps: made.
        reason: the problem, a sentence; empty where it was learned.
    """

    first: float
    last: float
    steps: int
    reason: str = ""


def preflight(
    model: nn.Module,
    train: Split,
    classes: tuple[str, ...],
    recipe: Recipe,
    *,
    seconds: float = math.inf,
) -> tuple[str, ...]:
    """Problems of a training, a sentence each: of the data, else of the learning rate.

    Args:
        model: is left as it is.
        train: the training samples.
        classes: names.
        recipe: with its machine settled.
        seconds: for the steps on one batch; there are none where they are too few.
    """
    if (hints := problems(train, classes)) or seconds < 1:
        return hints
    machine = Machine(**{k: v for k, v in vars(recipe.machine).items() if v})
    overfitted = overfit(model, train, recipe, machine, seconds=min(seconds, LONGEST))
    return (overfitted.reason,) if overfitted.reason else ()


def problems(train: Split, classes: tuple[str, ...]) -> tuple[str, ...]:
    """What in the data keeps any network from learning, a sentence each.

    Args:
        train: the training samples.
        classes: names.
    """
    sentences = []
    counts = np.bincount(train.y, minlength=len(classes))
    if (counts > 0).sum() == 1:
        name = printable(classes[int(counts.argmax())])
        sentences.append(f"All training samples are of class `{name}`.")
    some = train.x[: max(1, LOOKED_AT // max(1, train.x[:1].nbytes))]
    flat = some.reshape(len(some), -1, some.shape[-1])
    constant = int((flat.max(1) == flat.min(1)).all(1).sum())
    if constant > len(some) / 10:
        sentences.append(
            f"{constant:,} of {len(some):,} training images are blank: they contain no information "
            "about the class."
        )
    if train.ids is not None and (n := _conflicts(train)) > len(train) / 20:
        sentences.append(
            f"{n:,} of {len(train):,} training images occur in several classes: no network can "
            "predict both. `neocog data` names them."
        )
    return tuple(sentences)


def _conflicts(train: Split) -> int:
    """Samples whose content also occurs with another label."""
    assert train.ids is not None
    _, same = np.unique(train.ids, return_inverse=True)
    low = np.full(same.max(initial=0) + 1, np.iinfo(np.int64).max)
    high = np.full(same.max(initial=0) + 1, -1)
    np.minimum.at(low, same, train.y)
    np.maximum.at(high, same, train.y)
    return int((low != high)[same].sum())


def overfit(
    model: nn.Module,
    train: Split,
    recipe: Recipe,
    machine: Machine,
    *,
    seconds: float = math.inf,
) -> Preflight:
    """Train a copy of a network on one small batch, as the recipe says but without augmentation.

    Args:
        model: is left as it is.
        train: the training samples; the batch has as many of each class as it can.
        recipe: optimizer and objective.
        machine: where.
        seconds: after which no step begins.
    """
    batch = _batch(train)
    trial = copy.deepcopy(model)
    for part in trial.modules():  # what is meant to keep it from overfitting
        if isinstance(part, (nn.Dropout, nn.Dropout2d)):
            part.p = 0.0
    losses, end = list[float](), time.monotonic() + seconds
    lr = recipe.optimizer.lr
    try:
        for step in fit(
            trial,
            lambda epoch: iter([batch] * STEPS),
            build_optimizer(trial, recipe.optimizer),
            plan=StepPlan(steps=STEPS, steps_per_epoch=STEPS, seed=recipe.train.seed),
            schedule=ScheduleConfig(name="constant", warmup=0.2),
            task=replace(recipe.objective, label_smoothing=0.0).task(),
            max_grad_norm=recipe.objective.max_grad_norm,
            augmentation=Augment(),
            machine=machine,
        ):
            losses.append(step.loss)
            if step.loss < OVERFITTED * losses[0] or time.monotonic() > end:
                break
    except Diverged as e:
        return Preflight(losses[0] if losses else math.nan, math.nan, len(losses), str(e))
    first, last = losses[0], min(losses[-3:])
    if last < LEARNED * first or len(losses) < STEPS:
        return Preflight(first, last, len(losses))
    return Preflight(
        first,
        last,
        len(losses),
        f"{len(batch.y)} training images could not be overfitted: after {len(losses)} steps "
        f"on them the loss is {last:.3g}, from {first:.3g}. The learning rate {lr:.2g} is probably "
        f"far too low or too high: try `--lr {lr * 10:.1g}` or `--lr {lr / 10:.1g}`.",
    )


def _batch(train: Split) -> Batch:
    """Samples of all classes in turn, the first ones of each."""
    rank = np.zeros(len(train), np.int64)
    for k in np.unique(train.y):
        own = np.flatnonzero(train.y == k)
        rank[own] = np.arange(len(own))
    rows = np.sort(np.lexsort((train.y, rank))[:SAMPLES])
    return Batch(pixels(train, rows), torch.from_numpy(train.y[rows]), torch.from_numpy(rows))
