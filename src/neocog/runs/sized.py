"""What a budget can train: a wide network on small color images, else smaller images if need be."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from neocog.data.batches import batches
from neocog.data.open import open_data
from neocog.data.split import Split
from neocog.errors import NeocogError
from neocog.networks.catalog import build
from neocog.runs import capacity
from neocog.runs.budget import Budget
from neocog.runs.machine_search import best_device, one_step
from neocog.runs.recipe import Recipe
from neocog.runs.small import suited_batch
from neocog.training.machine import Machine, to_machine

__all__ = ["sized"]

PASSES, STEPS = 15.0, 1000
"""Passes over the training images, and steps, from which on a network is trained well enough for
the size of the images to be what limits it."""

LEAST = 28
"""Pixels of the shorter side, at least."""

SPENT = 0.7
"""Fraction of what is left of a budget that goes into steps."""

TIMED = 16
"""Images of the step that is timed."""

Progress = Callable[[int, int], None] | None


def sized(
    recipe: Recipe,
    budget: Budget,
    *,
    by_size: bool = False,
    strict: bool = False,
    progress: Progress = None,
) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe with a network and a size that its budget can train, and a sentence on either.

    Args:
        recipe: stays as it is where it has a size or no budget, or starts from other weights.
        budget: of the command.
        by_size: the batch size is chosen by the number of training samples.
        strict: stop at the first image that cannot be used.
        progress: called with (images done, images in all) while they are decoded.
    """
    if not budget.seconds or recipe.data.size or recipe.model.init or recipe.labels is not None:
        return recipe, ()
    data = recipe.data
    try:
        source = open_data(
            data.path,
            channels=data.channels or None,
            seed=data.seed,
            resize_mode=data.resize_mode,
            cut_test=data.cut_test,
            strict=strict,
            progress=progress,
        )
        train, classes = source.splits["train"], len(source.classes)
        if classes < 2 or len(train) < 2 or min(train.x.shape[1:3]) <= LEAST:
            return recipe, ()
        if capacity.suits(recipe, train):
            return capacity.of_budget(recipe, budget, train, classes)
        each = _seconds_an_image(recipe, train, classes)
    except NeocogError:
        return recipe, ()  # said where the recipe is prepared
    size = (suited_batch(recipe, len(train)) if by_size else recipe.train).batch_size
    full = train.x.shape[1:3]
    images = SPENT * max(budget.left(), 0.0) / each
    need = max(PASSES * len(train), STEPS * min(size, len(train)))
    if images >= need:
        return recipe, ()
    factor = max((images / need) ** 0.5, LEAST / min(full))
    small = tuple(_even(side * factor) for side in full)
    if factor >= 1 or small == full:
        return recipe, ()
    note = (
        f"Images are resized to {small[0]} × {small[1]} pixels, not {full[0]} × {full[1]}, so that "
        f"the budget of {budget.seconds:g} s allows about {images / len(train):.1f} epochs of the "
        f"{len(train):,} training images. --size sets another size."
    )
    return replace(recipe, data=replace(data, size=small)), (note,)


def _even(side: float) -> int:
    return max(LEAST, 4 * round(side / 4))


def _seconds_an_image(recipe: Recipe, train: Split, num_classes: int) -> float:
    """Of a training step at full size, from the faster of two steps."""
    *size, channels = train.x.shape[1:]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = build(
            recipe.model.name,
            num_classes=num_classes,
            in_channels=channels,
            size=(size[0], size[1]),
            options=recipe.model.options,
        )
    machine = Machine(device=recipe.machine.device or best_device())
    to_machine(network, machine)
    batch = next(batches(train, size=TIMED, shuffle=True, seed=0, epoch=0))
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        one_step(network, machine, batch, recipe)
        times.append(time.perf_counter() - begun)
    return min(times) / len(batch.y)
