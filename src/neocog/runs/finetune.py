"""Fine-tune a converted model towards the predictions of the original.

Its last step may be moved forward while it runs, when time runs short or nothing is gained: the
learning rate then decays over the remaining steps.
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
"""Weight of the distillation loss from the original model."""


@dataclass
class FinetuneState:
    """Progress of a fine-tune.

    Args:
        rows: one per epoch, as in metrics.jsonl.
        interrupted: a Ctrl-C ended it.
        seconds: of its steps.
        done: steps made.
        last: index of the last step; may be lowered between two steps.
        plan: pairs of from step and to step, as in `runs.plan`.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = 0.0
    done: int = 0
    last: int = 0
    plan: list[int] = field(default_factory=list)


def steps_of(split: Split, recipe: Recipe) -> tuple[int, int]:
    """Steps per epoch, and samples per step, each in two views."""
    size = max(1, recipe.train.batch_size // 2)
    return max(1, len(split) // size), size


def guide_of(model: SpecifiedNetwork, recipe: Recipe, samples: int) -> Guide:
    """The teacher of a fine-tune: a copy of the original model, on the device of the training.

    Args:
        model: not changed.
        recipe: with the machine settled.
        samples: size of the training split.
    """
    teacher_model = copy.deepcopy(model).eval().requires_grad_(False)
    return Guide(place(teacher_model, Machine(**vars(recipe.machine))), samples=samples)


def tune(
    model: SpecifiedNetwork,
    split: Split,
    recipe: Recipe,
    state: FinetuneState,
    *,
    guide: SpecifiedNetwork | Guide,
    consistency_weight: float = 0.0,
) -> Iterator[Step]:
    """Fine-tune a model in place, in the loop that trainings use; it ends on the CPU.

    Each batch holds half as many samples, each in two views, and their logits are pulled toward
    the running mean of the original model's (`tasks.distill`). With a consistency weight the
    two views differ in their shift alone; else each is augmented separately, which gives more
    variety.
    Ctrl-C ends it after the current step, see `state.interrupted`.

    Args:
        model: changed in place.
        split: training samples.
        recipe: with the machine settled.
        state: updated while it runs; `state.last` may be lowered between two steps.
        guide: the original model, not changed; or the result of `guide_of`, which keeps its
            logits from one fine-tune to the next.
        consistency_weight: weight of the consistency loss between the two views.
    """
    config = recipe.train
    each, size = steps_of(split, recipe)
    state.done, state.last = 0, max(1, round(config.epochs * each))
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
        while state.done < state.last and not state.interrupted:
            target = state.last
            state.plan += [state.done, target]
            events = fit(
                model,
                _feed(split, size, config.seed, teacher),
                optimizer,
                plan=StepPlan(
                    steps=target,
                    steps_per_epoch=each,
                    first=state.done,
                    seed=config.seed,
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
                    state.seconds += time.monotonic() - clock
                    state.done = step.number
                    losses.append(step.loss)
                    if step.ends_epoch or interrupt.requested:
                        state.rows.append(_row(step, losses, state.seconds))
                        losses = []
                    yield step
                    state.interrupted = interrupt.requested
                    if state.interrupted or state.last != target:
                        break
                    clock = time.monotonic()
    place(model, Machine(memory_format="contiguous"))
    model.eval()


def _feed(split: Split, size: int, seed: int, teacher: Guide) -> Callable[[int], Iterator[Batch]]:
    """Batches of an epoch, each sample in two views."""
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
        # Each sample has two views.
        "images_per_second": round(step.number * step.samples / 2 / max(seconds, 1e-9), 1),
    }
