"""How much memory a training will take, and how much there is."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from neocog.graph.cost import Cost
from neocog.runs.recipe import Recipe
from neocog.tasks.pretext.table import METHODS

__all__ = ["available_bytes", "training_bytes"]


def training_bytes(cost: Cost, recipe: Recipe) -> int:
    """A lower estimate: weights with gradients and optimizer state, and kept activations.

    Args:
        cost: of one sample.
        recipe: optimizer, batch, average and the views of a pretraining are read.
    """
    copies = 2 + (2 if recipe.optimizer.name == "adamw" else 1)
    copies += 1 if recipe.train.ema_decay else 0
    # Two bytes a kept activation is what bfloat16 takes; float32 takes twice that.
    images = recipe.train.batch_size
    if recipe.pretrain is not None:
        images *= METHODS[recipe.pretrain.method].views
    return 4 * cost.params * copies + 2 * cost.activations * images


def available_bytes(device: str) -> int | None:
    """Free memory of a device, or None where it cannot be told."""
    if device.startswith("cuda") and torch.cuda.is_available():
        return int(torch.cuda.mem_get_info(device)[0])
    if device != "cpu":
        return None
    free = []
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            free.append(int(line.split()[1]) * 1024)
    limit = _lines("/sys/fs/cgroup/memory.max")
    if limit and limit[0].strip().isdigit():
        used = _lines("/sys/fs/cgroup/memory.current")
        free.append(int(limit[0]) - (int(used[0]) if used else 0))
    if not free and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        free.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(free) if free else None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
