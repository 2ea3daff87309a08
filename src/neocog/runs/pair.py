"""Two models that are to be compared, one of them or both from elsewhere.

What an external model is told goes to the one that needs it: a run folder knows its own. A fix
remembers what it was made from and how that was opened, so a model and its fix need not be told
twice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neocog.errors import UsageError, printable
from neocog.runs.opened import open_model
from neocog.runs.trained import Trained

__all__ = ["open_pair"]


def open_pair(
    model: str,
    baseline: str | None,
    opening: Mapping[str, Any],
    *,
    baseline_weights: str | None = None,
    task: str | None = None,
) -> tuple[Trained, Trained | None]:
    """Open a model, and the one that it is compared with.

    Args:
        model: as `open_model` takes it.
        baseline: likewise; None for none.
        opening: what an external model is told, as keyword arguments of `open_model`. Of two
            external models both are told it, but for weights.
        baseline_weights: of the baseline, where both models are external.
        task: of external models.

    Raises:
        UsageError: something is given to a model that knows it, or twice.
        NeocogError: a model cannot be opened.
    """
    if baseline is None:
        if baseline_weights is not None:
            raise UsageError(
                "Weights of a baseline go with one, and none is named; --baseline-weights "
                f"{printable(baseline_weights)} came. Name it with --baseline."
            )
        return open_model(model, **opening, task=task), None
    ours, theirs = _is_run(model), _is_run(baseline)
    if ours and theirs:
        if baseline_weights is not None:
            raise _knows(baseline)
        return open_model(model, **opening, task=task), open_model(baseline)
    if ours:
        first = open_model(model)
        if baseline_weights is not None:
            if "weights" in opening:
                raise UsageError(
                    f"`{printable(model)}` is a run folder and knows its weights, so --weights and "
                    "--baseline-weights are both of the baseline; give one of them."
                )
            opening = {**opening, "weights": baseline_weights}
        return first, open_model(baseline, **_told(first, baseline, opening), task=task)
    if theirs:
        if baseline_weights is not None:
            raise _knows(baseline)
        second = open_model(baseline)
        return open_model(model, **_told(second, model, opening), task=task), second
    shared = {k: v for k, v in opening.items() if k not in ("weights", "init")}
    if baseline_weights is not None:
        shared["weights"] = baseline_weights
    return open_model(model, **opening, task=task), open_model(baseline, **shared, task=task)


def _is_run(place: str) -> bool:
    return os.path.isdir(place)  # noqa: PTH112 (names too long are none)


def _knows(place: str) -> UsageError:
    return UsageError(
        f"A run folder knows its weights; `{printable(place)}` was given --baseline-weights. "
        "Leave them out, or name a baseline from elsewhere."
    )


def _told(fixed: Trained, place: str, opening: Mapping[str, Any]) -> dict[str, Any]:
    """What an external model is told: as it is given, and else as when a fix of it was made."""
    card = fixed.card.get("fixed")
    if not isinstance(card, Mapping) or card.get("from") != str(Path(place)):
        return dict(opening)
    known = card.get("opened")
    if not isinstance(known, Mapping):
        return dict(opening)
    told = {k: known[k] for k in ("size", "mean", "std", "weights") if k in known}
    weights = told.get("weights")
    if "weights" not in opening and weights is not None and not Path(str(weights)).is_file():
        raise UsageError(
            f"`{printable(fixed.place)}` was made from `{printable(place)}` with the weights "
            f"`{printable(str(weights))}`, and there is no such file here. Give --weights."
        )
    if fixed.named:
        told["classes"] = list(fixed.contract.classes)
    return {**told, **opening}
