"""Times layers on request: a line of JSON comes in, a line of JSON goes out.

The same code runs in every environment that is compared, ours included, so that the arithmetic
around a layer is the same for all: one forward pass, and the gradient of the input.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def seconds(layer: nn.Module, shape: list[int], layout: str, *, repeats: int) -> dict[str, Any]:
    """The median of some forward and backward passes, after two that do not count."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator).to(memory_format=LAYOUTS[layout])
    x.requires_grad_()
    forward, both = [], []
    for turn in range(repeats + 2):
        start = time.perf_counter()
        y = layer(x)
        middle = time.perf_counter()
        g = torch.ones_like(y)
        again = time.perf_counter()
        torch.autograd.grad(y, x, g)
        end = time.perf_counter()
        if turn >= 2:
            forward.append(middle - start)
            both.append(middle - start + end - again)
    return {
        "forward": statistics.median(forward),
        "both": statistics.median(both),
        "shape": list(y.shape),
    }


def serve(ways: Mapping[str, Callable[[int], nn.Module]]) -> None:
    """Answers until the end of the input.

    Args:
        ways: name to (channels) to a layer.
    """
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            torch.manual_seed(0)
            layer = ways[asked["way"]](asked["shape"][1]).train()
            said = seconds(layer, asked["shape"], asked["layout"], repeats=asked["repeats"])
        except Exception as e:  # a layer that cannot run here is a result, too
            said = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(said), flush=True)
