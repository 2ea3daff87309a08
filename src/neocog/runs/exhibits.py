"""What a run's report shows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from neocog.errors import printable
from neocog.exhibits import Cell, Curve, Exhibit, Gallery, Scalar, Section, Table, share
from neocog.networks.catalog import schema
from neocog.runs.events import Finished
from neocog.runs.experiment import Experiment
from neocog.runs.sampled import Sampled
from neocog.runs.words import part
from neocog.tasks.classify import Evaluation

__all__ = ["run_sections"]

IMAGES = 24
"""Mistakes shown."""

FILTERS = 64
"""First-layer filters shown."""


def run_sections(end: Finished, rows: list[dict[str, Any]]) -> list[Section]:
    """The report of a finished training.

    Args:
        end: the training's last event.
        rows: the lines of metrics.jsonl.
    """
    experiment, scores = end.experiment, end.scores
    sections = [_overview(experiment, end.summary, scores)]
    if rows:
        sections.append(_curves(rows, experiment.recipe.objective.loss))
    for name, score in scores.items():
        if name == "test" or "test" not in scores:
            section = score.exhibits(f"What it gets right: {name} samples")
            text = _measured(name, end.shown[name])
            sections.append(Section(title=section.title, exhibits=section.exhibits, text=text))
            sections.append(_mistakes(experiment, end.shown[name]))
    sections.append(_inside(experiment))
    sections.extend(experiment.source.sheet.exhibits())
    return sections


def _measured(name: str, shown: Sampled) -> str:
    """What a score is of."""
    if shown.whole:
        held_out = "the test samples, which this training has not seen"
        watched = "the validation samples, which this training was watched with"
        return f"Measured on {held_out if name == 'test' else watched}."
    return part(name, len(shown.split), shown.of)


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
                note=f"{score.n:,} sample{'' if score.n == 1 else 's'}; 95 % interval after Wilson",
            )
        )
    tiles += [
        Scalar(title="parameters", value=summary["params"]),
        Scalar(title="MACs", value=summary["macs"], note="multiply-accumulates of one sample"),
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
    return Section(title="At a glance", exhibits=tuple(tiles), text=text)


def _curves(rows: list[dict[str, Any]], objective: str) -> Section:
    x = [r["epoch"] for r in rows]
    losses = {"training": [r["train_loss"] for r in rows]}
    exhibits: list[Exhibit] = []
    if "val_loss" in rows[0]:
        name = "validation" if objective == "cross_entropy" else "validation, cross-entropy"
        losses[name] = [r["val_loss"] for r in rows]
    note = (
        "Training loss is the mean over the epoch's batches, augmentation and smoothing of the "
        "recipe included"
    )
    note += (
        "; validation is measured after the epoch on images as they are."
        if len(losses) > 1
        else "."
    )
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
    return Section(title="How it learned", exhibits=tuple(exhibits))


def _mistakes(experiment: Experiment, shown: Sampled) -> Section:
    split = shown.split
    p, answer = shown.logits.softmax(1).max(1)
    wrong = (answer.numpy() != split.y).nonzero()[0]
    worst = wrong[np.argsort(-p.numpy()[wrong], kind="stable")][:IMAGES]
    classes = [printable(c) for c in experiment.source.classes]
    gallery = Gallery(
        title="most confident mistakes",
        images=[_image(split.x[i]) for i in worst],
        captions=[
            f"{classes[answer[i]]} {share(float(p[i]))}, is {classes[split.y[i]]}\n"
            f"{printable(split.names[i])}"
            for i in worst
        ],
        note="The answer with its probability, the truth, where the image is from.",
    )
    verb = "is" if len(split) == 1 else "are"
    text = f"{len(wrong):,} of {len(split):,} {verb} predicted incorrectly."
    return Section(title="What it gets wrong", exhibits=(gallery,) if len(worst) else (), text=text)


def _image(x: np.ndarray) -> np.ndarray:
    if x.dtype == np.uint16:
        x = (x >> 8).astype(np.uint8)
    return x[:, :, 0] if x.shape[2] == 1 else x


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
            note="For one sample. MACs: MACs.",
        )
    )
    return Section(title="The network", exhibits=tuple(exhibits))


def first_filters(module: nn.Module) -> Gallery | None:
    """The kernels of the first convolution, each scaled to its own largest value."""
    convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
    if not convolutions or convolutions[0].weight.shape[1] not in (1, 3):
        return None
    w = convolutions[0].weight.detach().float().cpu()[:FILTERS]
    largest = w.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    gray = ((w / largest + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return Gallery(
        title="first-layer filters",
        images=[_image(k) for k in gray],
        captions=[f"{math.sqrt(float((k**2).sum())):.2f}" for k in w],
        note="Mid-gray is zero; below each, its norm.",
    )
