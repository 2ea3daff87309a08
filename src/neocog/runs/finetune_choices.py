"""How unfrozen layers are trained where the recipe leaves it open: measured, and by the passes.

Frozen features are of images as they are, in float32. A fine-tune takes the precision that is
faster here, and an image that it sees many times is augmented more.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

from neocog.runs.experiment import Experiment
from neocog.runs.machine_search import fastest
from neocog.runs.recipe import MachineConfig
from neocog.training.augment import varied

__all__ = ["MANY_PASSES", "suited_to_passes", "with_fastest_precision"]

MANY_PASSES = 6.0
"""Passes over the training images from which on they are augmented more."""

TIMED = 80
"""Steps of a fine-tune whose length is not known yet, for the time in which its speed is found."""


def with_fastest_precision(experiment: Experiment, *, seconds: float = inf) -> Experiment:
    """An experiment in the precision in which its steps are fastest, if that was left open.

    Args:
        experiment: with the layers unfrozen that are trained; its model is left as it is.
        seconds: for the measurement.
    """
    if "precision" not in experiment.open_choices:
        return experiment
    recipe = experiment.recipe
    steps = round(recipe.train.epochs * experiment.steps_per_epoch) or TIMED
    machine = fastest(
        replace(recipe.machine, precision=""),
        experiment.model,
        experiment.source.splits["train"],
        recipe,
        seconds=seconds,
        steps=steps,
    )
    recipe = replace(recipe, machine=MachineConfig(**vars(machine)))
    return replace(experiment, recipe=recipe)


def suited_to_passes(experiment: Experiment, passes: float) -> Experiment:
    """An experiment with more augmentation where each image is seen often, if that was left open.

    Args:
        experiment: with the default augmentation.
        passes: over the training images.
    """
    raw = experiment.source.values == "raw"  # which have no light to vary
    if "augment" not in experiment.open_choices or passes < MANY_PASSES or raw:
        return experiment
    recipe = experiment.recipe
    augment = varied(experiment.augment, recipe.data.channels)
    return replace(experiment, recipe=replace(recipe, augment=augment))
