"""Do predictions flip when the image shifts, and why?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from neocog.audits.clock import counted
from neocog.audits.compare import Compared, compare
from neocog.audits.config import AuditConfig
from neocog.audits.first_screen import next_step
from neocog.audits.require import parse_bound
from neocog.audits.result import Audit
from neocog.audits.suite import audit_model
from neocog.audits.table import MEASURES
from neocog.audits.timing import a_batch, milliseconds
from neocog.data.inputs import as_samples, is_path, resolved
from neocog.data.open import ALL, parse_source
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.errors import UsageError, printable
from neocog.first_screen import Named
from neocog.graph.cost import cost
from neocog.keywords import known_keywords
from neocog.models.data_of import split_name
from neocog.models.model import AnyModel, Model
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.convert import convert, usual_downsampling
from neocog.runs.held_out import Common, held_out_by_both
from neocog.targets import target_file
from neocog.verbs.audit_data import needed, of_model
from neocog.verbs.audit_result import AuditResult
from neocog.verbs.opened import opened
from neocog.verbs.progress import Progress, progress_line
from neocog.verbs.rehearse import rehearsal

__all__ = ["AuditResult", "audit"]

StrPath = str | os.PathLike[str]
Data = Any


A_PASS = 0.5
"""Seconds of a forward pass that is timed beside that of the baseline, about."""


@known_keywords
def audit(
    model: AnyModel,
    data: Data,
    config: AuditConfig | None = None,
    *,
    shift: str | Sequence[str] | None = None,
    max_shift: int | None = None,
    all_shifts: bool = False,
    maps: str | Sequence[str] | None = None,
    map_max_shift: int = 4,
    map_samples: int | None = None,
    rotation: bool | None = None,
    scale: bool | None = None,
    elastic: bool | None = None,
    layers: bool | None = None,
    layer_samples: int | None = None,
    lie: bool | None = None,
    n: int | None = None,
    every_sample: bool = False,
    full: bool = False,
    budget: float | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    baseline: AnyModel | None = None,
    require: Sequence[str] = (),
    report: StrPath | None = None,
    task: str = "classify",
    precision: str = "float32",
    strict: bool = False,
    allow_random: bool = False,
    progress: Progress = True,
    began: float | None = None,
) -> AuditResult:
    """Whether a model's predictions flip when images move, and which layers are the cause.

    Without options the audit takes about a minute: circular and cropped shifts with their
    intervals, layers by cause, and maps of shifts where they fit; on as many samples as the
    model's speed allows. What is left out is listed, with the option that measures it.

    Args:
        model: what `neocog.load` takes or gives; of an `nn.Module` from values in [0, 1], the size
            of a sample is that of the data.
        data: a data set: `DATA:val` picks a split, `DATA:all` everything; if left out, the
            test split where there is one, or was when the model was trained on this data, else
            everything. Labels are not needed, nor need their classes be the model's. Or what a
            program has, see `neocog.data.inputs`: tensors, arrays, images, paths, a `Dataset`, a
            `DataLoader`, each with labels or without.
        config: what is measured as one object, instead of the next eighteen.
        shift: kinds of shift, as "crop" or ("circular", "crop"); these two if left out.
        max_shift: largest shift along each axis, in pixels; an eighth of the size if left out.
        all_shifts: the map of circular shifts holds every shift that there is.
        maps: kinds of shift that are mapped, () for none; what fits the time if left out.
        map_max_shift: largest shift of the maps; 0 for none.
        map_samples: samples that the maps are measured on.
        rotation: measure rotation and mirroring.
        scale: measure rescaling.
        elastic: measure elastic deformation.
        layers: look into every layer, which is done if left out.
        layer_samples: samples with which layers are looked at.
        lie: the Lie derivative of every layer, beside its errors.
        n: samples; as many as fit the time, 1,000 at most, if left out.
        every_sample: all of them.
        full: everything that is left out, however long it takes.
        budget: seconds for everything; 60 if left out, 30 for images up to 64×64.
        seed: of everything random.
        batch_size: batch size; chosen by the size of a sample if left out.
        baseline: another model, compared on the same samples and shifts.
        require: bounds such as `shift.circular.consistency>=0.99`.
        report: an HTML file to write.
        task: what an `nn.Module` does: classify, segment or regress.
        precision: "float32" or "float64".
        strict: stop at the first image that cannot be used.
        allow_random: take a model whose predictions are not a function of the image alone.
        progress: True for a line on standard error, False for none, or a function that is
            called with how far it has come.
        began: when the time began to run, by `time.monotonic`; now if left out.

    Returns:
        The result; the model is left as it was.

    Raises:
        NeocogError: the model, the data or an option cannot be used.

    Example:
        >>> import neocog
        >>> net = neocog.build("convnet", num_classes=10, in_channels=1, size=(28, 28))
        >>> result = neocog.audit(net, "digits", n=20, layers=False)
        >>> 0 <= result.audit.shift["circular"].consistency <= 1
        True
    """
    given = {
        "shift": shift, "max_shift": max_shift, "all_shifts": all_shifts, "maps": maps,
        "map_max_shift": map_max_shift, "map_samples": map_samples, "rotation": rotation,
        "scale": scale, "elastic": elastic, "layers": layers, "layer_samples": layer_samples,
        "lie": lie, "n": n, "every_sample": every_sample, "full": full, "budget": budget,
        "seed": seed, "batch": batch_size,
    }  # fmt: skip
    chosen, began = _config_of(config, given), time.monotonic() if began is None else began
    if report is not None:
        target_file(report, option="report")
    bounds = [parse_bound(text) for text in require]  # before anything is measured
    data = resolved(data)
    if baseline is not None and isinstance(data, Iterator):
        data = _once(model, data, chosen)  # two models look at what can be gone through once
    how = _How(chosen, precision, strict, began=began, models=2 if baseline else 1)
    first = _opened(model, data, chosen, task, allow_random)
    second = None if baseline is None else _opened(baseline, data, chosen, task, allow_random)
    if bounds:
        sample = _rehearsed(first[0], chosen, second is not None)
        for bound in bounds:
            bound.check(sample)
        chosen = chosen.widened([bound.key for bound in bounds], [m.name for m in MEASURES])
        how = replace(how, config=chosen)
    if second is not None:
        how = _shared([first[0], second[0]], first[1], how)
    with progress_line("audit", progress) as on_progress:
        how = replace(how, on_progress=on_progress)
        result = _audited(*first, how)
        other, ms = None, None
        if second is not None:
            inside = any(bound.key[0] == "baseline" for bound in bounds)
            other = _audited(*second, replace(how, config=_alike(how.config, result, inside)))
            slower = max(result.seconds_per_image, other.seconds_per_image)
            ms = _milliseconds(second[0], first[0], slower)
    where = f" on {printable(data)}" if isinstance(data, (str, os.PathLike)) else ""
    done = AuditResult(
        audit=result,
        other=other,
        compared=() if other is None else _compared(result, other, chosen.seed),
        bounds=(),
        title=f"Audit: {first[0].title}{where}",
        ms=ms,
        fix_macs=_fix_macs(first[0], result),
        named=_named(first[0], data),
    )
    if bounds:
        plain = done.to_json()
        done = replace(done, bounds=tuple((b, *b.kept(plain)) for b in bounds))
    if report is not None:
        done.save_html(report)
    return done


def _config_of(config: AuditConfig | None, given: dict[str, Any]) -> AuditConfig:
    """What is measured, from an object or from arguments, not from both.

    Raises:
        UsageError: both were given.
    """
    for name in ("shift", "maps"):
        if isinstance(given[name], str):
            given[name] = tuple(part.strip() for part in given[name].split(",") if part.strip())
        elif given[name] is not None:
            given[name] = tuple(given[name])
    settings = AuditConfig(**given)
    if config is None:
        return settings
    other = [f.name for f in fields(settings) if getattr(settings, f.name) != f.default]
    if other:
        raise UsageError(
            f"Options are given as arguments or as a config; got `{other[0]}` beside a "
            "config. Put it into the config, or leave that out."
        )
    return config


def _opened(
    model: AnyModel, data: Data, config: AuditConfig, task: str, allow_random: bool
) -> tuple[Model, Data]:
    n, seed = needed(config), config.seed
    return opened(model, data, {"allow_random": allow_random}, task=task, n=n, seed=seed)


def _once(model: AnyModel, data: Data, config: AuditConfig) -> Samples:
    """What can be gone through once, as samples."""
    takes = model.spec.input if isinstance(model, (Model, SpecifiedNetwork)) else None
    return as_samples(data, takes, n=needed(config), seed=config.seed).samples


def _alike(config: AuditConfig, first: Audit, inside: bool) -> AuditConfig:
    """What is measured of the other model: what can be compared, and what was named."""
    fixed = replace(config, n=first.n, every_sample=False, batch=first.protocol["batch"])
    if config.full:
        return fixed
    return replace(
        fixed,
        shift=tuple(first.shift),
        maps=tuple(m for m in config.maps or () if m in first.shift),
        layers=bool(config.layers or (inside and config.layers is not False)),
    )


def _named(model: Model, data: Data) -> Named | None:
    """How a command names them; None where one is an object in Python."""
    return model.named_as(os.fspath(data)) if isinstance(data, (str, os.PathLike)) else None


def _rehearsed(model: Model, config: AuditConfig, baseline: bool) -> Mapping[str, Any]:
    """What the result will look like, by an audit of a stand-in."""
    stand_in = rehearsal(config, task=model.task, black_box=model.black_box)
    return AuditResult(
        audit=stand_in,
        other=stand_in if baseline else None,
        compared=_compared(stand_in, stand_in, 0) if baseline else (),
        bounds=(),
        title="",
        ms=(1.0, 1.0) if baseline else None,
    ).to_json()


def _compared(first: Audit, second: Audit, seed: int) -> tuple[Compared, ...]:
    both = [m for m in first.shift if m in second.shift and first.shift[m].unit]
    return tuple(compare(second.shift[m], first.shift[m], seed=seed) for m in both)


def _fix_macs(trained: Model, result: Audit) -> tuple[int, int] | None:
    """MACs of a sample before and after the fix that is proposed; None where none can be made."""
    step = next_step(result)
    if step is None or step[0] != "fix":
        return None
    padding = "circular" if "circular" in step[1] else "keep"
    try:
        model = convert(trained, downsampling=usual_downsampling(padding), padding=padding).model
        return cost(trained.module, trained.shape).macs, cost(model, trained.shape).macs
    except Exception:  # of any kind: the module is not ours, and the audit is done
        return None


def _milliseconds(one: Model, two: Model, slower: float) -> tuple[float, float]:
    """Of a sample, both in turns; of slow models in smaller batches, in which rounds stay short."""
    most, batches = max(1, int(A_PASS / max(slower, 1e-9))), []
    for model in (one, two):
        like = next((p for p in model.module.parameters() if p.is_floating_point()), torch.empty(0))
        batches.append(a_batch(model.shape)[:most].to(like.device, like.dtype))
    ms = milliseconds([one.module, two.module], batches)
    return ms[0], ms[1]


_ALL = Common(None, ())


@dataclass(frozen=True)
class _How:
    """Options that are the same for both models."""

    config: AuditConfig
    precision: str
    strict: bool
    on_progress: Callable[[Any], None] = lambda progress: None
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
        return data if one else f"{parse_source(data)[0]}:{self.part}"


def _shared(models: Sequence[Model], data: Data, how: _How) -> _How:
    """One split for both, and of it the samples that neither was trained on.

    Raises:
        UsageError: there are none.
    """
    drawn = next((m.drawn for m in models if "data" in m.card), None)
    how = replace(how, drawn=drawn)
    sizes = [m.spec.input.size for m in models]
    if len(set(sizes)) > 1 and how.config.max_shift is None:
        max_shift = min(max(2, min(size) // 8) for size in sizes)
        how = replace(how, config=replace(how.config, max_shift=max_shift))
    if isinstance(data, Split):
        return replace(how, common=held_out_by_both(data, "", models))
    seeded = [m for m in models if m.spec.task == "classify"]
    if not is_path(data) or not seeded:
        return how
    samples = _drawn(seeded[0], how).samples(data, strict=how.strict, n=1)  # ids, not pixels
    given = parse_source(data)[1]
    name = split_name(samples.source, given, models)
    called = given or ("test" if name == ALL else name)
    common = held_out_by_both(samples.source.split(name), called, models)
    return replace(how, common=common, part=name)


def _drawn(trained: Model, how: _How) -> Model:
    """The model, with the requested split of its data."""
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


def _audited(trained: Model, data: Data, how: _How) -> Audit:
    given = of_model(
        _drawn(trained, how),
        how.named(data),
        how.config,
        strict=how.strict,
        among=how.common.rows,
        progress=counted(how.on_progress, "reading images"),
    )
    samples, larger = _only(given.samples, how) or given.samples, _only(given.larger, how)
    result = audit_model(
        trained,
        samples,
        how.config,
        classes=given.classes,
        larger=larger,
        precision=how.precision,
        on_progress=how.on_progress,
        began=how.began,
        models=how.models,
    )
    n = given.total if len(samples) == len(given.samples) else len(samples)
    drawn = _drawn_of(result, n)
    notes = (*result.notes, *how.common.notes, *given.notes, *drawn, *trained.doubts)
    return replace(result, notes=tuple(dict.fromkeys(notes)), available=n)


def _drawn_of(result: Audit, n: int) -> list[str]:
    """What to say where not all of `n` samples were audited."""
    if result.n >= n:
        return []
    were = "was" if result.n == 1 else "were"
    of = f"Of these {n:,} samples {result.n:,} {were} audited"
    return [f"{of}, drawn at random (seed {result.seed})."]
