"""The data of an audit, as the model takes it: from a path, or from what a program holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from neocog.audits.config import AuditConfig
from neocog.audits.plan import MOST
from neocog.data.inputs import Inputs, as_samples, is_path
from neocog.data.open import open_data, parse_place
from neocog.data.samples import Samples
from neocog.errors import DataError, printable
from neocog.runs.data_of import split_name
from neocog.runs.matched import classes_of, match_split
from neocog.runs.normalized import LOOKED_AT, misfit
from neocog.runs.scoring import space_axes, truths_of
from neocog.runs.trained import TrainedModel

__all__ = ["AuditData", "needed", "of_model", "of_module"]

Path_ = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class AuditData:
    """What is audited.

    Args:
        samples: in the size of the model, their truths by its numbers, -1 where it knows none.
        larger: the same with a border, for crops; None where they have none.
        classes: names of the outputs.
        notes: sentences on what was taken.
        total: samples in all, of which more may have been drawn than are here.
    """

    samples: Samples
    larger: Samples | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    total: int


def needed(asked: AuditConfig) -> int | None:
    """Samples of a dataset that an audit looks at, at most; all for None."""
    return None if asked.every_sample else asked.n or MOST


def of_model(trained: TrainedModel, data: Any, asked: AuditConfig, *, strict: bool) -> AuditData:
    """At the size of an opened model.

    Args:
        trained: the model.
        data: a path, with a split or without, or what `neocog.data.inputs` takes.
        asked: how many samples are needed, and how far they are shifted.
        strict: stop at the first image that cannot be used.

    Raises:
        DataError: the data cannot be used.
    """
    spec = trained.spec
    if is_path(data) and spec.task == "classify":
        return _of_path(trained, data, asked, strict)
    notes, total = tuple(trained.card.get("notes", ())), None
    if is_path(data):
        samples = _without_truth(trained, data, strict)
    else:
        given = as_samples(data, spec.input, n=needed(asked), seed=asked.seed, larger=True)
        samples, total = given.samples, given.total
        notes += given.notes
        if spec.task == "classify" and samples.y is not None:
            y, _, said = truths_of(spec.classes, given, named=trained.named)
            samples, notes = replace(samples, y=y), (*notes, *said)
    odd = misfit(samples.take(slice(0, LOOKED_AT)), spec.input)
    notes = (*notes, *filter(None, (odd,)))
    return AuditData(
        samples=samples, classes=spec.classes, notes=notes, total=total or len(samples)
    )


def of_module(
    module: nn.Module,
    data: Any,
    asked: AuditConfig,
    *,
    task: str,
    drawn: Mapping[str, Any] | None = None,
) -> AuditData:
    """For a module of which nothing is known.

    Args:
        module: from values in [0, 1] to outputs.
        data: as for `of_model`.
        asked: how many samples are needed.
        task: what the module does.
        drawn: how the data is split, options of `neocog.open_data`.

    Raises:
        DataError: the data cannot be used.
    """
    if is_path(data):
        where, part = parse_place(data)
        source = open_data(where, **(drawn or {}))
        split, classes = source.split(source.scored(part)), source.classes
        notes: tuple[str, ...] = ()
        if task == "classify":
            split, classes, notes = match_split(module, split, classes, where)
        samples = Samples.of(split)
        return AuditData(samples=samples, classes=classes, notes=notes, total=len(samples))
    n, axes = needed(asked), space_axes(module)
    given = as_samples(data, axes=axes, n=n, seed=asked.seed)
    samples, classes, notes = given.samples, (), given.notes
    if task == "classify" and samples.y is not None:
        samples, classes, notes = _numbered(module, given)
    total = given.total or len(samples)
    return AuditData(samples=samples, classes=classes, notes=notes, total=total)


def _numbered(module: nn.Module, given: Inputs) -> tuple[Samples, tuple[str, ...], tuple[str, ...]]:
    """Samples with the numbers of a module's outputs; their names; what to say."""
    probe = given.samples.first(1, seed=0).take(slice(0, 1))
    own, named = classes_of(module, probe)
    if not own:
        return given.samples, (), given.notes
    y, classes, said = truths_of(own, given, named=named)
    return replace(given.samples, y=y), classes, (*given.notes, *said)


def _without_truth(trained: TrainedModel, path: Path_, strict: bool) -> Samples:
    """Images for a model whose predictions are no classes: what they show stays unknown."""
    where, name = parse_place(path)
    signal = trained.spec.input
    source = open_data(
        where,
        **trained.drawn,
        size=signal.size,
        channels=signal.channels,
        resize_mode=signal.resize_mode,
        strict=strict,
    )
    split = source.split(split_name(source, name, [trained]))
    return Samples(split, None, split.names)


def _of_path(trained: TrainedModel, path: Path_, asked: AuditConfig, strict: bool) -> AuditData:
    """The samples of a classifier, and the same with a border for crops, where they have one."""
    shown = trained.samples(path, strict=strict)
    samples, size = Samples.of(shown.split), trained.spec.input.size
    found = AuditData(samples=samples, classes=shown.classes, notes=shown.notes, total=len(samples))
    if "crop" not in asked.modes or shown.source.kind != "folder":
        return found
    max_shift = asked.max_shift or max(2, min(size) // 8)
    smallest = shown.source.sheet.size_range
    if smallest is None or min(smallest[0]) < min(size) + 2 * max_shift:
        return found
    where = f"{parse_place(path)[0]}:{shown.name}"
    wide = trained.samples(where, border=max_shift, strict=strict)
    if wide.split.names[:] != shown.split.names[:]:
        raise DataError(f"`{printable(path)}` changed while it was read. Start the audit again.")
    return replace(found, larger=Samples.of(wide.split))
