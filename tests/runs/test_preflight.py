"""Can one batch be overfitted, and if not, why."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neocog.data.open import open_data
from neocog.data.split import Split, ids_of
from neocog.networks.catalog import NETWORKS, build
from neocog.runs.preflight import overfit, preflight, problems
from neocog.runs.recipe import Recipe
from neocog.training.machine import Machine
from neocog.training.optimize import OptimizerConfig, suited_rate

MACHINE = Machine()


def _digits(n: int = 200) -> Split:
    return open_data("digits").splits["train"].subset(np.arange(n))


def _recipe(network: torch.nn.Module, lr: float = 0.0) -> Recipe:
    return Recipe(optimizer=OptimizerConfig(lr=lr or suited_rate(network, "sgd")))


@pytest.mark.parametrize("name", ["convnet", "dense", "lenet5", "lenet5_modern", "resnet20"])
def test_networks_overfit_a_batch_of_digits_at_their_own_rate(name: str) -> None:
    network = build(name, num_classes=10, in_channels=1, size=(28, 28))
    before = {k: v.clone() for k, v in network.state_dict().items()}
    found = overfit(network, _digits(), _recipe(network), MACHINE)
    assert found.reason == ""
    assert found.last < 0.8 * found.first
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert name in NETWORKS


@pytest.mark.parametrize("lr", [1e-7, 1e4])
def test_a_rate_far_off_is_named(lr: float) -> None:
    network = build("lenet5_modern", num_classes=10, in_channels=1, size=(28, 28))
    found = overfit(network, _digits(), _recipe(network, lr), MACHINE)
    assert "learning rate" in found.reason
    assert "--lr" in found.reason


def test_problems_of_the_data_are_named() -> None:
    train, names = _digits(), tuple("0123456789")
    assert problems(train, names) == ()
    one = Split(train.x, np.zeros(len(train), np.int64), train.names, train.ids)
    assert "of class `0`" in problems(one, names)[0]
    assert preflight(torch.nn.Linear(1, 1), one, names, Recipe())[0].startswith("All training")
    blank = replace(
        train, x=train.x * (np.arange(len(train)) % 2)[:, None, None, None].astype("u1")
    )
    assert "blank" in problems(blank, names)[0]
    rng = np.random.default_rng(0)
    paint = rng.integers(0, 255, (len(train), 1, 1, 3)).astype("u1").repeat(8, 1).repeat(8, 2)
    assert "blank" in problems(replace(train, x=paint), names)[0]
    paint[:, 0, 0, 1] ^= 1
    assert problems(replace(train, x=paint), names) == ()
    assert "of class `a\\nb`" in problems(one, ("a\nb", *names[1:]))[0]
    twice = Split(np.concatenate([train.x, train.x]), np.concatenate([train.y, 9 - train.y]), [])
    twice = replace(twice, ids=ids_of(twice.x))
    assert "several classes" in problems(twice, names)[0]
