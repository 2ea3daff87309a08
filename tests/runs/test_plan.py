from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from neocog.errors import UsageError
from neocog.runs import plan as plans
from neocog.runs.budget import Budget
from neocog.runs.plan import Pace, first_plan, segment
from neocog.runs.recipe import TrainConfig


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(plans.time, "monotonic", clock.monotonic)
    return clock


def _experiment(course: TrainConfig) -> Any:
    return SimpleNamespace(recipe=SimpleNamespace(train=course), steps_per_epoch=10)


def _paced(clock: _Clock, *, budget: float, steps: int, each: float) -> list[tuple[int, int]]:
    pace = Pace(Budget(budget, clock.now), 0)
    plan, step = [(0, steps)], 0
    while step < plan[-1][1]:
        heading, until = segment(plan, step)
        assert step < until <= heading
        step += 1
        clock.now += each
        plan = pace.kept(plan, step)
        assert step <= 10 * steps, "without end"
    return plan


def test_a_plan_that_is_met_stays(clock: _Clock) -> None:
    assert _paced(clock, budget=100, steps=950, each=0.1) == [(0, 950)]


def test_the_reserve_is_used_once_the_speed_is_known(clock: _Clock) -> None:
    start = clock.now
    plan = _paced(clock, budget=100, steps=900, each=0.1)
    (_, first), _to = zip(*plan, strict=True)
    assert 90 <= first <= 100
    assert 95 < clock.now - start <= 98


def test_steps_that_become_slow_do_not_exceed_the_budget(clock: _Clock) -> None:
    start, pace = clock.now, Pace(Budget(100, clock.now), 0)
    plan, step = [(0, 900)], 0
    while step < plan[-1][1]:
        step += 1
        clock.now += 0.1 if step < 300 else 0.15
        plan = pace.kept(plan, step)
    assert 95 < clock.now - start <= 104


def test_one_slow_first_step_shortens_no_plan(clock: _Clock) -> None:
    pace, plan = Pace(Budget(100.0, clock.now), 0), [(0, 960)]
    clock.now += 1.0  # ten times as long as the others
    for step in range(1, 960):
        assert pace.kept(plan, step) is plan
        clock.now += 0.1


def test_a_plan_that_is_far_behind_is_shortened_to_the_budget(clock: _Clock) -> None:
    start = clock.now
    plan = _paced(clock, budget=100, steps=900, each=0.5)
    assert len(plan) > 1
    assert all(after[1] < before[1] for before, after in pairwise(plan))
    assert 90 < clock.now - start < 111


@pytest.mark.parametrize("budget", [1.0, 5.0, 14.0])
def test_a_budget_that_is_long_over_ends(clock: _Clock, budget: float) -> None:
    start = clock.now
    _paced(clock, budget=budget, steps=50, each=3.0)
    assert clock.now - start <= 50 * 3.0


def test_a_written_plan_is_kept_whatever_the_clock_says(clock: _Clock) -> None:
    course = TrainConfig(budget=1.0, plan=(0, 50))
    pace = Pace(Budget.of(course, clock.now), 0)
    clock.now += 1000
    plan = [(0, 50)]
    assert pace.kept(plan, 10) is plan


@pytest.mark.parametrize("plan", [(1,), (1, 2), (0, 5, 3), (0, 5, 0, 4), (0, 0), (0, 9, 5, 5)])
def test_a_plan_that_is_none_is_an_error(plan: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"`train\.plan` is pairs of from step and to step"):
        first_plan(_experiment(TrainConfig(plan=plan)), Budget(0.0, 0.0))


def test_epochs_are_steps() -> None:
    none = Budget(0.0, 0.0)
    assert first_plan(_experiment(TrainConfig(epochs=2.55)), none) == [(0, 26)]
    assert first_plan(_experiment(TrainConfig(epochs=0.01)), none) == [(0, 1)]
