"""Does the answer change when the picture moves, and why?"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from neocog.audits.compare import Compared, compare
from neocog.audits.require import Bound, parse_bound
from neocog.audits.sections import comparison, sections, summary
from neocog.audits.suite import Asked, Audit, audit_model
from neocog.data.open import open_data, parse_place
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.errors import DataError, printable
from neocog.exhibits import Section, Table
from neocog.runs.opened import open_model
from neocog.runs.trained import Trained

__all__ = ["Audited", "audit"]

Place = str | os.PathLike[str]
Model = Place | Trained | nn.Module
Data = Place | Split | Samples | Tensor | tuple[Tensor, object]


@dataclass(frozen=True, kw_only=True)
class Audited:
    """An audit, with what it was compared with and the bounds that were set.

    Args:
        audit: of the model.
        other: of the model that it was compared with.
        compared: one a way of shifting; first is the other model, second this one, so a
            difference is what this one gains.
        bounds: each with its figure and whether it is kept.
        title: what was audited.
    """

    audit: Audit
    other: Audit | None
    compared: tuple[Compared, ...]
    bounds: tuple[tuple[Bound, float, bool], ...]
    title: str

    @property
    def kept(self) -> bool:
        """Whether every bound is kept."""
        return all(kept for _, _, kept in self.bounds)

    def to_json(self) -> dict[str, Any]:
        """The audit with the names of the contract, and what goes beyond it."""
        plain = self.audit.to_json()
        if self.other is not None:
            plain["against"] = self.other.to_json()
            plain["compared"] = [c.to_json() for c in self.compared]
        if self.bounds:
            plain["required"] = [
                {"bound": str(b), "value": value, "kept": kept} for b, value, kept in self.bounds
            ]
        return plain

    def summary(self) -> list[Section]:
        """For the terminal."""
        found = [summary(self.audit)]
        if self.other is not None:
            found.append(comparison(self.compared, "the other", "this model"))
        return found + self._bounds()

    def sections(self) -> list[Section]:
        """For the report."""
        found = sections(self.audit)
        if self.other is not None:
            found.insert(1, comparison(self.compared, "the other", "this model"))
        return found[:1] + self._bounds() + found[1:]

    def _bounds(self) -> list[Section]:
        if not self.bounds:
            return []
        table = Table(
            title="bounds",
            columns=("required", "measured", ""),
            rows=[[str(b), value, "kept" if kept else "MISSED"] for b, value, kept in self.bounds],
        )
        return [Section(title="What was required", exhibits=(table,))]


def audit(
    model: Model,
    data: Data,
    asked: Asked | None = None,
    *,
    against: Model | None = None,
    require: Sequence[str] = (),
    report: Place | None = None,
    task: str = "classify",
    precision: str = "float32",
    strict: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Audited:
    """Measure a model: shifts, turns, scale, deformation, every layer, geometry and cost.

    Args:
        model: a run folder or another place of a model, what `neocog.open_model` gives, or any
            `nn.Module` from values in [0, 1].
        data: a place of data (`DATA:val` picks a split, the test split else), a split, or tensors
            (x, y) with y None where nobody knows the truth.
        asked: what is measured, see `Asked`; everything if left out.
        against: another model, compared on the same samples and shifts.
        require: bounds such as `shift.circular.consistency>=0.99`.
        report: an HTML file to write.
        task: what an `nn.Module` answers: classify, segment or regress.
        precision: "float32" or "float64".
        strict: stop at the first picture that cannot be used.
        tell: called with what is measured next.

    Returns:
        What was found; the model is as it was.

    Raises:
        NeocogError: the model, the data or what is asked for cannot be used.

    Example:
        >>> import neocog
        >>> net = neocog.build("convnet", classes=10, channels=1, size=(28, 28))
        >>> found = neocog.audit(net, "digits", neocog.Asked(n=20, layers=False))
        >>> 0 <= found.audit.shift["circular"].consistency <= 1
        True
    """
    asked = asked or Asked()
    bounds = [parse_bound(text) for text in require]  # before anything is measured
    found = _audited(model, data, asked, task, precision, strict, tell)
    other = None
    if against is not None:
        if tell is not None:
            tell("the other model")
        other = _audited(against, data, asked, task, precision, strict, tell)
    plain: dict[str, Any] = {}
    if bounds:
        plain = found.to_json()
    if isinstance(model, nn.Module):
        what = type(model).__name__
    else:
        what = printable(model.place if isinstance(model, Trained) else model)
    where = f" on {printable(data)}" if isinstance(data, (str, os.PathLike)) else ""
    done = Audited(
        audit=found,
        other=other,
        compared=() if other is None else _compared(found, other, asked.seed),
        bounds=tuple((b, *b.kept(plain)) for b in bounds),
        title=f"Audit: {what}{where}",
    )
    if report is not None:
        from neocog.report.page import page, write

        write(report, page(done.title, done.sections(), subtitle="Does the answer move?"))
    return done


def _compared(first: Audit, second: Audit, seed: int) -> tuple[Compared, ...]:
    both = [m for m in first.shift if m in second.shift and first.shift[m].unit]
    return tuple(compare(second.shift[m], first.shift[m], seed=seed) for m in both)


def _audited(
    model: Model,
    data: Data,
    asked: Asked,
    task: str,
    precision: str,
    strict: bool,
    tell: Callable[[str], None] | None,
) -> Audit:
    trained = open_model(model) if isinstance(model, (str, os.PathLike)) else model
    if isinstance(trained, nn.Module):
        return _of_module(trained, data, asked, task, precision, tell)
    samples, larger, classes, notes = _samples(trained, data, asked, strict)
    found = audit_model(
        trained.module,
        samples,
        asked,
        task=trained.contract.task,
        classes=classes,
        size=trained.contract.signal.size,
        larger=larger,
        precision=precision,
        black_box=trained.black_box,
        tell=tell,
    )
    return replace(found, notes=(*found.notes, *notes))


def _of_module(
    module: nn.Module,
    data: Data,
    asked: Asked,
    task: str,
    precision: str,
    tell: Callable[[str], None] | None,
) -> Audit:
    classes: tuple[str, ...] = ()
    if isinstance(data, (str, os.PathLike)):
        where, name = parse_place(data)
        source = open_data(where)
        data, classes = source.split(source.scored(name)), source.classes
    return audit_model(
        module,
        Samples.of(data),
        asked,
        task=task,
        classes=classes,
        precision=precision,
        tell=tell,
    )


def _without_truth(trained: Trained, place: Place, strict: bool) -> Samples:
    """Pictures for a model whose answers are no classes: what they show stays unknown."""
    where, name = parse_place(place)
    signal = trained.contract.signal
    source = open_data(
        where,
        **trained.drawn,
        size=signal.size,
        channels=signal.channels,
        resize_mode=signal.resize_mode,
        strict=strict,
    )
    split = source.split(source.scored(name))
    return Samples(split, None, split.names)


def _samples(
    trained: Trained, data: Data, asked: Asked, strict: bool
) -> tuple[Samples, Samples | None, tuple[str, ...], tuple[str, ...]]:
    """At the model's size; for crops with a border, where the pictures have one; classes, notes."""
    classes = trained.contract.classes
    if not isinstance(data, (str, os.PathLike)):
        return Samples.of(data), None, classes, ()
    if trained.contract.task != "classify":
        return _without_truth(trained, data, strict), None, classes, ()
    shown = trained.samples(data, strict=strict)
    samples, size = Samples.of(shown.split), trained.contract.signal.size
    narrow = samples, None, shown.classes, shown.notes
    if "crop" not in asked.shift or shown.source.kind != "folder":
        return narrow
    radius = asked.radius or max(2, min(size) // 8)
    smallest = shown.source.sheet.size_range
    if smallest is None or min(smallest[0]) < min(size) + 2 * radius:
        return narrow
    wide = trained.samples(data, border=radius, strict=strict)
    if wide.split.names[:] != shown.split.names[:]:
        raise DataError(f"`{printable(data)}` changed while it was read. Start the audit again.")
    return samples, Samples.of(wide.split), shown.classes, shown.notes
