import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from neocog.errors import UsageError
from neocog.training.optimize import (
    OPTIMIZERS,
    SCHEDULES,
    OptimizerConfig,
    ScheduleConfig,
    build_optimizer,
    rate_at,
)


@pytest.mark.parametrize("name", SCHEDULES)
@given(warmup=st.floats(0, 1), start=st.floats(0, 1), final=st.floats(0, 1), p=st.floats(0, 1))
def test_a_rate_stays_between_its_ends(
    name: str, warmup: float, start: float, final: float, p: float
) -> None:
    s = ScheduleConfig(name=name, warmup=warmup, start=start, final_lr_factor=final)
    # 1e-12: rounding of a convex combination.
    assert min(start, final) - 1e-12 <= rate_at(s, p) <= 1 + 1e-12


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_rate_rises_to_one_and_ends_at_final(name: str) -> None:
    s = ScheduleConfig(name=name, warmup=0.25, start=0.2, final_lr_factor=0.1)
    assert rate_at(s, 0) == 0.2
    assert rate_at(s, 0.125) == pytest.approx(0.6)
    assert rate_at(s, 0.25) == 1.0
    assert rate_at(s, 1) == (1.0 if name == "constant" else pytest.approx(0.1))


def test_cosine_by_hand() -> None:
    s = ScheduleConfig(name="cosine", warmup=0)
    assert rate_at(s, 1 / 3) == pytest.approx(0.5 * (1 + math.cos(math.pi / 3)))


def test_warm_up_over_everything() -> None:
    assert rate_at(ScheduleConfig(warmup=1.0, start=0.0), 0.5) == 0.5
    assert rate_at(ScheduleConfig(warmup=1.0, start=0.0, final_lr_factor=0.5), 1.0) == 0.5


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_C8_every_optimizer_minimizes_a_bowl(name: str) -> None:
    target = torch.tensor([[1.0, -2.0]])
    net = nn.Linear(2, 1, bias=False)
    optimizer = build_optimizer(net, OptimizerConfig(name=name, lr=0.05, weight_decay=0))
    for _ in range(300):
        optimizer.zero_grad()
        ((net.weight - target) ** 2).sum().backward()
        optimizer.step()
    # Adam's steps near the minimum are about a hundredth of the rate.
    torch.testing.assert_close(net.weight.data, target, atol=2e-2, rtol=0)


def test_only_weights_decay() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    groups = build_optimizer(net, OptimizerConfig(weight_decay=0.1)).param_groups
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(1, 0.1), (3, 0.0)]


def test_sgd_by_hand() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 1.0)
    options = OptimizerConfig(lr=0.1, momentum=0.5, nesterov=False, weight_decay=0.2)
    optimizer = build_optimizer(net, options)
    # Gradient 1 + 0.2 w: velocity 1.2, w = 0.88; velocity 0.6 + 1.176 = 1.776, w = 0.7024.
    for expected in (0.88, 0.7024):
        optimizer.zero_grad()
        net.weight.sum().backward()
        optimizer.step()
        assert net.weight.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "sdg"}, r"got `sdg`\. Did you mean `sgd`"),
        ({"lr": -0.1}, r"`optimizer\.lr` must be a positive number, got -0\.1"),
        ({"lr": math.nan}, r"`optimizer\.lr` must be a positive number"),
        ({"momentum": 1.0}, r"`optimizer\.momentum` must be at least 0 and below 1"),
        ({"weight_decay": -1.0}, r"`optimizer\.weight_decay` must not be negative"),
    ],
)
def test_wrong_options_are_errors(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_optimizer(nn.Linear(1, 1), OptimizerConfig(**options))  # type: ignore[arg-type]


def test_nothing_to_train_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"trainable parameter, and all are frozen"):
        build_optimizer(nn.Linear(1, 1).requires_grad_(False), OptimizerConfig())


def test_wrong_schedules_are_errors() -> None:
    with pytest.raises(UsageError, match=r"got `cosin`\. Did you mean `cosine`"):
        rate_at(ScheduleConfig(name="cosin"), 0)
    with pytest.raises(UsageError, match=r"`schedule\.warmup` is a fraction from 0 to 1, got 2"):
        rate_at(ScheduleConfig(warmup=2), 0)
