"""The loop: a generator of records. It touches no disk and prints nothing.

Randomness is a pure function of the seed and the step number, so a training that is stopped
after any step and resumed ends with the same bits as one that ran through.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from neocog.errors import Diverged, UsageError, did_you_mean
from neocog.layers._cpu.depthwise import fast_depthwise
from neocog.tasks.classify import LOSSES, Classification
from neocog.tasks.task import Task
from neocog.training.augment import Augment, Mixed, augment
from neocog.training.average import Average
from neocog.training.linear import class_weights
from neocog.training.machine import Machine, autocast
from neocog.training.optimize import ScheduleConfig, rate_at
from neocog.types import Batch

__all__ = ["Objective", "Step", "StepPlan", "fit", "step_seed"]

CLASS_WEIGHTS = ("none", "balanced")
"""How classes are weighted."""

Feed = Callable[[int], Iterator[Batch]]
"""From an epoch number to its batches, always the same ones for the same number."""


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """How far a training goes, and where it starts.

    Args:
        steps: index of the last step, counted from 1.
        steps_per_epoch: batches in one pass over the data.
        first: steps that are already done.
        seed: of dropout and augmentation.
    """

    steps: int
    steps_per_epoch: int
    first: int = 0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The loss and its options.

    Args:
        loss: `cross_entropy` or `mean_squared_error`.
        label_smoothing: fraction of each target that is spread evenly over the classes.
        max_grad_norm: max L2 norm of the gradient, 0 for no clipping.
        class_weights: `none`, or `balanced`: the loss of a sample is weighted so that all classes
            count alike, however many training samples each has.
    """

    loss: str = "cross_entropy"
    label_smoothing: float = 0.05
    max_grad_norm: float = 0.0
    class_weights: str = "none"

    def __post_init__(self) -> None:
        """Check the name and the numbers.

        Raises:
            UsageError: the loss is unknown or a number is out of range.
        """
        if self.loss not in LOSSES:
            raise UsageError(
                f"`objective.loss` must name a loss, got `{self.loss}`. "
                f"{did_you_mean(self.loss, LOSSES)}"
            )
        if not 0 <= self.label_smoothing < 1:
            raise UsageError(
                f"`objective.label_smoothing` is a fraction from 0 to below 1, got "
                f"{self.label_smoothing}. Try 0.1."
            )
        if not 0 <= self.max_grad_norm < math.inf:
            raise UsageError(
                f"`objective.max_grad_norm` must not be negative, got {self.max_grad_norm}. "
                "Use 0 for no clipping."
            )

        if self.class_weights not in CLASS_WEIGHTS:
            raise UsageError(
                f"`objective.class_weights` is none or balanced, got `{self.class_weights}`. "
                f"{did_you_mean(self.class_weights, CLASS_WEIGHTS)}"
            )

    def task(self, y: np.ndarray | None = None, num_classes: int = 0) -> Classification:
        """The task with this loss.

        Args:
            y: class indices of the training samples, of which class weights are made; without them
                every sample counts alike.
            num_classes: K.
        """
        if self.class_weights == "none" or y is None:
            return Classification(self.loss, self.label_smoothing)
        weights = tuple(class_weights(y[y >= 0], num_classes).tolist())
        return Classification(self.loss, self.label_smoothing, weights)


@dataclass(frozen=True)
class Step:
    """One optimizer step.

    Args:
        number: steps done, this one included.
        epoch: passes over the data begun, this one included.
        ends_epoch: this was the last batch of its pass, or of the training.
        loss: of the batch, before the step.
        lr: learning rate of the step.
        samples: in the batch.
    """

    number: int
    epoch: int
    ends_epoch: bool
    loss: float
    lr: float
    samples: int


def step_seed(seed: int, step: int, *, stream: int = 0) -> int:
    """A 63-bit number for each triple, far apart for near ones (splitmix64, Steele et al. 2014).

    Args:
        seed: of the training.
        step: its number; -1 for the first weights.
        stream: 0 for dropout, 1 for augmentation, so that one does not follow the other.

    Example:
        >>> step_seed(0, 1) == step_seed(0, 1), step_seed(0, 1) == step_seed(1, 0)
        (True, False)
    """
    z = seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03 + stream * 0x2545F4914F6CDD1D
    z = (z + 0x632BE59BD9B4E019) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return (z ^ (z >> 31)) >> 1


def fit(
    model: nn.Module,
    feed: Feed,
    optimizer: torch.optim.Optimizer,
    *,
    plan: StepPlan,
    schedule: ScheduleConfig,
    task: Task,
    augmentation: Augment,
    machine: Machine,
    average: Average | None = None,
    max_grad_norm: float = 0.0,
) -> Generator[Step, None, None]:
    """Train, and yield a record after every step.

    The model is in training mode during a step and may be used freely between steps; its mode
    and the global random state are restored whenever the generator yields and at its end.

    Args:
        model: pixels in [0, 1] to logits, on the machine's device.
        feed: batches of each epoch, at least `plan.steps_per_epoch` of them.
        optimizer: over the model's parameters; its learning rates are scaled by the schedule.
        plan: how far, and from where.
        schedule: of the learning rate.
        task: what is learned from a batch: its outputs and their loss.
        augmentation: of each batch.
        machine: device, memory layout and precision.
        average: exponential moving average of the weights, updated after each step.
        max_grad_norm: of the whole gradient, which is clipped to it; 0 for no clipping.

    Raises:
        Diverged: the loss is not finite, or has grown far beyond its start.

    Example:
        >>> import itertools
        >>> x, y = torch.rand(8, 1, 4, 4), torch.arange(8) % 2
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> steps = fit(
        ...     net, lambda epoch: itertools.repeat(Batch(x, y, y), 1),
        ...     torch.optim.SGD(net.parameters(), lr=0.1),
        ...     plan=StepPlan(steps=3, steps_per_epoch=1),
        ...     schedule=ScheduleConfig(name="constant", warmup=0),
        ...     task=Classification(), augmentation=Augment(), machine=Machine())
        >>> [s.number for s in steps]
        [1, 2, 3]
    """
    if plan.steps < 1 or plan.steps_per_epoch < 1:
        raise UsageError(
            f"Training needs at least one step, got {plan.steps} steps of "
            f"{plan.steps_per_epoch} per epoch. Give more epochs or a smaller batch."
        )
    top = [group["lr"] for group in optimizer.param_groups]
    watch = _Watch(top[0])
    try:
        for number, batch in _batches(feed, plan):
            factor = rate_at(schedule, number / plan.steps)
            for group, lr in zip(optimizer.param_groups, top, strict=True):
                group["lr"] = lr * factor
            with _training(model, step_seed(plan.seed, number), machine):
                seed = step_seed(plan.seed, number, stream=1)
                augmented = _augmented(batch, augmentation, machine, seed, twins=task.paired)
                value = _step(model, augmented, optimizer, task, machine, max_grad_norm)
                if average is not None:
                    average.update(number)
            lr = top[0] * factor
            watch(value, number, lr)
            epoch, done = divmod(number, plan.steps_per_epoch)
            ends = done + 1 == plan.steps_per_epoch or number + 1 == plan.steps
            yield Step(number + 1, epoch + 1, ends, value, lr, len(batch.y))
    finally:
        for group, lr in zip(optimizer.param_groups, top, strict=True):
            group["lr"] = lr


def _batches(feed: Feed, plan: StepPlan) -> Iterator[tuple[int, Batch]]:
    """Indices of steps from 0, each with its batch, from the first step not yet done."""
    number = plan.first
    while number < plan.steps:
        epoch, skip = divmod(number, plan.steps_per_epoch)
        before = number
        for position, batch in enumerate(feed(epoch)):
            if position < skip:
                continue
            if position == plan.steps_per_epoch or number == plan.steps:
                break
            yield number, batch
            number += 1
        if number == before:
            raise UsageError(
                f"The batches of an epoch must number `steps_per_epoch`, {plan.steps_per_epoch}; "
                f"epoch {epoch} ended before its batch {skip + 1}. Give their actual number."
            )


def _augmented(
    batch: Batch, options: Augment, machine: Machine, seed: int, *, twins: bool
) -> Mixed:
    x = batch.x.to(machine.device, non_blocking=True)
    y = batch.y.to(machine.device, non_blocking=True)
    return augment(x, y, options, seed=seed, twins=twins)


def _step(
    model: nn.Module,
    batch: Mixed,
    optimizer: torch.optim.Optimizer,
    task: Task,
    machine: Machine,
    max_grad_norm: float,
) -> float:
    with autocast(machine), fast_depthwise(model):
        output = task.forward(model, batch.x)
    value = task.loss(output, batch)
    optimizer.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    if max_grad_norm:
        nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    optimizer.step()
    return value.item()


@contextmanager
def _training(model: nn.Module, seed: int, machine: Machine) -> Iterator[None]:
    """Training mode and a seeded global generator for one step; both are restored."""
    # A model already in training mode keeps the modes of its submodules, frozen ones included.
    modes = [] if model.training else [(m, m.training) for m in model.modules()]
    if modes:
        model.train()
    device = torch.device(machine.device)
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    theirs = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
        if theirs is not None:
            torch.cuda.set_rng_state(theirs, device)
        for module, mode in modes:
            module.training = mode


class _Watch:
    """Detects a loss that is not finite or grows far beyond its start.

    Args:
        top: peak learning rate.
    """

    def __init__(self, top: float) -> None:
        self.top = top
        self.start: float | None = None
        self.trail: float | None = None
        self.count = 0

    def __call__(self, value: float, done: int, lr: float) -> None:
        """Check a loss.

        Args:
            value: of a step.
            done: steps before it.
            lr: of the last of those.
        """
        lower = f"Try `--lr {self.top / 10:.1g}`."
        if not math.isfinite(value) and not done:
            raise Diverged(
                f"The loss must be finite, and is {value} before the first step: weights, "
                "pixels or "
                "their normalization hold values that are not finite, or far too large. "
                "Check the initial weights and the data."
            )
        if not math.isfinite(value):
            raise Diverged(
                f"The loss must stay finite; after {done} steps it is {value} "
                f"at learning rate {lr:.3g}, peak {self.top:.3g}. {lower}"
            )
        self.start = value if self.start is None else self.start
        self.trail = value if self.trail is None else 0.9 * self.trail + 0.1 * value
        self.count += 1
        # A good start may rise to the loss of a uniform prediction over ten classes.
        if self.count > 20 and self.trail > 5 * max(self.start, math.log(10)):
            raise Diverged(
                f"The loss must fall; after {done} steps it has grown from {self.start:.3g} to "
                f"{self.trail:.3g}, a trailing mean, at learning rate {lr:.3g}, "
                f"peak {self.top:.3g}. {lower}"
            )
