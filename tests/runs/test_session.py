"""Steps along a plan: what is done, how it may be shortened, and what stays the same to the bit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from neocog.networks.model import SpecifiedNetwork
from neocog.runs.recipe import MachineConfig, Recipe, TrainConfig
from neocog.runs.session import TrainingProgress, TrainingSession
from neocog.tasks.classify import Classification
from neocog.training.augment import Augment
from neocog.types import Batch, InputSpec, ModelSpec

EACH = 4
"""Steps of an epoch."""


def session(plan: list[tuple[int, int]]) -> TrainingSession:
    signal = InputSpec(channels=1, size=(8, 8), mean=(0.5,), std=(0.25,))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    model = SpecifiedNetwork(network, ModelSpec(task="classify", classes=("a", "b"), input=signal))
    x = torch.rand(EACH, 2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([0, 1])

    def feed(epoch: int) -> Iterator[Batch]:
        return iter(Batch(part, y, y) for part in x)

    machine = MachineConfig(device="cpu", memory_format="contiguous", precision="float32")
    return TrainingSession(
        recipe=Recipe(train=TrainConfig(seed=3), augment=Augment(), machine=machine),
        model=model,
        feed=feed,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        task=Classification(),
        steps_per_epoch=EACH,
        progress=TrainingProgress(plan=plan),
    )


def weights(of: TrainingSession) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in of.model.parameters()])


def test_a_plan_that_changes_on_the_way_is_the_plan_that_says_so_from_the_start() -> None:
    one, two = session([(0, 8)]), session([(0, 8), (3, 6)])
    rates = []
    for step in one.steps():
        rates.append(step.lr)
        if step.number == 3:
            one.progress.shorten(6)
    assert [step.lr for step in two.steps()] == rates
    assert one.progress.plan == [(0, 8), (3, 6)]
    assert one.progress.step == two.progress.step == 6
    assert torch.equal(weights(one), weights(two))


@pytest.mark.parametrize("how", ["ended", "interrupted", "shorten"])
def test_nothing_is_done_after_the_end(how: str) -> None:
    one = session([(0, 8)])
    steps = []
    for step in one.steps():
        steps.append(step.number)
        if step.number == 2:
            one.progress.shorten(2) if how == "shorten" else setattr(one.progress, how, True)
    assert steps == [1, 2]
    assert not one.progress.unfinished
    assert one.progress.plan == [(0, 8)]
    assert list(one.steps()) == []


def test_two_changes_at_one_step_are_one() -> None:
    progress = TrainingProgress(plan=[(0, 100), (20, 80)], step=50)
    progress.shorten(70)
    progress.shorten(60)
    assert progress.plan == [(0, 100), (20, 80), (50, 60)]
    assert progress.last == 60


def test_a_row_is_of_the_steps_of_its_epoch() -> None:
    one = session([(0, 2 * EACH)])
    losses: list[float] = []
    for step in one.steps():
        losses.append(step.loss)
        if step.ends_epoch:
            one.end_epoch(one.row(step))
    first, second = one.progress.rows
    assert first["train_loss"] == pytest.approx(sum(losses[:EACH]) / EACH)
    assert second["train_loss"] == pytest.approx(sum(losses[EACH:]) / EACH)
    assert (first["epoch"], second["step"]) == (1, 2 * EACH)
    assert one.progress.losses == []
    assert set(one.progress.state()) == {"plan", "step", "seconds", "rows", "losses", "first_loss"}
