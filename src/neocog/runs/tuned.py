"""The fine-tune of a model that was changed, towards what it answered before."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from neocog.data.batches import batches
from neocog.data.split import Split
from neocog.networks.model import Model
from neocog.runs.interrupt import deferred
from neocog.runs.recipe import Recipe
from neocog.training.loop import Plan, Step, fit
from neocog.training.machine import Machine, place
from neocog.training.optimise import build_optimiser
from neocog.training.steady import Guide, Guided, twice
from neocog.types import Batch

__all__ = ["GUIDANCE", "Tuned", "tune"]

GUIDANCE = 3.0
"""Weight of the difference from the model as it was, beside the loss."""


@dataclass
class Tuned:
    """How far a fine-tune came.

    Args:
        rows: an epoch each, as in metrics.jsonl.
        interrupted: a Ctrl-C ended it.
        seconds: of its steps.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = 0.0


def tune(
    model: Model,
    split: Split,
    recipe: Recipe,
    told: Tuned,
    *,
    guide: Model,
    steady: float = 0.0,
) -> Iterator[Step]:
    """Fine-tune a model in place, in the loop that trainings use; it ends on the CPU.

    Each batch shows half as many samples, each twice, and their answers are drawn to what the
    model as it was said to them so far (`training.steady`). Where they are drawn to each other too,
    the two views differ in their place alone; else each is changed by itself, which shows more.
    A Ctrl-C ends it after the running step, and `told` says so.

    Args:
        model: is changed.
        split: to learn from.
        recipe: with the machine settled.
        told: what came of it.
        guide: the model as it was; is left as it is.
        steady: how strongly the two views of a sample are drawn to each other.
    """
    course = recipe.course
    size = max(1, course.batch // 2)
    full = len(split) >= size
    each = max(1, len(split) // size)
    steps = max(1, round(course.epochs * each))
    machine = Machine(**vars(recipe.machine))
    place(model, machine)
    teacher = Guide(
        place(copy.deepcopy(guide).eval().requires_grad_(False), machine), samples=len(split)
    )

    def feed(epoch: int) -> Iterator[Batch]:
        some = batches(
            split, size=size, shuffle=True, seed=course.seed, epoch=epoch, drop_last=full
        )
        return teacher.feed(twice(some))

    assert recipe.augment is not None
    events = fit(
        Guided(model, teacher, GUIDANCE, steady=steady),
        feed,
        build_optimiser(model, recipe.optimiser),
        plan=Plan(steps=steps, steps_per_epoch=each, seed=course.seed, twins=steady > 0),
        schedule=recipe.schedule,
        objective=recipe.objective,
        augmentation=recipe.augment,
        machine=machine,
    )
    losses: list[float] = []
    with closing(events), deferred() as interrupt:  # type: ignore[type-var]
        clock = time.monotonic()
        for step in events:
            told.seconds += time.monotonic() - clock
            losses.append(step.loss)
            if step.ends_epoch or interrupt.asked:
                told.rows.append(_row(step, losses, told.seconds))
                losses = []
            yield step
            if interrupt.asked:
                told.interrupted = True
                break
            clock = time.monotonic()
    place(model, Machine(layout="contiguous"))
    model.eval()


def _row(step: Step, losses: list[float], seconds: float) -> dict[str, Any]:
    return {
        "epoch": step.epoch,
        "step": step.number,
        "train_loss": sum(losses) / len(losses),
        "lr": step.lr,
        "seconds": round(seconds, 3),
        # Each is shown twice.
        "images_per_second": round(step.number * step.samples / 2 / max(seconds, 1e-9), 1),
    }
