"""How many steps per second does the explorer answer while an image is dragged?

A step is what the page asks for while it is dragged: the moved image, the prediction, 16 maps,
Grad-CAM, and the equivariance error of every node, as the bytes that are sent. No browser and no
socket take part. Each round is one step of a drag over the image; the median is reported. The
start is what happens before the first step: the graph, what every node sees, the costs.
"""

from __future__ import annotations

import argparse
import functools
import os
import time
from typing import Any

import torch
from common import Results, Row, spread
from torch import nn

from neocog.cli.memory import keep_freed_memory
from neocog.networks.catalog import build
from neocog.web.opening import opened
from neocog.web.server import SMALL
from neocog.web.step import step

CASES: dict[str, tuple[str, tuple[int, int, int], int]] = {
    "resnet20": ("resnet20", (3, 32, 32), 200),
    "resnet50": ("resnet50", (3, 224, 224), 20),
}
"""Part to network, size of a sample, steps."""

MOTIONS: dict[str, Any] = {
    "shift": lambda k: {"padding": "circular", "dx": k % 11 - 5, "dy": k % 7 - 3},
    "turn": lambda k: {"padding": "zeros", "angle": 3.0 * (k % 60), "scale": 1 + 0.01 * (k % 9)},
}
LIMIT_MS, LARGE_MS = 50.0, 80.0


def measure(name: str, size: tuple[int, int, int], steps: int) -> dict[str, Any]:
    """Milliseconds of every step, and seconds of the start."""
    torch.manual_seed(0)
    net: nn.Module = build(name, num_classes=10, in_channels=size[0], size=size[1:]).eval()
    began = time.perf_counter()
    session = opened(net, None, size=size)
    session.prepare()
    started = time.perf_counter() - began
    if session.networks[0].cost.macs < SMALL:  # as the server does
        torch.set_num_threads(1)
    else:
        torch.set_num_threads(os.cpu_count() or 1)
    maps = [n.id for n in session.networks[0].graph.nodes if n.spatial][1:]
    some = [{"node": id, "channels": [0]} for id in maps[:: max(1, len(maps) // 16)][:16]]
    found: dict[str, Any] = {"start_seconds": started, "threads": torch.get_num_threads()}
    for motion, way in MOTIONS.items():
        taken = []
        for k in range(steps + 10):
            asked = {
                "model": 0,
                "image": "synthetic:0",
                "motion": way(k),
                "maps": some,
                "cam": {"target": None, "layer": None, "method": "grad_cam"},
                "errors": True,
            }
            began = time.perf_counter()
            step(session, asked)
            taken.append(1000 * (time.perf_counter() - began))
        found[motion] = spread(taken[10:])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="measure anew what is there")
    given = parser.parse_args()
    keep_freed_memory()  # as the command does
    kept = Results(
        "explore",
        "How many steps per second does the explorer answer while an image is dragged?",
        {"cases": CASES, "maps": 16, "cam": "grad_cam", "errors": True},
        fresh=given.fresh,
    )
    rows = []
    for part, (name, size, steps) in CASES.items():
        found = kept.part(part, functools.partial(measure, name, size, steps))
        ms = {motion: found[motion]["median"] for motion in MOTIONS}
        small = part == "resnet20"
        rows.append(
            Row(
                what=f"a step of the explorer, {part}, {'×'.join(map(str, size))}: prediction, "
                "16 maps, Grad-CAM, errors of all nodes",
                reach=f"≤ {LIMIT_MS:.0f} ms, ≥ 20 per second"
                if small
                else f"≤ {LARGE_MS:.0f} ms per shift",
                measured=", ".join(
                    f"{m} {v:.0f} ms ({1000 / v:.0f} per second)" for m, v in ms.items()
                )
                + f"; ready {found['start_seconds']:.1f} s after the model",
                met=max(ms.values()) <= LIMIT_MS if small else ms["shift"] <= LARGE_MS,
            )
        )
    kept.write(rows)


if __name__ == "__main__":
    main()
