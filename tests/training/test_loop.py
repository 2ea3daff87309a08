import copy
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from neocog.errors import Diverged, UsageError
from neocog.tasks.classify import Classification
from neocog.training.augment import Augment
from neocog.training.average import Average
from neocog.training.loop import Objective, Step, StepPlan, fit, step_seed
from neocog.training.machine import Machine, choose, to_machine
from neocog.training.optimize import OptimizerConfig, ScheduleConfig, build_optimizer
from neocog.types import Batch

X = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))


Y = torch.arange(40) % 4


def _feed(epoch: int) -> Iterator[Batch]:
    order = torch.randperm(40, generator=torch.Generator().manual_seed(epoch))
    for rows in order.split(8):
        yield Batch(X[rows], Y[rows], rows)


def _net() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(216, 4),
    )  # fmt: skip


def _fit(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    plan: StepPlan,
    average: Average | None = None,
    machine: Machine | None = None,
    lr: ScheduleConfig | None = None,
) -> Iterator[Step]:
    return fit(
        net,
        _feed,
        optimizer,
        plan=plan,
        schedule=lr or ScheduleConfig(),
        task=Classification(smoothing=0.1),
        max_grad_norm=1.0,
        augmentation=Augment(shift=1, mixup=0.3),
        machine=machine or Machine(memory_format="contiguous"),
        average=average,
    )


def _equal(a: nn.Module, b: nn.Module) -> bool:
    one, two = a.state_dict(), b.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_records_of_steps() -> None:
    net = _net()
    optimizer = build_optimizer(net, OptimizerConfig(lr=0.1))
    steps = list(_fit(net, optimizer, StepPlan(steps=12, steps_per_epoch=5)))
    assert [s.number for s in steps] == list(range(1, 13))
    assert [s.epoch for s in steps] == [1] * 5 + [2] * 5 + [3] * 2
    assert [s.number for s in steps if s.ends_epoch] == [5, 10, 12]
    assert steps[0].lr == 0
    assert max(s.lr for s in steps) == pytest.approx(0.1, rel=0.1)
    assert all(s.samples == 8 and math.isfinite(s.loss) for s in steps)
    assert optimizer.param_groups[0]["lr"] == 0.1, "the optimizer's rate was not given back"


@pytest.mark.parametrize("stop", [1, 4, 5, 7])
def test_taking_up_after_any_step_gives_the_same_bits(stop: int) -> None:
    whole, plan = _net(), StepPlan(steps=11, steps_per_epoch=5, seed=9)
    average = Average(whole, 0.9)
    list(_fit(whole, build_optimizer(whole, OptimizerConfig(lr=0.05)), plan, average))

    first = _net()
    optimizer = build_optimizer(first, OptimizerConfig(lr=0.05))
    half = Average(first, 0.9)
    for step in _fit(first, optimizer, plan, half):
        if step.number == stop:
            break
    torch.rand(17)  # whatever happened to the global generator in between
    second = copy.deepcopy(first)
    other = build_optimizer(second, OptimizerConfig(lr=0.05))
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    rest = Average(second, 0.9)
    rest.module.load_state_dict(half.module.state_dict())
    list(_fit(second, other, StepPlan(steps=11, steps_per_epoch=5, seed=9, first=stop), rest))
    assert _equal(whole, second)
    assert _equal(average.module, rest.module)
    assert not _equal(whole, average.module)


def test_mode_and_global_generator_are_as_before_between_steps() -> None:
    net = _net().eval()
    state = torch.get_rng_state()
    for _ in _fit(
        net, build_optimizer(net, OptimizerConfig(lr=0.1)), StepPlan(steps=3, steps_per_epoch=5)
    ):
        assert not net.training
        assert torch.equal(torch.get_rng_state(), state)
    assert not net[1].training  # type: ignore[index]


def test_no_number_is_divergence() -> None:
    net = _net()
    steps = _fit(
        net, build_optimizer(net, OptimizerConfig(lr=0.1)), StepPlan(steps=5, steps_per_epoch=5)
    )
    next(steps)
    with torch.no_grad():
        net[5].weight[0, 0] = math.nan  # type: ignore[index,union-attr]
    with pytest.raises(Diverged, match=r"after 1 steps it is nan at .*peak 0\.1\. .*`--lr 0\.01`"):
        list(steps)


def test_no_number_before_the_first_step_is_no_fault_of_the_rate() -> None:
    net = _net()
    with torch.no_grad():
        net[5].weight[0, 0] = math.inf  # type: ignore[index,union-attr]
    steps = _fit(
        net, build_optimizer(net, OptimizerConfig(lr=0.1)), StepPlan(steps=3, steps_per_epoch=5)
    )
    with pytest.raises(Diverged, match=r"nan before the first step") as said:
        list(steps)
    assert "--lr" not in str(said.value)


def test_a_far_too_high_rate_is_divergence() -> None:
    net = _net()[:-2].append(nn.Linear(216, 4))  # type: ignore[index]
    optimizer = build_optimizer(net, OptimizerConfig(lr=1e4))
    with pytest.raises(Diverged, match=r"The loss must .*Try `--lr"):
        list(_fit(net, optimizer, StepPlan(steps=200, steps_per_epoch=5)))


def test_a_feed_that_ends_early_is_an_error() -> None:
    net = _net()
    optimizer = build_optimizer(net, OptimizerConfig())
    steps = _fit(net, optimizer, StepPlan(steps=30, steps_per_epoch=6))
    with pytest.raises(UsageError, match=r"`steps_per_epoch`, 6; epoch 0 ended before"):
        list(steps)


def test_no_steps_is_an_error() -> None:
    net = _net()
    optimizer = build_optimizer(net, OptimizerConfig())
    with pytest.raises(UsageError, match="at least one step, got 0 steps"):
        next(_fit(net, optimizer, StepPlan(steps=0, steps_per_epoch=5)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinge"}, r"`objective\.loss` must name .* got `hinge`"),
        ({"label_smoothing": 5.0}, r"`objective\.label_smoothing` is a fraction .* got 5\.0"),
        ({"max_grad_norm": -1.0}, r"`objective\.max_grad_norm` must not be negative, got -1\.0"),
    ],
)
def test_wrong_objectives_are_errors(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Objective(**options)  # type: ignore[arg-type]


def test_seeds_of_steps_differ() -> None:
    seeds = {
        step_seed(seed, step, stream=stream)
        for seed in range(50)
        for step in range(-1, 200)
        for stream in (0, 1)
    }
    assert len(seeds) == 50 * 201 * 2
    assert all(0 <= s < 2**63 for s in seeds)


def test_bfloat16_keeps_weights_in_float32() -> None:
    machine = Machine(precision="bfloat16")
    net = to_machine(_net(), machine)
    list(_fit(net, build_optimizer(net, OptimizerConfig(lr=0.1)),
              StepPlan(steps=3, steps_per_epoch=5),
              machine=machine))  # fmt: skip
    assert {p.dtype for p in net.parameters()} == {torch.float32}


def test_choosing_a_machine_leaves_the_model_and_orders_by_time() -> None:
    net = _net()
    before = copy.deepcopy(net)
    ways = [Machine(), Machine(precision="bfloat16")]
    calls = []

    def step(module: nn.Module, way: Machine, batch: Batch) -> None:
        calls.append(way)
        with torch.no_grad():
            next(module.parameters()).add_(1)
        if way.precision == "float32":
            torch.rand(2_000_000).sort()

    timings = choose(step, net, next(_feed(0)), ways, repeats=2)
    assert _equal(net, before)
    assert timings[0].machine.precision == "bfloat16"
    assert calls == ways * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "float16"}, r"`machine\.precision`.*got `float16`"),
        ({"memory_format": "channel_last"}, r"Did you mean `channels_last`"),
    ],
)
def test_unknown_machines_are_errors(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Machine(**options)


def test_an_unknown_device_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"must name a device of this machine, got `gpu`"):
        to_machine(nn.Linear(1, 1), Machine(device="gpu"))


def test_balanced_class_weights_are_those_of_the_training_samples() -> None:
    """Three of class 0, one of class 1 and none of 2: 4 / 2 / 3 and 4 / 2 / 1."""
    y = np.array([0, 0, 0, 1, -1])
    task = Objective(class_weights="balanced").task(y, 3)
    assert task.weights == pytest.approx((2 / 3, 2.0, 0.0))
    assert Objective().task(y, 3).weights == ()
    with pytest.raises(UsageError, match="none or balanced, got `balance`"):
        Objective(class_weights="balance")
