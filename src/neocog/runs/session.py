"""A training session: steps along a plan that may change on the way, with their time and losses.

A training (`runs.train`) and the fine-tune of a fix (`runs.finetune`) both run on it; they differ
in the task, in what feeds it, and in what happens between two steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from neocog.runs.plan import Plan_, segment
from neocog.runs.recipe import Recipe
from neocog.tasks.task import Task
from neocog.training.augment import Augment
from neocog.training.average import Average
from neocog.training.loop import Step, StepPlan, fit
from neocog.training.machine import Machine
from neocog.types import Batch

__all__ = ["TrainingProgress", "TrainingSession"]


@dataclass
class TrainingProgress:
    """Progress of a training.

    Args:
        plan: pairs of from step and to step, see `runs.plan`.
        step: done so far.
        seconds: of these steps.
        rows: the lines of metrics.jsonl.
        losses: of the steps of this epoch.
        first_loss: that of the first step.
        ended: no further step is made, whatever the plan says.
        interrupted: by a Ctrl-C.
    """

    plan: Plan_ = field(default_factory=list)
    step: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    first_loss: float = 0.0
    ended: bool = False
    interrupted: bool = False

    @property
    def last(self) -> int:
        """The last step of the plan."""
        return self.plan[-1][1]

    @property
    def unfinished(self) -> bool:
        """Whether a further step is made."""
        return not self.ended and not self.interrupted and self.step < self.last

    def shorten(self, last: int) -> None:
        """End at an earlier step: the learning rate decays over the steps until there.

        Args:
            last: the new last step; at or before the present one to end now.
        """
        if last <= self.step:
            self.ended = True
            return
        kept = [pair for pair in self.plan if pair[0] < self.step]
        self.plan = [*kept, (self.step, last)]

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        return {k: v for k, v in vars(self).items() if k not in ("ended", "interrupted")}


@dataclass(kw_only=True)
class TrainingSession:
    """The steps of a training.

    Args:
        recipe: schedule, augmentation, gradient norm and machine, all settled.
        model: on the machine; trained in place.
        feed: batches of an epoch, by its number.
        optimizer: over the model.
        task: what is learned.
        steps_per_epoch: batches in a pass.
        progress: updated with every step.
        average: of the weights, or None.
        views: of each sample in a batch.
    """

    recipe: Recipe
    model: nn.Module
    feed: Callable[[int], Iterator[Batch]]
    optimizer: torch.optim.Optimizer
    task: Task
    steps_per_epoch: int
    progress: TrainingProgress
    average: Average | None = None
    views: int = 1

    def steps(self) -> Generator[Step, None, None]:
        """All steps that are left; between two of them the plan may be replaced."""
        progress = self.progress
        while progress.unfinished:
            plan = progress.plan
            last, until = segment(plan, progress.step)
            with closing(self._fit(last)) as steps:
                clock = time.monotonic()
                for step in steps:
                    progress.seconds += time.monotonic() - clock
                    progress.step = step.number
                    progress.losses.append(step.loss)
                    progress.first_loss = progress.first_loss or step.loss
                    yield step
                    ended = progress.ended or progress.interrupted
                    if ended or progress.plan is not plan or step.number == until:
                        break
                    clock = time.monotonic()

    def _fit(self, last: int) -> Generator[Step, None, None]:
        recipe = self.recipe
        return fit(
            self.model,
            self.feed,
            self.optimizer,
            plan=StepPlan(
                steps=last,
                steps_per_epoch=self.steps_per_epoch,
                first=self.progress.step,
                seed=recipe.train.seed,
            ),
            schedule=recipe.schedule,
            task=self.task,
            max_grad_norm=recipe.objective.max_grad_norm,
            augmentation=recipe.augment or Augment(),
            machine=Machine(**vars(recipe.machine)),
            average=self.average,
        )

    def row(self, step: Step) -> dict[str, Any]:
        """The line of metrics.jsonl for the epoch that a step ends.

        Args:
            step: the last one.
        """
        losses, seconds = self.progress.losses, self.progress.seconds
        images = step.number * step.samples / self.views
        return {
            "epoch": step.epoch,
            "step": step.number,
            "train_loss": sum(losses) / len(losses),
            "lr": step.lr,
            "seconds": round(seconds, 3),
            "images_per_second": round(images / max(seconds, 1e-9), 1),
        }

    def end_epoch(self, row: dict[str, Any]) -> None:
        """Keep a line, and begin the next epoch.

        Args:
            row: what `row` gave, and more.
        """
        self.progress.rows.append(row)
        self.progress.losses = []
