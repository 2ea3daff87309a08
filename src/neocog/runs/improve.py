"""From a network with other samplers to the best state that a budget allows.

    converted       weights as they were, samplers new
    recalibrated    batch norms show the statistics that hold now; no label, no step
    fine-tuned      by `runs.finetune`, looked at about twelve times on the way

The learning rate and the weight of consistency are found by short fine-tunes of their own. They,
and the state that is kept, are chosen by the score of the validation samples alone (`runs.judge`).
Of rates that cannot be told from the best the middle one counts, as chance picks either end; of
weights the highest, for consistency is what is asked for.
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
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.finetune import FinetuneState, guide_of, steps_of, tune
from neocog.runs.judge import Judge, Score
from neocog.runs.recipe import Recipe
from neocog.tasks.distill import Guide
from neocog.training.loop import Step
from neocog.training.recalibrate import recalibrate

__all__ = ["PASSES", "STEADY", "Aim", "Candidate", "Improved", "improve", "recalibrated"]

PASSES = 12.0
"""Passes over the training samples, where neither a number nor a budget sets fewer."""

STEADY = 15.0
"""Weight of consistency in a fine-tune of `PASSES`; fewer passes get as much less."""

CALIBRATED = 1280
"""Images that batch norms are recalibrated on, at most."""

RATES = (1.0, 0.3, 0.1)
"""Learning rates that are tried, as fractions of the one that the recipe suggests."""

WEIGHTS = (1.0, 0.3)
"""Weights of consistency that are tried, as fractions of the one that suits the length."""

TRIAL = 0.04
"""Length of a trial, as a fraction of that of the fine-tune."""

LOOKS = 12
"""How often a fine-tune is looked at, at most."""

FOR_LOOKS = 0.15
"""Fraction of the time left that looks may take; where it holds too few, nothing is tried."""

FOR_NORMS = 0.05
"""Fraction of the time left in which batch norms are recalibrated, at least on `FEW` images."""

FEW = 32
"""Images that batch norms are recalibrated on whatever the budget."""

PATIENCE = 4
"""Looks without a better state, in the second half, after which the rate is brought down."""

TAIL = 0.2
"""Fraction of the steps over which it is brought down then."""

SLACK = 0.97
"""A fine-tune is shortened where fewer of its steps fit into the time than this fraction."""

FEWEST = 8
"""Steps of a trial and from one look to the next, at least."""


@dataclass(frozen=True, kw_only=True)
class Aim:
    """How far a fine-tune goes.

    Args:
        passes: over the training samples, at most; 0 for none.
        deadline: of `time.monotonic`, by which its steps are over; None for no limit.
        lr: highest learning rate; 0 to find it.
        consistency_weight: weight of consistency; None to find it.
    """

    passes: float = PASSES
    deadline: float | None = None
    lr: float = 0.0
    consistency_weight: float | None = None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A state that may be kept.

    Args:
        what: "converted", "recalibrated" or "fine-tuned".
        step: of the fine-tune; 0 before it.
        score: on the validation samples.
        weights: of the network.
    """

    what: str
    step: int
    score: Score
    weights: dict[str, Tensor]

    def to_json(self) -> dict[str, Any]:
        """Without the weights."""
        return {"what": self.what, "step": self.step, **self.score.to_json()}


@dataclass
class Improved:
    """How a fix came to its best state; grows while it runs.

    Args:
        best: the state that is kept.
        looks: every state that was scored, as plain numbers.
        trials: rates and weights that were tried, with their scores.
        lr: the highest learning rate; 0 without a fine-tune.
        consistency_weight: the weight of consistency.
        planned: passes that were meant.
        meant: the same in steps.
        norms: batch norms that were recalibrated.
        images: on so many images.
        stopped: why the fine-tune ended before its last step; "" where it did not.
        tuned: how far it came.
    """

    best: Candidate | None = None
    looks: list[dict[str, Any]] = field(default_factory=list)
    trials: list[dict[str, Any]] = field(default_factory=list)
    lr: float = 0.0
    consistency_weight: float = 0.0
    planned: float = 0.0
    meant: int = 1
    norms: int = 0
    images: int = 0
    stopped: str = ""
    tuned: FinetuneState = field(default_factory=FinetuneState)

    @property
    def passes(self) -> float:
        """Passes that were made."""
        return self.planned * self.tuned.done / self.meant if self.planned else 0.0

    @property
    def plan(self) -> tuple[int, ...]:
        """Pairs of from step and to step, as in `runs.plan`; empty where it went as meant."""
        return tuple(self.tuned.plan) if len(self.tuned.plan) > 2 else ()

    def offer(self, what: str, step: int, score: Score, model: SpecifiedNetwork) -> None:
        """Note a state, and keep it where none was better."""
        found = Candidate(what=what, step=step, score=score, weights={})
        self.looks.append(found.to_json())
        if self.best is not None and score.fidelity < self.best.score.fidelity:
            return
        held = {k: v.detach().cpu().clone() for k, v in model.network.state_dict().items()}
        self.best = replace(found, weights=held)  # of equals the later one, which learned more


def recalibrated(
    model: SpecifiedNetwork, split: Split, *, seed: int, images: int = CALIBRATED
) -> tuple[SpecifiedNetwork, int, int]:
    """A copy whose batch norms show the statistics of some of the images, without their labels.

    Args:
        model: is left as it is.
        split: of images.
        seed: of which.
        images: at most.

    Returns:
        The copy, how many batch norms it has, and on how many images.
    """
    rows = order(len(split), seed=seed, epoch=0)[:images]
    size = min(128, len(rows))
    parts = [np.sort(rows[i : i + size]) for i in range(0, len(rows) - size + 1, size)]
    changed = copy.deepcopy(model)
    norms = recalibrate(changed, (pixels(split, part) for part in parts))
    return changed, norms, size * len(parts)


def improve(
    model: SpecifiedNetwork,
    guide: SpecifiedNetwork,
    train: Split,
    recipe: Recipe,
    judge: Judge,
    aim: Aim,
    found: Improved,
) -> Iterator[Step | dict[str, Any] | str]:
    """Find the best state of a changed network; it ends in `model`, on the CPU.

    Args:
        model: with new samplers; is changed.
        guide: the model as it was; is left as it is.
        train: to learn from.
        recipe: of the fine-tune, with the machine settled.
        judge: scores states.
        aim: how far.
        found: what came of it, also after an interrupt.

    Yields:
        Words, steps, and a row an epoch.
    """
    began = time.monotonic()
    found.offer("converted", 0, judge(model), model)
    yield "recalibrating batch norms on unlabeled images"
    images = CALIBRATED
    if aim.deadline is not None:
        each = (time.monotonic() - began) / (3 * len(judge.samples))
        left = max(0.0, aim.deadline - time.monotonic())
        images = max(FEW, min(images, int(FOR_NORMS * left / each)))
    seed = recipe.train.seed
    start, found.norms, found.images = recalibrated(model, train, seed=seed, images=images)
    if found.norms:
        found.offer("recalibrated", 0, judge(start), start)
    if aim.passes:
        yield from _fine_tune(start, guide_of(guide, recipe, len(train)), train, recipe, judge,
                              aim, found)  # fmt: skip
    assert found.best is not None
    model.network.load_state_dict(found.best.weights)
    model.eval()


def _fine_tune(
    start: SpecifiedNetwork,
    guide: Guide,
    train: Split,
    recipe: Recipe,
    judge: Judge,
    aim: Aim,
    found: Improved,
) -> Iterator[Step | dict[str, Any] | str]:
    each, _ = steps_of(train, recipe)
    began = time.monotonic()
    judge(start)
    look = time.monotonic() - began
    steps, looks, trials = max(1, round(aim.passes * each)), LOOKS, _number(aim)
    if aim.deadline is not None:
        # A step shows a batch to this model, and backwards, and to the one that guides it.
        a_step = 4 * recipe.train.batch_size * look / (3 * len(judge.samples))
        if aim.deadline - time.monotonic() < 2 * look + 2 * FEWEST * a_step:
            found.stopped = "the budget is over before its first step"
            return
        seconds = _seconds(start, guide, train, recipe)
        left = aim.deadline - time.monotonic()
        looks = min(LOOKS, max(1, int(FOR_LOOKS * left / max(look, 1e-9)) - trials))
        trials = trials if looks >= LOOKS // 2 else 0
        left -= (looks + trials + 1) * look
        steps = min(steps, int(left / seconds / (1 + TRIAL * trials)))
    if steps < 1:
        found.stopped = "the budget is over before its first step"
        return
    lr, consistency_weight = recipe.optimizer.lr, STEADY * min(1.0, steps / each / PASSES)
    consistency_weight = (
        consistency_weight if aim.consistency_weight is None else aim.consistency_weight
    )
    length = max(FEWEST, round(TRIAL * steps))
    if trials and length * trials < steps:
        yield f"trying rates and weights, {length:,} steps each"
        for event in _trials(
            start, guide, train, recipe, judge, aim, found, length, consistency_weight
        ):
            if not isinstance(event, tuple):
                yield event
                continue
            lr, consistency_weight = event
        if found.tuned.interrupted:
            found.stopped = "it was interrupted"
            return
    elif not aim.lr:
        lr *= RATES[-1]
    found.lr, found.consistency_weight = lr, consistency_weight
    found.planned, found.meant = steps / each, steps
    recipe = _at(recipe, lr, steps / each)
    yield (
        f"fine-tuning on {len(train):,} samples, {steps / each:.3g} passes, learning rate {lr:.3g},"
        f" consistency weight {consistency_weight:.3g}, {recipe.machine.device}, "
        f"{recipe.machine.memory_format}, {recipe.machine.precision}"
    )
    yield from _watched(start, guide, train, recipe, judge, aim, found, look, looks)


def _watched(
    start: SpecifiedNetwork,
    guide: Guide,
    train: Split,
    recipe: Recipe,
    judge: Judge,
    aim: Aim,
    found: Improved,
    look: float,
    looks: int,
) -> Iterator[Step | dict[str, Any] | str]:
    """The fine-tune itself: looked at, shortened where time runs short or nothing is gained."""
    told = found.tuned = FinetuneState()
    model, idle, shown, began, most = copy.deepcopy(start), 0, 0, time.monotonic(), -1.0
    try:
        for step in tune(
            model, train, recipe, told, guide=guide, consistency_weight=found.consistency_weight
        ):
            yield step
            if step.ends_epoch:
                yield told.rows[-1]
            every = max(FEWEST, told.last // looks)
            over = step.number >= told.last or told.interrupted
            if step.number % every == 0 or over:
                score = judge(model)
                found.offer("fine-tuned", step.number, score, model)
                # Among themselves: a trial ended at a low rate, these states are on the way there.
                idle = 0 if score.fidelity > most else idle + 1
                most = max(most, score.fidelity)
            if aim.deadline is not None and step.number > shown + 4 and not over:
                now, shown = time.monotonic(), step.number
                left = aim.deadline - now - look
                fits = step.number + max(0, int(left / ((now - began) / step.number)))
                if fits < SLACK * told.last:
                    told.last = fits
            late = told.last / 2 <= step.number < (1 - TAIL) * told.last
            if idle >= PATIENCE and late and not found.stopped:
                found.stopped = f"nothing was gained in {PATIENCE} looks"
                told.last = int(step.number / (1 - TAIL)) + 1
    except Diverged as e:
        found.stopped = f"it diverged: {e}"
        return
    if told.interrupted:
        found.stopped = "it was interrupted"
        found.offer("fine-tuned", told.done, judge(model), model)


def _number(aim: Aim) -> int:
    """Of trials."""
    return (
        (len(RATES) if not aim.lr else 1)
        + (len(WEIGHTS) - 1 if aim.consistency_weight is None else 0)
        - (1 if aim.lr and aim.consistency_weight is not None else 0)
    )


def _at(recipe: Recipe, lr: float, passes: float) -> Recipe:
    return replace(
        recipe,
        optimizer=replace(recipe.optimizer, lr=lr),
        train=replace(recipe.train, epochs=passes),
    )


def _seconds(start: SpecifiedNetwork, guide: Guide, train: Split, recipe: Recipe) -> float:
    """Of a step, the middle of some after a warm-up; on a copy."""
    each, _ = steps_of(train, recipe)
    times, told = [], FinetuneState()
    brief = _at(recipe, recipe.optimizer.lr * 1e-6, 6 / each)
    clock = time.monotonic()
    for _ in tune(copy.deepcopy(start), train, brief, told, guide=guide, consistency_weight=1.0):
        times.append(time.monotonic() - clock)
        clock = time.monotonic()
    return float(np.median(times[1:] or times))


def _trials(
    start: SpecifiedNetwork,
    guide: Guide,
    train: Split,
    recipe: Recipe,
    judge: Judge,
    aim: Aim,
    found: Improved,
    length: int,
    consistency_weight: float,
) -> Iterator[Step | tuple[float, float]]:
    """Short fine-tunes from the same start; yields steps, then the rate and the weight."""
    each, _ = steps_of(train, recipe)
    suggested = recipe.optimizer.lr
    rates = (aim.lr,) if aim.lr else tuple(f * suggested for f in RATES)
    weights = (
        (consistency_weight,)
        if aim.consistency_weight is not None
        else tuple(f * consistency_weight for f in WEIGHTS)
    )
    scores: dict[tuple[float, float], Score] = {}

    def run(lr: float, weight: float) -> Iterator[Step]:
        told, model = FinetuneState(), copy.deepcopy(start)
        try:
            yield from tune(model, train, _at(recipe, lr, length / each), told,
                            guide=guide, consistency_weight=weight)  # fmt: skip
        except Diverged:
            return
        finally:
            found.tuned.interrupted |= told.interrupted
        scores[lr, weight] = judge(model)
        found.offer("fine-tuned", told.done, scores[lr, weight], model)
        found.trials.append(
            {"lr": lr, "consistency_weight": weight, **scores[lr, weight].to_json()}
        )

    for lr in rates:
        yield from run(lr, consistency_weight)
        if found.tuned.interrupted:
            return
    near = sorted(_near({lr: s for (lr, _), s in scores.items()})) or [rates[-1]]
    best = near[(len(near) - 1) // 2]
    for weight in weights[1:]:
        yield from run(best, weight)
        if found.tuned.interrupted:
            return
    yield best, max(_near({w: s for (lr, w), s in scores.items() if lr == best}) or weights)


def _near(scores: Mapping[float, Score]) -> list[float]:
    """Those whose fidelity cannot be told from the best."""
    most = max(scores.values(), key=lambda s: s.fidelity, default=None)
    return [v for v, s in scores.items() if most is not None and not s.below(most)]
