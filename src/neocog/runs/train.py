"""Train a recipe into a run folder: decides what is kept, and says what happens."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from math import inf
from typing import Any

from neocog.errors import Diverged, printable
from neocog.models.seen_samples import SEEN, write_seen
from neocog.runs import training_notes
from neocog.runs.budget import Budget
from neocog.runs.checkpoint import pack
from neocog.runs.choose import chosen
from neocog.runs.claim import Claim
from neocog.runs.events import Epoch, Event, Finished, Started
from neocog.runs.experiment import Experiment, prepare
from neocog.runs.folder import RunFolder
from neocog.runs.interrupt import deferred
from neocog.runs.labels import with_used_labels
from neocog.runs.network_choice import AUTO_NETWORK, network_of_priors
from neocog.runs.plan import WATCHING, Pace, evaluating, first_plan
from neocog.runs.preflight import preflight
from neocog.runs.pretrain import pretrain
from neocog.runs.progress import card, must_agree_with, taken_up
from neocog.runs.recipe import ModelConfig, Recipe, to_toml
from neocog.runs.session import TrainingProgress, TrainingSession
from neocog.runs.sized import sized
from neocog.runs.split_outputs import SplitOutputs, split_outputs
from neocog.runs.tensorboard import Log, open_log
from neocog.runs.transfer import HeadFit, fit_head, frozen_run
from neocog.store.tensors import load_state
from neocog.tasks.classify import Evaluation, evaluation
from neocog.training.loop import Step
from neocog.training.machine import threads

__all__ = ["train"]

CHECKPOINT_SECONDS = 60.0
"""Within a long epoch, at most so much work is lost by a kill."""

PREFLIGHT, LONG = 0.02, 400
"""Fraction of a budget in which one batch is overfitted, to see whether anything can be learned;
and steps of a training from which on that is worth its time."""

OVER = 0.02
"""Fraction of a budget that goes into the last measurement, even if the budget is over."""

DURABLE_SECONDS = 10.0
"""At most so much work is lost by a power failure, beside the running epoch."""


def train(
    recipe: Recipe,
    claim: Claim,
    *,
    resume: bool = False,
    strict: bool = False,
    by_size: bool = False,
    began: float | None = None,
    on_decoded: Callable[[int, int], None] | None = None,
) -> Generator[Event, None, None]:
    """Train, keep, and yield what happens.

    Args:
        recipe: what is trained; with `resume`, the folder's own.
        claim: on where it is kept; finishing it is left to the caller.
        resume: go on from the folder's checkpoint, or from the start if it has none.
        strict: stop at the first image that cannot be used.
        by_size: choose batch size and learning rate by the number of training samples.
        began: `time.monotonic()` at the start of the command, from which a budget counts.
        on_decoded: called with (images done, images in all) while they are decoded.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was reached is saved.
        NeocogError: the data, the recipe, the machine or the disk does not allow it.
    """
    began = time.monotonic() if began is None else began
    with threads(recipe.machine.threads):
        yield from _train(
            recipe,
            claim,
            resume=resume,
            strict=strict,
            by_size=by_size,
            began=began,
            on_decoded=on_decoded,
        )


def _train(
    recipe: Recipe,
    claim: Claim,
    *,
    resume: bool,
    strict: bool,
    by_size: bool,
    began: float,
    on_decoded: Callable[[int, int], None] | None,
) -> Generator[Event, None, None]:
    budget = Budget.of(recipe.train, began)
    if recipe.pretrain is not None:
        yield from pretrain(
            recipe,
            claim,
            budget,
            resume=resume,
            strict=strict,
            by_size=by_size,
            on_decoded=on_decoded,
        )
        return
    auto = recipe.model.name == AUTO_NETWORK
    if auto:
        recipe = replace(recipe, model=replace(recipe.model, name=ModelConfig().name))
    recipe, why = chosen(
        with_used_labels(recipe), seconds=budget.measuring, strict=strict, progress=on_decoded
    )
    if auto and not recipe.model.init:
        recipe, more = network_of_priors(recipe, budget, strict=strict, progress=on_decoded)
        why = (*why, *more)
    recipe, small = sized(recipe, budget, by_size=by_size, strict=strict, progress=on_decoded)
    kept = claim.folder.checkpoint() if resume else None
    if kept is not None:
        must_agree_with(recipe, claim.folder, kept[1])
    experiment = prepare(
        recipe,
        resume=kept is not None and recipe.transfer is None,
        resumed=claim.folder.takes() if kept is not None else None,
        strict=strict,
        by_size=by_size,
        measuring=budget.measuring / 2,
        progress=on_decoded,
    )
    experiment.notes.extend((*why, *small))
    head, head_notes = None, tuple[str, ...]()
    if recipe.transfer is not None:
        head = fit_head(experiment, budget, progress=on_decoded)
        head, head_notes = head.going_on(budget)
        if head.config.freeze == "all":
            yield from frozen_run(head, claim, budget, resume=resume, notes=head_notes)
            return
        experiment, head_notes = head.unfrozen(), (*head.notes, *head_notes)
    prepared = budget.spent()
    if kept is None:
        progress = TrainingProgress(plan=first_plan(experiment, budget))
    else:
        progress = taken_up(experiment, *kept)
        progress.plan = first_plan(experiment, budget)  # as the recipe, which agrees so far
    if kept is None and head is None:
        limit = PREFLIGHT * budget.seconds if budget.seconds else inf
        limit = limit if progress.last >= LONG else 0.0  # a short training says it itself
        train, names = experiment.source.splits["train"], experiment.source.classes
        experiment.notes += preflight(
            experiment.model, train, names, experiment.recipe, seconds=limit
        )
    session = _Training(experiment, progress, claim, budget)
    if head is not None and not progress.rows:
        progress.rows.append(head.row())
    session.begin(resume=resume)
    folder = session.folder
    yield Started(
        experiment=experiment,
        steps=progress.last,
        done=progress.step,
        notes=(*experiment.notes, *head_notes, *session.outlook(), *claim.remarks()),
    )
    with open_log(folder.path / "tensorboard", progress.step) as log, deferred() as interrupt:
        for event in session.steps(log):
            yield event
            epoch_follows = isinstance(event, Step) and event.ends_epoch
            if interrupt.requested and not epoch_follows:
                session.keep(durable=True)
                raise KeyboardInterrupt(session.farewell())
    better = session.better_of(head) if head is not None else ()
    session.keep(durable=True)
    scores = {name: session.score(name) for name in experiment.held_out()}
    outputs = {name: session.outputs(name) for name in scores}
    notes = (*better, *session.verdict(outputs, prepared))
    summary = session.summary(scores)
    if head is not None:
        summary["transfer"] = head.figures(session.chosen)
    folder.write_card(card(experiment, summary))
    yield Finished(
        summary=summary,
        experiment=experiment,
        scores=scores,
        outputs=outputs,
        notes=notes,
        sections=() if head is None else (head.section(),),
    )


class _Training:
    """One process's part of a training."""

    def __init__(
        self, experiment: Experiment, progress: TrainingProgress, claim: Claim, budget: Budget
    ) -> None:
        self.experiment, self.progress = experiment, progress
        self.claim, self.budget = claim, budget
        self.session = TrainingSession(
            recipe=experiment.recipe,
            model=experiment.model,
            feed=experiment.feed,
            optimizer=experiment.optimizer,
            task=experiment.task(),
            steps_per_epoch=experiment.steps_per_epoch,
            progress=progress,
            average=experiment.average,
        )
        self.pace = Pace(budget, progress.step, rest=evaluating(experiment, budget))
        self.saved = self.durable = time.monotonic()
        self.measured: dict[str, tuple[int, SplitOutputs]] = {}
        self.chosen = "finetuned"

    @property
    def folder(self) -> RunFolder:
        """Where it is kept now."""
        return self.claim.folder

    def begin(self, *, resume: bool) -> None:
        """Keep the recipe before the first step."""
        if resume:
            self.folder.sweep()
            self.write_down()
        else:
            self.claim.begin(self.recipe())

    def steps(self, log: Log) -> Iterator[Step | Epoch]:
        """All steps that are left, along a plan that a budget may shorten on the way."""
        progress = self.progress
        for step in self.session.steps():
            yield step
            if step.ends_epoch:
                yield self._epoch(step, log)
            elif time.monotonic() - self.saved > CHECKPOINT_SECONDS:
                self.keep()
            plan = self.pace.kept(progress.plan, step.number)
            if plan is not progress.plan:
                progress.plan = plan
                self.write_down()

    def _epoch(self, step: Step, log: Log) -> Epoch:
        row, notes = self._row(step)
        self.session.end_epoch(row)
        log(row)
        self.keep()
        return Epoch(row=row, notes=notes)

    def _row(self, step: Step) -> tuple[dict[str, Any], tuple[str, ...]]:
        progress = self.progress
        row = self.session.row(step)
        if "val" in self.experiment.held_out():
            score = self.score("val")
            row |= {"val_loss": score.loss, "val_accuracy": score.accuracy}
        if step.epoch > 1:
            return row, ()
        late = progress.losses[-max(1, len(progress.losses) // 5) :]
        note = training_notes.moved(
            progress.first_loss,
            sum(late) / len(late),
            guessing=self._guessing(),
            rate=self.experiment.recipe.optimizer.lr,
            steps=step.number,
            settling=self._settling(step.number),
        )
        return row, (note,) if note else ()

    def _settling(self, steps: int) -> bool:
        """Whether a rising loss is to be expected: of trained weights, or before the peak rate."""
        recipe = self.experiment.recipe
        warmup = recipe.schedule.warmup * self.progress.last
        return recipe.model.init not in ("", "none") or steps <= warmup

    def _guessing(self) -> float:
        classes = len(self.experiment.source.classes)
        return training_notes.chance(self.experiment.recipe.objective.loss, classes)

    def score(self, name: str) -> Evaluation:
        """What the model scores on a split as it is now."""
        return self._evaluated(self.outputs(name))

    def _evaluated(self, outputs: SplitOutputs) -> Evaluation:
        return evaluation(outputs.logits, outputs.split.y, self.experiment.source.classes)

    def outputs(self, name: str) -> SplitOutputs:
        """The model's outputs on a split as it is now; computed once a step."""
        step = self.progress.step
        if name not in self.measured or self.measured[name][0] != step:
            before = self.measured.get(name)
            outputs = split_outputs(
                self.experiment.best,
                self.experiment.held_out()[name],
                device=self.experiment.machine.device,
                seconds=self._seconds_for(name),
                # Samples that were left out once are so to the end of the training.
                most=len(before[1].split) if before and self._ahead() else None,
                prediction=self.budget.prediction,
            )
            if not outputs.logits.isfinite().all():
                lr = self.experiment.recipe.optimizer.lr
                raise Diverged(
                    f"The outputs must stay finite; after {step} steps some are not, at "
                    f"learning rate {lr:.3g}. Try `--lr {lr / 10:.1g}`."
                )
            self.measured[name] = (step, outputs)
        return self.measured[name][1]

    def _ahead(self) -> bool:
        """Whether steps are left to be made."""
        return self.progress.unfinished

    def _seconds_for(self, name: str) -> float:
        """In which to ask the model about a split: a part of a pass, at the end what is left.

        A machine that became busy in the last steps leaves next to nothing. Figures of 50 samples
        say little, so `OVER` of the budget is used in any case.
        """
        over = 0.0 if self._ahead() else OVER * self.budget.seconds
        left, held = max(self.budget.left(), over), self.experiment.held_out()
        if self._ahead():
            passes = self.progress.step / self.experiment.steps_per_epoch
            return min(left, WATCHING * self.progress.seconds / passes) if left < inf else inf
        # Splits without predictions yet share what is left.
        n = {k: len(s) for k, s in held.items() if k not in self._measured_now()}
        return left * n[name] / sum(n.values()) if left < inf else inf

    def _measured_now(self) -> set[str]:
        return {k for k, (step, _) in self.measured.items() if step == self.progress.step}

    def outlook(self) -> list[str]:
        """What is said before the first step of a budget that is short."""
        steps, each = self.progress.last, self.experiment.steps_per_epoch
        if not self.budget.seconds or steps >= each:
            return []
        return [training_notes.short(self.budget.seconds, self.budget.spent(), steps, each)]

    def verdict(self, outputs: dict[str, SplitOutputs], prepared: float) -> tuple[str, ...]:
        """What is said after the last step: on what was measured, and whether there was time."""
        notes = [
            training_notes.part(name, len(s.split), s.of)
            for name, s in outputs.items()
            if not s.whole
        ]
        loss, classes = self.progress.rows[-1]["train_loss"], len(self.experiment.source.classes)
        notes.append(training_notes.ended(loss, guessing=self._guessing(), num_classes=classes))
        if self.budget.seconds and self.budget.left() < -0.1 * self.budget.seconds:
            notes.append(training_notes.overrun(self.budget.seconds, self.budget.spent(), prepared))
        return tuple(filter(None, notes))

    def better_of(self, head: HeadFit) -> tuple[str, ...]:
        """Take the frozen network back where it is better on validation; what is said of it."""
        if "val" not in head.scores:
            if not self.budget.seconds or self.progress.step >= self.experiment.steps_per_epoch:
                return ()
            self._take_back(head)
            return (training_notes.CUT_SHORT,)
        outputs = (head.outputs["val"], self.outputs("val"))
        common = min(len(o.split) for o in outputs)
        before, after = (self._evaluated(o.part(common)) for o in outputs)
        if (after.accuracy, -after.loss) > (before.accuracy, -before.loss):
            return (training_notes.kept("finetuned", before.accuracy, after.accuracy),)
        self._take_back(head)
        return (training_notes.kept("frozen", before.accuracy, after.accuracy),)

    def _take_back(self, head: HeadFit) -> None:
        self.chosen = "frozen"
        load_state(self.experiment.best.network, head.state, "the frozen network")
        self.measured = {name: (self.progress.step, o) for name, o in head.outputs.items()}

    def write_down(self) -> None:
        """Keep the recipe with the plan as it is now."""
        self.folder.write_recipe(self.recipe())

    def recipe(self) -> Recipe:
        """The recipe with the plan as it is now."""
        experiment, plan = self.experiment, self.progress.plan
        train_config = replace(
            experiment.recipe.train,
            epochs=plan[-1][1] / experiment.steps_per_epoch,
            plan=tuple(number for pair in plan for number in pair),
        )
        return replace(experiment.recipe, train=train_config)

    def keep(self, *, durable: bool = False) -> None:
        """Save what was reached. The checkpoint comes last: a resumed run goes by it."""
        experiment, folder, now = self.experiment, self.folder, time.monotonic()
        durable = durable or now - self.durable > DURABLE_SECONDS
        folder.write_weights(experiment.best.network.state_dict(), durable=durable)
        if not (folder.path / "model.json").exists():
            folder.write_card(card(experiment, {}))
        if not (folder.path / SEEN).exists():
            write_seen(folder.path, experiment.seen())
        folder.write_metrics(self.progress.rows, durable=durable)
        tensors, plain = pack(experiment.model.network, experiment.optimizer, experiment.average)
        state = {
            **self.progress.state(),
            "optimizer": plain,
            "recipe": to_toml(self.recipe()),
        }
        folder.write_checkpoint(tensors, state, durable=durable)
        self.saved = time.monotonic()
        self.durable = self.saved if durable else self.durable

    def farewell(self) -> str:
        """What to do after a Ctrl-C."""
        done, steps = self.progress.step, self.progress.last
        path = shlex.quote(printable(self.claim.path))
        return (
            f"{done:,} of {steps:,} steps are saved. Continue with `neocog train --resume {path}`."
        )

    def summary(self, scores: dict[str, Evaluation]) -> dict[str, Any]:
        """The figures of the whole run."""
        experiment, progress = self.experiment, self.progress
        last = progress.rows[-1]
        out: dict[str, Any] = {
            "epochs": round(progress.step / experiment.steps_per_epoch, 4),
            "steps": progress.step,
            "seconds": round(progress.seconds, 3),
            "images_per_second": last["images_per_second"],
            "train": {"loss": last["train_loss"]},
        }
        if self.budget.seconds:
            spent = round(self.budget.spent(), 3)
            out["budget"] = {"seconds": self.budget.seconds, "spent": spent}
        for name, score in scores.items():
            out[name] = score.figures()
            if (of := self.measured[name][1].of) != score.n:
                out[name]["of"] = of
        if experiment.unlabeled is not None and experiment.recipe.labels is not None:
            out["labels"] = {
                "labeled": len(experiment.source.splits["train"]),
                "unlabeled": len(experiment.unlabeled),
                "semi": experiment.recipe.labels.semi,
            }
        return out | {
            "params": experiment.cost.params,
            "macs": experiment.cost.macs,
            "seed": experiment.recipe.train.seed,
        }
