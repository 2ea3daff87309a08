"""Find the best checkpoint of a converted network within a budget.

    converted       original weights, new downsampling
    recalibrated    batch norm statistics re-estimated; no labels, no steps
    fine-tuned      by `runs.finetune`, validated about twelve times

The learning rate and the consistency weight are chosen by short trials. They and the checkpoint are
selected by the score on validation samples alone (`runs.judge`). Of learning rates that are
statistically equal to the best the middle one is used; of consistency weights the highest; of
checkpoints of the fine-tune the latest.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from neocog.data.batches import order, pixels
from neocog.data.split import Split
from neocog.errors import Diverged
from neocog.jsonable import Jsonable, keys
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.finetune import guide_of, steps_of, tune
from neocog.runs.judge import Judge, Score
from neocog.runs.recipe import Recipe
from neocog.runs.session import TrainingProgress
from neocog.tasks.distill import Guide
from neocog.training.loop import Step
from neocog.training.recalibrate import recalibrate

__all__ = [
    "CONSISTENCY_WEIGHT",
    "PASSES",
    "Aim",
    "Candidate",
    "FinetuneSearch",
    "recalibrated",
    "search_finetune",
]

PASSES = 12.0
"""Default epochs of a fine-tune, unless a number or a budget sets fewer."""

CONSISTENCY_WEIGHT = 15.0
"""Consistency weight of a fine-tune of `PASSES`; proportionally less for fewer."""

CALIBRATED = 1280
"""Max images to recalibrate batch norms on."""

RATES = (1.0, 0.3, 0.1)
"""Learning rates to try, as fractions of the suggested one."""

WEIGHTS = (1.0, 0.3)
"""Consistency weights to try, as fractions of the one that suits the length."""

TRIAL = 0.04
"""Length of a trial, as a fraction of that of the fine-tune."""

VALIDATIONS = 12
"""Max validations of a fine-tune."""

VALIDATION_SHARE = 0.15
"""Fraction of the remaining time for validations; without enough of them there are no trials."""

NORM_SHARE = 0.05
"""Fraction of the remaining time for recalibration, at least on `FEW` images."""

FEW = 32
"""Min images to recalibrate batch norms on, whatever the budget."""

PATIENCE = 4
"""Validations without a better checkpoint, in the second half, before the rate decays."""

TAIL = 0.2
"""Fraction of the steps of that decay."""

SLACK = 0.97
"""A fine-tune is shortened if less than this fraction of its steps fits the time."""

FEWEST = 8
"""Min steps of a trial and between validations."""


@dataclass(frozen=True, kw_only=True)
class Aim:
    """How far a fine-tune goes.

    Args:
        passes: max epochs; 0 for none.
        deadline: of `time.monotonic`, for its last step; None for no limit.
        lr: peak learning rate; 0 to search it.
        consistency_weight: None to search it.
    """

    passes: float = PASSES
    deadline: float | None = None
    lr: float = 0.0
    consistency_weight: float | None = None


@dataclass(frozen=True, kw_only=True)
class Candidate(Jsonable):
    """A checkpoint to select from.

    Args:
        what: "converted", "recalibrated" or "fine-tuned".
        step: of the fine-tune; 0 before it.
        score: on the validation samples.
        weights: of the network.
    """

    JSON = keys("what", "step", "*score")

    what: str
    step: int
    score: Score
    weights: dict[str, Tensor]


@dataclass
class FinetuneSearch:
    """History of a fix; updated while it runs.

    Args:
        best: the selected checkpoint.
        validations: every scored checkpoint, as plain numbers.
        trials: learning rates and consistency weights with their scores.
        lr: peak learning rate; 0 without a fine-tune.
        consistency_weight: of the fine-tune.
        planned: planned epochs.
        planned_steps: the same in steps.
        norms: number of recalibrated batch norms.
        images: that they were recalibrated on.
        stopped: why the fine-tune ended before its last step, or "".
        tuned: progress of the fine-tune.
    """

    best: Candidate | None = None
    validations: list[dict[str, Any]] = field(default_factory=list)
    trials: list[dict[str, Any]] = field(default_factory=list)
    lr: float = 0.0
    consistency_weight: float = 0.0
    planned: float = 0.0
    planned_steps: int = 1
    norms: int = 0
    images: int = 0
    stopped: str = ""
    tuned: TrainingProgress = field(default_factory=TrainingProgress)
    _top: Score | None = field(default=None, init=False, repr=False)
    _of_run: Candidate | None = field(default=None, init=False, repr=False)

    @property
    def passes(self) -> float:
        """Epochs done."""
        return self.planned * self.tuned.step / self.planned_steps if self.planned else 0.0

    @property
    def plan(self) -> tuple[int, ...]:
        """Pairs of from step and to step, as in `runs.plan`; empty if it went as planned."""
        plan = self.tuned.plan
        return tuple(step for pair in plan for step in pair) if len(plan) > 1 else ()

    def offer(
        self, what: str, step: int, score: Score, model: SpecifiedNetwork, *, run: bool = False
    ) -> None:
        """Record a checkpoint, and keep it if none was better.

        Of the checkpoints of the fine-tune the latest is kept whose fidelity is not lower than
        the best by more than one standard error: it has had the lowest learning rate of those so
        far, and what an earlier one gains over it is chance, or memory of samples seen in the
        original training.

        Args:
            what: as in `Candidate`.
            step: of the fine-tune.
            score: on the validation samples.
            model: its weights are copied where they are kept.
            run: whether it is of the fine-tune, rather than of a trial or from before it.
        """
        result = Candidate(what=what, step=step, score=score, weights={})
        self.validations.append(result.to_json())
        higher = self._top is None or score.fidelity >= self._top.fidelity
        equal = run and self.best is self._of_run and self._top and not score.below(self._top)
        if not higher and not equal:
            return
        weights = {k: v.detach().cpu().clone() for k, v in model.network.state_dict().items()}
        self.best = replace(result, weights=weights)
        self._top = score if higher else self._top
        self._of_run = self.best if run else None


def recalibrated(
    model: SpecifiedNetwork, split: Split, *, seed: int, images: int = CALIBRATED
) -> tuple[SpecifiedNetwork, int, int]:
    """A copy with batch norms recalibrated on some images, without labels.

    Args:
        model: not changed.
        split: of images.
        seed: of the random choice of images.
        images: at most.

    Returns:
        The copy, the number of batch norms, and the number of images.
    """
    rows = order(len(split), seed=seed, epoch=0)[:images]
    size = min(128, len(rows))
    parts = [np.sort(rows[i : i + size]) for i in range(0, len(rows) - size + 1, size)]
    changed = copy.deepcopy(model)
    norms = recalibrate(changed, (pixels(split, part) for part in parts))
    return changed, norms, size * len(parts)


def search_finetune(
    model: SpecifiedNetwork,
    guide: SpecifiedNetwork,
    train: Split,
    recipe: Recipe,
    judge: Judge,
    aim: Aim,
    result: FinetuneSearch,
) -> Iterator[Step | dict[str, Any] | str]:
    """Find the best checkpoint of a converted network; it ends in `model`, on the CPU.

    Args:
        model: with new downsampling; changed in place.
        guide: the original model; not changed.
        train: training samples.
        recipe: of the fine-tune, with the machine settled.
        judge: scores checkpoints.
        aim: limits of the fine-tune.
        result: updated while it runs, also at an interrupt.

    Yields:
        Messages, steps, and one row per epoch.
    """
    began = time.monotonic()
    result.offer("converted", 0, judge(model), model)
    yield "recalibrating batch norms on unlabeled images"
    images = CALIBRATED
    if aim.deadline is not None:
        each = (time.monotonic() - began) / (3 * len(judge.samples))
        remaining = max(0.0, aim.deadline - time.monotonic())
        images = max(FEW, min(images, int(NORM_SHARE * remaining / each)))
    seed = recipe.train.seed
    start, result.norms, result.images = recalibrated(model, train, seed=seed, images=images)
    if result.norms:
        result.offer("recalibrated", 0, judge(start), start)
    if aim.passes:
        guided = guide_of(guide, recipe, len(train))
        yield from _Search(start, guided, train, recipe, judge, aim, result).tuned()
    assert result.best is not None
    model.network.load_state_dict(result.best.weights)
    model.eval()


@dataclass(frozen=True)
class _Search:
    """Fine-tunes of one network: short ones that choose learning rate and weight, and the long one.

    `start` is not changed; the rest is as in `search_finetune`.
    """

    start: SpecifiedNetwork
    guide: Guide
    train: Split
    recipe: Recipe
    judge: Judge
    aim: Aim
    result: FinetuneSearch

    @property
    def steps_per_epoch(self) -> float:
        return steps_of(self.train, self.recipe)[0]

    def tuned(self) -> Iterator[Step | dict[str, Any] | str]:
        """The trials that fit, then the fine-tune."""
        aim, result, recipe, each = self.aim, self.result, self.recipe, self.steps_per_epoch
        began = time.monotonic()
        self.judge(self.start)
        validation = time.monotonic() - began
        steps, validations, trials = max(1, round(aim.passes * each)), VALIDATIONS, _trials_of(aim)
        if aim.deadline is not None:
            # A step is a forward and backward pass of this model and a forward pass of the teacher.
            a_step = 4 * recipe.train.batch_size * validation / (3 * len(self.judge.samples))
            if aim.deadline - time.monotonic() < 2 * validation + 2 * FEWEST * a_step:
                result.stopped = "the budget ended before its first step"
                return
            seconds = self.seconds_per_step()
            remaining = aim.deadline - time.monotonic()
            fitting = int(VALIDATION_SHARE * remaining / max(validation, 1e-9)) - trials
            validations = min(VALIDATIONS, max(1, fitting))
            trials = trials if validations >= VALIDATIONS // 2 else 0
            remaining -= (validations + trials + 1) * validation
            steps = min(steps, int(remaining / seconds / (1 + TRIAL * trials)))
        if steps < 1:
            result.stopped = "the budget ended before its first step"
            return
        lr, weight = recipe.optimizer.lr, aim.consistency_weight
        weight = CONSISTENCY_WEIGHT * min(1.0, steps / each / PASSES) if weight is None else weight
        length = max(FEWEST, round(TRIAL * steps))
        if trials and length * trials < steps:
            yield f"trying learning rates and consistency weights, {length:,} steps each"
            for event in self.trials(length, weight):
                if not isinstance(event, tuple):
                    yield event
                    continue
                lr, weight = event
            if result.tuned.interrupted:
                result.stopped = "it was interrupted"
                return
        elif not aim.lr:
            lr *= RATES[-1]
        result.lr, result.consistency_weight = lr, weight
        result.planned, result.planned_steps = steps / each, steps
        machine = recipe.machine
        yield (
            f"fine-tuning on {len(self.train):,} samples, {steps / each:.3g} epochs, "
            f"learning rate {lr:.3g}, consistency weight {weight:.3g}, {machine.device}, "
            f"{machine.memory_format}, {machine.precision}"
        )
        yield from self.validated(_at(recipe, lr, steps / each), validation, validations)

    def validated(
        self, recipe: Recipe, validation: float, validations: int
    ) -> Iterator[Step | dict[str, Any]]:
        """The fine-tune: validated, and shortened if time runs short or nothing is gained."""
        aim, result = self.aim, self.result
        state = result.tuned = TrainingProgress()
        model, began = copy.deepcopy(self.start), time.monotonic()
        without_gain, last_check, best_fidelity = 0, 0, -1.0
        try:
            for step in self._steps(model, recipe, state, result.consistency_weight):
                yield step
                if step.ends_epoch:
                    yield state.rows[-1]
                every = max(FEWEST, state.last // validations)
                last = step.number >= state.last or state.interrupted
                if step.number % every == 0 or last:
                    score = self.judge(model)
                    result.offer("fine-tuned", step.number, score, model, run=True)
                    # Compared among themselves: a trial ended at a low rate, these have not reached
                    # it yet.
                    without_gain = 0 if score.fidelity > best_fidelity else without_gain + 1
                    best_fidelity = max(best_fidelity, score.fidelity)
                if aim.deadline is not None and step.number > last_check + 4 and not last:
                    now, last_check = time.monotonic(), step.number
                    remaining = aim.deadline - now - validation
                    reachable = step.number + max(0, int(remaining / ((now - began) / step.number)))
                    if reachable < SLACK * state.last:
                        state.shorten(reachable)
                second_half = state.last / 2 <= step.number < (1 - TAIL) * state.last
                if without_gain >= PATIENCE and second_half and not (result.stopped or state.ended):
                    result.stopped = f"no improvement in {PATIENCE} validations"
                    state.shorten(int(step.number / (1 - TAIL)) + 1)
        except Diverged as e:
            result.stopped = f"it diverged: {e}"
            return
        if state.interrupted:
            result.stopped = "it was interrupted"
            result.offer("fine-tuned", state.step, self.judge(model), model, run=True)

    def trials(self, length: int, weight: float) -> Iterator[Step | tuple[float, float]]:
        """Short fine-tunes from the same start; yields steps, then learning rate and weight."""
        aim, result = self.aim, self.result
        rates = (aim.lr,) if aim.lr else tuple(f * self.recipe.optimizer.lr for f in RATES)
        fixed = aim.consistency_weight is not None
        weights = (weight,) if fixed else tuple(f * weight for f in WEIGHTS)
        scores: dict[tuple[float, float], Score] = {}
        for lr in rates:
            yield from self._trial(lr, weight, length, scores)
            if result.tuned.interrupted:
                return
        equal = sorted(_indistinguishable({lr: s for (lr, _), s in scores.items()})) or [rates[-1]]
        best = equal[(len(equal) - 1) // 2]
        for other in weights[1:]:
            yield from self._trial(best, other, length, scores)
            if result.tuned.interrupted:
                return
        equal = _indistinguishable({w: s for (lr, w), s in scores.items() if lr == best})
        yield best, max(equal or weights)

    def _trial(
        self, lr: float, weight: float, length: int, scores: dict[tuple[float, float], Score]
    ) -> Iterator[Step]:
        state, model = TrainingProgress(), copy.deepcopy(self.start)
        recipe = _at(self.recipe, lr, length / self.steps_per_epoch)
        try:
            yield from self._steps(model, recipe, state, weight)
        except Diverged:
            return
        finally:
            self.result.tuned.interrupted |= state.interrupted
        score = scores[lr, weight] = self.judge(model)
        self.result.offer("fine-tuned", state.step, score, model)
        self.result.trials.append({"lr": lr, "consistency_weight": weight, **score.to_json()})

    def _steps(
        self, model: SpecifiedNetwork, recipe: Recipe, state: TrainingProgress, weight: float
    ) -> Iterator[Step]:
        return tune(model, self.train, recipe, state, guide=self.guide, consistency_weight=weight)

    def seconds_per_step(self) -> float:
        """Median seconds per step after a warm-up; on a copy."""
        times = []
        brief = _at(self.recipe, self.recipe.optimizer.lr * 1e-6, 6 / self.steps_per_epoch)
        clock = time.monotonic()
        for _ in self._steps(copy.deepcopy(self.start), brief, TrainingProgress(), 1.0):
            times.append(time.monotonic() - clock)
            clock = time.monotonic()
        return float(np.median(times[1:] or times))


def _trials_of(aim: Aim) -> int:
    """Number of trials."""
    rates = 1 if aim.lr else len(RATES)
    weights = 1 if aim.consistency_weight is not None else len(WEIGHTS)
    return 0 if rates == weights == 1 else rates + weights - 1


def _at(recipe: Recipe, lr: float, passes: float) -> Recipe:
    return replace(
        recipe,
        optimizer=replace(recipe.optimizer, lr=lr),
        train=replace(recipe.train, epochs=passes),
    )


def _indistinguishable(scores: Mapping[float, Score]) -> list[float]:
    """Those whose fidelity does not differ significantly from the best."""
    best_fidelity = max(scores.values(), key=lambda s: s.fidelity, default=None)
    return [
        v for v, s in scores.items() if best_fidelity is not None and not s.below(best_fidelity)
    ]
