"""The state of a training besides tensors: progress and results."""

from __future__ import annotations

from typing import Any

from torch import nn

from neocog.errors import RunError, UsageError
from neocog.fields import Fields
from neocog.runs.checkpoint import unpack
from neocog.runs.experiment import Experiment
from neocog.runs.folder import RunFolder, check_row
from neocog.runs.plan import is_plan
from neocog.runs.recipe import Recipe, from_toml
from neocog.runs.recipe_diff import must_agree
from neocog.runs.session import TrainingProgress
from neocog.version import __version__

__all__ = ["card", "must_agree_with", "taken_up"]

ROW = {"epoch", "step", "train_loss", "lr", "seconds", "images_per_second"}
"""What every line of metrics.jsonl says."""


def must_agree_with(recipe: Recipe, folder: RunFolder, state: dict[str, Any]) -> None:
    """Refuse a recipe other than that of the checkpoint.

    Args:
        recipe: of the folder.
        folder: of the run, for the message.
        state: of the checkpoint; its recipe is taken out.

    Raises:
        RunError: they differ, or the state holds no recipe.
    """
    file = folder.path / "recipe.toml"
    try:
        kept, step = from_toml(state.pop("recipe"), "the checkpoint's recipe"), int(state["step"])
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as e:
        raise _not_ours(e) from e
    must_agree(kept, recipe, step=step, file=file)


def _not_ours(e: Exception) -> RunError:
    return RunError(
        f"The checkpoint must be one of neocog {__version__}, and is not ({e}). "
        "Resume with the neocog that started the run."
    )


def taken_up(
    experiment: Experiment,
    tensors: dict[str, Any],
    state: dict[str, Any],
    *,
    module: nn.Module | None = None,
) -> TrainingProgress:
    """Restore a training from its checkpoint, which may be untrusted.

    Args:
        experiment: is given the weights and the optimizer's state.
        tensors: of the checkpoint.
        state: what it holds beside them.
        module: what was trained, if more than the network.

    Raises:
        RunError: it is of another version, or damaged.
    """
    advice = (
        f"It must be one of neocog {__version__}: resume with the neocog that started the run, or "
        "remove the folder `checkpoint` to start again."
    )
    fields = Fields(state, "the checkpoint", error=RunError, advice=advice)
    rows = fields.tables("rows")
    for row in rows:
        check_row(row)
        for name in ROW | rows[0].values.keys():
            row.number(name)
    plan = [(first, to) for first, to in fields.integer_rows("plan", count=2, low=0)]
    progress = TrainingProgress(
        plan=plan,
        step=fields.integer("step", low=0),
        seconds=fields.number("seconds", low=0),
        rows=[dict(row.values) for row in rows],
        losses=list(fields.numbers("losses")),
        first_loss=fields.number("first_loss"),
    )
    end = plan[-1][1] if is_plan(plan) else -1
    if progress.step > end or (progress.step == end and not rows):
        fields.bad("plan", "pairs of from step and to step, from 0, up to `step` or on", plan)
    plain, network = fields.table("optimizer"), module or experiment.model.network
    unpack(tensors, plain, network, experiment.optimizer, experiment.average)
    return progress


def card(experiment: Experiment, summary: dict[str, Any]) -> dict[str, Any]:
    """The content of model.json after a training.

    Args:
        experiment: what was trained.
        summary: the metrics.
    """
    recipe = experiment.recipe
    return {
        "neocog": __version__,
        "spec": experiment.model.spec.to_json(),
        "network": {"name": recipe.model.name, "options": dict(recipe.model.options)},
        "data": {
            "path": recipe.data.path,
            "seed": recipe.data.seed,
            "val": recipe.data.val,
            "cut_test": recipe.data.cut_test,
            "fingerprint": recipe.data.fingerprint,
        },
        "metrics": summary,
    }
