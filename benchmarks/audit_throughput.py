"""What does an audit cost beside the forward passes that it needs?

Each round measures the consistency of the same network on the same images once a way of shifting,
and beside each sends as many batches of the same size, made ready before, straight through the
network; the order turns from round to round. An audit shows each image unmoved and at two
positions, so it needs three forward passes per image; its rate is images × passes per second, and
the bare rate that of the batches. The ratio is that of neighbors; its median is reported.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from typing import Any

import torch
from common import Results, Row, in_turns, spread
from torch import nn

from neocog.audits.moving import MODES
from neocog.audits.shift import shift_consistency
from neocog.cli.memory import keep_freed_memory
from neocog.data.samples import Samples, batch_of
from neocog.models.exact import ExactModel
from neocog.networks.catalog import build

CASES: dict[str, tuple[str, tuple[int, int, int], int]] = {
    "resnet20": ("resnet20", (3, 32, 32), 512),
    "convnet": ("convnet", (1, 28, 28), 2048),
    "resnet18": ("resnet18", (3, 224, 224), 54),
}
"""Part to network, size of a sample, samples a round."""

GOAL = 0.9
PASSES = 3


def bare(model: ExactModel, ready: list[torch.Tensor]) -> None:
    """As many forward passes, and nothing else."""
    with torch.inference_mode():
        for _ in range(PASSES):
            for x in ready:
                model.module(x)


def measure(name: str, size: tuple[int, int, int], n: int, *, rounds: int) -> dict[str, Any]:
    """Seconds of every way of shifting and of the bare passes, in turns."""
    torch.manual_seed(0)
    net: nn.Module = build(name, num_classes=10, in_channels=size[0], size=size[1:]).eval()
    x = torch.rand(n, *size).to(memory_format=torch.channels_last)
    model, data = ExactModel(net), Samples.of(x)
    ready = list(x.split(batch_of(data, None)))

    def seconds(work: Any) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    turns = {}
    for mode in MODES:
        turns[mode] = lambda mode=mode: seconds(lambda: shift_consistency(model, data, mode=mode))
        turns[f"bare beside {mode}"] = lambda: seconds(lambda: bare(model, ready))
    taken = in_turns(turns, rounds=rounds)
    beside = {mode: taken.pop(f"bare beside {mode}") for mode in MODES}
    taken["bare"] = [t for times in beside.values() for t in times]
    return {
        "batch": len(ready[0]),
        "samples": n,
        "threads": torch.get_num_threads(),
        "forward_passes_per_second": {
            k: round(PASSES * n / statistics.median(v)) for k, v in taken.items()
        },
        "ratio": {
            mode: spread([b / a for a, b in zip(taken[mode], beside[mode], strict=True)])
            for mode in MODES
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--fresh", action="store_true", help="measure anew what is there")
    given = parser.parse_args()
    keep_freed_memory()  # as the command does
    kept = Results(
        "audit_throughput",
        "What does an audit cost beside the forward passes that it needs?",
        {"rounds": given.rounds, "cases": CASES},
        fresh=given.fresh,
    )
    rows = []
    for part, (name, size, n) in CASES.items():
        found = kept.part(part, functools.partial(measure, name, size, n, rounds=given.rounds))
        ratio = {mode: found["ratio"][mode]["median"] for mode in MODES}
        rows.append(
            Row(
                what=f"audit of shifts, {part}, {'×'.join(map(str, size))}: images × transforms a "
                "second over bare forward passes",
                reach=f"≥ {GOAL}",
                measured=", ".join(f"{mode} {value:.2f}" for mode, value in ratio.items())
                + f" (bare: {found['forward_passes_per_second']['bare']:,} per second)",
                met=min(ratio.values()) >= GOAL,
            )
        )
    kept.write(rows)


if __name__ == "__main__":
    main()
