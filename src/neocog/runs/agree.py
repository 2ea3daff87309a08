"""Whether a recipe is still the one that a checkpoint was made with.

A recipe reproduces a run, or it lies: a training that is taken up with another batch ends with
weights that no recipe has. What may differ is what no bit depends on: where the same samples and
the same first weights lie, how a budget once became a plan, what the machine is called. A plan may
be another one for the steps that are still to come.
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
"""Keys that are held in another way: by fingerprints of what is there, by the steps done."""

LEFT_OUT = "left out"


def must_agree(kept: Recipe, now: Recipe, *, step: int, file: Path) -> None:
    """Refuse to take up a training with another recipe.

    Args:
        kept: what the checkpoint was made with.
        now: what the folder's recipe says.
        step: steps that are done.
        file: of the recipe, for the message.

    Raises:
        RunError: names each key that differs, what it was and what it is.
    """
    found = differences(kept, now, step=step)
    if not found:
        return
    what = "; ".join(f"`{printable(key)}` was {was}, is {is_}" for key, was, is_ in found)
    raise RunError(
        f"A training is taken up with the recipe that it was started with, and "
        f"`{printable(file)}` has changed: {what}. Put that back, or train anew with "
        f"`neocog train --recipe {shlex.quote(printable(file))} --out FOLDER`."
    )


def differences(kept: Recipe, now: Recipe, *, step: int) -> list[tuple[str, str, str]]:
    """Keys on which bits depend and that differ: name, what it was, what it is.

    Args:
        kept: what the checkpoint was made with.
        now: what the folder's recipe says.
        step: steps that are done.

    Example:
        >>> from dataclasses import replace
        >>> from neocog.runs.recipe import TrainConfig
        >>> differences(Recipe(), replace(Recipe(), train=TrainConfig(batch_size=64)), step=1)
        [('train.batch_size', '128', '64')]
    """
    one, two = _flat(kept), _flat(now)
    if kept.model.name != now.model.name:  # another network has other options
        one, two = (
            {k: v for k, v in d.items() if k not in _options(kept, now)} for d in (one, two)
        )
    found = [
        (key, _shown(one, key), _shown(two, key))
        for key in sorted(one.keys() | two.keys())
        if key not in FREE and one.get(key) != two.get(key)
    ]
    if one["train.plan"] != two["train.plan"]:
        if not _same_steps(kept, now, step):
            found.append(("train.plan", _shown(one, "train.plan"), _shown(two, "train.plan")))
    elif one["train.epochs"] != two["train.epochs"]:
        found.append(("train.epochs", _shown(one, "train.epochs"), _shown(two, "train.epochs")))
    return found


def _same_steps(kept: Recipe, now: Recipe, step: int) -> bool:
    """Whether all steps that are done headed where the plan of now would have headed."""
    if not kept.train.plan or not now.train.plan:
        return False
    one, two = pairs(kept.train), pairs(now.train)
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


def _shown(values: dict[str, Any], key: str) -> str:
    if key not in values:
        return LEFT_OUT
    value = values[key]
    if isinstance(value, tuple):
        value = list(value)
    return printable(repr(value) if not isinstance(value, bool) else str(value).lower())
