"""A network of your own, trained with a plain loop and with ours, on the built-in digits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

import neocog
from neocog.data.batches import batches
from neocog.tasks.classify import Classification, evaluation
from neocog.tasks.inference import logits_of
from neocog.training.augment import Augment
from neocog.training.loop import StepPlan, fit
from neocog.training.machine import Machine, to_machine
from neocog.training.optimize import OptimizerConfig, ScheduleConfig, build_optimizer

EPOCHS = 4


def network() -> nn.Module:
    """A small network that neocog has never seen."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(288, 10),
    )  # fmt: skip


def main() -> None:
    """Train twice and print both accuracies."""
    source = neocog.open_data("digits")
    train, test = source.splits["train"], source.splits["test"]

    plain = network()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(EPOCHS):
        for batch in batches(train, size=64, shuffle=True, seed=0, epoch=epoch):
            optimizer.zero_grad()
            F.cross_entropy(plain(batch.x), batch.y).backward()
            optimizer.step()

    machine = Machine()
    ours = to_machine(network(), machine)
    per_epoch = len(train) // 64
    for step in fit(
        ours,
        lambda epoch: batches(train, size=64, shuffle=True, seed=0, epoch=epoch),
        build_optimizer(ours, OptimizerConfig(lr=0.1)),
        plan=StepPlan(steps=EPOCHS * per_epoch, steps_per_epoch=per_epoch),
        schedule=ScheduleConfig(),
        task=Classification(),
        augmentation=Augment(shift=1),
        machine=machine,
    ):
        if step.ends_epoch:
            print(f"epoch {step.epoch}: loss {step.loss:.3f}")

    for name, net in (("plain", plain), ("ours", ours)):
        logits = logits_of(net, batches(test, size=250, shuffle=False, seed=0, epoch=0))
        print(f"{name}: {evaluation(logits, test.y, source.classes).accuracy:.1%}")


if __name__ == "__main__":
    main()
