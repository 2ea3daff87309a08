"""A budget that is short, or a machine that is busy: there is a model and a report all the same."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.faults.processes import PRELOAD
from torch import nn

from neocog.runs import budget as budgets
from neocog.runs import plan as plans
from neocog.runs.budget import Budget
from neocog.runs.events import Event, Finished, Started
from neocog.runs.folder import RunFolder
from neocog.runs.load import load
from neocog.runs.plan import Pace, affordable, segment
from neocog.runs.train import _Training
from neocog.training.loop import Step
from neocog.training.machine import Machine, choose
from neocog.types import Batch
from neocog.verbs.train import train

SETTINGS = {
    "model.name": "lenet5_modern", "machine.memory_format": "contiguous",
    "machine.precision": "float32", "train.batch_size": 32,
}  # fmt: skip


class _Clock:
    """Time that passes only when somebody works."""

    def __init__(self) -> None:
        self.now = 50.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    for module in (plans, budgets):
        monkeypatch.setattr(module, "time", clock)
    return clock


def _experiment(*, spe: int = 100, val: int = 1000, test: int = 2000) -> Any:
    held = {"val": range(val), "test": range(test)}
    return SimpleNamespace(steps_per_epoch=spe, held_out=lambda: held)


@pytest.mark.parametrize("answer", [0.0, 1e-5, 1e-3, 0.1, 10.0])
@pytest.mark.parametrize("step", [1e-4, 0.01, 1.0, 100.0])
@pytest.mark.parametrize("started", [0.0, 3.0, 55.0, 500.0])
def test_every_machine_gets_a_plan(
    clock: _Clock, step: float, answer: float, started: float
) -> None:
    """However slow it is, at least one step; however slow answers are, most time is for steps."""
    budget = Budget(60.0, clock.now, step, answer)
    clock.now += started
    steps = affordable(_experiment(), budget)
    assert steps >= 1
    left = max(0.0, 60 - 1.5 - started)
    assert steps * step <= max(left, 6.0, 2 * step if left else step)
    # Seven tenths of nine tenths of what is left, less a fifth for watching.
    assert steps >= int(left * 0.7 * 0.9 / (1.2 * step))


def _run(clock: _Clock, budget: float, steps: int, seconds: Any) -> tuple[list, float]:
    """A training by this clock whose step n takes seconds(n); its plan, and what it took."""
    begun = clock.now
    pace, plan, step = Pace(Budget(budget, begun), 0), [(0, steps)], 0
    while step < plan[-1][1]:
        assert step < segment(plan, step)[1]
        step += 1
        clock.now += seconds(step)
        plan = pace.kept(plan, step)
    return plan, clock.now - begun


def test_a_machine_that_becomes_busy_is_kept_up_with(clock: _Clock) -> None:
    _, took = _run(clock, 60, 1000, lambda n: 0.05 if n < 200 else 0.5)
    assert 50 < took < 66


def test_a_process_that_was_stopped_for_longer_than_its_budget_ends_at_once(clock: _Clock) -> None:
    plan, _ = _run(clock, 60, 1000, lambda n: 0.05 if n != 300 else 3600.0)
    assert plan[-1][1] == 301


def test_a_plan_that_was_made_too_short_on_a_busy_machine_is_made_longer(clock: _Clock) -> None:
    plan, took = _run(clock, 60, 100, lambda n: 0.01)
    assert plan[-1][1] > 3000
    assert len(plan) < 5
    assert took < 66
    # Not once the rate has begun to fall.
    clock.now = 50.0
    plan, _ = _run(clock, 60, 100, lambda n: 0.58 if n < 30 else 0.01)
    assert plan == [(0, 100)]


@pytest.mark.parametrize(("seconds", "done"), [(0.0, 0), (0.9, 0), (2.5, 0), (4.5, 4), (99, 12)])
def test_measuring_the_machine_takes_no_more_than_it_may(
    seconds: float, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step takes a second; two ways, six turns."""
    now = [0.0]
    monkeypatch.setattr(
        "neocog.training.machine.time", SimpleNamespace(perf_counter=lambda: now[0])
    )

    def step(model: nn.Module, way: Machine, batch: Batch) -> None:
        now[0] += 1.0

    ways = [Machine(memory_format="contiguous"), Machine(precision="bfloat16")]
    x = torch.zeros(2, 1, 2, 2)
    batch = Batch(x, torch.zeros(2), torch.zeros(2))
    found = choose(step, nn.Linear(1, 1), batch, ways, seconds=seconds)
    assert bool(found) == (done > 0)
    assert now[0] <= seconds + 1  # the first step has no one before it to reckon with


def _train(run: Path, budget: float, **settings: Any) -> list[Event]:
    events: list[Event] = []
    train("digits", settings=SETTINGS | settings, budget=budget, out=run, progress=events.append)
    return events


@pytest.mark.parametrize("budget", [0.01, 1.0])
def test_a_budget_that_is_over_before_it_begins_still_ends_with_a_report(
    budget: float, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    events = _train(run, budget)
    model = load(run)
    measured = model.card["metrics"]
    assert measured["steps"] >= 1
    assert measured["budget"]["seconds"] == budget
    low, high = measured["test"]["accuracy_ci"]
    assert low <= measured["test"]["accuracy"] <= high
    html = (run / "report.html").read_text()
    end = events[-1]
    assert isinstance(end, Finished)
    if "of" in measured["test"]:
        n, of = measured["test"]["n"], measured["test"]["of"]
        assert n < of == 1000
        assert high - low > 0.02
        assert f"Measured on {n:,} of {of:,} test samples, a random subset" in html
        assert [note for note in end.notes if f"{n:,} of {of:,} test samples" in note]
    if budget < 0.1:
        begun = next(e for e in events if isinstance(e, Started))
        assert [note for note in begun.notes if "was used up by" in note]
        assert [note for note in end.notes if "is exceeded" in note]
        assert measured["test"]["n"] < 1000
    json.dumps(measured, allow_nan=False)
    # Its recipe makes it again, at leisure.
    train(None, recipe=run / "recipe.toml", out=tmp_path / "again")
    one, two = RunFolder(run).weights(), RunFolder(tmp_path / "again").weights()
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert load(tmp_path / "again").card["metrics"]["test"]["n"] == 1000


@pytest.mark.parametrize(("spent", "seconds"), [(50.0, 8.5), (58.5, 1.2), (500.0, 1.2)])
def test_the_last_measurement_gets_a_part_of_the_budget_even_if_it_is_over(
    clock: _Clock, spent: float, seconds: float
) -> None:
    """One split is left to be measured; 1.5 s are for what comes after."""
    training = object.__new__(_Training)
    training.budget = Budget(60.0, clock.now)
    training.experiment = SimpleNamespace(held_out=lambda: {"test": range(1000)})  # type: ignore[assignment]
    training.progress = SimpleNamespace(unfinished=False, step=9)  # type: ignore[assignment]
    training.measured = {}
    clock.now += spent
    assert training._seconds_for("test") == pytest.approx(seconds)


def _stopped(run: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.number == 1:
            os.kill(os.getpid(), signal.SIGSTOP)

    train("digits", settings=SETTINGS, budget=3.0, out=run, progress=stop)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_process_that_is_stopped_and_goes_on(tmp_path: Path) -> None:
    """For real: stopped for longer than its budget."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(target=_stopped, args=(tmp_path / "run",), daemon=True)
    process.start()
    assert process.pid
    state = Path(f"/proc/{process.pid}/stat")
    end = time.monotonic() + 60
    while state.read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < end, "it was not stopped"
        time.sleep(0.05)
    time.sleep(3.0)
    os.kill(process.pid, signal.SIGCONT)
    process.join(60)
    assert process.exitcode == 0
    measured = load(tmp_path / "run").card["metrics"]
    assert 1 <= measured["steps"] <= 2
    assert measured["budget"]["spent"] > 3.0
