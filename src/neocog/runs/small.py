"""From scratch on a small set: batch size, rate and number of steps follow its size.

What was chosen for tens of thousands of images (batches of 128, twenty passes) makes seven steps of
fifty images. A small set gets small batches, so that a pass has several steps, and so many passes
that there are some hundred steps; the rate falls with the batch.
"""

from __future__ import annotations

from dataclasses import replace

from neocog.runs.recipe import Recipe, TrainConfig

__all__ = ["DEFAULT_EPOCHS", "default_steps", "rate_of_batch", "suited_batch"]

DEFAULT_EPOCHS = 20.0
"""Passes over the training samples where neither epochs nor a budget was given."""

USUAL_BATCH, LEAST_BATCH = 128, 8
"""Samples of a batch for large and for the smallest sets."""

PRETRAIN_BATCH, LEAST_PRETRAIN = 256, 32
"""Images of a batch of training without labels, or with few, at most and of small sets."""

TRANSFER_BATCH = 32
"""Samples of a batch that continues from other weights, at the size of photographs."""

STEPS_A_PASS = 16
"""Steps that a pass should have: the batch is halved until it does."""

LEAST_STEPS = 400
"""Steps of a training where neither epochs nor a budget was given, at least."""


def suited_batch(recipe: Recipe, samples: int) -> TrainConfig:
    """The table `train` of a recipe, with a batch size; no sample of a small set waits for a pass.

    Args:
        recipe: whose batch size was not given.
        samples: in the training split.

    Example:
        >>> [suited_batch(Recipe(), n).batch_size for n in (35, 500, 5000)]
        [8, 16, 128]
    """
    if recipe.pretrain is not None or recipe.semi_supervised:
        size, least = PRETRAIN_BATCH, LEAST_PRETRAIN
        while size > least and samples < STEPS_A_PASS * size:
            size //= 2
        return replace(recipe.train, batch_size=size, drop_last=True)
    size = USUAL_BATCH if recipe.transfer is None else TRANSFER_BATCH
    while size > LEAST_BATCH and samples < STEPS_A_PASS * size:
        size //= 2
    few = samples < STEPS_A_PASS * USUAL_BATCH
    return replace(recipe.train, batch_size=size, drop_last=not few)


def rate_of_batch(recipe: Recipe) -> float:
    """Factor of the default learning rate for a small batch.

    The noise of a step falls with the root of the batch, and the rate with it (A. Krizhevsky, "One
    weird trick for parallelizing convolutional neural networks", 2014).

    Example:
        >>> rate_of_batch(Recipe(train=TrainConfig(batch_size=8)))
        0.25
    """
    return float(min(1.0, (recipe.train.batch_size / USUAL_BATCH) ** 0.5))


def default_steps(each: int) -> int:
    """Steps of a training where nothing says how long it is.

    Args:
        each: steps of a pass over the training samples.

    Example:
        >>> default_steps(5), default_steps(100)
        (400, 2000)
    """
    return max(LEAST_STEPS, round(DEFAULT_EPOCHS * each))
