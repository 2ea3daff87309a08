"""The fine-tune of a model that was changed, towards what it answered before.

Its last step may be moved while it runs, nearer because time runs short or nothing is gained any
more: the learning rate then falls over the steps that are left.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from neocog.data.batches import batches
from neocog.data.split import Split
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.interrupt import deferred
from neocog.runs.recipe import Recipe
from neocog.tasks.distill import Distillation, Guide, twice
from neocog.training.augment import Augment
from neocog.training.loop import Step, StepPlan, fit
from neocog.training.machine import Machine, place
from neocog.training.optimize import build_optimizer
from neocog.types import Batch

__all__ = ["GUIDANCE", "FinetuneState", "guide_of", "steps_of", "tune"]

GUIDANCE = 3.0
"""Weight of the difference from the model as it was, beside the loss."""


@dataclass
class FinetuneState:
    """How far a fine-tune came.

    Args:
        rows: an epoch each, as in metrics.jsonl.
        interrupted: a Ctrl-C ended it.
        seconds: of its steps.
        done: steps made.
        last: number of the last step; may be set to a lower one between two steps.
        plan: pairs of from step and to step, as in `runs.plan`.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = 0.0
    done: int = 0
    last: int = 0
    plan: list[int] = field(default_factory=list)


def steps_of(split: Split, recipe: Recipe) -> tuple[int, int]:
    """Steps of one pass over a split, and samples of each, every one shown twice."""
    size = max(1, recipe.train.batch_size // 2)
    return max(1, len(split) // size), size


def guide_of(model: SpecifiedNetwork, recipe: Recipe, samples: int) -> Guide:
    """What a fine-tune is drawn to: a copy of the model as it was, where the training runs.

    Args:
        model: is left as it is.
        recipe: with the machine settled.
        samples: of the split that is learned from.
    """
    still = copy.deepcopy(model).eval().requires_grad_(False)
    return Guide(place(still, Machine(**vars(recipe.machine))), samples=samples)


def tune(
    model: SpecifiedNetwork,
    split: Split,
    recipe: Recipe,
    told: FinetuneState,
    *,
    guide: SpecifiedNetwork | Guide,
    consistency_weight: float = 0.0,
) -> Iterator[Step]:
    """Fine-tune a model in place, in the loop that trainings use; it ends on the CPU.

    Each batch shows half as many samples, each twice, and their predictions are drawn to
    those of the model as it was so far (`tasks.distill`). Where they are drawn to each other
    too, the two views differ in their place alone; else each is changed by itself, which shows
    more.
    A Ctrl-C ends it after the running step, and `told` says so.

    Args:
        model: is changed.
        split: to learn from.
        recipe: with the machine settled.
        told: what came of it; `told.last` may be lowered between two steps.
        guide: the model as it was, which is left as it is; or what `guide_of` made of it, which
            remembers what it said from one fine-tune to the next.
        consistency_weight: how strongly the two views of a sample are drawn to each other.
    """
    course = recipe.train
    each, size = steps_of(split, recipe)
    told.done, told.last = 0, max(1, round(course.epochs * each))
    machine = Machine(**vars(recipe.machine))
    place(model, machine)
    teacher = guide if isinstance(guide, Guide) else guide_of(guide, recipe, len(split))
    optimizer = build_optimizer(model, recipe.optimizer)
    task = Distillation(
        task=recipe.objective.task(),
        guide=teacher,
        weight=GUIDANCE,
        consistency_weight=consistency_weight,
    )
    losses: list[float] = []
    with deferred() as interrupt:
        while told.done < told.last and not told.interrupted:
            heading = told.last
            told.plan += [told.done, heading]
            events = fit(
                model,
                _feed(split, size, course.seed, teacher),
                optimizer,
                plan=StepPlan(
                    steps=heading,
                    steps_per_epoch=each,
                    first=told.done,
                    seed=course.seed,
                ),
                schedule=recipe.schedule,
                task=task,
                max_grad_norm=recipe.objective.max_grad_norm,
                augmentation=recipe.augment or Augment(),
                machine=machine,
            )
            with closing(events):  # type: ignore[type-var]
                clock = time.monotonic()
                for step in events:
                    told.seconds += time.monotonic() - clock
                    told.done = step.number
                    losses.append(step.loss)
                    if step.ends_epoch or interrupt.requested:
                        told.rows.append(_row(step, losses, told.seconds))
                        losses = []
                    yield step
                    told.interrupted = interrupt.requested
                    if told.interrupted or told.last != heading:
                        break
                    clock = time.monotonic()
    place(model, Machine(memory_format="contiguous"))
    model.eval()


def _feed(split: Split, size: int, seed: int, teacher: Guide) -> Callable[[int], Iterator[Batch]]:
    """Batches of an epoch, each sample twice."""
    full = len(split) >= size

    def feed(epoch: int) -> Iterator[Batch]:
        some = batches(split, size=size, shuffle=True, seed=seed, epoch=epoch, drop_last=full)
        return teacher.feed(twice(some))

    return feed


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
