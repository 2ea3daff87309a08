"""The data of an audit, as the model takes it: from a path, or from what a program holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from neocog.audits.config import AuditConfig
from neocog.audits.plan import MOST
from neocog.data.inputs import as_samples, is_path
from neocog.data.open import parse_source
from neocog.data.samples import Samples
from neocog.errors import DataError, printable
from neocog.models.data_of import Among, source_of, split_name
from neocog.models.model import Model
from neocog.models.normalized import LOOKED_AT, misfit
from neocog.models.scoring import truths_of

__all__ = ["AuditData", "needed", "of_model"]

StrPath = str | os.PathLike[str]
Reading = Callable[[int, int], None] | None


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


def needed(config: AuditConfig) -> int | None:
    """Samples of a dataset that an audit looks at, at most; all for None."""
    return None if config.every_sample else config.n or MOST


def of_model(
    trained: Model,
    data: Any,
    config: AuditConfig,
    *,
    strict: bool,
    among: Among | None = None,
    progress: Reading = None,
) -> AuditData:
    """At the size of an opened model.

    Args:
        trained: the model.
        data: a path, with a split or without, or what `neocog.data.inputs` takes.
        config: how many samples are needed, and how far they are shifted.
        strict: stop at the first image that cannot be used.
        among: which positions of a split they are chosen from; all if left out.
        progress: called with (steps done, steps in all) as files are read and decoded.

    Raises:
        DataError: the data cannot be used.
    """
    spec = trained.spec
    if is_path(data) and spec.task == "classify":
        return _of_path(trained, data, config, strict, among, progress)
    notes, total = tuple(trained.card.get("notes", ())), None
    if is_path(data):
        samples = _without_truth(trained, data, strict, progress)
    else:
        given = as_samples(data, spec.input, n=needed(config), seed=config.seed, larger=True)
        samples, total = given.samples, given.total
        notes += given.notes
        if spec.task == "classify" and samples.y is not None:
            y, _, more = truths_of(spec.classes, given, named=trained.named)
            samples, notes = replace(samples, y=y), (*notes, *more)
    odd = misfit(samples.take(slice(0, LOOKED_AT)), spec.input)
    notes = (*notes, *filter(None, (odd,)))
    return AuditData(
        samples=samples, classes=spec.classes, notes=notes, total=total or len(samples)
    )


def _without_truth(trained: Model, path: StrPath, strict: bool, progress: Reading) -> Samples:
    """Images for a model whose predictions are not classes: what they show stays unknown."""
    where, name = parse_source(path)
    source = source_of(trained, where, strict=strict, progress=progress)
    split = source.split(split_name(source, name, [trained]))
    return Samples(split, None, split.names)


def _of_path(
    trained: Model,
    path: StrPath,
    config: AuditConfig,
    strict: bool,
    among: Among | None,
    progress: Reading,
) -> AuditData:
    """The samples of a classifier, and the same with a border for crops, where they have one."""
    n = needed(config)
    if n is not None:
        n = max(n, config.layer_samples or 0, config.map_samples or 0)
    samples_of = partial(
        trained.samples, strict=strict, n=n, seed=config.seed, among=among, progress=progress
    )
    opened = samples_of(path)
    samples, size = Samples.of(opened.split), trained.spec.input.size
    result = AuditData(
        samples=samples, classes=opened.classes, notes=opened.notes, total=len(samples)
    )
    if "crop" not in config.modes or opened.source.kind != "folder":
        return result
    max_shift = config.max_shift or max(2, min(size) // 8)
    smallest = opened.source.sheet.size_range
    if smallest is None or min(smallest[0]) < min(size) + 2 * max_shift:
        return result
    where = f"{parse_source(path)[0]}:{opened.name}"
    wide = samples_of(where, border=max_shift)
    if wide.split.names[:] != opened.split.names[:]:
        raise DataError(f"`{printable(path)}` changed while being read. Start the audit again.")
    return replace(result, larger=Samples.of(wide.split))
