"""Does the memory of a search for patches grow with the number of images?

`neocog.explainers.top_activations.top_patches` on all 64 units of the last stage of a ResNet-20, in
processes of their own, on made images of rising number that lie mapped on disk. What is compared
is the largest memory of the process's own (anonymous resident pages), looked at every few
milliseconds; pages of the mapped file can be taken away at any time and count nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
from common import Results, Row

NUMBERS = (1_000, 4_000, 16_000)
BOUND = 10.0
"""Megabytes by which the largest number may take more than the smallest."""


def one(count: int) -> None:
    """In a process of its own: the largest memory, in megabytes, with and without the images."""
    import torch

    from neocog.data.samples import Samples
    from neocog.data.split import Split
    from neocog.explainers.top_activations import top_patches
    from neocog.networks.catalog import build

    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = build("resnet20", num_classes=10, in_channels=3, size=(32, 32))
    layer = [n for n, m in net.named_modules() if isinstance(m, torch.nn.Conv2d)][-1]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.npy"
        made = np.lib.format.open_memmap(file, "w+", np.uint8, (count, 32, 32, 3))
        rng = np.random.default_rng(0)
        for start in range(0, count, 1000):
            made[start : start + 1000] = rng.integers(0, 256, (1000, 32, 32, 3), np.uint8)
        made.flush()
        del made
        x = np.load(file, mmap_mode="r")
        samples = Samples.of(Split(x, np.zeros(count, np.int64), range_names(count)))
        most, done = [own()], threading.Event()

        def watch() -> None:
            while not done.wait(0.005):
                most.append(own())

        watcher = threading.Thread(target=watch)
        watcher.start()
        found = top_patches(net, samples, layer, k=9)
        done.set()
        watcher.join()
        print(json.dumps({"peak_mb": max(most), "before_mb": most[0], "units": len(found.units)}))


def own() -> float:
    """Resident memory that no file stands behind, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def range_names(count: int) -> list[str]:
    """A name an image."""
    return [str(i) for i in range(count)]


def measured(count: int) -> dict[str, Any]:
    """The search over that many images."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(count)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def main() -> None:
    """Measure, keep, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", type=int)
    parser.add_argument("--fresh", action="store_true")
    given = parser.parse_args()
    if given.one:
        one(given.one)
        return
    kept = Results(
        "patches",
        "Does the memory of a search for patches grow with the number of images?",
        {"numbers": NUMBERS, "batch": "as chosen"},
        fresh=given.fresh,
    )
    parts = {n: kept.part(f"{n:,}", lambda n=n: measured(n)) for n in NUMBERS}
    peaks = [parts[n]["peak_mb"] for n in NUMBERS]
    more = peaks[-1] - peaks[0]
    said = ", ".join(f"{n:,}: {p:.0f} MB" for n, p in zip(NUMBERS, peaks, strict=True))
    kept.write(
        [
            Row(
                what=f"patches of {parts[NUMBERS[0]]['units']} units of a ResNet-20: memory "
                "of the process, by number of images",
                reach=f"{NUMBERS[-1]:,} take at most {BOUND:.0f} MB more than {NUMBERS[0]:,}",
                measured=f"{said}; {more:+.0f} MB",
                met=more <= BOUND,
            )
        ]
    )


if __name__ == "__main__":
    main()
