"""Where and how the arithmetic runs: device, memory layout and precision, chosen by measuring."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from neocog.errors import TooLarge, UsageError, did_you_mean
from neocog.types import Batch

__all__ = [
    "Machine",
    "Timing",
    "autocast",
    "candidates",
    "choose",
    "place",
]

LAYOUTS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where and how the arithmetic of a training runs.

    Args:
        device: `cpu`, `cuda`, `cuda:1`, `mps`.
        layout: of weights and pictures in memory, `channels_last` or `contiguous`.
        precision: `float32`, or `bfloat16` for convolutions and products, with weights,
            statistics and the loss in float32.
    """

    device: str = "cpu"
    layout: str = "channels_last"
    precision: str = "float32"

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            UsageError: the layout or the precision is unknown.
        """
        for field, known in (("layout", LAYOUTS), ("precision", PRECISIONS)):
            value = getattr(self, field)
            if value not in known:
                raise UsageError(
                    f"`machine.{field}` says how numbers are held, got `{value}`. "
                    f"{did_you_mean(value, known)}"
                )


@dataclass(frozen=True)
class Timing:
    """How fast one way of training is.

    Args:
        machine: the way.
        seconds: of the fastest step.
    """

    machine: Machine
    seconds: float


def autocast(machine: Machine) -> AbstractContextManager[object]:
    """The context in which a forward pass runs."""
    dtype = PRECISIONS[machine.precision]
    if dtype is None:
        return nullcontext()
    return torch.autocast(torch.device(machine.device).type, dtype=dtype)


def place(module: nn.Module, machine: Machine) -> nn.Module:
    """Move a module to the device and into the memory layout, in place.

    Raises:
        UsageError: there is no such device.
        TooLarge: the device's memory is too small.
    """
    try:
        module.to(machine.device)
    except torch.OutOfMemoryError as e:
        raise TooLarge(
            f"The network must fit into the memory of {machine.device}, and does not. "
            "Take a smaller network, or `--device cpu`."
        ) from e
    except (RuntimeError, AssertionError) as e:
        raise UsageError(
            f"`machine.device` must name a device of this machine, got `{machine.device}` "
            f"({str(e).splitlines()[0]}). Use `cpu`."
        ) from e
    return module.to(memory_format=LAYOUTS[machine.layout])  # type: ignore[call-overload, no-any-return]


def candidates(device: str) -> list[Machine]:
    """What is worth trying on a device, the safest first."""
    ways = [Machine(device=device), Machine(device=device, precision="bfloat16")]
    if device == "cpu":
        ways.insert(0, Machine(device=device, layout="contiguous"))
    return ways


def choose(
    step: Callable[[nn.Module, Machine, Batch], object],
    model: nn.Module,
    batch: Batch,
    ways: Sequence[Machine],
    *,
    repeats: int = 5,
) -> list[Timing]:
    """Time one training step in each way, in turns, on copies of the model; the fastest first.

    The best of several steps counts, and a way has to be an eighth faster than the ones before
    it to be preferred to them, so that noise does not change the arithmetic of a training.

    Args:
        step: makes one step with the model, the way and the batch.
        model: is left as it is.
        batch: a real one.
        ways: what is tried.
        repeats: timed steps a way, after one that is not timed.
    """
    copies = [place(copy.deepcopy(model), way) for way in ways]
    seconds: list[list[float]] = [[] for _ in ways]
    for turn in range(repeats + 1):
        for n, (way, module) in enumerate(zip(ways, copies, strict=True)):
            start = time.perf_counter()
            step(module, way, batch)
            if way.device.startswith("cuda"):
                torch.cuda.synchronize()
            if turn:
                seconds[n].append(time.perf_counter() - start)
    timings = [Timing(way, min(s)) for way, s in zip(ways, seconds, strict=True)]
    best = timings[0]
    for other in timings[1:]:
        if other.seconds < 7 / 8 * best.seconds:
            best = other
    return [best, *(t for t in timings if t is not best)]
