"""How much of this machine's arithmetic does a training step reach?

A step is forward, backward and the change of the weights, on one batch that lies in memory, through
`neocog.training.loop.fit`, with the memory setting that `neocog train` makes. Its floating-point
operations are counted as those of convolutions and products only (2 a multiply-add): once
forward, once for the gradient of the input and once for the gradient of the weights, but the first
layer's input needs no gradient and none is counted. Everything else that a step does (batch norm,
activation, pooling, loss, optimizer, autocast) costs time here and counts nothing.

The peak is the best rate of a product of square matrices, over several sizes and all tries in this
run, in the same precision; the rate over the float32 peak is given as well.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from common import Results, Row, spread, usual_options

from neocog.cli.memory import keep_freed_memory
from neocog.graph.cost import Cost, cost
from neocog.networks.catalog import NETWORKS, build
from neocog.tasks.classify import Classification
from neocog.training.augment import Augment
from neocog.training.loop import StepPlan, fit
from neocog.training.machine import Machine, to_machine
from neocog.training.optimize import OptimizerConfig, ScheduleConfig, build_optimizer
from neocog.types import Batch

DEFAULT = "convnet"
SIZES = (512, 1024, 2048)
PRECISIONS = {"bfloat16": torch.bfloat16, "float32": torch.float32}
SHORT = ("convnet", "lenet5_modern", "resnet20", "resnet18")
"""What `run.py quick` measures."""

SECONDS = 2.0
"""About how long the timed steps of one network take together."""


def natural(name: str) -> tuple[int, tuple[int, int, int], int]:
    """Classes, (C, H, W) and batch of the data that a network was made for."""
    if name.startswith(("alexnet", "vgg")) or name in _IMAGENET:
        return 1000, (3, 224, 224), 8 if name.startswith("vgg") or name in _DEEP else 16
    if name.startswith("resnet"):
        return 10, (3, 32, 32), 128
    return 10, (1, 28, 28), 128


_IMAGENET = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
_DEEP = ("resnet50", "resnet101", "resnet152")


def step_flops(spent: Cost) -> int:
    """Counted operations of a training step on one sample."""
    own = [layer.macs for layer in spent.layers if layer.macs]
    return 2 * (3 * sum(own) - own[0])


def peak(dtype: torch.dtype, *, tries: int = 3) -> dict[str, float]:
    """Best rate of a matrix product at each size, in 10⁹ per second."""
    rates = {}
    for n in SIZES:
        generator = torch.Generator().manual_seed(0)
        a, b = (torch.randn(n, n, generator=generator).to(dtype) for _ in range(2))
        a @ b
        seconds = []
        for _ in range(tries * (SIZES[-1] // n)):
            start = time.perf_counter()
            a @ b
            seconds.append(time.perf_counter() - start)
        rates[str(n)] = round(2 * n**3 / min(seconds) / 1e9, 1)
    return rates


def measure(name: str, *, trial: bool) -> dict[str, Any]:
    """Rates of a step in both precisions, with the peaks measured beside it."""
    classes, size, batch = natural(name)
    with torch.device("meta"):
        spent = cost(build(name, num_classes=classes, in_channels=size[0], size=size[1:]), size)
    out: dict[str, Any] = {
        "size": size,
        "classes": classes,
        "batch": batch,
        "params": spent.params,
        "macs": spent.macs,
        "flops_a_step_and_sample": step_flops(spent),
        "counted": spent.status,
        "threads": torch.get_num_threads(),
    }
    for precision, dtype in PRECISIONS.items():
        before = peak(dtype)
        seconds = _seconds(name, precision, trial=trial)
        after = peak(dtype)
        rate = step_flops(spent) * batch / statistics.median(seconds) / 1e9
        out[precision] = {
            "peak": {n: max(before[n], after[n]) for n in before},
            "step": round(rate, 1),
            "images_per_second": round(batch / statistics.median(seconds), 1),
            "seconds": spread(seconds),
        }
    return out


def _seconds(name: str, precision: str, *, trial: bool) -> list[float]:
    """Seconds of single steps, after two that are not counted."""
    classes, size, count = natural(name)
    way = Machine(memory_format="channels_last", precision=precision)
    torch.manual_seed(0)
    network = to_machine(build(name, num_classes=classes, in_channels=size[0], size=size[1:]), way)
    x = torch.randn(count, *size).contiguous(memory_format=torch.channels_last)
    y = torch.arange(count) % classes
    optimizer = build_optimizer(network, OptimizerConfig(name="sgd", lr=1e-4))
    training = fit(
        network,
        lambda epoch: iter([Batch(x, y, y)]),
        optimizer,
        plan=StepPlan(steps=10**6, steps_per_epoch=1),
        schedule=ScheduleConfig(name="constant", warmup=0.0),
        task=Classification(),
        augmentation=Augment(),
        machine=way,
    )
    seconds: list[float] = []
    most = 1 if trial else 200
    while len(seconds) < 2 + most and (len(seconds) < 7 or sum(seconds[2:]) < SECONDS):
        start = time.perf_counter()
        next(training)
        seconds.append(time.perf_counter() - start)
    training.close()
    return seconds[2:]


def rows_of(parts: dict[str, Any]) -> list[Row]:
    """A row a network, against the best product of the whole run."""
    best = {p: max(max(part[p]["peak"].values()) for part in parts.values()) for p in PRECISIONS}
    rows = [
        Row(
            what="matrix products: best rate of sizes " + ", ".join(map(str, SIZES)),
            reach="",
            measured=", ".join(f"{p} {rate:,.0f} GFLOP/s" for p, rate in best.items()),
            met=None,
        )
    ]
    for name in NETWORKS:
        if name not in parts:
            continue
        part = parts[name]
        shares = {p: part[p]["step"] / best[p] for p in PRECISIONS}
        low, full = part["bfloat16"]["step"], part["float32"]["step"]
        rows.append(
            Row(
                what=f"training step, {name}, {'×'.join(map(str, part['size']))}, "
                f"batch {part['batch']}",
                reach="≥ 0.4 of the matrix product in its precision" if name == DEFAULT else "",
                measured=f"bfloat16 {low:,.0f} GFLOP/s = {shares['bfloat16']:.2f} "
                f"({low / best['float32']:.2f} of float32's); "
                f"float32 {full:,.0f} = {shares['float32']:.2f}",
                met=shares["bfloat16"] >= 0.4 if name == DEFAULT else None,
            )
        )
    return rows


def main() -> None:
    options = usual_options(__doc__, trial="one step each, nothing kept")
    options.add_argument("networks", nargs="*", default=list(SHORT), help="or `all`")
    given = options.parse_args()
    names = list(NETWORKS) if given.networks == ["all"] else given.networks
    keep_freed_memory()
    results = Results(
        "flops",
        "What share of this machine's matrix-product rate does a training step reach?",
        {
            "sizes": SIZES,
            "layout": "channels_last",
            "warm_up": 2,
            "steps": f"7 to 200, about {SECONDS} s",
            "counted": "2·MACs of convolutions and products, three times; the first layer twice",
        },
        fresh=given.fresh,
        save=not given.trial,
    )
    for name in names:
        results.part(name, lambda name=name: measure(name, trial=given.trial))
    results.write(rows_of(results.parts))


if __name__ == "__main__":
    main()
