"""Our loop against twenty plain lines of PyTorch: the same weights, bit for bit."""

import copy
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F

from neocog.data.batches import batches
from neocog.data.open import open_data
from neocog.networks.catalog import build
from neocog.tasks.classify import Classification
from neocog.training.augment import Augment
from neocog.training.loop import StepPlan, fit
from neocog.training.machine import Machine, to_machine
from neocog.training.optimize import OptimizerConfig, ScheduleConfig, build_optimizer
from neocog.types import Batch


def _feed(epoch: int) -> Iterator[Batch]:
    val = open_data("digits").splits["val"]
    return batches(val, size=100, shuffle=True, seed=0, epoch=epoch)


@pytest.mark.parametrize("network", ["convnet", "lenet5_modern", "resnet20"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_equal_weights(network: str, precision: str) -> None:
    torch.manual_seed(0)
    machine = Machine(precision=precision)
    ours = to_machine(build(network, num_classes=10, in_channels=1, size=(28, 28)), machine)
    plain = copy.deepcopy(ours)

    optimizer = torch.optim.SGD(plain.parameters(), lr=0.02, momentum=0.9, nesterov=True)
    plain.train()
    for epoch in range(2):
        for batch in _feed(epoch):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                logits = plain(batch.x)
            F.cross_entropy(logits.float(), batch.y).backward()
            optimizer.step()

    steps = fit(
        ours,
        _feed,
        build_optimizer(ours, OptimizerConfig(lr=0.02, weight_decay=0)),
        plan=StepPlan(steps=10, steps_per_epoch=5),
        schedule=ScheduleConfig(name="constant", warmup=0),
        task=Classification(),
        augmentation=Augment(),
        machine=machine,
    )
    assert sum(step.samples for step in steps) == 1000
    one, two = ours.state_dict(), plain.state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)
