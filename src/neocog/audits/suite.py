"""All audits of one model on one set of samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from neocog.audits.aliasing import Aliasing, aliasing
from neocog.audits.class_order import other_order
from neocog.audits.elastic import Deformation, elastic
from neocog.audits.layers import LayerError, layer_errors
from neocog.audits.lie import LieError, lie_errors
from neocog.audits.motion import Rotation, Scale, rotation, scale
from neocog.audits.moving import MODES
from neocog.audits.shift import Shift, shift_consistency
from neocog.audits.subject import Subject
from neocog.data.samples import Samples, batch_of
from neocog.errors import ModelError, NeocogError, UsageError, did_you_mean
from neocog.graph.alignment import Alignment, alignment
from neocog.graph.cost import Cost, cost
from neocog.graph.receptive_field import ReceptiveField, receptive_field
from neocog.graph.wording import Nouns, nouns
from neocog.stats import interval

__all__ = ["Audit", "AuditConfig", "audit_model"]

LOOKED_INTO = 32
"""Samples with which layers are looked at."""

MOVED = 500
"""Samples that are turned, scaled and bent, at most: each is seen dozens of times."""


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """What is measured, and how.

    Args:
        shift: ways of shifting, of `MODES`.
        max_shift: largest shift along each axis, in pixels; an eighth of the size if left out.
        map_max_shift: largest shift of the maps; 0 for none.
        map_samples: samples that the maps are measured on; in proportion to all if left out.
        all_shifts: the map of circular shifts holds every shift that there is.
        rotation: turn and mirror.
        scale: make larger and smaller.
        elastic: bend.
        layers: look into every layer.
        n: samples; all for None.
        seed: of everything that is drawn.
        batch: samples at once; chosen by their size if left out.

    Raises:
        UsageError: a way of shifting is unknown.
    """

    shift: tuple[str, ...] = MODES
    max_shift: int | None = None
    map_max_shift: int = 4
    map_samples: int | None = None
    all_shifts: bool = False
    rotation: bool = True
    scale: bool = True
    elastic: bool = True
    layers: bool = True
    n: int | None = 1000
    seed: int = 0
    batch: int | None = None

    def __post_init__(self) -> None:
        """Check the names."""
        for mode in self.shift:
            if mode not in MODES:
                raise UsageError(f"`{mode}` is no way of shifting. {did_you_mean(mode, MODES)}")


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit found. Parts that were not asked for, or cannot be had, are None or empty.

    Args:
        task: what the model answers.
        n: samples.
        accuracy: share of right answers, unmoved; None where nobody knows the truth.
        accuracy_ci: its 95 % interval, by bootstrap over samples.
        classes: names, in the order of the outputs; may be empty.
        shift: way of shifting to what it does.
        rotation: turned and mirrored.
        scale: larger and smaller.
        elastic: bent.
        layers: how far every layer is from equivariance.
        lie: its infinitesimal form.
        aliasing: every operation that downsamples.
        alignment: what the geometry alone rules out.
        cost: parameters and arithmetic.
        receptive_field: of every layer.
        seconds_per_image: of the forward pass, median over batches.
        seed: of everything that was drawn.
        protocol: how it was measured.
        notes: what a reader of the figures should know.
    """

    task: str
    n: int
    accuracy: float | None
    accuracy_ci: tuple[float, float] | None
    classes: tuple[str, ...]
    shift: dict[str, Shift]
    rotation: Rotation | None
    scale: Scale | None
    elastic: Deformation | None
    layers: tuple[LayerError, ...]
    lie: tuple[LieError, ...]
    aliasing: tuple[Aliasing, ...]
    alignment: Alignment | None
    cost: Cost | None
    receptive_field: ReceptiveField | None
    seconds_per_image: float
    seed: int
    protocol: dict[str, Any]
    notes: tuple[str, ...] = ()
    axes: int = 2

    @property
    def nouns(self) -> Nouns:
        """What its samples and their parts are called."""
        return nouns(self.axes)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists, with the names of the spec."""
        from neocog.audits.plain import plain

        found: dict[str, Any] = plain(self)
        return found


def audit_model(
    model: nn.Module,
    data: Samples,
    asked: AuditConfig | None = None,
    *,
    task: str = "classify",
    classes: tuple[str, ...] = (),
    size: tuple[int, ...] | None = None,
    larger: Samples | None = None,
    precision: str = "float32",
    black_box: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Audit:
    """Measure a model on samples.

    The model keeps its mode, weights, gradients and hooks.

    Args:
        model: values in [0, 1], (B, C, H, W) or (B, C, N), to answers.
        data: samples of the size that the model takes.
        asked: what is measured; everything if left out.
        task: what the answers are, see `subject.TASKS`.
        classes: names, for the words.
        size: that the model takes; that of the samples if left out.
        larger: the same samples with a border, for crops; made by reflection if left out.
        precision: "float32", or "float64" on a copy of the model.
        black_box: only answers can be had, nothing can be looked into.
        tell: called with what is measured next.

    Raises:
        UsageError: something asked for does not fit the samples.
        ModelError: the model fails on them.
    """
    asked = asked or AuditConfig()
    tell = tell or (lambda text: None)
    if black_box and precision != "float32":
        raise UsageError(
            f"A black box computes as its file says; `precision={precision}` was asked for. "
            "Leave it out, or audit the network that the file was made of."
        )
    size = tuple(size or data.size)
    subject = Subject(model, task=task, size=size, precision=precision)
    some = data.first(asked.n, seed=asked.seed)
    _try(subject, some)
    geometry = _Geometry() if black_box else _geometry(model, subject, some, size, tell)
    few = some.first(LOOKED_INTO, seed=asked.seed)
    moved = some.first(MOVED, seed=asked.seed)
    still = len(size) == 2 and task == "classify"
    shift, notes = {}, list[str]()
    for mode in _possible(asked.shift, task, notes):
        tell(f"{mode} shifts")
        shift[mode] = _shift(subject, some, larger, mode, asked, geometry.stride)
    turned = scaled = bent = None
    if asked.rotation and still:
        tell("rotation")
        turned = rotation(subject, moved, seed=asked.seed, batch=asked.batch)
    if asked.scale and still:
        tell("scale")
        scaled = scale(subject, moved, seed=asked.seed, batch=asked.batch)
    if asked.elastic and still:
        tell("elastic")
        bent = elastic(subject, moved, seed=asked.seed, batch=asked.batch)
    layers: tuple[LayerError, ...] = ()
    lie: tuple[LieError, ...] = ()
    aliased: tuple[Aliasing, ...] = ()
    if asked.layers and not black_box:
        tell("layers")
        layers = _named(
            subject,
            layer_errors(
                subject,
                few,
                max_shift=asked.max_shift,
                seed=asked.seed,
                batch=min(16, batch_of(few, asked.batch)),
                jumps=geometry.jumps(subject),
            ),
        )
        lie = _named(subject, lie_errors(subject, few.first(8, seed=asked.seed)))
        aliased = _named(subject, aliasing(subject, few))
        if not lie:
            notes.append("An operation has no forward-mode derivative: no Lie derivatives.")
    tell("time of a forward pass")
    predicted, right = _predicted(subject, some, asked.batch), None
    if predicted is not None:
        truth = some.truth(slice(None))
        assert truth is not None
        right = predicted == truth
        notes += _order(predicted, truth, classes)
    return Audit(
        task=task,
        n=len(some),
        accuracy=None if right is None else float(right.mean()),
        accuracy_ci=None if right is None else interval(right, seed=asked.seed),
        classes=classes,
        shift=shift,
        rotation=turned,
        scale=scaled,
        elastic=bent,
        layers=layers,
        lie=lie,
        aliasing=aliased,
        alignment=geometry.alignment,
        cost=geometry.cost,
        receptive_field=geometry.field,
        seconds_per_image=_seconds(subject, few),
        seed=asked.seed,
        protocol=_protocol(asked, subject, len(moved), len(few)),
        notes=(*geometry.notes, *notes),
        axes=len(size),
    )


def map_samples(n: int) -> int:
    """Samples that a map of shifts is measured on, for so many samples in all.

    A map of 9×9 shifts takes 81 passes a sample, everything else of one way of shifting 4 or 5; so
    the two take about as long at any n: 64 of 1,000, and 8 at least.

    Example:
        >>> map_samples(1000), map_samples(250), map_samples(20), map_samples(60_000)
        (64, 16, 8, 64)
    """
    return min(64, max(8, n * 64 // 1000))


def _predicted(subject: Subject, data: Samples, batch: int | None) -> np.ndarray | None:
    """For each sample its class as predicted unmoved; None where nobody knows the truth."""
    if data.y is None or subject.task != "classify":
        return None
    step, parts = batch_of(data, batch), []
    with subject.ready():
        for start in range(0, len(data), step):
            rows = slice(start, min(len(data), start + step))
            parts.append(subject(data.take(rows)).argmax(1).numpy())
    return np.concatenate(parts)


def _order(predicted: np.ndarray, truth: np.ndarray, classes: tuple[str, ...]) -> list[str]:
    """What to say where the outputs mean the classes in another order."""
    truth = np.asarray(truth)
    if not np.issubdtype(truth.dtype, np.integer) or truth.shape != predicted.shape:
        return []
    k = max(len(classes), int(predicted.max(initial=0)) + 1, int(truth.max(initial=0)) + 1)
    names = classes if len(classes) == k else tuple(map(str, range(k)))
    known = truth >= 0
    cells = np.bincount(truth[known] * k + predicted[known], minlength=k * k)
    other = other_order(cells.reshape(k, k), names)
    return [] if other is None else [other.sentence]


def _possible(modes: Sequence[str], task: str, notes: list[str]) -> list[str]:
    """Ways of shifting that the answers of a task can be compared under."""
    if task != "segment" or "subpixel" not in modes:
        return list(modes)
    notes.append("Maps of classes cannot be moved back by fractions of a unit: left out.")
    return [m for m in modes if m != "subpixel"]


@dataclass(frozen=True)
class _Geometry:
    stride: int | None = None
    alignment: Alignment | None = None
    cost: Cost | None = None
    field: ReceptiveField | None = None
    notes: tuple[str, ...] = ("Only its answers can be had: nothing was looked into.",)

    def jumps(self, subject: Subject) -> dict[str, tuple[Fraction, ...]]:
        """Of the layers whose outputs move evenly, by the names in the whole model."""
        if self.field is None:
            return {}
        inner = subject.network is not subject.module
        found = {}
        for f in self.field.layers:
            if f.jump and all(j is not None for j in f.stepped):
                name = f"network.{f.name}".rstrip(".") if inner else f.name
                found[name] = tuple(j for j in f.stepped if j is not None)
        return found


def _geometry(
    model: nn.Module,
    subject: Subject,
    data: Samples,
    size: tuple[int, ...],
    tell: Callable[[str], None],
) -> _Geometry:
    """What needs no data."""
    tell("geometry")
    whole = (data.channels, *size)
    network = subject.network
    spent, seen = cost(network, whole), receptive_field(network, whole)
    found = alignment(network, whole)
    return _Geometry(found.total_stride, found, spent, seen, ())


Named = TypeVar("Named", LayerError, LieError, Aliasing)


def _named(subject: Subject, rows: tuple[Named, ...]) -> tuple[Named, ...]:
    """With the names that the user knows."""
    return tuple(replace(row, name=subject.label(row.name)) for row in rows)


def _try(subject: Subject, data: Samples) -> None:
    """One sample first, so that a model that fails does so before anything is measured."""
    try:
        with subject.ready():
            subject(data.take(slice(0, 1)))
    except NeocogError:
        raise
    except Exception as e:  # of any kind: a stranger's forward fails in its own way
        shape = "×".join(str(v) for v in (1, data.channels, *data.size))
        raise ModelError(
            f"The model must answer for a batch of {shape}, and fails "
            f"({type(e).__name__}: {e}). Give the size that it takes."
        ) from e


def _shift(
    subject: Subject,
    data: Samples,
    larger: Samples | None,
    mode: str,
    asked: AuditConfig,
    stride: int | None,
) -> Shift:
    whole = mode == "circular" and asked.all_shifts
    shown = larger.first(asked.n, seed=asked.seed) if larger and mode == "crop" else data
    return shift_consistency(
        subject,
        shown,
        mode=mode,
        max_shift=asked.max_shift,
        seed=asked.seed,
        stride=stride,
        grid=None if whole else asked.map_max_shift,
        grid_samples=asked.map_samples or map_samples(len(shown)),
        batch=asked.batch,
    )


def _seconds(subject: Subject, data: Samples) -> float:
    """A forward pass, for each sample."""
    x = data.take(slice(0, batch_of(data, None)))
    taken = []
    with subject.ready():
        for _ in range(4):
            began = time.perf_counter()
            subject(x)
            taken.append((time.perf_counter() - began) / len(x))
    return sorted(taken[1:])[1]


def _protocol(asked: AuditConfig, subject: Subject, moved: int, few: int) -> dict[str, Any]:
    return {
        **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(asked).items()},
        "precision": str(subject.dtype).removeprefix("torch."),
        "mode": "evaluation",
        "samples_turned_scaled_bent": moved,
        "samples_for_layers": few,
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
    }
