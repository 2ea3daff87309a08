"""Change how a trained network drops samples, keep its weights, fine-tune, say what came of it."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neocog.audits.compare import compare
from neocog.audits.cost import cost
from neocog.audits.shift import MODES, Shift, shift_consistency
from neocog.audits.subject import Subject
from neocog.data.batches import batches, pixels
from neocog.data.open import parse_place
from neocog.data.samples import Samples as Audited
from neocog.data.split import Split
from neocog.errors import UsageError, did_you_mean, printable
from neocog.networks.model import Model
from neocog.report.page import page, write
from neocog.runs.claim import Claim, claimed
from neocog.runs.fixed import (
    Mended,
    Tuning,
    example_of,
    joined,
    keep,
    mend,
    recipe_of,
    settled,
)
from neocog.runs.opened import open_model
from neocog.runs.recipe import Recipe
from neocog.runs.trained import Trained, load
from neocog.runs.tuned import Tuned, tune
from neocog.surgery.advice import Advice, advise
from neocog.tasks.classify import Evaluation, evaluation
from neocog.training.answers import answers
from neocog.training.loop import Step
from neocog.training.machine import check_device
from neocog.verbs.fix_result import ADVISED, Fixed, Measured
from neocog.verbs.train import free_folder

__all__ = ["Fixed", "Measured", "fix"]

Place = str | os.PathLike[str]

TIMED = 64
"""Samples of a batch whose forward pass is timed."""


def fix(
    model: Place | Trained,
    data: Place,
    *,
    sampling: str = "polyphase",
    padding: str = "keep",
    finetune: float = 1.0,
    lr: float = 0.0,
    steady: float = 0.0,
    seed: int = 0,
    only: Collection[str] | None = None,
    shift: Sequence[str] = MODES,
    n: int | None = 1000,
    advice: bool = False,
    device: str = "",
    out: Place | None = None,
    overwrite: bool = False,
    listen: Callable[[Step | dict[str, Any] | str], None] | None = None,
) -> Fixed:
    """Replace the down-samplers of a trained classifier, fine-tune it, and keep it.

    The model that came stays as it is. What comes out is a run folder that every verb takes.

    Args:
        model: a run folder, or what `open_model` opened.
        data: as for `train`; its training samples are learned from, its test samples measured on,
            or those of DATA:val, which are then not learned from.
        sampling: one of `neocog.layers.downsample.SAMPLINGS`, but "stride".
        padding: "circular" lets every border wrap around; "keep" leaves them.
        finetune: passes over the training samples, each shown twice; 0 for none.
        lr: highest learning rate; a third of a training's if left out.
        steady: how strongly the fine-tune draws the answers at two places to each other, beside
            drawing both to those of the model as it was; fewer answers flip, and more passes are
            needed until accuracy is back. 0 to 20 or so.
        seed: of everything that is drawn.
        only: groups of down-samplers to be replaced, see `Replaced.group`; all if left out.
        shift: ways of shifting that consistency is measured for.
        n: samples on which it is measured; all for None.
        advice: try each group alone, and say which is worth most.
        device: to fine-tune on; the best if left out.
        out: the run folder; one below `runs` if left out.
        overwrite: replace a run that is there.
        listen: called with every step, with a row for every epoch, and with words.

    Raises:
        KeyboardInterrupt: Ctrl-C while fine-tuning; what was reached is kept.
        NeocogError: the model, the data or the disk does not allow it.

    Example:
        >>> import neocog
        >>> done = neocog.fix("runs/digits", "digits", sampling="blur")      # doctest: +SKIP
        >>> done.after.shift["circular"].consistency                         # doctest: +SKIP
        0.98
    """
    tell = listen or (lambda event: None)
    _check(finetune, lr, steady, shift)
    check_device(device)
    trained = model if isinstance(model, Trained) else open_model(model)
    where, name = parse_place(str(data))
    if finetune and name == "train":
        raise UsageError(
            f"A fix learns from the training samples and measures on others; `{printable(data)}` "
            "names those that it learns from. Name DATA:val or DATA:test, or take --finetune 0."
        )
    shown = trained.samples(f"{where}:{name or 'test'}")
    mended = mend(
        trained,
        sampling=sampling,
        padding=padding,
        only=only,
        classes=None if trained.named else shown.classes,
        seed=seed,
    )
    place = Path(out) if out else free_folder(f"{_stem(trained)}-{sampling}")
    course = Tuning(epochs=float(finetune), lr=lr, seed=seed, device=device, val=name == "val")
    recipe = recipe_of(trained, mended, shown, course)
    some = Audited.of(shown.split).first(n, seed=seed)
    with claimed(place, overwrite=overwrite) as claim:
        found: tuple[Advice, ...] = ()
        if advice:
            tell("trying each group alone")
            found = _advised(trained, mended, shown.split, sampling, padding, seed)
        tell("measuring what came")
        before = _scored(trained.module, shown.split, some, shift, seed)
        converted = _accuracy(mended.model, shown.split)
        told = Tuned()
        if finetune:
            split = _train_split(trained, where, held_out=recipe.data.val)
            recipe = settled(recipe, mended.model, split)
            tell(f"fine-tuning on {len(split):,} samples, {_way(recipe)}")
            for step in tune(
                mended.model, split, recipe, told, guide=trained.module, steady=steady
            ):
                tell(step)
                if step.ends_epoch:
                    tell(told.rows[-1])
        tell("measuring what goes")
        after = _scored(mended.model, shown.split, some, shift, seed)
        times = _milliseconds([trained.module, mended.model], shown.split)
        return _kept(
            trained,
            mended,
            claim,
            recipe,
            told,
            steady,
            found,
            (before, after, times, converted),
            shown.notes,
        )


def _check(finetune: float, lr: float, steady: float, shift: Sequence[str]) -> None:
    for mode in shift:
        if mode not in MODES:
            raise UsageError(f"`{mode}` is no way of shifting. {did_you_mean(mode, MODES)}")
    if not 0 <= finetune < float("inf"):
        raise UsageError(f"`finetune` is a number of epochs from 0, got {finetune:g}. Try 2.")
    if not 0 <= lr < float("inf"):
        raise UsageError(f"`lr` is a positive learning rate, got {lr:g}. Try 0.01.")
    if not 0 <= steady < float("inf"):
        raise UsageError(f"`steady` is a weight from 0, got {steady:g}. Try 10.")
    if steady and not finetune:
        raise UsageError(
            f"`steady` shapes the fine-tune, and `finetune` is 0; steady {steady:g} came. "
            "Give a number of epochs, or leave `steady` out."
        )


def _stem(trained: Trained) -> str:
    return str(trained.place).replace(":", "-").rstrip("/").rpartition("/")[2]


def _train_split(trained: Trained, where: str, *, held_out: bool) -> Split:
    """What is learned from."""
    train = trained.samples(f"{where}:train")
    parts = [train.split]
    if not held_out and len(train.source.splits.get("val", ())):
        parts.append(trained.samples(f"{where}:val").split)
    return joined(*parts)


def _way(recipe: Recipe) -> str:
    m = recipe.machine
    return f"learning rate {recipe.optimiser.lr:.3g}, {m.device}, {m.layout}, {m.precision}"


@dataclass(frozen=True)
class _Scores:
    evaluation: Evaluation
    shift: dict[str, Shift]
    params: int
    macs: int
    memory: int

    def measured(self, ms: float) -> Measured:
        scored = self.evaluation
        return Measured(
            accuracy=scored.accuracy,
            accuracy_ci=scored.accuracy_ci,
            loss=scored.loss,
            n=scored.n,
            shift=self.shift,
            params=self.params,
            macs=self.macs,
            ms=ms,
            memory=self.memory,
        )


def _accuracy(model: Model, split: Split) -> float:
    return _evaluated(model, split).accuracy


def _evaluated(model: Model, split: Split) -> Evaluation:
    feed = batches(split, size=250, shuffle=False, seed=0, epoch=0)
    return evaluation(answers(model, feed), split.y, model.contract.classes)


def _scored(model: Model, split: Split, some: Audited, modes: Sequence[str], seed: int) -> _Scores:
    signal = model.contract.signal
    subject = Subject(model, size=signal.size)
    shift = {mode: shift_consistency(subject, some, mode=mode, seed=seed) for mode in modes}
    spent = cost(model, (signal.channels, *signal.size))
    memory = 4 * (spent.params + spent.activations)
    return _Scores(_evaluated(model, split), shift, spent.params, spent.macs, memory)


def _milliseconds(models: list[Any], split: Split, *, rounds: int = 9) -> list[float]:
    """Of one sample, in turns, so that what slows the machine falls on all alike."""
    x = pixels(split, slice(0, TIMED))
    taken: list[list[float]] = [[] for _ in models]
    for turn in range(rounds + 1):
        for i, model in enumerate(models):
            seconds = _timed(model, x)
            if turn:  # the first is a warm-up
                taken[i].append(seconds)
    return [statistics.median(t) for t in taken]


def _timed(model: nn.Module, x: Tensor) -> float:
    began = time.perf_counter()
    with torch.inference_mode():
        model(x)
    return (time.perf_counter() - began) / len(x) * 1e3


def _advised(
    trained: Trained, mended: Mended, split: Split, sampling: str, padding: str, seed: int
) -> tuple[Advice, ...]:
    contract = trained.contract
    signal = contract.signal
    some = Audited.of(split).first(ADVISED, seed=seed)

    def flips(network: nn.Module) -> dict[str, float]:
        subject = Subject(Model(network, contract).eval(), size=signal.size)
        return {
            mode: 1 - shift_consistency(subject, some, mode=mode, seed=seed).consistency
            for mode in ("circular", "crop")
        }

    return advise(
        trained.module.network,
        example_of(contract),
        sampling=sampling,
        padding=padding,
        flips=flips,
        macs=lambda network: cost(network, (signal.channels, *signal.size)).macs,
        seed=seed,
    )


def _kept(
    trained: Trained,
    mended: Mended,
    claim: Claim,
    recipe: Recipe,
    told: Tuned,
    steady: float,
    found: tuple[Advice, ...],
    scores: tuple[_Scores, _Scores, list[float], float],
    said: tuple[str, ...],
) -> Fixed:
    before, after, times, converted = scores
    measured = [before.measured(times[0]), after.measured(times[1])]
    finetune = {
        "epochs": recipe.course.epochs,
        "seconds": round(told.seconds, 3),
        "lr": recipe.optimiser.lr,
        "steady": steady,
        "seed": recipe.course.seed,
    }
    test = {
        "n": measured[1].n,
        "accuracy": measured[1].accuracy,
        "accuracy_ci": list(measured[1].accuracy_ci),
        "loss": measured[1].loss,
    }
    notes = keep(
        claim.aside(),
        trained,
        mended,
        recipe,
        told.rows,
        {
            "fixed": {**mended.options, "finetune": finetune},
            "after": {"test": test, "params": measured[1].params, "macs": measured[1].macs},
        },
    )
    place = str(claim.place)
    done = Fixed(
        replaced=mended.replaced,
        left=mended.left,
        before=measured[0],
        converted=converted,
        after=measured[1],
        compared={m: compare(before.shift[m], after.shift[m]) for m in before.shift},
        advice=found,
        notes=tuple(_sentence(text) for text in (*said, *mended.remarks, *notes)),
        finetune=finetune,
        run=place,
        model=None,
    )
    report = page(f"{_stem(trained)}, fixed", [done.exhibits()])
    write(claim.folder.path / "report.html", report)
    claim.finish()
    if not notes:
        done = replace(done, model=load(place))
    if told.interrupted:
        raise KeyboardInterrupt(f"What the fine-tune reached is kept in {place}.")
    return done


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."
