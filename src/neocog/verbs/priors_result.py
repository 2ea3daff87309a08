"""What each prior is worth on some data: the figures, the first screen and the page."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from neocog.data.open import ALL, parse_source
from neocog.errors import printable
from neocog.exhibits import Bars, Cell, Curve, Exhibit, Scalar, Section, Table
from neocog.first_screen import Command, FirstScreen, path_word
from neocog.jsonable import Jsonable, keys
from neocog.render.notebook import Result
from neocog.stats import mean_interval
from neocog.training.priors import (
    CONTRASTS,
    PRETRAINED,
    Contrast,
    Labels,
    Trainings,
    labels_worth,
)

__all__ = ["AccuracyDifference", "LearningCurve", "PriorWorth", "Priors", "worth_of"]

DEEP = "deep"
"""Twins whose name begins so are of many layers."""

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class AccuracyDifference(Jsonable):
    """Accuracy with a prior less accuracy without, on the same draws.

    Args:
        difference: of accuracies, a fraction; a mean over seeds.
        interval: 95 %, Student's t over seeds; None with a single one.
        seeds: how many.
    """

    difference: float
    interval: Interval | None
    seeds: int

    @property
    def sign(self) -> int:
        """1 for better, -1 for worse, 0 where that is not decided."""
        low, high = self.interval or (-1.0, 1.0)
        return int(low > 0) - int(high < 0)


@dataclass(frozen=True, kw_only=True)
class PriorWorth(Jsonable):
    """One prior: what it is worth.

    Args:
        contrast: the prior and its twins.
        n: samples that were trained on.
        unshuffled: on the images as they are.
        shuffled: on shuffled pixels; None where that was not measured.
        labels: how many times the labels it is worth; None where that was not measured.
    """

    JSON = keys(
        "prior=contrast.prior", "with=contrast.with_", "without=contrast.without", "n",
        "as_they_are=unshuffled", "shuffled", "labels",
    )  # fmt: skip

    contrast: Contrast
    n: int
    unshuffled: AccuracyDifference
    shuffled: AccuracyDifference | None
    labels: Labels | None


@dataclass(frozen=True, kw_only=True)
class LearningCurve(Jsonable):
    """Held-out accuracy of one twin.

    Args:
        twin: its name.
        shuffled: whether the pixels are.
        n: samples that were trained on.
        accuracy: mean over seeds, for each n.
        intervals: 95 %, Student's t over seeds; None with a single one.
        seeds: how many.
    """

    twin: str
    shuffled: bool
    n: tuple[int, ...]
    accuracy: tuple[float, ...]
    intervals: tuple[Interval | None, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class Priors(Result):
    """What each prior is worth on some data.

    Args:
        source: of the data, as the user named it.
        n: samples that the figures are of.
        held_out: samples that each draw holds out.
        classes: names.
        size: (C, H, W) of the images as the twins take them.
        params: of each twin.
        worth: one a prior.
        curves: of each twin.
        gradients: name of a deep twin to the norm of the gradient of each convolution.
        left_out: what was not measured, in words.
        warnings: of the data.
    """

    JSON = keys(
        "n", "held_out", "size", "params", "priors=worth", "curves", "gradients", "left_out",
    )  # fmt: skip

    source: str
    n: int
    held_out: int
    classes: tuple[str, ...]
    size: tuple[int, int, int]
    params: dict[str, int]
    worth: tuple[PriorWorth, ...]
    curves: tuple[LearningCurve, ...]
    gradients: dict[str, tuple[float, ...]]
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def heading(self) -> str:
        """What it is of."""
        return f"What each prior is worth on {printable(self.source)}"

    def first_screen(self) -> FirstScreen:
        """The worth of weight sharing and locality, the others, and the command that uses them."""
        decided = self.worth[0].unshuffled.sign != 0
        return FirstScreen(
            headline=_sentence(self.worth[0], self.n),
            badge="" if decided else "Not decided",
            level="plain" if decided else "open",
            detail=self._detail(),
            image=(self._learning(shuffled=False), self._bars()),
            figures=tuple(map(_scalar, self.worth[:4])),
            next=self._next(),
            note=self._note(),
        )

    def _detail(self) -> str:
        """One clause for each prior but the first."""
        clauses = [
            f"{w.contrast.prior} {_points(w.unshuffled)}"
            for w in self.worth[1:]
            if not w.contrast.prior.endswith("with batch norm")
        ]
        text = "; ".join(clauses)
        return f"{text[:1].upper()}{text[1:]}." if clauses else ""

    def _note(self) -> str:
        seeds = {w.unshuffled.seeds for w in self.worth}
        span = f"{min(seeds)} to {max(seeds)}" if len(seeds) > 1 else f"{max(seeds)}"
        plural = "s" * (max(seeds) > 1)
        shallow = [p for name, p in self.params.items() if _is_main(name) and name != PRETRAINED]
        params = f"{min(shallow):,} to {max(shallow):,}"
        note = (
            f"Twins of {params} parameters; {span} seed{plural}, each with its own draw: "
            f"{self.n:,} images to train on, {self.held_out:,} others to measure; 95 % CI over "
            "seeds."
        )
        return f"{note} Left out: {'; '.join(self.left_out)}." if self.left_out else note

    def _next(self) -> tuple[Command, ...]:
        source, out = path_word(self.source), list[Command]()
        by = {w.contrast.prior: w.unshuffled.sign for w in self.worth}
        options: tuple[str, ...] = ()
        text = "Train a convolutional network"
        if by.get("pretrained weights", 0) > 0:
            text, options = "Train from pretrained weights", ("--init", "imagenet")
        elif by["weight sharing and locality"] < 0:
            text, options = "Train without these priors", ("--model", "dense")
        elif by.get("anti-aliased downsampling", 0) > 0:
            text, options = "Train with anti-aliased downsampling", ("--downsampling", "blur")
        out.append(Command(text=text, words=("neocog", "train", source, *options)))
        if self.left_out:
            full = ("neocog", "priors", source, "--full")
            out.append(Command(text="Measure everything, with five seeds", words=full))
        return tuple(out)

    def _learning(self, *, shuffled: bool) -> Curve:
        """Accuracy over the number of samples, a line a twin."""
        curves = [c for c in self.curves if c.shuffled == shuffled and _is_main(c.twin)]
        sizes = sorted({n for c in curves for n in c.n})
        return Curve(
            title="learning curves on shuffled pixels" if shuffled else "learning curves",
            x=[math.log2(n) for n in sizes],
            lines={c.twin: [_at(c, n) for n in sizes] for c in curves},
            intervals={c.twin: [_interval_at(c, n) for n in sizes] for c in curves},
            x_names=[f"{n:,}" for n in sizes],
            x_label="images that are trained on",
            y_label="%",
            note="Held-out accuracy, a mean over seeds; the band is its 95 % CI.",
        )

    def _bars(self) -> Bars:
        """The worth of each prior, on the images as they are and on shuffled pixels."""
        sides: dict[str, list[AccuracyDifference | None]] = {
            "as they are": [w.unshuffled for w in self.worth],
            "shuffled pixels": [w.shuffled for w in self.worth],
        }
        return Bars(
            title="what each prior is worth",
            names=[w.contrast.prior for w in self.worth],
            series={
                k: [None if d is None else 100 * d.difference for d in v] for k, v in sides.items()
            },
            intervals={
                k: [
                    (100 * d.interval[0], 100 * d.interval[1]) if d and d.interval else None
                    for d in v
                ]
                for k, v in sides.items()
            },
            x_label="points of accuracy",
            unit="pp",
            note=f"With the prior minus without, on {self.n:,} images; 95 % CI over seeds.",
        )

    def sections(self) -> list[Section]:
        """Everything, in reading order."""
        rows: list[list[Cell]] = [
            [
                w.contrast.prior,
                f"{w.contrast.with_} / {w.contrast.without}",
                _points(w.unshuffled),
                _times(w.labels) if w.labels else None,
                _points(w.shuffled) if w.shuffled else None,
                w.unshuffled.seeds,
            ]
            for w in self.worth
        ]
        worth = Table(
            title="What each prior is worth",
            columns=["prior", "with / without", "points", "labels", "shuffled pixels", "seeds"],
            rows=rows,
            note=f"On {self.n:,} images. Labels: how many times as many the twin without the prior "
            "needs for the accuracy of the twin with it, interpolated on its learning curve; "
            "more than, where that curve ends before.",
        )
        every: list[list[Cell]] = [
            [c.twin, "shuffled" if c.shuffled else "as they are", n, f"{100 * a:.1f} %",
             _ends(ci, "%"), k]
            for c in self.curves
            for n, a, ci, k in zip(c.n, c.accuracy, c.intervals, c.seeds, strict=True)
        ]  # fmt: skip
        curves: list[Exhibit] = [self._learning(shuffled=False)]
        if any(c.shuffled and len(c.n) > 1 for c in self.curves):
            curves.append(self._learning(shuffled=True))
        curves.append(
            Table(
                title="Accuracy of each twin",
                columns=["twin", "pixels", "images", "accuracy", "95 % CI", "seeds"],
                rows=every,
            )
        )
        return [
            Section(title="What each prior is worth", exhibits=[worth]),
            Section(title="Learning curves", exhibits=curves),
            *self._depth(),
            self._method(),
        ]

    def _depth(self) -> list[Section]:
        if not self.gradients:
            return []
        count = len(next(iter(self.gradients.values())))
        curve = Curve(
            title="gradient norm through depth",
            x=list(range(1, count + 1)),
            lines={_deep_name(k): list(v) for k, v in self.gradients.items()},
            x_label="convolution, from the first",
            y_label="L2 norm of the gradient of its weights",
            log_y=True,
            note="Before the first step, with PyTorch's random weights; geometric mean over seeds.",
        )
        ratios = ", ".join(f"{_deep_name(k)} {v[0] / v[-1]:.2g}" for k, v in self.gradients.items())
        return [
            Section(
                title="Through depth",
                text=f"Gradient norm of the first of {count} convolutions, as a fraction of that "
                f"of the last: {ratios}.",
                exhibits=[curve],
            )
        ]

    def _method(self) -> Section:
        channels, height, width = self.size
        part = parse_source(self.source)[1]
        drawn_from = f"both are drawn from {'all samples' if part == ALL else part}"
        if part is None:
            drawn_from = "test samples of the data are left alone"
        rows: list[list[Cell]] = [[k, v] for k, v in self.params.items()]
        return Section(
            title="How it was measured",
            text=f"Images of {channels}×{height}×{width} pixels, {len(self.classes)} classes. For "
            "each seed the same draw of samples trains every twin, and the same others measure "
            f"it; {drawn_from}. Twins of a pair take the same steps of "
            "AdamW at the same rate, without augmentation. Shuffled pixels: one fixed permutation "
            "of positions, for all images.",
            exhibits=[Table(title="Parameters", columns=["twin", "parameters"], rows=rows)],
        )


def worth_of(trainings: Trainings, n: int, *, held_out: int) -> tuple[PriorWorth, ...]:
    """Each prior of which both twins were trained on n samples.

    Args:
        trainings: what was measured.
        n: samples.
        held_out: samples that each draw holds out: no interval is narrower than one of them.
    """
    out = []
    for contrast in CONTRASTS:
        unshuffled = _difference(trainings.differences(contrast, n, shuffled=False), held_out)
        if unshuffled is not None:
            worth = PriorWorth(
                contrast=contrast,
                n=n,
                unshuffled=unshuffled,
                shuffled=_difference(trainings.differences(contrast, n, shuffled=True), held_out),
                labels=labels_worth(trainings, contrast, n),
            )
            out.append(worth)
    return tuple(out)


def curves_of(trainings: Trainings) -> tuple[LearningCurve, ...]:
    """The learning curve of each twin, on the images as they are and on shuffled pixels."""
    twins = dict.fromkeys(t.twin for t in trainings.accuracy)
    return tuple(
        _curve(trainings, name, shuffled)
        for shuffled, name in itertools.product((False, True), twins)
        if trainings.sizes(name, shuffled=shuffled)
    )


def _curve(trainings: Trainings, name: str, shuffled: bool) -> LearningCurve:
    sizes = trainings.sizes(name, shuffled=shuffled)
    each = [list(trainings.seeds(name, n, shuffled=shuffled).values()) for n in sizes]
    return LearningCurve(
        twin=name,
        shuffled=shuffled,
        n=tuple(sizes),
        accuracy=tuple(sum(a) / len(a) for a in each),
        intervals=tuple(_within(mean_interval(a)) for a in each),
        seeds=tuple(map(len, each)),
    )


def _within(ends: Interval | None) -> Interval | None:
    return None if ends is None else (max(0.0, ends[0]), min(1.0, ends[1]))


def _difference(values: Sequence[float], held_out: int) -> AccuracyDifference | None:
    if not values:
        return None
    mean, interval = sum(values) / len(values), mean_interval(values)
    if interval is not None:  # equal differences of a few seeds are not certainty
        low, high = min(interval[0], mean - 1 / held_out), max(interval[1], mean + 1 / held_out)
        interval = max(-1.0, low), min(1.0, high)
    return AccuracyDifference(difference=mean, interval=interval, seeds=len(values))


def _is_main(name: str) -> bool:
    return not name.startswith(DEEP)


def _deep_name(name: str) -> str:
    return name.removeprefix(f"{DEEP}, ") if name != DEEP else "neither"


def _sentence(worth: PriorWorth, n: int) -> str:
    prior = worth.contrast.prior
    parts = [
        f"{prior[:1].upper()}{prior[1:]} are worth {_points(worth.unshuffled)} on {n:,} images"
    ]
    if worth.labels is not None:
        parts.append(f"as good as {_times(worth.labels, ' the labels')}")
    sentence = ", ".join(parts)
    if worth.shuffled is None:
        return f"{sentence}."
    verdict = {1: "still something", -1: "a loss", 0: "nothing"}[worth.shuffled.sign]
    decided = f": {verdict}" if worth.shuffled.interval else ""
    return f"{sentence}; on shuffled pixels {_points(worth.shuffled)}{decided}."


def _points(d: AccuracyDifference) -> str:
    """Points of accuracy, with their interval."""
    text = f"{_signed(100 * d.difference)} pp"
    if d.interval is None:
        return f"{text} (one seed)"
    return f"{text} (95 % CI {_signed(100 * d.interval[0])} to {_signed(100 * d.interval[1])})"


def _times(labels: Labels, of: str = "") -> str:
    """How many times, of what, with the interval or the bound."""
    times = f"{labels.times:.1f}×" if labels.times < 10 else f"{labels.times:.0f}×"
    if labels.bound:
        return f"{'more' if labels.bound == 'at least' else 'less'} than {times}{of}"
    if labels.interval is None:
        return f"{times}{of}"
    low, high = labels.interval
    return f"{times}{of} (95 % CI {low:.1f} to {high:.1f})"


def _signed(value: float) -> str:
    text = f"{value:.1f}"
    return "0.0" if text in ("0.0", "-0.0") else text.replace("-", "−")


def _scalar(worth: PriorWorth) -> Scalar:
    d = worth.unshuffled
    return Scalar(
        title=worth.contrast.prior,
        value=round(100 * d.difference, 2),
        unit="pp",
        interval=None if d.interval is None else (
            round(100 * d.interval[0], 2), round(100 * d.interval[1], 2)
        ),
        note=f"shuffled {_signed(100 * worth.shuffled.difference)}" if worth.shuffled else "",
    )  # fmt: skip


def _ends(ends: Interval | None, unit: str) -> str | None:
    return None if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f} {unit}"


def _at(curve: LearningCurve, n: int) -> float | None:
    return curve.accuracy[curve.n.index(n)] if n in curve.n else None


def _interval_at(curve: LearningCurve, n: int) -> Interval | None:
    return curve.intervals[curve.n.index(n)] if n in curve.n else None
