"""All audits of one model on one set of samples."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from neocog.audits.clock import Clock, Progress, TimeIsUp
from neocog.audits.config import AuditConfig
from neocog.audits.grid import Grid
from neocog.audits.grid import grid as measure_grid
from neocog.audits.look import Geometry, Inside, geometry_of, look_inside
from neocog.audits.plan import MOVED, ROW, Facts, left_out, limit, maps_left, plan
from neocog.audits.protocol import protocol
from neocog.audits.result import Audit
from neocog.audits.shift import Shift, Shifting
from neocog.audits.table import MEASURES, Measured, possible
from neocog.audits.truths import of_known, unlabeled
from neocog.audits.unshifted import Unshifted
from neocog.data.samples import Samples, batch_of
from neocog.errors import ModelError, NeocogError, UsageError
from neocog.keywords import known_keywords
from neocog.models.exact import ExactModel
from neocog.models.model import Model
from neocog.stats import interval
from neocog.tasks.class_order import other_order

__all__ = ["audit_model"]

A_BATCH = 1.0
"""Seconds of a batch, at most, where the time decides how many samples are measured: between two
batches the measurement can stop."""

TIMED = 0.5
"""Seconds of a forward pass that is timed, about."""

OVERTIME = 1.3
"""A map that takes so many times the limit of the audit is given up."""


@known_keywords
def audit_model(
    model: Model | nn.Module,
    data: Samples,
    config: AuditConfig | None = None,
    *,
    task: str | None = None,
    classes: tuple[str, ...] = (),
    larger: Samples | None = None,
    precision: str = "float32",
    black_box: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    began: float | None = None,
    models: int = 1,
) -> Audit:
    """Measure a model on samples.

    The model keeps its mode, weights, gradients and hooks.

    Args:
        model: an opened model, or any module from values in [0, 1], (B, C, H, W) or (B, C, N), to
            outputs.
        data: samples of the size that the model takes.
        config: what is measured; as much as a minute allows if left out, see `plan`.
        task: what the outputs are, one of `types.TASKS`; what the model states if left out.
        classes: names, for the texts.
        larger: the same samples with a border, for crops; made by reflection if left out.
        precision: "float32", or "float64" on a copy of the model.
        black_box: only predictions are available, as with an opened model that is one.
        on_progress: called with the progress.
        began: start of the time, by `time.monotonic`; now if left out.
        models: that share the time, each measured in the same way.

    Raises:
        UsageError: an option does not fit the samples.
        ModelError: the model fails on them.
    """
    config = config or AuditConfig()
    black_box = black_box or (isinstance(model, Model) and model.black_box)
    if black_box and precision != "float32":
        raise UsageError(
            f"The precision of a black box is that of its file; got `precision={precision}`. "
            "Leave it out, or audit the network that it was exported from."
        )
    truths = data.y
    data, larger = unlabeled(data), None if larger is None else unlabeled(larger)
    exact = ExactModel(model, task=task, precision=precision)
    exact.size = size = exact.size or tuple(data.size)
    clock = Clock(limit(size, config.budget), began=began, on_progress=on_progress)
    # Whatever opening model and data took: half of the time is for the audit itself.
    clock = Clock(max(clock.left, clock.seconds / 2) / models, on_progress=on_progress)
    clock.begin("time of a forward pass")
    seconds = _timed(exact, data.first(None, seed=config.seed), config.batch)
    clock.begin("geometry")
    geometry = Geometry() if black_box else geometry_of(exact, (data.channels, *size))
    work = _Work(exact, data, larger, config, geometry, clock, seconds)
    return work.audited(classes, truths)


class _Work:
    """One audit: the plan, and the measures one after the other."""

    def __init__(
        self,
        model: ExactModel,
        data: Samples,
        larger: Samples | None,
        config: AuditConfig,
        geometry: Geometry,
        clock: Clock,
        seconds: float,
    ) -> None:
        self.model, self.config, self.clock, self.seconds = model, config, clock, seconds
        self.geometry = geometry
        size = tuple(model.size or data.size)
        max_shift = max(2, min(size) // 8) if config.max_shift is None else config.max_shift
        tells = geometry.stride and geometry.stride <= 2 * max_shift and model.task == "classify"
        self.facts = Facts(
            available=len(data),
            size=size,
            seconds=seconds,
            left=clock.left,
            task=model.task,
            max_shift=max_shift,
            macs=geometry.macs,
            controls=frozenset({"circular", "crop", "zeros"} if tells else ()),
            wide=larger is not None and "crop" in config.modes,
            black_box=geometry.field is None,
            extras=possible(size, model.task),
        )
        self.plan = plan(config, self.facts)
        self.data, self.larger = data, larger
        self.batch = config.batch
        few = max(1, int(A_BATCH / max(seconds, 1e-9)))
        if self.batch is None and not self.plan.fixed and few < batch_of(data, None):
            self.batch = few
        self.notes: list[str] = []
        if model.task == "segment" and "subpixel" in config.modes:
            self.notes.append("Class maps cannot be shifted back by fractions of a unit: left out.")

    def audited(self, classes: tuple[str, ...], truths: np.ndarray | None) -> Audit:
        """Measure everything; labels may be -1, for samples of classes that the model lacks."""
        config, clock, model = self.config, self.clock, self.model
        clock.expect(self.plan.seconds)
        inside = self.inside()
        self.facts = replace(self.facts, left=clock.left, layers_done=True)
        again = plan(config, self.facts)
        clock.expect(again.seconds)
        self.plan = replace(again, full_seconds=self.plan.full_seconds)
        some = self.first(self.data)
        unshifted = Unshifted(model, some)
        runs = self.shifted(some, unshifted)
        some = self.first(self.data)  # of which there may be fewer by now
        extras = self.extras(some, unshifted)
        shift = self.with_maps(runs)
        labeled = replace(some, y=truths)
        predicted, right = self.predicted(labeled, unshifted), None
        if predicted is not None:
            truth = labeled.truth(slice(None))
            assert truth is not None
            right, notes = of_known(predicted, truth)
            self.notes += [*notes, *_order(predicted, truth, classes)]
        return Audit(
            task=model.task,
            n=len(some),
            accuracy=None if right is None else float(right.mean()),
            accuracy_ci=None if right is None else interval(right, seed=config.seed),
            classes=classes,
            shift=shift,
            extras=extras,
            layers=inside.layers,
            lie=inside.lie,
            aliasing=inside.aliasing,
            alignment=self.geometry.alignment,
            cost=self.geometry.cost,
            receptive_field=self.geometry.field,
            seconds_per_image=self.seconds,
            seed=config.seed,
            protocol=protocol(config, self.plan, model, self.batch),
            notes=(*self.geometry.notes, *self.notes, *inside.notes),
            axes=len(self.facts.size),
            left_out=left_out(config, self.facts, self.plan),
            full_seconds=self.plan.full_seconds,
        )

    def first(self, data: Samples) -> Samples:
        """As many as planned; those of a shorter plan are the first of those of a longer one."""
        return data.first(self.plan.samples, seed=self.config.seed)

    def inside(self) -> Inside:
        """Layers and what aliases."""
        config, made = self.config, self.plan
        if not made.layers:
            return Inside()
        self.clock.begin("layers")
        return look_inside(
            self.model,
            self.data.first(made.layers, seed=config.seed),
            config,
            self.geometry,
            turns=made.turns,
            lie=made.lie,
            progress=self.clock.at,
        )

    def shifted(self, some: Samples, unshifted: Unshifted) -> dict[str, Shifting]:
        """All kinds of shift, a batch of each in turns, until samples or time run out."""
        config, made = self.config, self.plan
        runs: dict[str, Shifting] = {}
        for mode in made.shift:
            wide = self.larger if mode == "crop" else None
            runs[mode] = Shifting(
                self.model,
                some if wide is None else self.first(wide),
                mode=mode,
                max_shift=config.max_shift,
                seed=config.seed,
                stride=self.geometry.stride,
                batch=self.batch,
                unshifted=unshifted if wide is None else None,
            )
        if not runs:
            return runs
        self.clock.begin("shifts", f"{' and '.join(runs)} shifts")
        step, passes, n = max(r.movable.batch for r in runs.values()), self.model.passes, 0
        began = time.perf_counter()
        with self.model.ready():
            while n < made.samples:
                n = min(n + step, made.samples)
                for run in runs.values():
                    run.advance(n)
                self.clock.at(n / made.samples)
                if not made.fixed and n >= ROW[-1] and self.clock.left < 0:
                    break
        if n < made.samples:
            self.notes.append(
                f"The machine was slower than when the audit was planned: {n:,} of "
                f"{made.samples:,} planned samples were shifted, so the intervals are wider."
            )
            self.plan = replace(made, samples=n, extras=dict.fromkeys(made.extras, min(n, MOVED)))
        passes = max(1, self.model.passes - passes)
        self.facts = replace(self.facts, seconds=(time.perf_counter() - began) / passes)
        return runs

    def extras(self, some: Samples, unshifted: Unshifted) -> dict[str, Measured]:
        """Further measures."""
        extras: dict[str, Measured] = {}
        for measure in MEASURES:
            if measure.name in self.plan.extras:
                self.clock.begin(measure.name, measure.title)
                moved = some.first(self.plan.extras[measure.name], seed=self.config.seed)
                extras[measure.name] = measure.run(
                    self.model,
                    moved,
                    seed=self.config.seed,
                    batch=self.batch,
                    unshifted=unshifted,
                    progress=self.clock.at,
                )
        return extras

    def with_maps(self, runs: Mapping[str, Shifting]) -> dict[str, Shift]:
        """Results of the shifts, with the maps that still fit."""
        facts = replace(self.facts, left=self.clock.left)
        maps, few = maps_left(self.config, facts, self.plan.samples)
        grids: dict[str, Grid] = {}
        for mode in maps:
            self.clock.begin(f"map {mode}", f"map of {mode} shifts")
            whole = mode == "circular" and self.config.all_shifts
            try:
                with self.model.ready():
                    grids[mode] = measure_grid(
                        runs[mode].movable,
                        None if whole else self.config.map_max_shift,
                        few,
                        progress=self.in_time,
                    )
            except TimeIsUp:
                self.notes.append(
                    f"The machine was slower than when the audit was planned: the map of {mode} "
                    "shifts was left out."
                )
                break
        self.plan = replace(self.plan, maps=tuple(grids), map_samples=few if grids else 0)
        n = self.plan.samples
        return {m: run.result(n=n, grid=grids.get(m)) for m, run in runs.items()}

    def in_time(self, fraction: float) -> None:
        """Continue a map.

        Raises:
            TimeIsUp: it takes far too long, and was not requested.
        """
        self.clock.at(fraction)
        named = self.config.maps or self.config.map_samples or self.config.all_shifts
        over = self.clock.spent > OVERTIME * self.clock.seconds
        if over and not self.plan.fixed and not named:
            raise TimeIsUp

    def predicted(self, some: Samples, unshifted: Unshifted) -> np.ndarray | None:
        """For each sample the index of its unshifted prediction; None without labels."""
        if some.y is None or self.model.task != "classify":
            return None
        self.clock.begin("accuracy")
        with self.model.ready():
            parts = unshifted.all(self.batch, n=len(some))
        return np.asarray(torch.cat(parts)[: len(some)].numpy())


def _order(predicted: np.ndarray, truth: np.ndarray, classes: tuple[str, ...]) -> list[str]:
    """A note where the outputs seem to mean the classes in another order."""
    truth = np.asarray(truth)
    if not np.issubdtype(truth.dtype, np.integer) or truth.shape != predicted.shape:
        return []
    k = max(len(classes), int(predicted.max(initial=0)) + 1, int(truth.max(initial=0)) + 1)
    names = classes if len(classes) == k else tuple(map(str, range(k)))
    known = truth >= 0
    cells = np.bincount(truth[known] * k + predicted[known], minlength=k * k)
    other = other_order(cells.reshape(k, k), names)
    return [] if other is None else [other.sentence]


def _timed(model: ExactModel, data: Samples, batch: int | None) -> float:
    """Seconds of a forward pass of one sample within a batch.

    One sample goes first, so a model that fails does so before anything is measured; the time of
    the second decides how many are timed at once.
    """
    shape = "×".join(str(v) for v in (1, data.channels, *data.size))
    with model.ready():
        try:
            model(data.take(slice(0, 1)))
        except NeocogError:
            raise
        except Exception as e:  # of any kind: an external forward may raise anything
            raise ModelError(
                f"The model must take a batch of {shape}, and fails "
                f"({type(e).__name__}: {e}). Give its input size."
            ) from e
        one = _seconds(model, data, 1)
        many = min(batch_of(data, batch), max(1, int(TIMED / max(one, 1e-9))))
        if many == 1:
            return one
        _seconds(model, data, many)
        return statistics.median(_seconds(model, data, many) for _ in range(3))


def _seconds(model: ExactModel, data: Samples, n: int) -> float:
    """Seconds of a forward pass of a batch, for each sample.

    Of one sample many times: others may not have been decoded.
    """
    x = data.take(slice(0, 1))
    x = x.expand(min(n, len(data)), *x.shape[1:]).contiguous()
    began = time.perf_counter()
    model(x)
    return (time.perf_counter() - began) / len(x)
