"""Which checkpoint of a fine-tune is kept."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from neocog.networks.model import SpecifiedNetwork
from neocog.runs import finetune_search
from neocog.runs.finetune_search import Aim, FinetuneSearch, search_finetune
from neocog.runs.judge import Score
from neocog.verbs.fix_result import how_chosen


def network() -> SpecifiedNetwork:
    made = SimpleNamespace(network=nn.Linear(1, 1), eval=lambda: None)
    return cast(SpecifiedNetwork, made)


def score(first: int, last: int, n: int = 2000) -> Score:
    """A score with the samples of this range predicted incorrectly at one of the shifts."""
    faithful = np.ones(n, bool)
    faithful[first:last] = False
    correct = np.ones(n, bool)
    fidelity = float(faithful.mean())
    return Score(
        fidelity=fidelity,
        accuracy=1.0,
        consistency=1.0,
        correct=correct,
        faithful=faithful,
        first=faithful,
    )


def kept(*offers: tuple[Score, bool]) -> int:
    """The number of the offered checkpoint that is kept."""
    search = FinetuneSearch()
    for step, (result, run) in enumerate(offers):
        search.offer("fine-tuned", step, result, network(), run=run)
    assert search.best is not None
    return search.best.step


@pytest.mark.parametrize(
    ("more", "step"),
    # Paired with a best that misses 60 others: 60 + 60 + k samples differ, so that one standard
    # error of the difference k / n is about √(120 + k) / n, 11 samples.
    [(-5, 2), (0, 2), (8, 2), (16, 1), (80, 1)],
)
def test_of_equal_checkpoints_of_a_fine_tune_the_latest_is_kept(more: int, step: int) -> None:
    first, best, last = score(0, 100), score(0, 60), score(100, 160 + more)
    assert kept((first, False), (best, True), (last, True)) == step


def test_a_row_of_slight_losses_does_not_add_up() -> None:
    # Each misses 8 samples more than the one before, its equal; the third is not that of the best.
    row = [(score(1000 * (k % 2), 1000 * (k % 2) + 60 + 8 * k), True) for k in range(4)]
    assert kept(*row) == 1


def test_what_is_not_of_the_fine_tune_is_replaced_by_a_better_one_alone() -> None:
    before, equal = score(0, 60), score(500, 561)
    assert kept((before, False), (equal, True)) == 0
    assert kept((before, False), (equal, False)) == 0
    # A trial after another: equal ones do not replace it, better ones do.
    assert kept((before, False), (score(0, 60), False), (score(0, 60), True), (equal, True)) == 3


def test_the_weights_that_are_kept_are_those_of_the_checkpoint() -> None:
    search, one = FinetuneSearch(), network()
    search.offer("fine-tuned", 1, score(0, 10), one, run=True)
    before = one.network.weight.detach().clone()
    with torch.no_grad():
        one.network.weight.fill_(9.0)
    search.offer("fine-tuned", 2, score(500, 1500), one, run=True)
    assert search.best is not None
    assert torch.equal(search.best.weights["weight"], before)


@pytest.mark.parametrize(("interrupted", "step"), [(False, 24), (True, 17)])
def test_a_fine_tune_keeps_its_latest_checkpoint_of_equal_ones(
    interrupted: bool, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tune(_: Any, split: Any, recipe: Any, state: Any, **options: Any) -> Iterator[Any]:
        state.plan = [(0, 24)]
        for state.step in range(1, 17 if interrupted else 25):
            yield SimpleNamespace(number=state.step, ends_epoch=False)
        if interrupted:  # between a step and its report
            state.step, state.interrupted = 17, True

    monkeypatch.setattr(finetune_search, "tune", tune)
    monkeypatch.setattr(finetune_search, "guide_of", lambda *_: None)
    monkeypatch.setattr(finetune_search, "steps_of", lambda *_: (2.0, 1))
    monkeypatch.setattr(finetune_search, "recalibrated", lambda model, *_, **__: (model, 0, 0))
    monkeypatch.setattr(finetune_search, "_at", lambda recipe, *_: recipe)
    machine = SimpleNamespace(device="cpu", memory_format="contiguous", precision="float32")
    train = SimpleNamespace(seed=0, batch_size=1)
    recipe: Any = SimpleNamespace(optimizer=SimpleNamespace(lr=0.1), train=train, machine=machine)
    before, best, equal = score(0, 100), score(0, 60), score(100, 162)
    scores = iter([before, before, best, equal, equal])  # the second is timed
    judge: Any = lambda _: next(scores)  # noqa: E731
    result, samples = FinetuneSearch(), cast(Any, range(2))
    aim = Aim(passes=12, lr=0.1, consistency_weight=1.0)
    list(search_finetune(network(), network(), samples, recipe, judge, aim, result))
    assert result.best is not None
    assert result.best.step == step
    assert "within one standard error" in how_chosen(result, validated=9, seen=None)[-1]
