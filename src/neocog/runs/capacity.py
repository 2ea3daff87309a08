"""The network of a budget: a larger one where small color images and enough time allow it.

The default network begins by halving the image, which suits digits and large photographs. In a
color photograph of 32 pixels that half of the detail counts: a network that keeps the full size and
has wider layers is better once it can see every image often enough. How often that is, is measured
here on the machine as it is, before anything is trained.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from neocog.data.batches import batches
from neocog.data.open import open_data
from neocog.data.split import Split
from neocog.errors import NeocogError
from neocog.networks.catalog import build
from neocog.runs.budget import Budget
from neocog.runs.machine_search import best_device, one_step
from neocog.runs.recipe import ModelConfig, Recipe
from neocog.tasks.pretext.table import METHODS
from neocog.training.machine import Machine, to_machine

__all__ = ["CAPACITIES", "Capacity", "of_budget", "suits", "widened"]

LARGEST_SIDE = 64
"""Pixels of the longer side up to which an image is small."""

LEAST_IMAGES = 10_000
"""Training images from which on a wide network is not soon overfitted."""

UNLABELED = 3.0
"""So many more passes does a training without labels need."""

SPENT = 0.7
"""Fraction of what is left of a budget that goes into steps."""

TIMED, STEPS = 64, 3
"""Images of the steps that are timed, and steps: the fastest counts."""


@dataclass(frozen=True)
class Capacity:
    """Options of the default network, and what they need.

    Args:
        options: of `networks.convnet`.
        passes: over the training images, from which on it is the better one.
    """

    options: Mapping[str, Any]
    passes: float


CAPACITIES = (
    Capacity(
        {"widths": (32, 64, 128, 256), "depths": (1, 2, 2, 2), "stem": "full", "whitened": True},
        1.0,
    ),
    Capacity(
        {"widths": (64, 128, 256), "depths": (1, 2, 2), "stem": "full", "whitened": True}, 24.0
    ),
)
"""From the smallest to the largest; below them is the network as it is.

CIFAR-10 on two cores, the same 17.5 minutes: the larger one (without whitening) made 10 passes and
had 86.7 % of the validation images after 7 of them; the smaller one made 20 and ended at 90.7 %.
"""


def suits(recipe: Recipe, train: Split) -> bool:
    """Whether the size of the network is left to the budget.

    Args:
        recipe: with a model of its own, initial weights or few labels it is not.
        train: small color images, and many, for others the default network is kept.
    """
    plain = recipe.model == ModelConfig() and recipe.labels is None and recipe.transfer is None
    *sides, channels = train.x.shape[1:]
    return plain and channels == 3 and max(sides) <= LARGEST_SIDE and len(train) >= LEAST_IMAGES


def of_budget(
    recipe: Recipe, budget: Budget, train: Split, num_classes: int
) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe with the largest network that the budget can train, and a sentence on it.

    Args:
        recipe: for which `suits` holds.
        budget: of the command.
        train: the training samples.
        num_classes: K.
    """
    views, more = 1, 1.0
    if recipe.pretrain is not None:
        views, more = METHODS[recipe.pretrain.method].views, UNLABELED
    taken, notes, passes = recipe, tuple[str, ...](), math.inf
    for capacity in CAPACITIES:
        if passes < more * capacity.passes:  # of a smaller network, and a larger one is slower
            break
        model = replace(recipe.model, options=dict(capacity.options))
        wide = replace(recipe, model=model)
        limit = budget.measuring / (2 * len(CAPACITIES))
        each = views * _seconds_an_image(wide, train, num_classes, seconds=limit)
        passes = SPENT * max(budget.left(), 0.0) / each / len(train)
        if passes >= more * capacity.passes:
            taken, notes = wide, (_sentence(model, budget, passes, len(train)),)
    return taken, notes


def widened(
    recipe: Recipe,
    budget: Budget,
    *,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Recipe, tuple[str, ...]]:
    """The same for data that is still to be opened; the recipe as it is where they do not suit.

    Args:
        recipe: of a training.
        budget: of the command; none leaves the network as it is.
        strict: stop at the first image that cannot be used.
        progress: called with (images done, images in all) while they are decoded.
    """
    if not budget.seconds or recipe.model != ModelConfig():
        return recipe, ()
    data = recipe.data
    try:
        source = open_data(
            data.path,
            size=(data.size[0], data.size[1]) if len(data.size) == 2 else None,
            channels=data.channels or None,
            seed=data.seed,
            resize_mode=data.resize_mode,
            cut_test=data.cut_test,
            strict=strict,
            progress=progress,
        )
    except NeocogError:
        return recipe, ()  # said where the recipe is prepared
    train = source.splits["train"]
    if not suits(recipe, train):
        return recipe, ()
    return of_budget(recipe, budget, train, max(2, len(source.classes)))


def _sentence(model: ModelConfig, budget: Budget, passes: float, images: int) -> str:
    widths = ", ".join(map(str, model.options["widths"]))
    return (
        f"A wide {model.name} (stages of {widths} channels, full-size stem), as the budget of "
        f"{budget.seconds:g} s is enough for about {passes:.0f} passes over the {images:,} "
        "training images. --model sets another."
    )


def _seconds_an_image(
    recipe: Recipe, train: Split, num_classes: int, *, seconds: float = math.inf
) -> float:
    """Of a training step, in the faster of both precisions; one step is made in any case."""
    end = time.perf_counter() + seconds
    *size, channels = train.x.shape[1:]
    device = recipe.machine.device or best_device()
    batch = next(batches(train, size=TIMED, shuffle=True, seed=0, epoch=0))
    times = []
    for precision in ("bfloat16", "float32"):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            network = build(
                recipe.model.name,
                num_classes=num_classes,
                in_channels=channels,
                size=(size[0], size[1]),
                options=recipe.model.options,
            )
        machine = Machine(device=device, precision=precision)
        to_machine(network, machine)
        for _ in range(STEPS):
            begun = time.perf_counter()
            one_step(network, machine, batch, recipe)
            times.append(time.perf_counter() - begun)
            if time.perf_counter() > end:
                return min(times) / len(batch.y)
    return min(times) / len(batch.y)
