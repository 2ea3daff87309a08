"""Change how a trained network downsamples or what it is invariant to, hand on what is better.

    swap samplers, average over poses → recalibrate batch norms → find rate and weight
        → fine-tune → choose on validation samples
        → compare with the original model on the report's samples

What comes out is at least as good in accuracy and better in the requested consistency, or
it is the original model, and the headline says so.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from neocog.audits.compare import compare, points
from neocog.audits.shift import MODES
from neocog.data.batches import order
from neocog.errors import UsageError, did_you_mean
from neocog.exhibits import share
from neocog.keywords import known_keywords
from neocog.models.model import AnyModel, Model
from neocog.models.seen_samples import SeenSamples
from neocog.render.page import page, write
from neocog.runs.claim import Claim, claimed
from neocog.runs.convert import ConvertedModel, convert, usual_downsampling
from neocog.runs.finetune_search import PASSES, Aim, FinetuneSearch, search_finetune
from neocog.runs.fix_data import FixData, fix_data
from neocog.runs.fix_run import (
    FinetuneOptions,
    fixed_model,
    keep,
    origin,
    original_model,
    recipe_of,
    with_machine,
)
from neocog.runs.judge import SCORED, Judge, Verdict, can_gain, trained_on, verdict
from neocog.runs.load import load_run
from neocog.runs.recipe import Recipe
from neocog.stats import paired_interval
from neocog.surgery.rank import GroupRank
from neocog.surgery.symmetrize import Symmetry, symmetry_of
from neocog.symmetry.poses import GROUPS
from neocog.training.loop import Step
from neocog.training.machine import check_device
from neocog.verbs.fix_measure import Measuring, Scores, advised, milliseconds_of, outlook
from neocog.verbs.fix_result import Fixed, FixFigures, again, how_chosen
from neocog.verbs.opened import opened
from neocog.verbs.train import free_folder
from neocog.verbs.watch import Progress, watching

__all__ = ["BUDGET", "KEEP", "FixFigures", "Fixed", "fix"]

StrPath = str | os.PathLike[str]

BUDGET = 900.0
"""Seconds for everything, where neither a number of epochs nor a budget is given."""

KEEP = ("better", "fixed")
"""What is handed on: what is better, else the original model; or the fixed model in any case."""

FOR_LOOKS = 0.1
"""Fraction of a budget in which validation samples are looked at, at most."""


@known_keywords
def fix(
    model: AnyModel,
    data: Any,
    *,
    downsampling: str = "",
    padding: str = "keep",
    symmetry: str = "",
    by: str = "averaging",
    finetune: float | None = None,
    budget: float | None = None,
    lr: float = 0.0,
    consistency_weight: float | None = None,
    keep: str = "better",
    seed: int = 0,
    layers: Collection[str] | None = None,
    shift: Sequence[str] = (),
    n: int | None = 1000,
    rank_layers: bool = False,
    device: str = "",
    out: StrPath | None = None,
    overwrite: bool = False,
    allow_random: bool = False,
    progress: Progress = True,
) -> Fixed:
    """Make a trained classifier invariant to shifts or poses, find its best state, and keep it.

    The given model stays as it is. The result is a run folder that every verb takes: the
    fixed model where it is better, else the original model.

    Args:
        model: what `neocog.load` takes or gives; of a module the size is that of the data.
        data: as for `train`, with labels or without, or what `neocog.data.inputs` takes; its
            training samples are learned from, a part of them or its validation samples choose, and
            its test samples measure, or those of DATA:val, which are then not used for selection.
        downsampling: one of `neocog.layers.downsample.DOWNSAMPLINGS`, but "stride"; "blur"
            if left out, and "polyphase" where `padding` is circular; with a `symmetry` and nothing
            else the downsamplers stay.
        padding: "circular" lets every border wrap around; "keep" leaves them.
        symmetry: group of rotations and mirror images that the predictions become invariant to,
            one of `neocog.symmetry.poses.GROUPS`: "c4" for quarter turns, "d4" with mirror images.
        by: how: "averaging", the mean over all poses, each a pass of the network; or "canonical",
            one pass in a pose that is chosen by the image.
        finetune: epochs over the training samples, each at two positions; 0 for none, which needs
            no labels; if left out, 12 or as many as the budget allows.
        budget: seconds for everything; 900 if neither it nor `finetune` is given.
        lr: highest learning rate; if left out, one that short trials find.
        consistency_weight: weight of the loss that pulls the predictions at two positions to each
            other, beside drawing both to those of the original model, 0 to 20 or so; if left out,
            15 for twelve passes, less for fewer, and what short trials find; 0 with a `symmetry`.
        keep: "better" hands on what is better, else the original model; "fixed" the fixed model
            whatever it is.
        seed: of everything random.
        layers: groups of downsamplers to be replaced, see `Replaced.group`; all if left out.
        shift: kinds of shift that consistency is measured for; the first is the objective.
            If left out all, first "crop", or "circular" where `padding` is circular. With a
            `symmetry` its poses are the objective, and the first of these is measured beside.
        n: samples on which it is measured; all for None.
        rank_layers: try each group alone, and say which is worth most.
        device: to fine-tune on; the best if left out.
        out: the run folder; one below `runs` if left out.
        overwrite: replace a run that is there.
        allow_random: take a model whose predictions are not a function of the image alone.
        progress: True for a line on standard error, False for none, or a function that is
            called with every step, with a row for every epoch, and with words.

    Raises:
        KeyboardInterrupt: Ctrl-C while fine-tuning; the better of what was reached and of the
            original model is kept.
        NeocogError: the model, the data or the disk does not allow it.

    Example:
        >>> import neocog
        >>> done = neocog.fix("runs/digits", "digits", downsampling="blur")      # doctest: +SKIP
        >>> done.better, done.after.shift["crop"].consistency                # doctest: +SKIP
        (True, 0.98)
    """
    began = time.monotonic()
    modes = tuple(shift) or _modes(padding)[: 1 if symmetry else None]
    _check(finetune, budget, lr, consistency_weight, modes, keep)
    invariant = Symmetry(symmetry, by) if symmetry else None
    downsampling = _downsampling(downsampling, padding, invariant)
    if invariant is not None:
        modes = (invariant.group, *modes)
        consistency_weight = consistency_weight or 0.0  # in all poses predictions are the same
    _check_layers(downsampling, layers, rank_layers=rank_layers)
    check_device(device)
    if out is not None:
        with claimed(Path(out), overwrite=overwrite):
            pass  # its error is raised before the work
    if finetune is None and budget is None:
        budget = BUDGET
    if isinstance(model, nn.Module):  # which stays as it is, in its mode and its statistics
        model = copy.deepcopy(model).eval()
    trained, data = opened(model, data, {"allow_random": allow_random})
    if trained.spec.input.axes != 2:
        raise UsageError(
            f"Only models of images can be fixed; `{trained.title}` takes series, {trained.shape}. "
            "`neocog audit` names the layers that break shifts of series."
        )
    parts = fix_data(trained, data, learns=finetune != 0, seed=seed)
    conversion = convert(
        trained,
        downsampling=downsampling,
        padding=padding,
        symmetry=invariant,
        only=layers,
        classes=None if trained.named else parts.classes,
        seed=seed,
    )
    suffix = "-".join(filter(None, (downsampling, invariant.group if invariant else "")))
    folder = Path(out) if out else free_folder(f"{_stem(trained)}-{suffix}")
    with watching(progress) as on_progress, claimed(folder, overwrite=overwrite) as claim:
        ranks: tuple[GroupRank, ...] = ()
        if rank_layers:
            on_progress("trying each group alone")
            ranks = advised(trained, conversion, parts.test, downsampling, padding, seed)
        work = _Work(trained, conversion, parts, claim, modes, budget, began, seed, on_progress)
        passes = PASSES if finetune is None else float(finetune)
        reached = work.search(passes, lr, consistency_weight, n, device, always=keep == "fixed")
        return work.done(reached, keep, ranks)


def _modes(padding: str) -> tuple[str, ...]:
    """All kinds of shift, the objective first."""
    first = "circular" if padding == "circular" else "crop"
    return (first, *(m for m in MODES if m != first))


def _downsampling(given: str, padding: str, symmetry: Symmetry | None) -> str:
    """What is swapped in; "" for nothing, where a symmetry is all that was given."""
    if symmetry is not None and padding == "keep":
        return given
    return given or usual_downsampling(padding)


def _check_layers(downsampling: str, layers: object, *, rank_layers: bool) -> None:
    if downsampling or not (layers or rank_layers):
        return
    raise UsageError(
        f"{'`layers` names' if layers else '`rank_layers` tries'} downsamplers, and none is "
        "replaced where a `symmetry` is all that is given. Give `downsampling` too, or leave it "
        "out."
    )


def _check(
    finetune: float | None,
    budget: float | None,
    lr: float,
    consistency_weight: float | None,
    modes: Sequence[str],
    keep: str,
) -> None:
    for mode in modes:
        if mode not in MODES:
            raise UsageError(f"`{mode}` is not a kind of shift. {did_you_mean(mode, MODES)}")
    if keep not in KEEP:
        raise UsageError(f"`{keep}` is not a choice of what to keep. {did_you_mean(keep, KEEP)}")
    if finetune is not None and not 0 <= finetune < float("inf"):
        raise UsageError(f"`finetune` is a number of epochs, at least 0, got {finetune:g}. Try 2.")
    if budget is not None and not 0 < budget < float("inf"):
        raise UsageError(f"`budget` is a number of seconds above 0, got {budget:g}. Try 300.")
    if not 0 <= lr < float("inf"):
        raise UsageError(f"`lr` is a positive learning rate, got {lr:g}. Try 0.01.")
    if consistency_weight is not None and not 0 <= consistency_weight < float("inf"):
        raise UsageError(
            f"`consistency_weight` is a weight, at least 0, got {consistency_weight:g}. Try 10."
        )
    if consistency_weight and finetune == 0:
        raise UsageError(
            f"`consistency_weight` only affects the fine-tune, and `finetune` is 0; "
            f"got {consistency_weight:g}. "
            "Give a number of epochs, or leave `consistency_weight` out."
        )


def _stem(trained: Model) -> str:
    return str(trained.path).replace(":", "-").rstrip("/").rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class _Reached:
    """The outcome of a fix, before anything is kept."""

    recipe: Recipe
    improved: FinetuneSearch
    before: Scores
    after: Scores
    times: list[float]
    verdict: Verdict
    accuracy: tuple[float, float, float]
    converted: float
    seen: bool | None
    validated: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Work:
    """One fix: what it has, and the two halves of what it does."""

    trained: Model
    conversion: ConvertedModel
    parts: FixData
    claim: Claim
    modes: tuple[str, ...]
    budget: float | None
    began: float
    seed: int
    on_progress: Callable[[Step | dict[str, Any] | str], None]

    def search(
        self,
        passes: float,
        lr: float,
        consistency_weight: float | None,
        n: int | None,
        device: str,
        *,
        always: bool,
    ) -> _Reached:
        """Measure the original model, find the best state of the changed one, measure that."""
        parts, model, original = self.parts, self.conversion.model, self.trained.module
        ms = milliseconds_of([original])[0]
        passes_each = symmetry.passes if (symmetry := symmetry_of(model.network)) else 1
        measure = Measuring.within(
            self.budget,
            ms * max(1.0, (1 + passes_each) / 2.5),
            parts.test,
            n=n,
            modes=self.modes,
            seed=self.seed,
        )
        self.on_progress("measuring the original model")
        clock = time.monotonic()
        before = measure(original)
        spent = time.monotonic() - clock
        converted = measure.accuracy(model)
        judge = Judge(parts.val, mode=self.modes[0], seed=self.seed, limit=self._looked_at(ms))
        first = judge(original)
        self.on_progress(outlook(model, judge, first, before.macs))
        seen = trained_on(first.correct, before.correct) if parts.seen is None else parts.seen
        recipe = self._recipe(passes, lr, device, seen)
        notes = [*parts.notes, *measure.notes]
        gains = can_gain(before.shift[self.modes[0]], seed=self.seed)
        if passes and not gains and not always:
            passes = 0.0
            both = "in both poses" if self._posed else "at both shifts"
            notes.append(
                f"{share(before.shift[self.modes[0]].consistency)} of the predictions are the same "
                f"{both} already: on so many samples no gain would be significant, so "
                "nothing was fine-tuned."
            )
        if passes:
            # Three ways are timed, six steps each, of a batch forwards and backwards.
            search = 18 * 4 * recipe.train.batch_size * 1.5 * ms / 1e3
            timed = self.budget is None or search < FOR_LOOKS * self.budget
            recipe = with_machine(recipe, model, parts.train, timed=timed)
        improved, last = FinetuneSearch(), max(1.6, 1.2 * passes_each)
        deadline = None if self.budget is None else self.began + self.budget - last * spent - 3
        aim = Aim(passes=passes, deadline=deadline, lr=lr, consistency_weight=consistency_weight)
        for event in search_finetune(model, original, parts.train, recipe, judge, aim, improved):
            self.on_progress(event)
        self.on_progress("measuring the fixed model")
        after = measure(model)
        pair = [scores.figures(self.modes[0], labeled=parts.labeled) for scores in (before, after)]
        judged = verdict(*pair, labeled=parts.labeled, seed=self.seed)
        assert improved.best is not None
        if parts.labeled and not seen:
            held = [first, improved.best.score]
            one, two = ((s.first if self._posed else s.correct) for s in held)
            low = paired_interval(two, one, seed=self.seed)
            if low[2] < 0:
                judged = judged.also(
                    f"accuracy on the validation samples is lower ({points(low[0], 1)} pp)"
                )
        return _Reached(
            recipe=replace(
                recipe,
                train=replace(recipe.train, epochs=improved.passes, plan=improved.plan),
                optimizer=replace(recipe.optimizer, lr=improved.lr or recipe.optimizer.lr),
            ),
            improved=improved,
            before=before,
            after=after,
            times=milliseconds_of([original, model]),
            verdict=judged,
            accuracy=paired_interval(after.correct, before.correct, seed=self.seed),
            converted=converted,
            seen=seen,
            validated=len(judge.samples),
            notes=(*notes, *(before.ordered() if parts.labeled else ())),
        )

    def done(self, reached: _Reached, keeping: str, ranks: tuple[GroupRank, ...]) -> Fixed:
        """Keep what is to be kept, and say what it is."""
        better, improved = reached.verdict.better, reached.improved
        fixed = better or keeping == "fixed"
        a, b = reached.before.measured(reached.times[0]), reached.after.measured(reached.times[1])
        kept = (
            fixed_model(self.conversion, reached.recipe, improved.tuned.rows)
            if fixed
            else original_model(self.trained, self.conversion, reached.recipe)
        )
        kept = replace(kept, seen=self._seen(improved) if fixed else self.trained.seen())
        goes = b if fixed else a
        finetune = self._finetune(reached)
        notes = keep(
            self.claim.aside(),
            kept,
            {
                **origin(self.trained),
                **self.conversion.options,
                "better": better,
                "kept": "fixed" if fixed else "original",
                "finetune": finetune,
            },
            {"test": goes.tested(), "params": goes.params, "macs": goes.macs},
        )
        folder, modes = str(self.claim.path), tuple(a.shift)
        done = Fixed(
            better=better,
            kept="fixed" if fixed else "original",
            reason=reached.verdict.reason,
            aim=modes[0],
            replaced=self.conversion.replaced,
            skipped=self.conversion.skipped,
            before=a,
            converted=reached.converted,
            after=goes,
            candidate=b,
            compared={m: compare(a.shift[m], b.shift[m], seed=self.seed) for m in modes},
            accuracy=reached.accuracy,
            labeled=self.parts.labeled,
            advice=ranks,
            notes=tuple(
                map(
                    _sentence,
                    (
                        *reached.notes,
                        *how_chosen(improved, validated=reached.validated, seen=reached.seen),
                        *self.conversion.remarks,
                        *notes,
                    ),
                )
            ),
            finetune=finetune,
            run=folder,
            model=None,
            title=f"{_stem(self.trained)}, fixed",
            data=self.parts.path,
            classes=self.conversion.model.spec.classes,
            again=again(
                self.trained.named_as(self.parts.path),
                self.conversion.options,
                max(2 * BUDGET, 2 * (self.budget or 0.0)),
            ),
        )
        html = page(done.title, done.sections(), first=done.first_screen())
        write(self.claim.folder.path / "report.html", html)
        self.claim.finish()
        if not notes:
            # The original model.
            done = replace(done, model=load_run(folder, allow_random=True))
        if improved.tuned.interrupted:
            raise KeyboardInterrupt(f"{done.headline} It is kept in {folder}.")
        return done

    def _seen(self, improved: FinetuneSearch) -> SeenSamples:
        """What the chosen state has seen: with labels, or for batch-norm statistics alone."""
        parts, before = self.parts, self.trained.seen()
        assert improved.best is not None
        if improved.best.what == "fine-tuned":
            return SeenSamples.of(parts.train, parts.val, before=before)
        rows = order(len(parts.train), seed=self.seed, epoch=0)[: improved.images]
        normed = parts.train.subset(rows) if improved.best.what == "recalibrated" else None
        return SeenSamples.of(None, parts.val, recalibrated=normed, before=before)

    @property
    def _posed(self) -> bool:
        """The objective is invariance to poses, in all of which predictions should be correct."""
        return self.modes[0] in GROUPS

    def _looked_at(self, ms: float) -> int:
        """Validation samples of a look: all looks take a fraction of the budget."""
        if self.budget is None:
            return SCORED
        a_look = FOR_LOOKS * self.budget / 20
        return int(min(SCORED, max(16, a_look / (3 * 1.5 * ms / 1e3))))

    def _recipe(self, passes: float, lr: float, device: str, seen: bool) -> Recipe:
        source = self.parts.source
        finetune_options = FinetuneOptions(
            epochs=passes, lr=lr, seed=self.seed, device=device, val=not seen
        )
        return recipe_of(
            self.trained,
            self.conversion,
            finetune_options,
            path=self.parts.path,
            fingerprint=source.fingerprint if source else "",
        )

    def _finetune(self, reached: _Reached) -> dict[str, Any]:
        """The history of the search, in plain values."""
        improved, recipe = reached.improved, reached.recipe
        assert improved.best is not None
        return {
            "epochs": improved.passes,
            "planned_epochs": improved.planned,
            "plan": list(improved.plan),
            "budget": self.budget,
            "seconds": round(improved.tuned.seconds, 3),
            "total_seconds": round(time.monotonic() - self.began, 3),
            "lr": improved.lr,
            "consistency_weight": improved.consistency_weight,
            "seed": recipe.train.seed,
            "batch": recipe.train.batch_size,
            "device": recipe.machine.device,
            "stopped": improved.stopped,
            "recalibrated": {"batch_norms": improved.norms, "images": improved.images},
            "chosen": improved.best.to_json(),
            "validation": {"n": reached.validated, "seen": reached.seen},
            "trials": improved.trials,
            "looks": improved.validations,
        }


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."
