"""Fine-tune a converted model toward the predictions of the original.

Its last step may be moved forward while it runs, when time runs short or nothing is gained: the
learning rate then decays over the remaining steps.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import closing

from neocog.data.batches import batches
from neocog.data.split import Split
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.interrupt import deferred
from neocog.runs.recipe import Recipe
from neocog.runs.session import TrainingProgress, TrainingSession
from neocog.tasks.distill import Distillation, Guide, twice
from neocog.training.loop import Step
from neocog.training.machine import Machine, to_machine
from neocog.training.optimize import build_optimizer
from neocog.types import Batch

__all__ = ["GUIDANCE", "guide_of", "steps_of", "tune"]

GUIDANCE = 3.0
"""Weight of the distillation loss from the original model."""


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
    return Guide(to_machine(teacher_model, Machine(**vars(recipe.machine))), samples=samples)


def tune(
    model: SpecifiedNetwork,
    split: Split,
    recipe: Recipe,
    progress: TrainingProgress,
    *,
    guide: SpecifiedNetwork | Guide,
    consistency_weight: float = 0.0,
) -> Iterator[Step]:
    """Fine-tune a model in place, in the loop that trainings use; it ends on the CPU.

    Each batch holds half as many samples, each in two views, and their logits are pulled toward
    the running mean of the original model's (`tasks.distill`). With a consistency weight the
    two views differ in their shift alone; else each is augmented separately, which gives more
    variety.
    Ctrl-C ends it after the current step, see `progress.interrupted`.

    Args:
        model: changed in place.
        split: training samples.
        recipe: with the machine settled.
        progress: updated while it runs; its plan may be shortened between two steps.
        guide: the original model, not changed; or the result of `guide_of`, which keeps its
            logits from one fine-tune to the next.
        consistency_weight: weight of the consistency loss between the two views.
    """
    config = recipe.train
    each, size = steps_of(split, recipe)
    progress.plan = [(0, max(1, round(config.epochs * each)))]
    to_machine(model, Machine(**vars(recipe.machine)))
    teacher = guide if isinstance(guide, Guide) else guide_of(guide, recipe, len(split))
    session = TrainingSession(
        recipe=recipe,
        model=model,
        feed=_feed(split, size, config.seed, teacher),
        optimizer=build_optimizer(model, recipe.optimizer),
        task=Distillation(
            task=recipe.objective.task(),
            guide=teacher,
            weight=GUIDANCE,
            consistency_weight=consistency_weight,
        ),
        steps_per_epoch=each,
        progress=progress,
        views=2,
    )
    with deferred() as interrupt, closing(session.steps()) as steps:
        for step in steps:
            if step.ends_epoch or interrupt.requested:
                session.end_epoch(session.row(step))
            yield step
            progress.interrupted |= interrupt.requested
    to_machine(model, Machine(memory_format="contiguous"))
    model.eval()


def _feed(split: Split, size: int, seed: int, teacher: Guide) -> Callable[[int], Iterator[Batch]]:
    """Batches of an epoch, each sample in two views."""
    full = len(split) >= size

    def feed(epoch: int) -> Iterator[Batch]:
        some = batches(split, size=size, shuffle=True, seed=seed, epoch=epoch, drop_last=full)
        return teacher.feed(twice(some))

    return feed
