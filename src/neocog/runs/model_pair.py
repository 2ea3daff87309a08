"""Two models that are to be compared, one of them or both external.

Options of an external model go to the one that needs them: a run folder has its own. That
predictions may depend on chance is allowed to both. A fix
remembers what it was made from and how that was opened, so for a model
and its fix they need not be given twice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neocog.errors import UsageError, printable
from neocog.fields import Fields
from neocog.models.model import Model
from neocog.runs.load import load
from neocog.store.foreign import LIBRARIES
from neocog.types import LARGEST, NUMBER, RESIZE_MODES, VALUES

__all__ = ["open_pair"]


def open_pair(
    model: str,
    baseline: str | None,
    opening: Mapping[str, Any],
    *,
    baseline_weights: str | None = None,
    task: str | None = None,
) -> tuple[Model, Model | None]:
    """Open a model, and the one that it is compared with.

    Args:
        model: as `neocog.load` takes it.
        baseline: likewise; None for none.
        opening: of an external model, keyword arguments of `neocog.load`. Of two external models
            both get them, but for weights, and a network that a factory makes for init: of two
            networks of libraries with `init="none"`, both have random weights.
        baseline_weights: of the baseline, where both models are external.
        task: of external models.

    Raises:
        UsageError: something is given to a model that knows it, or twice.
        NeocogError: a model cannot be opened.
    """
    if baseline is None:
        if baseline_weights is not None:
            raise UsageError(
                "--baseline-weights needs a baseline, and none is given; got --baseline-weights "
                f"{printable(baseline_weights)}. Name it with --baseline."
            )
        return load(model, **opening, task=task), None
    ours, theirs = _is_run(model), _is_run(baseline)
    chance = {k: v for k, v in opening.items() if k == "allow_random"}  # of a run folder too
    if ours and theirs:
        if baseline_weights is not None:
            raise _knows(baseline)
        return load(model, **opening, task=task), load(baseline, **chance)
    if ours:
        first = load(model, **chance)
        if baseline_weights is not None:
            if "weights" in opening:
                raise UsageError(
                    f"`{printable(model)}` is a run folder and knows its weights, so --weights and "
                    "--baseline-weights would both be for the baseline; give one of them."
                )
            opening = {**opening, "weights": baseline_weights}
        return first, load(baseline, **_options_of(first, baseline, opening), task=task)
    if theirs:
        if baseline_weights is not None:
            raise _knows(baseline)
        second = load(baseline, **chance)
        return load(model, **_options_of(second, model, opening), task=task), second
    library = baseline.partition(":")[0] in LIBRARIES  # others have no weights to be initialized
    own = ("weights",) if library else ("weights", "init")
    shared = {k: v for k, v in opening.items() if k not in own}
    if baseline_weights is not None:
        shared["weights"] = baseline_weights
    return load(model, **opening, task=task), load(baseline, **shared, task=task)


def _is_run(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 (names too long are none)


def _knows(path: str) -> UsageError:
    return UsageError(
        f"A run folder knows its weights; `{printable(path)}` was given --baseline-weights. "
        "Leave them out, or name an external baseline."
    )


def _options_of(fixed: Model, path: str, opening: Mapping[str, Any]) -> dict[str, Any]:
    """Options of an external model: those given, else those it was opened with for its fix."""
    card = fixed.card.get("fixed")
    if not isinstance(card, Mapping) or card.get("from") != str(Path(path)):
        return dict(opening)
    if "opened" not in card:
        return dict(opening)
    options = _opened(Fields(card, f"`{printable(fixed.path)}`").table("opened"))
    weights = options.get("weights")
    if "weights" not in opening and weights is not None and not os.path.isfile(weights):  # noqa: PTH113 (names too long are none)
        raise UsageError(
            f"`{printable(fixed.path)}` was made from `{printable(path)}` with the weights "
            f"`{printable(weights)}`, and there is no such file here. Give --weights."
        )
    if fixed.named:
        options["classes"] = list(fixed.spec.classes)
    return {**options, **opening}


def _opened(known: Fields) -> dict[str, Any]:
    """How the model that a fix was made from was opened, as its model.json says."""
    channels = known.integers("size", count=3, low=1, high=LARGEST)[0]
    options: dict[str, Any] = {
        "size": known.integers("size", count=3, low=1, high=LARGEST),
        "mean": known.numbers("mean", count=channels, low=-NUMBER, high=NUMBER),
        "std": known.numbers("std", count=channels, low=-NUMBER, high=NUMBER),
    }
    if "resize_mode" in known:  # older have none
        options["resize_mode"] = known.text("resize_mode", among=RESIZE_MODES)
    if "values" in known:
        options["values"] = known.text("values", among=VALUES)
    return options | {name: known.text(name) for name in ("output", "weights") if name in known}
