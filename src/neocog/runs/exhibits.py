"""What a run's report shows: its first screen, then everything."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neocog.audits.compare import flipped
from neocog.data.display import as_displayed
from neocog.data.open import parse_source
from neocog.errors import printable
from neocog.exhibits import Cell, Curve, Exhibit, Gallery, Map, Scalar, Section, Table, share
from neocog.first_screen import Command, FirstScreen, Named, path_word
from neocog.networks.catalog import schema
from neocog.runs.events import Finished
from neocog.runs.experiment import Experiment
from neocog.runs.recipe import Recipe
from neocog.runs.split_outputs import SplitOutputs
from neocog.runs.training_notes import part
from neocog.tasks.classify import Evaluation

__all__ = ["run_first_screen", "run_sections", "training_curves"]

IMAGES = 24
"""Mistakes shown."""

FILTERS = 64
"""First-layer filters shown."""

WORST = 6
"""Mistakes on the first screen."""

LONGEST = 20
"""Letters of a class name on a first screen."""

WHOLE = 1.0
"""Passes over the data below which a training is called undertrained."""


def run_sections(end: Finished, rows: list[dict[str, Any]]) -> list[Section]:
    """The report of a finished training.

    Args:
        end: the training's last event.
        rows: the lines of metrics.jsonl.
    """
    experiment, scores = end.experiment, end.scores
    sections = [_overview(experiment, end.summary, scores)]
    if rows:
        sections.append(training_curves(rows, experiment.recipe.objective.loss))
    for name, score in scores.items():
        if name == "test" or "test" not in scores:
            section = score.exhibits(f"Evaluation on the {name} split")
            text = _measured(name, end.outputs[name])
            sections.append(Section(title=section.title, exhibits=section.exhibits, text=text))
            sections.append(_mistakes(experiment, end.outputs[name]))
    sections.extend(end.sections)
    sections.append(_inside(experiment))
    sections.extend(experiment.source.sheet.exhibits())
    return sections


def run_first_screen(end: Finished, run: str) -> FirstScreen:
    """The first screen of a finished training: what it scores, and what to do next.

    Args:
        end: the training's last event.
        run: its folder, as the user named it.
    """
    experiment = end.experiment
    recipe = experiment.recipe
    path = parse_source(recipe.data.path)[0]
    name = "test" if "test" in end.scores else next(iter(end.scores), None)
    named = Named(model=run, data=recipe.data.path)
    if name is None:
        return FirstScreen(
            headline=f"{printable(Path(path).name or path)}: trained, without held-out "
            "samples to measure it on.",
            figures=_costs(end),
            next=_longer(end, run),
        )
    score = end.scores[name]
    badge, why = _undertrained(end, score)
    low, high = (flipped(v) for v in score.accuracy_ci)
    images = f"{score.n:,} {name} image{'' if score.n == 1 else 's'}"
    audit = named.command("audit", "Audit its shift consistency")
    return FirstScreen(
        headline=f"{printable(Path(path).name or path)}: {flipped(score.accuracy)} % top-1 "
        f"accuracy (95 % CI {low}–{high} %) on {images}.",
        detail=why,
        badge=badge,
        level="bad" if badge else "plain",
        image=_confusion_and_worst(experiment, score, end.outputs[name]),
        figures=(
            Scalar(title="accuracy", value=score.accuracy, unit="%", interval=score.accuracy_ci),
            *_weakest(score),
            Scalar(title="calibration error (ECE)", value=score.ece, unit="%"),
            *_costs(end),
        ),
        next=(*_longer(end, run), audit)
        if badge
        else (audit, *(_longer(end, run) if _frozen(recipe) else _explained(named))),
        note=_labels(end),
    )


def _labels(end: Finished) -> str:
    """How many labels were used, where they are few."""
    few = end.summary.get("labels")
    if few is None:
        return ""
    use = "not used" if few["semi"] == "none" else f"trained on by {few['semi']}"
    return (
        f"Trained on {few['labeled']:,} labels; {few['unlabeled']:,} training images without are "
        f"{use}."
    )


def _explained(named: Named) -> tuple[Command, ...]:
    return (named.command("explain", "See the evidence for a prediction"),)


def _undertrained(end: Finished, score: Evaluation) -> tuple[str, str]:
    """A badge and a sentence where a training had too little time to say anything of the data."""
    epochs = end.summary["epochs"]
    if epochs < WHOLE:
        return "Undertrained", f"After {epochs:.2g} epochs, some images have not been used yet."
    counts = [row["n"] for row in score.per_class]
    majority = max(counts) / score.n
    if len(score.classes) > 1 and score.accuracy_ci[0] <= majority < 1:
        often = f"always predicting the most frequent class scores {flipped(majority)} %"
        return "No better than chance", f"{often[0].upper()}{often[1:]}."
    return "", ""


def _frozen(recipe: Recipe) -> bool:
    """Whether only the head was fitted."""
    return recipe.transfer is not None and recipe.transfer.freeze == "all"


def _longer(end: Finished, run: str) -> tuple[Command, ...]:
    """The same training, ten times as long."""
    train = end.experiment.recipe.train
    words = ["neocog", "train", "--recipe", path_word(f"{run}/recipe.toml")]
    if _frozen(end.experiment.recipe):
        unfrozen = ("--set", "transfer.freeze=none", "--epochs", "5")
        return (Command(text="Train its frozen layers too", words=(*words, *unfrozen)),)
    if train.budget:
        more = ("--budget", f"{max(600, 10 * train.budget):g}s")
    else:
        more = ("--epochs", f"{max(10, math.ceil(10 * end.summary['epochs']))}")
    return (Command(text="Train longer", words=(*words, *more)),)


def _weakest(score: Evaluation) -> tuple[Scalar, ...]:
    """The class with the lowest recall."""
    known = [row for row in score.per_class if row["recall"] is not None]
    if len(known) < 2:
        return ()
    worst = min(known, key=lambda row: row["recall"])
    name = printable(str(worst["class"]))
    name = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    note = f"weakest of {len(known)}, {worst['n']:,} image{'' if worst['n'] == 1 else 's'}"
    return (Scalar(title=f"recall of {name}", value=worst["recall"], unit="%", note=note),)


def _costs(end: Finished) -> tuple[Scalar, ...]:
    return (
        Scalar(title="training", value=end.summary["seconds"], unit="s"),
        Scalar(title="parameters", value=end.summary["params"]),
    )


def _confusion_and_worst(
    experiment: Experiment, score: Evaluation, outputs: SplitOutputs
) -> tuple[Exhibit, ...]:
    confusion = Map(
        title="confusion matrix",
        values=np.array(score.confusion),
        rows=[printable(c) for c in score.classes],
        columns=[printable(c) for c in score.classes],
        row_label="true class",
        column_label="predicted class",
        note="Counts of images.",
    )
    worst = _worst(experiment, outputs, WORST, "most confident mistakes")
    return (confusion, worst) if worst.images else (confusion,)


def _measured(name: str, outputs: SplitOutputs) -> str:
    """The split of a score."""
    if outputs.whole:
        held_out = "the test samples, which the training did not use"
        watched = "the validation samples, which also monitored the training"
        return f"Measured on {held_out if name == 'test' else watched}."
    return part(name, len(outputs.split), outputs.of)


def _overview(
    experiment: Experiment, summary: dict[str, Any], scores: dict[str, Evaluation]
) -> Section:
    recipe, machine = experiment.recipe, experiment.machine
    tiles: list[Exhibit] = []
    for name, score in reversed(scores.items()):
        tiles.append(
            Scalar(
                title=f"{name} accuracy",
                value=score.accuracy,
                unit="%",
                interval=score.accuracy_ci,
                note=f"{score.n:,} sample{'' if score.n == 1 else 's'}; Wilson 95 % CI",
            )
        )
    tiles += [
        Scalar(title="parameters", value=summary["params"]),
        Scalar(title="MACs", value=summary["macs"], note="per sample"),
        Scalar(title="training", value=summary["seconds"], unit="s", note="without evaluation"),
    ]
    if summary["images_per_second"]:  # None, or nothing, where no time was taken
        tiles.append(Scalar(title="speed", value=summary["images_per_second"], unit="samples/s"))
    usual = {o.name: o.default for o in schema(recipe.model.name)}
    chosen = {k: v for k, v in recipe.model.options.items() if v != usual.get(k)}
    options = ", ".join(f"{k} {v}" for k, v in chosen.items())
    text = (
        f"{recipe.model.name}{f' ({options})' if options else ''} on "
        f"{printable(recipe.data.path)}: {len(experiment.source.splits['train'])} training "
        f"samples of {len(experiment.source.classes)} classes, {summary['epochs']:g} "
        f"epoch{'' if summary['epochs'] == 1 else 's'}, seed "
        f"{recipe.train.seed}; {machine.device}, {machine.memory_format}, {machine.precision}."
    )
    return Section(title="The run", exhibits=tuple(tiles), text=text)


def training_curves(rows: list[dict[str, Any]], objective: str) -> Section:
    """Losses, accuracy and learning rate over the epochs.

    Args:
        rows: the lines of metrics.jsonl.
        objective: the loss that was minimized.
    """
    x = [r["epoch"] for r in rows]
    losses = {"training": [r["train_loss"] for r in rows]}
    exhibits: list[Exhibit] = []
    if "val_loss" in rows[0]:
        name = "validation" if objective == "cross_entropy" else "validation, cross-entropy"
        losses[name] = [r["val_loss"] for r in rows]
    note = (
        "Training loss: mean over the batches of the epoch, with augmentation and label smoothing"
    )
    note += "; validation: after the epoch, on unaugmented images." if len(losses) > 1 else "."
    exhibits.append(
        Curve(
            title="loss",
            x=x,
            lines=losses,
            x_label="epoch",
            y_label="loss",
            log_y=True,
            note=note,
        )
    )
    if "val_accuracy" in rows[0]:
        lines = {"validation": [r["val_accuracy"] for r in rows]}
        exhibits.append(Curve(title="accuracy", x=x, lines=lines, x_label="epoch", y_label="%"))
    rates = {"learning rate": [r["lr"] for r in rows]}
    exhibits.append(
        Curve(title="learning rate", x=x, lines=rates, x_label="epoch", y_label="learning rate")
    )
    return Section(title="Training curves", exhibits=tuple(exhibits))


def _mistakes(experiment: Experiment, outputs: SplitOutputs) -> Section:
    split = outputs.split
    wrong = int((outputs.logits.argmax(1).numpy() != split.y).sum())
    gallery = _worst(experiment, outputs, IMAGES, "most confident mistakes")
    verb = "is" if len(split) == 1 else "are"
    text = f"{wrong:,} of {len(split):,} {verb} predicted incorrectly."
    return Section(title="Errors", exhibits=(gallery,) if gallery.images else (), text=text)


def _worst(experiment: Experiment, outputs: SplitOutputs, most: int, title: str) -> Gallery:
    """Mistakes, the most confident first."""
    split = outputs.split
    p, predicted = outputs.logits.softmax(1).max(1)
    wrong = (predicted.numpy() != split.y).nonzero()[0]
    worst = wrong[np.argsort(-p.numpy()[wrong], kind="stable")][:most]
    classes = [printable(c) for c in experiment.source.classes]
    return Gallery(
        title=title,
        images=[as_displayed(split.x[i]) for i in worst],
        captions=[
            f"✗ {classes[predicted[i]]} {share(float(p[i]))}\nis {classes[split.y[i]]}"
            + (f"\n{printable(split.names[i])}" if most > WORST else "")
            for i in worst
        ],
        note="The prediction with its probability, and the true class.",
    )


def _inside(experiment: Experiment) -> Section:
    exhibits: list[Exhibit] = []
    gallery = first_filters(experiment.best)
    if gallery is not None:
        exhibits.append(gallery)
    rows: list[list[Cell]] = [
        [layer.name, layer.kind, " × ".join(str(n) for n in layer.output), layer.params, layer.macs]
        for layer in experiment.cost.layers
    ]
    exhibits.append(
        Table(
            title="layers",
            columns=("layer", "kind", "output", "parameters", "MACs"),
            rows=rows,
            note="For one sample.",
        )
    )
    return Section(title="The network", exhibits=tuple(exhibits))


def first_filters(module: nn.Module) -> Gallery | None:
    """The kernels of the first convolution, each scaled to its own max."""
    convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
    if not convolutions or convolutions[0].weight.shape[1] not in (1, 3):
        return None
    w = convolutions[0].weight.detach().float().cpu()[:FILTERS]
    largest = w.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    gray = ((w / largest + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return Gallery(
        title="first-layer filters",
        images=[as_displayed(k) for k in gray],
        captions=[f"{math.sqrt(float((k**2).sum())):.2f}" for k in w],
        note="Mid-gray is zero; below each, its norm.",
    )
