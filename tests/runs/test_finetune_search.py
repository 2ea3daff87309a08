"""Which checkpoint of a fine-tune is kept."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from torch import nn

from neocog.networks.model import SpecifiedNetwork
from neocog.runs.finetune_search import FinetuneSearch
from neocog.runs.judge import Score


def network() -> SpecifiedNetwork:
    return cast(SpecifiedNetwork, SimpleNamespace(network=nn.Linear(1, 1)))


def score(first: int, last: int, n: int = 2000) -> Score:
    """A score with the samples of this range predicted incorrectly at one of the shifts."""
    faithful = np.ones(n, bool)
    faithful[first:last] = False
    correct = np.ones(n, bool)
    fidelity = float(faithful.mean())
    return Score(
        fidelity=fidelity, accuracy=1.0, consistency=1.0, correct=correct, faithful=faithful
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
