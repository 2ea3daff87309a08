"""Check that a recipe is still the one of its checkpoint.

A recipe must reproduce its run: a training that is resumed with another batch size ends with
weights that no recipe gives. Keys that no bit depends on may differ: paths of the same samples and
initial weights, how a budget became a plan, the name of the machine. A plan may differ in the
steps that are still to come.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from neocog.errors import RunError, printable
from neocog.runs.experiment import spelled_out
from neocog.runs.plan import pairs, segment
from neocog.runs.recipe import Recipe

__all__ = ["differences", "must_agree"]

FREE = ("data.path", "model.init", "train.budget", "train.epochs", "train.plan")
"""Keys that are checked otherwise: by fingerprints of contents, or by the steps done."""

LEFT_OUT = "left out"


def must_agree(checkpoint: Recipe, now: Recipe, *, step: int, file: Path) -> None:
    """Refuse to resume a training with another recipe.

    Args:
        checkpoint: the recipe of the checkpoint.
        now: the recipe in the folder.
        step: steps that are done.
        file: of the recipe, for the message.

    Raises:
        RunError: names each key that differs, with both values.
    """
    changed = differences(checkpoint, now, step=step)
    if not changed:
        return
    what = "; ".join(f"`{printable(key)}` was {was}, is {now_}" for key, was, now_ in changed)
    raise RunError(
        f"A training is resumed with its original recipe, and `{printable(file)}` has "
        f"changed: {what}. Restore it, or train again with "
        f"`neocog train --recipe {shlex.quote(printable(file))} --out FOLDER`."
    )


def differences(checkpoint: Recipe, now: Recipe, *, step: int) -> list[tuple[str, str, str]]:
    """Keys that differ and on which bits depend: name, old value, new value.

    Args:
        checkpoint: the recipe of the checkpoint.
        now: the recipe in the folder.
        step: steps that are done.

    Example:
        >>> from dataclasses import replace
        >>> from neocog.runs.recipe import TrainConfig
        >>> differences(Recipe(), replace(Recipe(), train=TrainConfig(batch_size=64)), step=1)
        [('train.batch_size', '128', '64')]
    """
    one, two = _flat(checkpoint), _flat(now)
    if checkpoint.model.name != now.model.name:  # another network has other options
        one, two = (
            {k: v for k, v in d.items() if k not in _options(checkpoint, now)} for d in (one, two)
        )
    changed = [
        (key, _display(one, key), _display(two, key))
        for key in sorted(one.keys() | two.keys())
        if key not in FREE and one.get(key) != two.get(key)
    ]
    if one["train.plan"] != two["train.plan"]:
        if not _same_steps(checkpoint, now, step):
            changed.append(("train.plan", _display(one, "train.plan"), _display(two, "train.plan")))
    elif one["train.epochs"] != two["train.epochs"]:
        changed.append(
            ("train.epochs", _display(one, "train.epochs"), _display(two, "train.epochs"))
        )
    return changed


def _same_steps(checkpoint: Recipe, now: Recipe, step: int) -> bool:
    """Whether the new plan agrees on all steps that are done."""
    if not checkpoint.train.plan or not now.train.plan:
        return False
    one, two = pairs(checkpoint.train), pairs(now.train)
    turns = {0, *(first for first, _ in (*one, *two))}
    return all(segment(one, n)[0] == segment(two, n)[0] for n in turns if n < step)


def _options(*recipes: Recipe) -> set[str]:
    return {f"model.{key}" for r in recipes for key in spelled_out(r.model).options}


def _flat(recipe: Recipe) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for part in fields(recipe):
        value = getattr(recipe, part.name)
        if value is None or part.name == "provenance":
            continue
        if part.name == "model":
            value = spelled_out(value)
        for key in fields(value):
            inner = getattr(value, key.name)
            if isinstance(inner, Mapping):
                out |= {f"{part.name}.{k}": v for k, v in inner.items()}
            else:
                out[f"{part.name}.{key.name}"] = inner
    return out


def _display(values: dict[str, Any], key: str) -> str:
    if key not in values:
        return LEFT_OUT
    value = values[key]
    if isinstance(value, tuple):
        value = list(value)
    return printable(repr(value) if not isinstance(value, bool) else str(value).lower())
