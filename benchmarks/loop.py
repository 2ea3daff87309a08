"""Does our training loop cost anything beside a bare one, and does it end with the same bits?

Each round trains the same network from the same start on the same batches, once with
`neocog.training.loop.fit` and once with the twenty lines of `bare`; the order alternates. The
ratio of their seconds is taken round by round, and its median is reported. After every round the
weights and running statistics of both must be equal, bit for bit.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from common import Results, Row, in_turns, spread, usual_options
from torch import nn

from neocog.data.batches import batches
from neocog.data.batches import statistics as pixel_statistics
from neocog.data.open import open_data
from neocog.data.split import Split
from neocog.networks.catalog import build
from neocog.networks.model import SpecifiedNetwork
from neocog.tasks.classify import Classification
from neocog.training.augment import Augment
from neocog.training.loop import StepPlan, fit
from neocog.training.machine import Machine, to_machine
from neocog.training.optimize import OptimizerConfig, ScheduleConfig, build_optimizer
from neocog.types import Batch, InputSpec, ModelSpec

NETWORKS = {"convnet": 40, "lenet5_modern": 120, "resnet20": 6}
"""Name to steps a round, so many that it takes about a second."""

WAYS = {
    "bfloat16": Machine(memory_format="channels_last", precision="bfloat16"),
    "float32": Machine(memory_format="contiguous", precision="float32"),
}
LR, MOMENTUM, BATCH = 0.01, 0.9, 128

Feed = Callable[[int], Iterator[Batch]]


def bare(model: nn.Module, feed: Feed, steps: int, bfloat16: bool) -> None:
    """What people write by hand."""
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, nesterov=True)
    model.train()
    step, epoch = 0, 0
    while step < steps:
        for batch in feed(epoch):
            if step == steps:
                break
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                logits = model(batch.x)
            loss = F.cross_entropy(logits.float(), batch.y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        epoch += 1


def ours(model: nn.Module, feed: Feed, steps: int, way: Machine, per_epoch: int) -> None:
    """The same through `fit`."""
    options = OptimizerConfig(name="sgd", lr=LR, momentum=MOMENTUM, nesterov=True, weight_decay=0.0)
    for _ in fit(
        model,
        feed,
        build_optimizer(model, options),
        plan=StepPlan(steps=steps, steps_per_epoch=per_epoch),
        schedule=ScheduleConfig(name="constant", warmup=0.0, start=1.0),
        task=Classification(),
        augmentation=Augment(),
        machine=way,
    ):
        pass


def measure(name: str, way: Machine, split: Split, *, steps: int, rounds: int) -> dict[str, Any]:
    """Seconds of both loops, in turns, and whether they ended alike."""

    def feed(epoch: int) -> Iterator[Batch]:
        return batches(split, size=BATCH, shuffle=True, seed=0, epoch=epoch, drop_last=True)

    start, cpu = _model(name, split, way), {"ours": [], "bare": []}
    latest: dict[str, nn.Module] = {}
    per_epoch = len(split) // BATCH

    def timed(which: str) -> float:
        model = copy.deepcopy(start)
        begin, begin_cpu = time.perf_counter(), time.process_time()
        if which == "ours":
            ours(model, feed, steps, way, per_epoch)
        else:
            bare(model, feed, steps, way.precision == "bfloat16")
        seconds = time.perf_counter() - begin
        cpu[which].append(time.process_time() - begin_cpu)
        latest[which] = model
        if len(cpu["ours"]) == len(cpu["bare"]):
            _assert_equal(latest["ours"], latest["bare"])
        return seconds

    seconds = in_turns(
        {"ours": lambda: timed("ours"), "bare": lambda: timed("bare")}, rounds=rounds
    )
    ratios = [b / o for o, b in zip(seconds["ours"], seconds["bare"], strict=True)]
    by_cpu = [b / o for o, b in zip(cpu["ours"][1:], cpu["bare"][1:], strict=True)]
    return {
        "images_per_second": {
            k: round(steps * BATCH / statistics.median(v)) for k, v in seconds.items()
        },
        "ratio": spread(ratios),
        "ratio_of_processor_time": spread(by_cpu),
        "threads": torch.get_num_threads(),
        "equal_bits": True,
    }


def _model(name: str, split: Split, way: Machine) -> SpecifiedNetwork:
    height, width, channels = split.x.shape[1:]
    mean, std = pixel_statistics(split)
    signal = InputSpec(channels=channels, size=(height, width), mean=mean, std=std)
    torch.manual_seed(0)
    network = build(name, num_classes=10, in_channels=channels, size=(height, width))
    spec = ModelSpec(task="classify", classes=tuple("0123456789"), input=signal)
    model = to_machine(SpecifiedNetwork(network, spec), way)
    assert isinstance(model, SpecifiedNetwork)
    return model


def _assert_equal(a: nn.Module, b: nn.Module) -> None:
    one, two = a.state_dict(), b.state_dict()
    assert one.keys() == two.keys()
    for key in one:
        assert torch.equal(one[key], two[key]), f"{key} differs after the two loops"


def main() -> None:
    options = usual_options(__doc__, trial="a few steps, nothing kept")
    options.add_argument("--rounds", type=int, default=15)
    given = options.parse_args()
    rounds = 2 if given.trial else given.rounds
    steps = {k: 3 if given.trial else v for k, v in NETWORKS.items()}
    split = open_data("digits").splits["train"]
    results = Results(
        "loop",
        "How fast is `training.loop.fit` beside a bare PyTorch loop, and are the weights equal?",
        {"data": "digits", "batch": BATCH, "steps": steps, "rounds": rounds, "warm_up": 1},
        fresh=given.fresh,
        save=not given.trial,
    )
    rows = []
    for name in NETWORKS:
        for precision, way in WAYS.items():
            part = results.part(
                f"{name} {precision}",
                lambda name=name, way=way: measure(
                    name, way, split, steps=steps[name], rounds=rounds
                ),
            )
            ratio, speed = part["ratio"], part["images_per_second"]
            rows.append(
                Row(
                    what=f"our loop / bare loop, {name}, {precision}, images/s; equal weights",
                    reach="≥ 0.97; bit for bit",
                    measured=f"{ratio['median']:.3f} ({speed['ours']:,} / {speed['bare']:,}); "
                    "equal",
                    met=ratio["median"] >= 0.97 and part["equal_bits"],
                )
            )
    results.write(rows)


if __name__ == "__main__":
    main()
