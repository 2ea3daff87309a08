"""The fastest way to train on this machine: measured once, then remembered."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import platform
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from neocog.data.batches import batches
from neocog.data.cache import default_folder
from neocog.data.split import Split
from neocog.errors import NeocogError, RunError
from neocog.fields import Fields
from neocog.files import read_json
from neocog.runs.recipe import MachineConfig, Recipe
from neocog.targets import write_bytes
from neocog.tasks.task import Task
from neocog.training.augment import Augment
from neocog.training.loop import StepPlan, fit
from neocog.training.machine import Machine, candidates, choose, to_machine
from neocog.training.optimize import build_optimizer
from neocog.types import Batch

__all__ = ["best_device", "fastest", "one_step", "processor"]

REPEATS, MEASURED = 5, 0.1
"""Timed steps of each way, at most; and those of all ways, as a fraction of a training's."""


def best_device() -> str:
    """The device to train on where none is given."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def fastest(
    choice: MachineConfig,
    model: nn.Module,
    train: Split,
    recipe: Recipe,
    *,
    seconds: float = math.inf,
    steps: float = math.inf,
) -> Machine:
    """What was chosen, and the fastest of what was left open.

    The result is kept in the folder of the cache, in `machines.json`: another measurement could
    come out otherwise, and with it the last bits of a training.

    Args:
        choice: empty fields are found out.
        model: what is trained; is left as it is.
        train: the training samples.
        recipe: all else.
        seconds: for the measurement; the safest way is taken, and not remembered, where they are
            too few.
        steps: of the training: a tenth as many are timed, at most.
    """
    device, number = choice.device or best_device(), choice.threads or torch.get_num_threads()
    ways = [
        replace(way, threads=number)
        for way in candidates(device)
        if choice.memory_format in ("", way.memory_format)
        and choice.precision in ("", way.precision)
    ]
    if not ways:
        given = {k: v for k, v in vars(choice).items() if v}
        return Machine(**{**given, "device": device, "threads": number})
    if len(ways) == 1:
        return ways[0]
    repeats = REPEATS if math.isinf(steps) else int(MEASURED * steps / len(ways)) - 1
    if repeats < 1:  # before what is known: the same command takes the same way every time
        return ways[0]
    file, key = default_folder() / "machines.json", _key(device, recipe)
    known = _known(file)
    for way in ways:
        if known.get(key) == [way.memory_format, way.precision]:
            return way
    batch = next(batches(train, size=recipe.train.batch_size, shuffle=True, seed=0, epoch=0))
    if not math.isinf(seconds):
        seconds -= _first_look(model, ways, batch, recipe, seconds)
    timings = choose(
        lambda m, way, b: one_step(m, way, b, recipe),
        model,
        batch,
        ways,
        repeats=min(REPEATS, repeats),
        seconds=seconds,
    )
    if not timings:
        return ways[0]
    best = timings[0].machine
    known[key] = [best.memory_format, best.precision]
    with contextlib.suppress(RunError):  # a cache that cannot be written is only slower
        write_bytes(file, json.dumps(known, indent=1).encode())
    return best


def _first_look(
    model: nn.Module, ways: list[Machine], batch: Batch, recipe: Recipe, seconds: float
) -> float:
    """Seconds that a look at two samples took; more than there are where whole steps would."""
    begun = time.perf_counter()
    two = Batch(batch.x[:2], batch.y[:2], batch.index[:2])
    trial = to_machine(copy.deepcopy(model), ways[0])
    one_step(trial, ways[0], two, recipe)
    now = time.perf_counter()
    one_step(trial, ways[0], two, recipe)
    took = time.perf_counter() - now
    # A step with all samples takes at least a quarter of what as many pairs would take.
    least = took * len(batch.y) / max(1, len(two.y)) / 4 * 2 * len(ways)
    return math.inf if least > seconds else time.perf_counter() - begun


def one_step(
    model: nn.Module, machine: Machine, batch: Batch, recipe: Recipe, *, task: Task | None = None
) -> None:
    """One training step, for measuring; changes the model."""
    for _ in fit(
        model,
        lambda epoch: iter([batch]),
        build_optimizer(model, recipe.optimizer),
        plan=StepPlan(steps=1, steps_per_epoch=1, seed=recipe.train.seed),
        schedule=recipe.schedule,
        task=task or recipe.objective.task(),
        max_grad_norm=recipe.objective.max_grad_norm,
        augmentation=recipe.augment or Augment(),
        machine=machine,
    ):
        pass


def _key(device: str, recipe: Recipe) -> str:
    """All that decides how fast a step is."""
    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    network = json.dumps([recipe.model.name, dict(recipe.model.options)], sort_keys=True)
    shape = str((recipe.train.batch_size, recipe.data.size, recipe.data.channels))
    shape += f" {recipe.transfer.freeze}" if recipe.transfer is not None else ""
    threads = str(torch.get_num_threads())
    return "|".join(
        (torch.__version__, platform.node(), _processor(), threads, gpu, network, shape)
    )


def processor(device: str) -> str:
    """What does the arithmetic of a device, as far as last bits depend on it."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{_processor()}, {capability}" if device == "cpu" else device


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _known(file: Path) -> dict[str, list[str]]:
    try:
        fields = Fields(read_json(file, limit=2**20), "machines.json")
        return {key: list(fields.texts(key, count=2)) for key in fields.values}
    except NeocogError:  # a cache that cannot be read is only slower
        return {}
