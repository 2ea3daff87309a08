"""What does a fix cost at inference?

Networks with random weights, as they are and fixed, answer the same batch in turns: convolutional
networks of ours and a ResNet-18, in float32, channels_last, evaluation mode. MACs are counted.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from common import Results, Row, in_turns, spread, usual_options
from torch import Tensor, nn

from neocog.graph.cost import cost
from neocog.networks.catalog import build
from neocog.surgery.replace import replace

NETWORKS: dict[str, tuple[str, tuple[int, int, int], int]] = {
    "convnet": ("convnet", (1, 32, 32), 64),
    "resnet20": ("resnet20", (3, 32, 32), 64),
    "resnet18": ("resnet18", (3, 224, 224), 8),
}
"""Part to network, size of a sample, samples of a batch."""

FIXES = {
    "polyphase, circular": {"downsampling": "polyphase", "padding": "circular"},
    "blur": {"downsampling": "blur", "padding": "keep"},
}


def _seconds(module: nn.Module, x: Tensor) -> float:
    began = time.perf_counter()
    module(x)
    return time.perf_counter() - began


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Milliseconds a sample, in turns, and MACs."""
    network, size, batch = NETWORKS[name]
    torch.manual_seed(0)
    net = build(network, num_classes=10, in_channels=size[0], size=size[1:]).eval()
    x = torch.rand(batch, *size).to(memory_format=torch.channels_last)
    nets: dict[str, nn.Module] = {"as it was": net}
    nets |= {k: replace(net, x[:2], **given).module for k, given in FIXES.items()}
    ways: dict[str, Callable[[], float]] = {}
    for key, module in nets.items():
        module.to(memory_format=torch.channels_last)
        ways[key] = lambda module=module: _seconds(module, x)
    with torch.inference_mode():
        seconds = in_turns(ways, rounds=rounds, warm_up=3)
    return {
        "batch": batch,
        "ms_per_sample": {
            k: spread([1000 * s / batch for s in values]) for k, values in seconds.items()
        },
        "macs": {k: cost(module, size).macs for k, module in nets.items()},
    }


def rows(parts: dict[str, Any]) -> list[Row]:
    out = []
    for name, part in parts.items():
        was = part["ms_per_sample"]["as it was"]["values"]
        for key in FIXES:
            now = part["ms_per_sample"][key]["values"]
            ratio = statistics.median(b / a for a, b in zip(was, now, strict=True))
            macs = part["macs"][key] / part["macs"]["as it was"]
            out.append(
                Row(
                    what=f"inference after a fix ({key}), {name}, against the network as it was",
                    reach="≤ 1.3×" if key.startswith("polyphase") else "",
                    measured=f"{ratio:.2f}× the time ({statistics.median(was):.3f} → "
                    f"{statistics.median(now):.3f} ms per sample), {macs:.2f}× the MACs",
                    met=ratio <= 1.3 if key.startswith("polyphase") else None,
                )
            )
    return out


def main() -> None:
    options = usual_options(__doc__, trial="three rounds, nothing kept")
    options.add_argument("--rounds", type=int, default=60)
    given = options.parse_args()
    rounds = 3 if given.trial else given.rounds
    results = Results(
        "fixed_inference",
        "What does a fix cost at inference?",
        {"rounds": rounds, "networks": NETWORKS, "fixes": FIXES, "threads": "as they come"},
        fresh=given.fresh,
        save=not given.trial,
    )
    parts = {n: results.part(n, lambda n=n: measure(n, rounds)) for n in NETWORKS}
    results.write(rows(parts))


if __name__ == "__main__":
    main()
