"""The first screen of a data report: the contents, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neocog.errors import printable
from neocog.exhibits import Bars, Exhibit, Scalar
from neocog.first_screen import Command, FirstScreen, Level, path_word

if TYPE_CHECKING:
    from neocog.data.quality import Sheet

__all__ = ["class_counts", "first_screen"]

CLASSES = 12
"""Classes whose counts a first screen draws."""


def first_screen(sheet: Sheet, source: str = "", image: tuple[Exhibit, ...] = ()) -> FirstScreen:
    """The first screen of a data report.

    Args:
        sheet: what was found.
        source: of the data, as the user named it; empty where unknown.
        image: images to be shown beside the counts of the classes.
    """
    n = sum(sheet.n.values())
    exact = sum(c.kind == "exact" for c in sheet.duplicates)
    near, conflicts = len(sheet.duplicates) - exact, len(sheet.conflicts)
    unreadable = sum(not f.is_folder for f in sheet.faults)
    across = sum(c.across for c in sheet.duplicates)
    across = across if sheet.classes or sheet.found_splits else 0  # nothing is split but by a fix
    badge, level = _badge(sheet, conflicts, across, unreadable)
    labels = f"{_n(len(sheet.classes), 'class', 'es')}: {_n(conflicts, 'label conflict')}, "
    return FirstScreen(
        headline=f"{_n(n, 'image')}, {labels if sheet.classes else 'no labels: '}"
        f"{_n(exact, 'exact duplicate')}, {_n(near, 'near-duplicate')}, "
        f"{_n(unreadable, 'unreadable file')}.",
        detail=_detail(sheet, across),
        badge=badge,
        level=level,
        image=(*image, *class_counts(sheet)),
        figures=_figures(sheet, n, across, unreadable),
        next=_next(sheet, source, level),
    )


def class_counts(sheet: Sheet) -> tuple[Bars, ...]:
    """Images of each class, the most frequent first; nothing where there is one class.

    Args:
        sheet: what was found.
    """
    totals = [sum(column) for column in zip(*sheet.counts.values(), strict=True)]
    if len(totals) < 2:
        return ()
    order = sorted(range(len(totals)), key=lambda i: -totals[i])
    kept = order if len(order) <= CLASSES else [*order[: CLASSES // 2], *order[-CLASSES // 2 :]]
    cut = len(order) - len(kept)
    return (
        Bars(
            title="images by class",
            names=[printable(sheet.classes[i]) for i in kept],
            series={"images": [float(totals[i]) for i in kept]},
            note=f"The most and the least frequent; {cut:,} classes between them." if cut else "",
        ),
    )


def _badge(sheet: Sheet, conflicts: int, across: int, unreadable: int) -> tuple[str, Level]:
    if conflicts:
        return "Label conflicts", "bad"
    if across:
        return "Leaks between splits", "bad"
    if unreadable or sheet.faults or sheet.warnings:
        return "Needs a look", "open"
    return ("Duplicates", "open") if sheet.duplicates else ("Clean", "good")


def _detail(sheet: Sheet, across: int) -> str:
    parts = []
    if across:
        verb = "lies" if across == 1 else "lie"
        parts.append(
            f"{_n(across, 'duplicate')} {verb} in several splits, which makes scores optimistic."
        )
    parts += sheet.warnings[:1]
    return " ".join(parts)


def _figures(sheet: Sheet, n: int, across: int, unreadable: int) -> tuple[Scalar, ...]:
    splits = ", ".join(f"{name} {count:,}" for name, count in sheet.n.items() if count)
    if not sheet.classes and not sheet.found_splits:
        splits = "splits without labels are used only by `neocog fix`"
    figures = [Scalar(title="images", value=n, note=splits)]
    if len(sheet.classes) > 1:
        note = "smallest class over largest"
        figures.append(Scalar(title="balance", value=sheet.balance, unit="%", note=note))
    note = f"{sheet.size[0]} × {sheet.size[1]} input size"
    note += f", {sheet.channels} channels" if sheet.channels not in (1, 3) else ""
    note += ", raw values as they are" if sheet.bits == 32 else ""
    if sheet.classes:
        figures.insert(1, Scalar(title="classes", value=len(sheet.classes), note=note))
    if sheet.classes or sheet.found_splits:
        figures.append(Scalar(title="duplicates across splits", value=across))
    figures.append(Scalar(title="unreadable files", value=unreadable))
    return tuple(figures)


def _next(sheet: Sheet, source: str, level: Level) -> tuple[Command, ...]:
    if not source:
        return ()
    commands = []
    if level != "good":
        text = "List every such file, to relabel, replace or delete it"
        commands.append(Command(text=text, words=("neocog", "data", path_word(source), "--json")))
    if not sheet.classes:
        words = ("neocog", "audit", "timm:resnet18", path_word(source))
        commands.append(Command(text="Audit a model on it, which needs no labels", words=words))
    if len(sheet.classes) > 1:
        text = "Train on it" if level == "good" else "Then train on it"
        commands.append(Command(text=text, words=("neocog", "train", path_word(source))))
    return tuple(commands)


def _n(count: int, what: str, plural: str = "s") -> str:
    return f"{count:,} {what}{'' if count == 1 else plural}"
