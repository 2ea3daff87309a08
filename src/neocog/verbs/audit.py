"""Does the answer change when the image moves, and why?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from neocog.audits.clock import Progress
from neocog.audits.compare import Compared, compare
from neocog.audits.config import AuditConfig
from neocog.audits.require import parse_bound
from neocog.audits.result import Audit
from neocog.audits.suite import audit_model
from neocog.audits.table import MEASURES
from neocog.audits.timing import a_batch, milliseconds
from neocog.data.inputs import as_samples, is_path, resolved
from neocog.data.open import ALL, parse_place
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.errors import printable
from neocog.first_screen import Named
from neocog.runs.believed import as_function, as_logits
from neocog.runs.data_of import split_name
from neocog.runs.held_out import Common, held_out_by_both
from neocog.runs.opened import open_model
from neocog.runs.trained import TrainedModel
from neocog.store.sound import check_network
from neocog.targets import target_file
from neocog.verbs.audit_data import AuditData, needed, of_model, of_module
from neocog.verbs.audited import AuditResult
from neocog.verbs.rehearse import rehearsal

__all__ = ["AuditResult", "audit"]

Place = str | os.PathLike[str]
Model = Place | TrainedModel | nn.Module
Data = Any


def audit(
    model: Model,
    data: Data,
    asked: AuditConfig | None = None,
    *,
    baseline: Model | None = None,
    require: Sequence[str] = (),
    report: Place | None = None,
    task: str = "classify",
    precision: str = "float32",
    strict: bool = False,
    allow_random: bool = False,
    tell: Callable[[Progress], None] = lambda progress: None,
    began: float | None = None,
    command: Sequence[str] = (),
) -> AuditResult:
    """Whether a model's predictions flip when images move, and which layers are the cause.

    Without options the answer comes in about a minute: circular and cropped shifts with their
    intervals, layers by cause, and maps of shifts where they fit; on as many samples as the
    model's pace allows. What was left out is said, with the option that gives it.

    Args:
        model: a run folder or another place of a model, what `neocog.open_model` gives, or any
            `nn.Module` from values in [0, 1].
        data: a place of data: `DATA:val` picks a split, `DATA:all` everything; if left out, the
            test split where there is one, or was when the model was trained on this data, else
            everything. Labels are not needed, nor need their classes be the model's. Or what a
            program has, see `neocog.data.inputs`: tensors, arrays, images, paths, a `Dataset`, a
            `DataLoader`, each with labels or without.
        asked: what is measured, see `AuditConfig`; `AuditConfig(full=True)` for everything.
        baseline: another model, compared on the same samples and shifts.
        require: bounds such as `shift.circular.consistency>=0.99`.
        report: an HTML file to write.
        task: what an `nn.Module` answers: classify, segment or regress.
        precision: "float32" or "float64".
        strict: stop at the first image that cannot be used.
        allow_random: take a model whose predictions are not a function of the image alone.
        tell: called with how far it has come.
        began: when the time began to run, by `time.monotonic`; now if left out.
        command: model, data and options of the model as they are named on the command line, for
            the commands that are recommended; made of `model` and `data` if left out.

    Returns:
        What was found; the model is as it was.

    Raises:
        NeocogError: the model, the data or what is asked for cannot be used.

    Example:
        >>> import neocog
        >>> net = neocog.build("convnet", classes=10, channels=1, size=(28, 28))
        >>> found = neocog.audit(net, "digits", neocog.AuditConfig(n=20, layers=False))
        >>> 0 <= found.audit.shift["circular"].consistency <= 1
        True
    """
    asked, began = asked or AuditConfig(), time.monotonic() if began is None else began
    if report is not None:
        target_file(report, option="report")
    bounds = [parse_bound(text) for text in require]  # before anything is measured
    data = resolved(data)
    model = _opened(model, allow_random)
    baseline = None if baseline is None else _opened(baseline, allow_random)
    if bounds:
        sample = _rehearsed(model, asked, task, baseline is not None)
        for bound in bounds:
            bound.check(sample)
        asked = asked.widened([bound.key for bound in bounds], [m.name for m in MEASURES])
    models = 1 if baseline is None else 2
    how = _How(asked, task, precision, strict, allow_random, tell, began=began, models=models)
    if baseline is not None:
        if isinstance(data, Iterator):  # which can be gone through once, and two models look
            signal = model.spec.input if isinstance(model, TrainedModel) else None
            data = as_samples(data, signal, n=needed(asked), seed=asked.seed).samples
        how = _shared(model, baseline, data, how)
    found = _audited(model, data, how)
    other, ms = None, None
    if baseline is not None:
        inside = any(bound.key[0] == "baseline" for bound in bounds)
        other = _audited(baseline, data, replace(how, asked=_alike(how.asked, found, inside)))
        ms = _milliseconds(baseline, model, other, found)
    if isinstance(model, nn.Module):
        what = type(model).__name__
    else:
        what = printable(model.place)
    where = f" on {printable(data)}" if isinstance(data, (str, os.PathLike)) else ""
    done = AuditResult(
        audit=found,
        other=other,
        compared=() if other is None else _compared(found, other, asked.seed),
        bounds=(),
        title=f"Audit: {what}{where}",
        ms=ms,
        named=_named_by(command) or _named(model, data),
    )
    if bounds:
        plain = done.to_json()
        done = replace(done, bounds=tuple((b, *b.kept(plain)) for b in bounds))
    if report is not None:
        done.save_html(report)
    return done


def _alike(asked: AuditConfig, found: Audit, inside: bool) -> AuditConfig:
    """What is measured of the other model: what can be compared, and what was named."""
    fixed = replace(asked, n=found.n, every_sample=False, batch=found.protocol["batch"])
    if asked.full:
        return fixed
    return replace(
        fixed,
        shift=tuple(found.shift),
        maps=tuple(m for m in asked.maps or () if m in found.shift),
        layers=bool(asked.layers or (inside and asked.layers is not False)),
    )


def _named_by(command: Sequence[str]) -> Named | None:
    """Model, data and options as the command line named them."""
    if len(command) < 2:
        return None
    return Named(model=command[0], data=command[1], options=tuple(command[2:]))


def _named(model: TrainedModel | nn.Module, data: Data) -> Named | None:
    """How a command names them; None where one is an object in Python."""
    if isinstance(model, nn.Module) or not isinstance(data, (str, os.PathLike)):
        return None
    return model.named_as(os.fspath(data))


def _rehearsed(
    model: TrainedModel | nn.Module, asked: AuditConfig, task: str, baseline: bool
) -> Mapping[str, Any]:
    """What the result will look like, by an audit of a stand-in."""
    black_box = False
    if isinstance(model, TrainedModel):
        task, black_box = model.spec.task, model.black_box
    found = rehearsal(asked, task=task, black_box=black_box)
    return AuditResult(
        audit=found,
        other=found if baseline else None,
        compared=_compared(found, found, 0) if baseline else (),
        bounds=(),
        title="",
        ms=(1.0, 1.0) if baseline else None,
    ).to_json()


def _compared(first: Audit, second: Audit, seed: int) -> tuple[Compared, ...]:
    both = [m for m in first.shift if m in second.shift and first.shift[m].unit]
    return tuple(compare(second.shift[m], first.shift[m], seed=seed) for m in both)


def _opened(model: Model, allow_random: bool) -> TrainedModel | nn.Module:
    if isinstance(model, (str, os.PathLike)):
        return open_model(model, allow_random=allow_random)
    return model


def _milliseconds(
    one: TrainedModel | nn.Module, two: TrainedModel | nn.Module, first: Audit, second: Audit
) -> tuple[float, float]:
    """Of a sample, both in turns; as each audit found it where the size of a sample is unknown."""
    if not (isinstance(one, TrainedModel) and isinstance(two, TrainedModel)):
        return first.seconds_per_image * 1e3, second.seconds_per_image * 1e3
    shown = []
    for signal in (one.spec.input, two.spec.input):
        shape = (signal.channels, *signal.size)
        shown.append(a_batch(shape))
    ms = milliseconds([one.module, two.module], shown)
    return ms[0], ms[1]


_ALL = Common(None, ())


@dataclass(frozen=True)
class _How:
    """What was asked for, of one model and the other alike."""

    asked: AuditConfig
    task: str
    precision: str
    strict: bool
    allow_random: bool
    tell: Callable[[Progress], None]
    drawn: Mapping[str, Any] | None = None
    """How the data of both is split; as each model's was where nothing is compared."""
    common: Common = _ALL
    """The samples that both models hold out."""
    part: str | None = None
    """The split that both are measured on."""
    began: float | None = None
    """When the time began to run."""
    models: int = 1
    """That share it."""

    def named(self, data: Data) -> Data:
        """Data with the split that both are measured on."""
        one = self.part is None or not is_path(data)
        return data if one else f"{parse_place(data)[0]}:{self.part}"


def _shared(
    model: TrainedModel | nn.Module, baseline: TrainedModel | nn.Module, data: Data, how: _How
) -> _How:
    """One split for both, and of it the samples that neither was trained on.

    Raises:
        UsageError: there are none.
    """
    models = [m for m in (model, baseline) if isinstance(m, TrainedModel)]
    drawn = next((m.drawn for m in models if "data" in m.card), None)
    how = replace(how, drawn=drawn)
    sizes = [m.spec.input.size for m in models]
    if len(set(sizes)) > 1 and how.asked.max_shift is None:
        max_shift = min(max(2, min(size) // 8) for size in sizes)
        how = replace(how, asked=replace(how.asked, max_shift=max_shift))
    if isinstance(data, Split):
        return replace(how, common=held_out_by_both(data, "", models))
    seeded = [m for m in models if m.spec.task == "classify"]
    if not is_path(data) or not seeded:
        return how
    shown = _drawn(seeded[0], how).samples(data, strict=how.strict)
    given = parse_place(data)[1]
    name = split_name(shown.source, given, models)
    called = given or ("test" if name == ALL else name)
    common = held_out_by_both(shown.source.split(name), called, models)
    return replace(how, common=common, part=name)


def _drawn(trained: TrainedModel, how: _How) -> TrainedModel:
    """The model, its data split as it was asked for."""
    if how.drawn is None:
        return trained
    card = {**trained.card, "data": {**trained.card.get("data", {}), **how.drawn}}
    return replace(trained, card=card)


def _only(samples: Samples | None, how: _How) -> Samples | None:
    """Those that both models hold out."""
    if samples is None or not isinstance(samples.x, Split):
        return samples
    rows = how.common.rows(samples.x)
    return samples if rows is None else replace(samples, order=rows)


def _audited(trained: TrainedModel | nn.Module, data: Data, how: _How) -> Audit:
    if isinstance(trained, nn.Module):
        return _of_module(trained, data, how)
    given = of_model(_drawn(trained, how), how.named(data), how.asked, strict=how.strict)
    samples, larger = _only(given.samples, how) or given.samples, _only(given.larger, how)
    found = audit_model(
        trained.module,
        samples,
        how.asked,
        task=trained.spec.task,
        classes=given.classes,
        size=trained.spec.input.size,
        larger=larger,
        precision=how.precision,
        black_box=trained.black_box,
        tell=how.tell,
        began=how.began,
        models=how.models,
    )
    drawn = _drawn_of(found, given, samples)
    said = (*found.notes, *how.common.notes, *given.notes, *drawn, *trained.doubts)
    return replace(found, notes=tuple(dict.fromkeys(said)))


def _of_module(module: nn.Module, data: Data, how: _How) -> Audit:
    name = type(module).__name__
    check_network(module, name)
    given = of_module(module, how.named(data), how.asked, task=how.task, drawn=how.drawn)
    samples = _only(given.samples, how) or given.samples
    shape = (samples.channels, *samples.size)
    module, said = as_logits(module, shape, how.task)
    chance = as_function(module, name, shape, allow_random=how.allow_random)
    found = audit_model(
        module,
        samples,
        how.asked,
        task=how.task,
        classes=given.classes,
        precision=how.precision,
        tell=how.tell,
        began=how.began,
        models=how.models,
    )
    drawn = _drawn_of(found, given, samples)
    said = (*how.common.notes, *given.notes, *drawn, *said)
    return replace(found, notes=(*found.notes, *said, *chance))


def _drawn_of(found: Audit, given: AuditData, samples: Samples) -> list[str]:
    """What to say where not all samples were audited."""
    n = given.total if len(samples) == len(given.samples) else len(samples)
    if found.n >= n:
        return []
    were = "was" if found.n == 1 else "were"
    of = f"Of these {n:,} samples {found.n:,} {were} audited"
    return [f"{of}, drawn at random (seed {found.seed})."]
