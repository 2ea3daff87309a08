"""What the report of a pretraining shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neocog.data.open import parse_source
from neocog.errors import printable
from neocog.exhibits import Cell, Curve, Exhibit, Scalar, Section, Table, flipped
from neocog.first_screen import Command, FirstScreen, path_word
from neocog.runs.events import Finished
from neocog.runs.exhibits import first_filters
from neocog.tasks.pretext.table import METHODS

__all__ = ["pretrain_first_screen", "pretrain_sections"]

LABELS = 10
"""Labels per class of the command that comes next."""


def pretrain_first_screen(end: Finished, rows: list[dict[str, Any]], run: str) -> FirstScreen:
    """The first screen of a pretraining: does it learn, and what to do next.

    Args:
        end: the last event.
        rows: the lines of metrics.jsonl.
        run: its folder, as the user named it.
    """
    summary, recipe = end.summary, end.experiment.recipe
    name = printable(Path(parse_source(recipe.data.path)[0]).name or recipe.data.path)
    knn, collapsed = summary["knn_accuracy"], summary["collapsed"]
    verdict = f"{summary['verdict'][:1].upper()}{summary['verdict'][1:]}."
    if knn is None or collapsed:
        headline = f"{name}, {summary['method']}: {summary['verdict']}."
        verdict = ""
    else:
        ci = summary.get("knn_accuracy_ci")
        reach = f" (95 % CI {flipped(ci[0])}–{flipped(ci[1])} %)" if ci else ""
        headline = (
            f"{name}: {flipped(knn)} % nearest-neighbor accuracy{reach} after {summary['method']} "
            "without labels."
        )
    figures = [
        Scalar(title="embedding std", value=summary["embedding_std"], note="1 is an even spread"),
        Scalar(title="effective rank", value=summary["embedding_rank"], note="directions in use"),
        Scalar(title="training", value=summary["seconds"], unit="s"),
    ]
    if knn is not None:
        ci = summary.get("knn_accuracy_ci")
        pair = (ci[0], ci[1]) if ci else None
        first = Scalar(title="nearest neighbors", value=knn, unit="%", interval=pair)
        figures.insert(0, first)
        if (validated := summary.get("knn_validation")) is not None:
            note = f"{flipped(summary['knn_validation_random'])} % with random weights"
            figures.insert(
                1, Scalar(title="on validation images", value=validated, unit="%", note=note)
            )
    return FirstScreen(
        headline=headline,
        detail=verdict,
        badge="Collapsed" if collapsed else "",
        level="bad" if collapsed else "plain",
        image=_curves(rows)[:2],
        figures=tuple(figures),
        next=_next(end, run),
        note=_measured(summary),
    )


def _next(end: Finished, run: str) -> tuple[Command, ...]:
    recipe, summary = end.experiment.recipe, end.summary
    data = path_word(recipe.data.path)
    labels = ("--labels", str(LABELS)) if summary["knn_accuracy"] is not None else ()
    tune = Command(
        text="Fine-tune with few labels" if labels else "Fine-tune on labeled images",
        words=("neocog", "train", data if labels else "LABELED", "--init", path_word(run), *labels),
    )
    other = next(m for m in METHODS if m != summary["method"])
    again = Command(
        text="Try another method", words=("neocog", "pretrain", data, "--method", other)
    )
    return (again,) if summary["collapsed"] else (tune,)


def _measured(summary: dict[str, Any]) -> str:
    if summary["knn_accuracy"] is None:
        return (
            "The images have no labels, so only spread and rank of the embeddings can be measured."
        )
    if "knn_images" not in summary:
        return "Labels were used only for this figure; no image is held out."
    return (
        f"Labels were used only for this figure: {summary['knn_images']:,} {summary['knn_split']} "
        f"images, {summary['knn_k']} neighbors among {summary['knn_among']:,} training images, "
        "after the last epoch."
    )


def pretrain_sections(end: Finished, rows: list[dict[str, Any]]) -> list[Section]:
    """Everything.

    Args:
        end: the last event.
        rows: the lines of metrics.jsonl.
    """
    experiment, summary = end.experiment, end.summary
    cells: list[list[Cell]] = [
        ["method", f"{summary['method']}: {METHODS[summary['method']].about}"],
        ["model", experiment.recipe.model.name],
        ["parameters", summary["params"]],
        ["epochs", summary["epochs"]],
        ["batch size", experiment.recipe.train.batch_size],
        ["loss", summary["train"]["loss"]],
        ["verdict", summary["verdict"]],
    ]
    table = Table(title="pretraining", columns=("", "value"), rows=cells)
    filters = first_filters(experiment.model)
    return [
        Section(title="Pretraining", exhibits=(table,), text=_measured(summary)),
        Section(title="Training curves", exhibits=_curves(rows)),
        Section(title="The network", exhibits=(filters,) if filters is not None else ()),
        *experiment.source.sheet.exhibits(),
    ]


def _curves(rows: list[dict[str, Any]]) -> tuple[Exhibit, ...]:
    x = [row["epoch"] for row in rows]
    curves = [
        Curve(
            title="loss",
            x=x,
            lines={"training": [row["train_loss"] for row in rows]},
            x_label="epoch",
            y_label="loss",
            note="Of the method; at epoch 0 with random weights.",
        )
    ]
    if "knn_accuracy" in rows[0]:
        knn = {"nearest neighbors": [row["knn_accuracy"] for row in rows]}
        curves.append(
            Curve(
                title="nearest-neighbor accuracy",
                x=x,
                lines=knn,
                x_label="epoch",
                y_label="%",
                note="On validation images; labels are used only for this figure.",
            )
        )
    for key, title, label in (
        ("embedding_std", "spread of embeddings", "relative std"),
        ("embedding_rank", "rank of embeddings", "effective rank"),
    ):
        lines = {label: [row[key] for row in rows]}
        curves.append(Curve(title=title, x=x, lines=lines, x_label="epoch", y_label=label))
    return tuple(curves)
