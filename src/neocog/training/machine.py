"""Where and how the arithmetic runs: device, memory layout and precision, chosen by measuring."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from neocog.errors import TooLarge, UsageError, did_you_mean, printable
from neocog.types import Batch

__all__ = [
    "Machine",
    "Timing",
    "autocast",
    "candidates",
    "check_device",
    "choose",
    "threads",
    "to_machine",
]

LAYOUTS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}

MOST_THREADS = 1024
"""The most threads that can be requested."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where and how the arithmetic of a training runs.

    Args:
        device: `cpu`, `cuda`, `cuda:1`, `mps`.
        memory_format: of weights and images, `channels_last` or `contiguous`.
        precision: `float32`, or `bfloat16` for convolutions and products, with weights,
            statistics and the loss in float32.
        threads: of the CPU; the last bits of sums depend on their number. 0 for the default
            of PyTorch.
    """

    device: str = "cpu"
    memory_format: str = "channels_last"
    precision: str = "float32"
    threads: int = 0

    def __post_init__(self) -> None:
        """Check the names and the number.

        Raises:
            UsageError: the memory format or precision is unknown, or there are too many threads.
        """
        if not 0 <= self.threads <= MOST_THREADS:
            raise UsageError(
                f"`machine.threads` is a number from 1 to {MOST_THREADS}, or 0 for the "
                f"default of PyTorch, got {self.threads}. Try 0."
            )
        for field, known in (("memory_format", LAYOUTS), ("precision", PRECISIONS)):
            value = getattr(self, field)
            if value not in known:
                raise UsageError(
                    f"`machine.{field}` must be a known format, got `{value}`. "
                    f"{did_you_mean(value, known)}"
                )


@dataclass(frozen=True)
class Timing:
    """Speed of one configuration.

    Args:
        machine: the configuration.
        seconds: of the fastest step.
    """

    machine: Machine
    seconds: float


def check_device(name: str) -> None:
    """Refuse an unknown or missing device before work begins.

    Args:
        name: `cpu`, `cuda`, `cuda:1`, `mps`; empty for the best available.

    Raises:
        UsageError: PyTorch cannot compute there.

    Example:
        >>> check_device("cpu")
        >>> check_device("gpu")
        Traceback (most recent call last):
        ...
        neocog.errors.UsageError: A device is `cpu`, `cuda`, `cuda:N` or `mps`; got `gpu`. Name one
        of them, or leave the device out for the best available.
    """
    if not name:
        return
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(
            f"A device is `cpu`, `cuda`, `cuda:N` or `mps`; got `{printable(name)}`. Name one of "
            "them, or leave the device out for the best available."
        )
    here = 1
    if device.type == "cuda":
        here = torch.cuda.device_count() if torch.cuda.is_available() else 0
    elif device.type == "mps":
        here = int(torch.backends.mps.is_available())
    if (device.index or 0) >= here:
        has = f"has {here} of them, counted from 0" if here else "has none that PyTorch can use"
        raise UsageError(
            f"A device must be in this machine; got `{printable(name)}`, and this one "
            f"{has}. Use `cpu`, or leave the device out for the best available."
        )


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Set the number of CPU threads; restored afterwards.

    Args:
        count: 0 changes nothing.
    """
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count:
            torch.set_num_threads(before)


def autocast(machine: Machine) -> AbstractContextManager[object]:
    """The context in which a forward pass runs."""
    dtype = PRECISIONS[machine.precision]
    if dtype is None:
        return nullcontext()
    return torch.autocast(torch.device(machine.device).type, dtype=dtype)


def to_machine(module: nn.Module, machine: Machine) -> nn.Module:
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
            "Use a smaller model, or `--device cpu`."
        ) from e
    except (RuntimeError, AssertionError) as e:
        raise UsageError(
            f"`machine.device` must name a device of this machine, got `{machine.device}` "
            f"({str(e).splitlines()[0]}). Use `cpu`."
        ) from e
    return module.to(memory_format=LAYOUTS[machine.memory_format])  # type: ignore[call-overload, no-any-return]


def candidates(device: str) -> list[Machine]:
    """Configurations worth trying on a device, the safest first."""
    machines = [Machine(device=device), Machine(device=device, precision="bfloat16")]
    if device == "cpu":
        machines.insert(0, Machine(device=device, memory_format="contiguous"))
    return machines


def choose(
    step: Callable[[nn.Module, Machine, Batch], object],
    model: nn.Module,
    batch: Batch,
    machines: Sequence[Machine],
    *,
    repeats: int = 5,
    seconds: float = math.inf,
) -> list[Timing]:
    """Time one training step per configuration, in turns, on copies of the model; fastest first.

    The best of several steps counts, and a configuration must be an eighth faster than the ones
    before it to be preferred, so that noise does not change the arithmetic of a training.

    Args:
        step: makes one step with the model, the configuration and the batch.
        model: is not changed.
        batch: a real one.
        machines: the configurations.
        repeats: timed steps per configuration, after one warm-up step.
        seconds: time limit; no step begins that would probably end later.

    Returns:
        Empty if there was no time to try each configuration once after its warm-up.
    """
    end = time.perf_counter() + seconds
    copies = (
        [] if seconds <= 0 else [to_machine(copy.deepcopy(model), machine) for machine in machines]
    )
    times: list[list[float]] = [[] for _ in machines]
    longest = 0.0
    for turn in range(repeats + 1):
        for n, (machine, module) in enumerate(zip(machines, copies, strict=False)):
            start = time.perf_counter()
            if start + longest > end:
                break
            step(module, machine, batch)
            if machine.device.startswith("cuda"):
                torch.cuda.synchronize()
            longest = time.perf_counter() - start
            if turn:
                times[n].append(longest)
    if not all(times):
        return []
    timings = [Timing(machine, min(s)) for machine, s in zip(machines, times, strict=True)]
    best = timings[0]
    for other in timings[1:]:
        if other.seconds < 7 / 8 * best.seconds:
            best = other
    return [best, *(t for t in timings if t is not best)]
