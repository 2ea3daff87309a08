"""Train a recipe into a run folder: decides what is kept, and says what happens."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from neocog import __version__
from neocog.data.split import Split
from neocog.errors import RunError
from neocog.runs.experiment import Experiment, one_step, prepare
from neocog.runs.folder import RunFolder
from neocog.runs.interrupt import deferred
from neocog.runs.recipe import Recipe
from neocog.runs.state import pack, unpack
from neocog.runs.tensorboard import Log, open_log
from neocog.tasks.classify import Evaluation, evaluation
from neocog.training.answers import answers
from neocog.training.loop import Plan, Step, fit

__all__ = ["Epoch", "Event", "Finished", "Started", "train"]

CHECKPOINT_SECONDS = 60.0
"""Within a long epoch, at most so much work is lost by a kill."""

DEFAULT_EPOCHS = 10.0


@dataclass(frozen=True, kw_only=True)
class Started:
    """Before the first step.

    Args:
        experiment: what was prepared.
        steps: the last step's number.
        done: steps that an earlier session made.
        notes: sentences that a user should read.
    """

    experiment: Experiment
    steps: int
    done: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """After a pass over the data.

    Args:
        row: what went into metrics.jsonl.
        notes: sentences that a user should read.
    """

    row: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finished:
    """After the last step.

    Args:
        summary: what `neocog train --json` prints, less the run's path.
        experiment: with the trained model.
        scores: what the model scores on the splits it was not trained on.
    """

    summary: dict[str, Any]
    experiment: Experiment
    scores: dict[str, Evaluation]


Event = Started | Step | Epoch | Finished


@dataclass
class _Progress:
    """Where a training stands: what a checkpoint holds beside tensors."""

    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    first_loss: float = 0.0


def train(
    recipe: Recipe,
    folder: RunFolder,
    *,
    resume: bool = False,
    strict: bool = False,
    began: float | None = None,
    decoding: Callable[[int, int], None] | None = None,
) -> Iterator[Event]:
    """Train, keep, and yield what happens.

    Args:
        recipe: what is trained; with `resume`, the folder's own.
        folder: where it is kept.
        resume: go on from the folder's checkpoint, or from the start if it has none.
        strict: stop at the first picture that cannot be used.
        began: `time.monotonic()` at the start of the command, from which a budget counts.
        decoding: called with (pictures done, pictures in all) while they are decoded.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was reached is saved.
        NeocogError: the data, the recipe, the machine or the disk does not allow it.
    """
    began = time.monotonic() if began is None else began
    experiment = prepare(recipe, strict=strict, progress=decoding)
    progress = _take_up(experiment, folder) if resume else _Progress()
    if not progress.steps:
        progress.steps = _plan(experiment, began)
    epochs = progress.steps / experiment.steps_per_epoch
    experiment.recipe = replace(
        experiment.recipe, course=replace(experiment.recipe.course, epochs=epochs)
    )
    folder.write_recipe(experiment.recipe)
    yield Started(
        experiment=experiment,
        steps=progress.steps,
        done=progress.step,
        notes=tuple(experiment.notes),
    )
    with open_log(folder.path / "tensorboard", progress.step) as log, deferred() as interrupt:
        for event in _steps(experiment, progress, folder, log):
            yield event
            if interrupt.asked:
                _keep(experiment, progress, folder)
                raise KeyboardInterrupt
    scores = _scores(experiment)
    summary = _summary(experiment, progress, scores)
    folder.write_card(_card(experiment, summary))
    yield Finished(summary=summary, experiment=experiment, scores=scores)


def _steps(
    experiment: Experiment, progress: _Progress, folder: RunFolder, log: Log
) -> Iterator[Step | Epoch]:
    recipe = experiment.recipe
    saved = clock = time.monotonic()
    if progress.step >= progress.steps:
        return
    steps = fit(
        experiment.model,
        experiment.feed,
        experiment.optimiser,
        plan=Plan(
            steps=progress.steps,
            steps_per_epoch=experiment.steps_per_epoch,
            first=progress.step,
            seed=recipe.course.seed,
        ),
        schedule=recipe.schedule,
        objective=recipe.objective,
        augmentation=recipe.augment,
        machine=experiment.machine,
        average=experiment.average,
    )
    for step in steps:
        now = time.monotonic()
        progress.seconds += now - clock
        progress.step = step.number
        progress.losses.append(step.loss)
        progress.first_loss = progress.first_loss or step.loss
        yield step
        if step.ends_epoch:
            row, notes = _row(experiment, progress, step)
            progress.rows.append(row)
            progress.losses = []
            log(row)
            _keep(experiment, progress, folder)
            saved = time.monotonic()
            yield Epoch(row=row, notes=notes)
        elif now - saved > CHECKPOINT_SECONDS:
            _keep(experiment, progress, folder)
            saved = time.monotonic()
        clock = time.monotonic()


def _row(
    experiment: Experiment, progress: _Progress, step: Step
) -> tuple[dict[str, Any], tuple[str, ...]]:
    mean = sum(progress.losses) / len(progress.losses)
    row: dict[str, Any] = {
        "epoch": step.epoch,
        "step": step.number,
        "train_loss": mean,
        "lr": step.lr,
        "seconds": round(progress.seconds, 3),
        "images_per_second": round(step.number * step.samples / progress.seconds, 1),
    }
    if "val" in experiment.source.splits:
        score = _score(experiment, experiment.source.splits["val"])
        row |= {"val_loss": score.loss, "val_accuracy": score.accuracy}
    notes: tuple[str, ...] = ()
    late = progress.losses[-max(1, len(progress.losses) // 5) :]
    if step.epoch == 1 and sum(late) / len(late) > 0.98 * progress.first_loss:
        note = (
            f"The loss has hardly moved in the first epoch ({progress.first_loss:.3g} to "
            f"{sum(late) / len(late):.3g}): the learning rate "
            f"{experiment.recipe.optimiser.lr:.3g} may be far too low or too high."
        )
        notes = (note,)
    return row, notes


def _score(experiment: Experiment, split: Split) -> Evaluation:
    logits = answers(experiment.best, experiment.in_order(split), device=experiment.machine.device)
    return evaluation(logits, split.y, experiment.source.classes)


def _scores(experiment: Experiment) -> dict[str, Evaluation]:
    """Of every split that was not trained on."""
    splits = experiment.source.splits
    return {name: _score(experiment, splits[name]) for name in ("val", "test") if name in splits}


def _plan(experiment: Experiment, began: float) -> int:
    """The number of the last step, from epochs or from a budget of seconds."""
    course, per_epoch = experiment.recipe.course, experiment.steps_per_epoch
    if course.epochs or not course.budget:
        return max(1, round((course.epochs or DEFAULT_EPOCHS) * per_epoch))
    step, answer = _speed(experiment)
    splits = experiment.source.splits
    val = len(splits["val"]) if "val" in splits else 0
    test = len(splits["test"]) if "test" in splits else 0
    # What comes after the last step: two evaluations, the report's pictures, writing.
    after = answer * (val + 2 * test) + 1.0
    left = course.budget - (time.monotonic() - began) - after
    return max(1, int(0.93 * left / (step + answer * val / per_epoch)))


def _speed(experiment: Experiment) -> tuple[float, float]:
    """Seconds of a training step and of an answer to one sample, measured on copies."""
    batch = next(experiment.feed(0))
    trial = copy.deepcopy(experiment.model)
    steps = []
    for _ in range(6):
        start = time.perf_counter()
        one_step(trial, experiment.machine, batch, experiment.recipe)
        steps.append(time.perf_counter() - start)
    start = time.perf_counter()
    answers(trial, [batch], device=experiment.machine.device)
    return sorted(steps[1:])[2], (time.perf_counter() - start) / len(batch.y)


def _take_up(experiment: Experiment, folder: RunFolder) -> _Progress:
    kept = folder.checkpoint()
    if kept is None:
        return _Progress()
    tensors, state = kept
    unpack(
        tensors,
        state.pop("optimiser"),
        experiment.model.network,
        experiment.optimiser,
        experiment.average,
    )
    try:
        return _Progress(**state)
    except TypeError as e:
        raise RunError(
            f"The checkpoint must be of this neocog ({__version__}), and is not ({e}). "
            "Resume with the neocog that started the run."
        ) from e


def _keep(experiment: Experiment, progress: _Progress, folder: RunFolder) -> None:
    """Save what was reached. The checkpoint comes last: it is what a resumed run goes by."""
    best = experiment.best
    folder.write_weights(best.network.state_dict())
    if not (folder.path / "model.json").exists():
        folder.write_card(_card(experiment, {}))
    folder.write_metrics(progress.rows)
    tensors, plain = pack(experiment.model.network, experiment.optimiser, experiment.average)
    folder.write_checkpoint(tensors, {**vars(progress), "optimiser": plain})


def _card(experiment: Experiment, summary: dict[str, Any]) -> dict[str, Any]:
    network = experiment.recipe.network
    return {
        "neocog": __version__,
        "contract": experiment.model.contract.to_json(),
        "network": {"name": network.name, "options": dict(network.options)},
        "data": {"seed": experiment.recipe.data.seed, "val": experiment.recipe.data.val},
        "measured": summary,
    }


def _summary(
    experiment: Experiment, progress: _Progress, scores: dict[str, Evaluation]
) -> dict[str, Any]:
    train_loss = progress.rows[-1]["train_loss"] if progress.rows else None
    out: dict[str, Any] = {
        "epochs": round(progress.steps / experiment.steps_per_epoch, 4),
        "steps": progress.steps,
        "seconds": round(progress.seconds, 3),
        "images_per_second": progress.rows[-1]["images_per_second"] if progress.rows else None,
        "train": {"loss": train_loss},
    }
    for name, score in scores.items():
        out[name] = {
            "n": score.n,
            "accuracy": score.accuracy,
            "accuracy_ci": list(score.accuracy_ci),
            "loss": score.loss,
            "ece": score.ece,
        }
    return out | {
        "params": experiment.cost.params,
        "macs": experiment.cost.macs,
        "seed": experiment.recipe.course.seed,
    }
