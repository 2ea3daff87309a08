"""How many steps: from epochs, or from a budget of seconds that is watched on the way.

A plan is a list of pairs (from step, to step). Steps from the first number on are made as parts
of a training that ends at the second, until the next pair begins. A plan of one pair is the usual
case; a training that falls behind its budget gets another pair. The plan is written into the
recipe, so that the run can be made again, bit for bit, on a faster or slower machine.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

from neocog.errors import UsageError
from neocog.fields import shown
from neocog.runs.experiment import Experiment
from neocog.runs.fastest import one_step
from neocog.runs.recipe import Course
from neocog.training.answers import answers

__all__ = ["DEFAULT_EPOCHS", "Pace", "Plan_", "first_plan", "is_plan", "pairs", "segment"]

Plan_ = list[tuple[int, int]]

DEFAULT_EPOCHS = 20.0
"""Where neither epochs nor a budget are asked for."""

RESERVE = 0.9
"""Share of the time left that a plan uses: machines are never quite as fast as measured."""

AFTER = 1.5
"""Seconds for the report and other writing after the last step."""


def first_plan(experiment: Experiment, began: float) -> Plan_:
    """The plan at the start of a training.

    Args:
        experiment: whose recipe asks for a plan, epochs or a budget, in this order.
        began: `time.monotonic()` when the budget began.

    Raises:
        UsageError: the recipe's plan is no list of rising pairs, or its epochs are others; the
            budget is too small.
    """
    course = experiment.recipe.course
    if course.plan:
        plan, each = pairs(course), experiment.steps_per_epoch
        if course.epochs and max(1, round(course.epochs * each)) != plan[-1][1]:
            raise UsageError(
                "`course.plan` says in steps what `course.epochs` says in passes, and does not: "
                f"the plan ends at step {plan[-1][1]}, after {plan[-1][1] / each:g} epochs of "
                f"{each} steps, and `epochs` is {course.epochs:g}. Leave `plan` out, and `epochs` "
                "decides."
            )
        return plan
    if course.epochs or not course.budget:
        steps = round((course.epochs or DEFAULT_EPOCHS) * experiment.steps_per_epoch)
        return [(0, max(1, steps))]
    each_step, answer = _speed(experiment)
    left = course.budget - (time.monotonic() - began) - _after(experiment, answer)
    val = len(experiment.held_out().get("val", ()))
    if left <= 0:
        raise UsageError(
            f"A budget must leave time to train; {course.budget:g} s are over before the first "
            f"step, and {course.budget - left:.0f} s go to starting, evaluating and reporting. "
            "Give more."
        )
    seconds = each_step + answer * val / experiment.steps_per_epoch
    return [(0, max(1, int(RESERVE * left / seconds)))]


def pairs(course: Course) -> Plan_:
    """The plan of a recipe.

    Raises:
        UsageError: it is no list of rising pairs.

    Example:
        >>> pairs(Course(plan=(0, 100, 50, 80)))
        [(0, 100), (50, 80)]
    """
    plan = list(zip(course.plan[::2], course.plan[1::2], strict=False))
    if len(course.plan) % 2 or not is_plan(plan):
        raise UsageError(
            f"`course.plan` is pairs of from step and to step, from 0, got "
            f"{shown(course.plan)}. Leave it out and give `epochs`."
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
    """Where a training that has made `step` steps is heading, and how far that heading holds.

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
    """Watches a budget and shortens a plan that will not be met.

    Args:
        experiment: whose recipe may have a budget.
        began: `time.monotonic()` when the budget began.
        step: made before this session.
    """

    def __init__(self, experiment: Experiment, began: float, step: int) -> None:
        course = experiment.recipe.course
        # A plan that was written down is kept to the letter: it reproduces a run.
        self.budget = 0.0 if course.plan or course.epochs else course.budget
        self.began, self.start, self.first = began, time.monotonic(), step
        self.checked = self.start

    def shortened(self, plan: Plan_, step: int) -> Plan_:
        """The plan, or a shorter one where the budget would be missed by a tenth."""
        now, to = time.monotonic(), plan[-1][1]
        early = now - self.checked < 0.03 * self.budget
        if not self.budget or early or step == self.first or step + 1 >= to:
            return plan
        self.checked = now
        each = (now - self.start) / (step - self.first)
        left = self.budget - (now - self.began) - AFTER
        shorter = max(step + 1, step + int(left / each))
        if (to - step) * each <= left + 0.1 * self.budget or shorter >= to:
            return plan
        return [*plan, (step, shorter)]


def _after(experiment: Experiment, answer: float) -> float:
    """Seconds from the last step to the end of the command."""
    return 2 * answer * sum(map(len, experiment.held_out().values())) + AFTER


def _speed(experiment: Experiment) -> tuple[float, float]:
    """Seconds of a training step and of an answer to one sample, measured on a copy."""
    batch = next(experiment.feed(0))
    trial = copy.deepcopy(experiment.model)
    steps = []
    for _ in range(6):
        start = time.perf_counter()
        one_step(trial, experiment.machine, batch, experiment.recipe)
        steps.append(time.perf_counter() - start)
    start = time.perf_counter()
    answers(trial, [batch], device=experiment.machine.device)
    return sorted(steps[1:])[2], (time.perf_counter() - start) / len(batch.y)
