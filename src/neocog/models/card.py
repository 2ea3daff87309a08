"""An opened model in a notebook: its scores, its input, its classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neocog.errors import printable
from neocog.exhibits import Cell, Scalar, Section, Table, flipped
from neocog.first_screen import FirstScreen

if TYPE_CHECKING:
    from neocog.models.model import Model

__all__ = ["first_screen_of", "spec_section"]

NAMED = 12
"""Classes that are named."""


def first_screen_of(trained: Model) -> FirstScreen:
    """Of an opened model.

    Args:
        trained: the model.
    """
    spec, card = trained.spec, trained.card
    measured = card.get("metrics")
    measured = measured if isinstance(measured, Mapping) else {}
    split = next((s for s in ("test", "val") if isinstance(measured.get(s), Mapping)), None)
    score: Mapping[str, Any] = measured[split] if split else {}
    size = "×".join(map(str, spec.input.shape))
    kind = "series" if spec.input.axes == 1 else "images"
    does = {"classify": "Classifies", "segment": "Segments", "regress": "Regresses from"}
    what = f"{does.get(spec.task, spec.task)} {size} {kind}"
    many = len(spec.classes)
    summary = f"{what} into {many:,} classes." if spec.task != "regress" else f"{what}."
    figures = []
    accuracy, interval = score.get("accuracy"), score.get("accuracy_ci")
    if isinstance(accuracy, float):
        summary = f"{flipped(accuracy)} % top-1 accuracy on {split}. {summary}"
        known = isinstance(interval, (list, tuple)) and len(interval) == 2
        pair = (float(interval[0]), float(interval[1])) if known and interval else None
        figures.append(Scalar(title="accuracy", value=accuracy, unit="%", interval=pair))
    params = sum(p.numel() for p in trained.module.parameters())
    figures.append(Scalar(title="parameters", value=params))
    if isinstance(measured.get("macs"), int):
        figures.append(Scalar(title="MACs", value=measured["macs"]))
    named = trained.named_as(str(card.get("data", {}).get("path", "")))
    audit = named is not None and bool(named.data)
    return FirstScreen(
        headline=summary,
        image=() if trained.history is None else trained.history(),
        figures=tuple(figures),
        next=(named.command("audit", "Audit its shift consistency"),)
        if named is not None and audit
        else (),
    )


def spec_section(trained: Model) -> Section:
    """What an opened model promises.

    Args:
        trained: the model.
    """
    spec = trained.spec
    signal = spec.input
    names = ", ".join(printable(c) for c in spec.classes[:NAMED])
    more = f", and {len(spec.classes) - NAMED} more" if len(spec.classes) > NAMED else ""
    rows: list[list[Cell]] = [
        ["task", spec.task],
        ["input", "×".join(map(str, (signal.channels, *signal.size)))],
        ["mean", ", ".join(f"{v:.4g}" for v in signal.mean)],
        ["std", ", ".join(f"{v:.4g}" for v in signal.std)],
        ["resize mode", signal.resize_mode],
        ["classes", f"{names}{more}"],
    ]
    table = Table(title="spec", columns=("", "value"), rows=rows)
    return Section(title="Model spec", exhibits=(table,), text=" ".join(trained.doubts))
