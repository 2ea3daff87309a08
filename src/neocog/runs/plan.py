"""How many steps: from epochs, or from a budget of seconds that is watched on the way.

A plan is a list of pairs (from step, to step). Steps from the first number on are made as parts
of a training that ends at the second, until the next pair begins. A plan of one pair is the usual
case; a training that falls behind its budget gets another pair. The plan is written into the
recipe, so that the run can be made again, bit for bit, on a faster or slower machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from neocog.errors import UsageError
from neocog.fields import short_repr
from neocog.runs.budget import Budget
from neocog.runs.experiment import Experiment
from neocog.runs.recipe import TrainConfig
from neocog.runs.small import default_steps
from neocog.runs.speed import speed

__all__ = [
    "Pace",
    "Plan_",
    "affordable",
    "evaluating",
    "first_plan",
    "is_plan",
    "pairs",
    "segment",
]

Plan_ = list[tuple[int, int]]

RESERVE = 0.9
"""Fraction of the remaining time that a plan uses: machines are never quite as fast as measured."""

WATCHING = 0.2
"""Share of the time of a pass in which validation samples are looked at, at most."""

EVALUATING = 0.3
"""Share of a budget that is kept for measuring what was reached, at most."""

HANDFUL = 5
"""Steps that are made though the budget is over, where they are quick."""

WARM = 0.2
"""A plan is made longer only in so much of it, while the learning rate rises."""

FIRST = 0.02
"""A first step that takes less than this fraction of what is left is not counted: it is slow for
reasons of its own (buffers, kernels), and a plan would be shortened by it for good."""

SPARE = 0.6
"""And only where the steps that are left take less than so much of the time that is."""

MEASURED = 0.1
"""From this fraction of the steps on, their speed is known: the reserve may be smaller."""

FULL = 0.97
"""Fraction of the remaining time that a plan uses once the speed is known."""

LATE = 0.03
"""A plan is shortened where it would end later than its budget by this fraction of it."""


def first_plan(experiment: Experiment, budget: Budget) -> Plan_:
    """The plan at the start of a training.

    Args:
        experiment: whose recipe asks for a plan, epochs or a budget, in this order.
        budget: seconds for the command; gets the speeds of the machine.

    Raises:
        UsageError: the recipe's plan is not a list of rising pairs, or its epochs are others.
    """
    train_config = experiment.recipe.train
    if train_config.plan:
        plan, each = pairs(train_config), experiment.steps_per_epoch
        if train_config.epochs and max(1, round(train_config.epochs * each)) != plan[-1][1]:
            raise UsageError(
                "`train.plan` must agree with `train.epochs`, and does not: "
                f"the plan ends at step {plan[-1][1]}, after {plan[-1][1] / each:g} epochs of "
                f"{each} steps, and `epochs` is {train_config.epochs:g}. Leave `plan` out, and "
                "`epochs` decides."
            )
        return plan
    if train_config.epochs:
        return [(0, max(1, round(train_config.epochs * experiment.steps_per_epoch)))]
    if not train_config.budget:
        return [(0, default_steps(experiment.steps_per_epoch))]
    if not budget.step:
        budget.step, budget.prediction = speed(experiment, seconds=budget.measuring / 2)
    return [(0, affordable(experiment, budget))]


def affordable(experiment: Experiment, budget: Budget) -> int:
    """Steps that fit the remaining budget, measurements included; at least one.

    Args:
        experiment: what is trained.
        budget: with the speeds of the machine.
    """
    left = budget.left()
    val = len(experiment.held_out().get("val", ()))
    # A pass is followed by a look at validation samples: at so many as take a fifth of its time.
    watching = min(budget.prediction * val / experiment.steps_per_epoch, WATCHING * budget.step)
    each = max(budget.step + watching, 1e-6)
    share = max(left - min(evaluating(experiment, budget), EVALUATING * left), 0.0)
    few = min(HANDFUL, int(0.1 * budget.seconds / each))
    # What was reckoned from a few samples on a busy machine may be far too much: the first step
    # says, and the plan may be made longer after it.
    few = max(few, 2 if left > 0 else 1)
    return max(few, int(RESERVE * share / each))


def evaluating(experiment: Experiment, budget: Budget) -> float:
    """Seconds from the last step to the report, with all samples measured."""
    return 2 * budget.prediction * sum(map(len, experiment.held_out().values()))


def pairs(train_config: TrainConfig) -> Plan_:
    """The plan of a recipe.

    Raises:
        UsageError: it is not a list of rising pairs.

    Example:
        >>> pairs(TrainConfig(plan=(0, 100, 50, 80)))
        [(0, 100), (50, 80)]
    """
    plan = list(zip(train_config.plan[::2], train_config.plan[1::2], strict=False))
    if len(train_config.plan) % 2 or not is_plan(plan):
        raise UsageError(
            f"`train.plan` is pairs of from step and to step, from 0, got "
            f"{short_repr(train_config.plan)}. Leave it out and give `epochs`."
        )
    return plan


def is_plan(plan: Sequence[tuple[int, int]]) -> bool:
    """Whether pairs of from step and to step begin at 0 and rise.

    Example:
        >>> is_plan([(0, 100), (50, 80)]), is_plan([(50, 80)]), is_plan([(0, 0)]), is_plan([])
        (True, False, False, False)
    """
    firsts = [first for first, _ in plan]
    rising = firsts[:1] == [0] and firsts == sorted(set(firsts))
    return rising and all(first < to for first, to in plan)


def segment(plan: Plan_, step: int) -> tuple[int, int]:
    """The last step of a training at `step`, and the end of this segment of the plan.

    Example:
        >>> segment([(0, 100)], 10), segment([(0, 100), (50, 80)], 10)
        ((100, 100), (100, 50))
        >>> segment([(0, 100), (50, 80)], 50)
        (80, 80)
    """
    current = max(i for i, (first, _) in enumerate(plan) if first <= step)
    heading = plan[current][1]
    later = [first for first, _ in plan[current + 1 :]]
    return heading, min([heading, *later])


class Pace:
    """Monitors a budget and adjusts a plan that misses it.

    Args:
        budget: of the command.
        step: made before this session.
        rest: seconds that are needed after the last step.
    """

    def __init__(self, budget: Budget, step: int, *, rest: float = 0.0) -> None:
        self.budget, self.rest = budget, rest
        self.start, self.first, self.begun = time.monotonic(), step, False
        self.checked = self.start

    def kept(self, plan: Plan_, step: int) -> Plan_:
        """The plan; a shorter one where it would end late.

        In the warm-up of a plan that was made too short, a longer one: with the usual reserve
        after the first steps, with a small one once their speed is known.

        Args:
            plan: as it is.
            step: steps that are done.
        """
        now, to, seconds = time.monotonic(), plan[-1][1], self.budget.seconds
        warm = step <= max(1, WARM * to)
        early = now - self.checked < 0.03 * seconds and not warm
        if not seconds or early or step == self.first or step >= to:
            return plan
        if not self.begun and step == self.first + 1:
            self.begun = True
            if now - self.start < FIRST * self.budget.left():
                self.start, self.first = now, step
                return plan
        self.checked = now
        each = max((now - self.start) / (step - self.first), 1e-6)
        left = self.budget.left() - min(self.rest, EVALUATING * seconds)
        need = (to - step) * each
        known = step - self.first >= MEASURED * to
        if need > left + LATE * seconds:
            to = max(step + 1, step + int(left / each))
        elif warm and need < (RESERVE + LATE if known else SPARE) * left:
            to = step + int((FULL if known else RESERVE) * left / each)
        return plan if to == plan[-1][1] else [*plan, (step, to)]
