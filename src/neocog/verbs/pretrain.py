"""Pretrain a network on images without using their labels."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from neocog.errors import UsageError
from neocog.keywords import known_keywords
from neocog.models.model import Model
from neocog.runs.claim import claimed
from neocog.runs.recipe import Recipe
from neocog.training.machine import check_device
from neocog.training.optimize import OptimizerConfig, ScheduleConfig
from neocog.verbs.train import finish, free_folder, settle, with_network
from neocog.verbs.watch import Progress

__all__ = ["pretrain"]

StrPath = str | os.PathLike[str]

METHOD = "vicreg"
"""The method where none is named."""


@known_keywords
def pretrain(
    data: StrPath,
    *,
    method: str | None = None,
    model: str | None = None,
    epochs: float | None = None,
    budget: float | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    out: StrPath | None = None,
    overwrite: bool = False,
    strict: bool = False,
    progress: Progress = True,
    began: float | None = None,
) -> Model:
    """Pretrain a network without labels, and keep it, with its report, in a run folder.

    `train(data, settings={"model.init": RUN})` starts from it. Where the data has labels they are
    used to measure nearest neighbors, and for nothing else.

    Args:
        data: `digits`, a folder of images with or without class folders, idx files, a
            file of arrays.
        method: simclr, vicreg, barlow-twins, byol, fastsiam, emp-ssl, rotation or masked.
        model: one of `neocog models` that ends in a linear layer.
        epochs: passes over the training images.
        budget: seconds for the whole command, instead of epochs.
        seed: of all random numbers.
        settings: any other key of a recipe, as `{"optimizer.lr": 0.001}`.
        out: the run folder; one below `runs` that is named after the data if left out.
        overwrite: replace a run that is there.
        strict: stop at the first image that cannot be used.
        progress: as for `train`.
        began: `time.monotonic()` when the budget began; now if left out.

    Returns:
        The model, whose head is random; its figures are in `.card["metrics"]`.

    Raises:
        NeocogError: the data, the recipe, the machine or the disk does not allow it.

    Example:
        >>> import neocog
        >>> run = neocog.pretrain("digits", epochs=20)             # doctest: +SKIP
        >>> run.card["metrics"]["collapsed"]                       # doctest: +SKIP
        False
    """
    for name, amount in (("epochs", epochs), ("budget", budget)):
        if amount is not None and not 0 < amount < math.inf:
            raise UsageError(f"`{name}` must be a positive number, got {amount:g}. Try 10.")
    if epochs is not None and budget is not None:
        raise UsageError(
            "A training is limited by `epochs` or by `budget`, and both were given. Give one."
        )
    direct = {
        "model.name": model,
        "train.epochs": float(epochs) if epochs is not None else None,
        "train.budget": float(budget) if budget is not None else None,
        "train.seed": seed,
        "pretrain.method": method or METHOD,
    }
    keys = dict(settings or {}) | {k: v for k, v in direct.items() if v is not None}
    if (start := str(keys.get("model.init") or "")) == "none":
        keys["model.init"] = start = ""
    keys = with_network(keys, start)
    recipe = settle(data, keys, suited_recipe())
    recipe = replace(recipe, provenance=replace(recipe.provenance, command="pretrain"))
    check_device(recipe.machine.device)
    where = Path(out) if out else free_folder(f"{free_name(data)}-pretrained")
    with claimed(where, overwrite=overwrite) as claim:
        return finish(
            recipe,
            claim,
            strict=strict,
            by_size="train.batch_size" not in keys,
            progress=progress,
            began=began,
        )


def suited_recipe() -> Recipe:
    """What suits a self-supervised training where nothing else is given."""
    recipe = Recipe()
    return replace(
        recipe,
        optimizer=OptimizerConfig(name="adamw", weight_decay=1e-4),
        schedule=ScheduleConfig(name="cosine", warmup=0.1),
        train=replace(recipe.train, ema_decay=0.0),
    )


def free_name(data: StrPath) -> str:
    """The last part of a path, without a split."""
    return Path(os.fspath(data).partition(":")[0]).name or "run"
