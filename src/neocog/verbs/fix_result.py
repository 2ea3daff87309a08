"""What a fix did: figures before and after, as numbers and as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from neocog.audits.charts import flip_pairs, flip_rate, flip_rate_ci
from neocog.audits.compare import Compared, flipped, gained, moved_by, points
from neocog.audits.shift import Shift
from neocog.errors import printable
from neocog.exhibits import Bars, Cell, Exhibit, Scalar, Section, Table, share
from neocog.first_screen import Command, FirstScreen, Level, Named
from neocog.graph.wording import nouns
from neocog.jsonable import Jsonable, keys
from neocog.models.model import Model
from neocog.render.notebook import Result
from neocog.runs.finetune_search import FinetuneSearch
from neocog.surgery.rank import GroupRank
from neocog.surgery.result import Replaced, Skipped
from neocog.symmetry.poses import GROUPS

__all__ = ["ADVISED", "FixFigures", "Fixed", "again", "how_chosen"]

ADVISED = 256
"""Samples on which each group of samplers is tried alone."""


@dataclass(frozen=True, kw_only=True, repr=False)
class FixFigures(Jsonable):
    """A model, before or after.

    Args:
        accuracy: fraction of correct predictions on all samples.
        accuracy_ci: its 95 % interval.
        loss: mean cross-entropy.
        n: samples.
        shift: way of shifting to what it does.
        params: numbers in all parameters.
        macs: products that are summed for one sample.
        ms: of the forward pass of one sample, in a batch, on the processor.
        memory: bytes of parameters and of all tensors made for one sample, in float32.
    """

    JSON = keys("...", "shift=shift_figures")

    accuracy: float
    accuracy_ci: tuple[float, float]
    loss: float
    n: int
    shift: dict[str, Shift]
    params: int
    macs: int
    ms: float
    memory: int

    def __repr__(self) -> str:
        flips = ", ".join(f"{m} {flipped(flip_rate(s))} %" for m, s in self.shift.items())
        return f"Measured(n={self.n}, accuracy={self.accuracy:.4f}, flips: {flips})"

    def tested(self) -> dict[str, Any]:
        """The test figures of model.json."""
        brief = ("n", "accuracy", "loss")
        return {**{k: getattr(self, k) for k in brief}, "accuracy_ci": list(self.accuracy_ci)}

    @property
    def shift_figures(self) -> dict[str, dict[str, Any]]:
        """Of each way of shifting the figures that a fix is about."""
        names = (
            "n",
            "consistency",
            "consistency_ci",
            "flip_rate",
            "chance_agreement",
            "accuracy",
            "protocol",
        )
        return {m: {k: getattr(s, k) for k in names} for m, s in self.shift.items()}


@dataclass(frozen=True, kw_only=True, repr=False)
class Fixed(Result):
    """What a fix did.

    Args:
        better: consistency is higher and accuracy is not lower, see `neocog.runs.judge`.
        kept: what `run` holds: "fixed", or "original" where nothing got better.
        reason: why nothing got better; empty where something did.
        aim: the kind of shift that is the objective.
        replaced: downsamplers that were replaced.
        skipped: what could not be, with the reason.
        before: figures of the original model.
        converted: accuracy with other samplers, before anything else was done.
        after: the model that `run` holds.
        candidate: the best that the fix reached, whether it is kept or not.
        compared: original model and candidate on the same samples, by kind of shift.
        accuracy: difference of accuracy, candidate minus original, on all samples, with its 95 %
            CI.
        labeled: the truth is known; else accuracy is agreement with the original model.
        advice: layers by benefit, the best first; empty where not requested.
        notes: what a user should know.
        finetune: how it was found, and how far it went.
        run: the folder.
        model: opened from it; None where it could only be kept as weights.
        title: what was fixed.
        data: that it was measured on, as the user named it.
        classes: names, in the order of the outputs.
        again: the same fix with more time; None where no command can name the model.
    """

    JSON = keys(
        "better", "kept", "headline", "reason", "aim", "labeled", "replaced", "skipped", "before",
        "converted=accuracy_of_converted", "after", "candidate", "compared", "*difference",
        "cost=costs", "symmetry=invariance", "rank_layers=advice", "notes", "finetune", "run",
    )  # fmt: skip

    better: bool
    kept: str
    reason: str
    aim: str
    replaced: tuple[Replaced, ...]
    skipped: tuple[Skipped, ...]
    before: FixFigures
    converted: float
    after: FixFigures
    candidate: FixFigures
    compared: dict[str, Compared]
    accuracy: tuple[float, float, float]
    labeled: bool
    advice: tuple[GroupRank, ...]
    notes: tuple[str, ...]
    finetune: dict[str, Any]
    run: str
    model: Model | None
    title: str = "A fix"
    data: str = ""
    classes: tuple[str, ...] = ()
    again: Command | None = None

    def heading(self) -> str:
        """What was fixed."""
        return self.title

    def first_screen(self) -> FirstScreen:
        """The first screen: before and after, and what to do with the run."""
        badge: str
        level: Level
        if self.better:
            badge, level = "Better", "good"
            if self.aim in GROUPS and self.labeled and self.accuracy[2] < 0:
                badge, level = "Better, worse upright", "open"
        else:
            badge, level = "Nothing got better", "bad"
        return FirstScreen(
            headline=f"{self._figures()}.",
            detail=_intervals(self) if self.better else self._kept(),
            badge=badge,
            level=level,
            image=_before_and_after(self),
            figures=_five(self),
            next=_next(self),
            note=_skipped(self.skipped),
        )

    def _figures(self) -> str:
        """Flips, accuracy and time, before and after."""
        return gained(
            self.before.shift[self.aim],
            self.candidate.shift[self.aim],
            accuracy=self.accuracy[0],
            times=self.candidate.ms / self.before.ms if self.before.ms else float("nan"),
            word=self._word,
        )

    @property
    def _word(self) -> str:
        """What the difference on images as they come is of."""
        if not self.labeled:
            return "agreement with the original model"
        return "accuracy upright" if self.aim in GROUPS else "accuracy"

    def _kept(self) -> str:
        """What the run holds where nothing got better, and why."""
        if self.better:
            return ""
        why = f"{self.reason[:1].upper()}{self.reason[1:]}."
        if self.kept == "fixed":
            return f"It is kept on request. {why}"
        return f"The original model is kept; these are figures of the best candidate. {why}"

    def sections(self) -> list[Section]:
        """Everything, as tables."""
        return [self.exhibits()]

    @property
    def headline(self) -> str:
        """The result in a sentence or two, computed from the figures."""
        figures = self._figures()
        if self.better:
            return f"{figures}."
        compared = self.compared.get(self.aim)
        one = self.accuracy[1] > 0 or (compared is not None and compared.difference_ci[0] > 0)
        nothing = f"Nothing got better{' on the whole' if one else ''}"  # one of the two did
        if self.kept == "fixed":
            return f"{nothing}, and it is kept on request: {figures}; {self.reason}."
        return (
            f"{nothing}, so the original model is kept. The best candidate: {figures}; "
            f"{self.reason}."
        )

    @property
    def accuracy_of_converted(self) -> dict[str, float]:
        """Before anything else was done, for JSON."""
        return {"accuracy": self.converted}

    @property
    def difference(self) -> dict[str, Any]:
        """Of accuracy, with its interval, for JSON."""
        value, *interval = self.accuracy
        return {"accuracy_difference": value, "accuracy_difference_ci": interval}

    @property
    def invariance(self) -> dict[str, Any] | None:
        """Of a fix that makes a model invariant to a group: its poses before and after."""
        if self.aim not in GROUPS:
            return None
        a, b = self.before.shift[self.aim], self.candidate.shift[self.aim]
        both = {"before": a, "candidate": b}
        return {
            "group": self.aim,
            "flip_rate": {k: flip_rate(s) for k, s in both.items()},
            "flip_rate_ci": {k: list(flip_rate_ci(s)) for k, s in both.items()},
            "accuracy_in_a_random_pose": {k: s.accuracy_shifted for k, s in both.items()},
        }

    @property
    def costs(self) -> dict[str, dict[str, float | None]]:
        """Time and MACs before and after, and their ratio."""
        pairs = {
            name: (getattr(self.before, name), getattr(self.candidate, name))
            for name in ("ms", "macs")
        }
        return {
            name: {"before": a, "candidate": b, "ratio": b / a if a else None}
            for name, (a, b) in pairs.items()
        }

    def exhibits(self) -> Section:
        """The result, as tables."""
        tables = [_figures(self), _swaps(self.replaced)]
        if self.skipped:
            rows: list[list[Cell]] = [[w.name, w.what, w.reason] for w in self.skipped]
            tables.append(Table(title="skipped", columns=("name", "what", "why"), rows=rows))
        if self.advice:
            tables.append(_advice(self.advice))
        return Section(title="Fixed", exhibits=tuple(tables), text=" ".join(self.notes))


def _intervals(done: Fixed) -> str:
    """How sure the differences are."""
    compared, parts = done.compared.get(done.aim), []
    if compared is not None:
        low, high = (points(v, 1) for v in (-compared.difference_ci[1], -compared.difference_ci[0]))
        parts.append(f"flips {points(-compared.difference, 1)} pp (95 % CI {low} to {high})")
    value, low, high = (points(v, 1) for v in done.accuracy)
    word = "accuracy" if done.labeled else "agreement"
    posed = done.aim in GROUPS
    parts.append(f"{word}{' upright' if posed else ''} {value} pp ({low} to {high})")
    if posed and done.labeled:
        both = [_in_a_pose(m.shift[done.aim]) for m in (done.before, done.candidate)]
        parts.append(f"accuracy in a random pose {' → '.join(both)}")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}, on the same images."


def _before_and_after(done: Fixed) -> tuple[Exhibit, ...]:
    """Flips of both models under every way of shifting; a pair that flips no longer, or still."""
    a, b = done.before, done.candidate
    after = "fixed" if done.kept == "fixed" else "tried, not kept"
    both = {"before": a, after: b}
    modes = list(a.shift)
    bars = Bars(
        title="flip rate, before and after",
        names=[moved_by(a.shift[m]) for m in modes],
        series={name: [flip_rate(m.shift[k]) for k in modes] for name, m in both.items()},
        intervals={name: [flip_rate_ci(m.shift[k]) for k in modes] for name, m in both.items()},
        unit="%",
        x_label="predictions that flip, with 95 % CI",
    )
    first, then = a.shift[done.aim], b.shift[done.aim]
    cured = [f for f in first.flips if f.index < len(then.same) and then.same[f.index] == 1]
    flips, title = (
        (cured, "one of the images that no longer flip")
        if cured
        else (then.flips, "one of the images that still flip")
    )
    pair = flip_pairs(flips, done.classes, title, large=True)
    if cured:
        two = "in two poses" if done.aim in GROUPS else "at two positions"
        pair = replace(pair, note=f"The same image {two}, and what was predicted before.")
    return (bars, pair) if pair.images else (bars,)


def _in_a_pose(s: Shift) -> str:
    """Accuracy in the first of two random poses."""
    return share(float("nan") if s.accuracy_shifted is None else s.accuracy_shifted)


def _five(done: Fixed) -> tuple[Scalar, ...]:
    a, b = done.before, done.candidate
    word = "accuracy" if done.labeled else "agreement with the original model"
    mode = done.aim
    figures = [
        Scalar(title=word, value=b.accuracy, unit="%", interval=b.accuracy_ci),
        Scalar(
            title=f"flips, {mode}",
            value=flip_rate(b.shift[mode]),
            unit="%",
            interval=flip_rate_ci(b.shift[mode]),
        ),
    ]
    if a.macs:
        figures.append(Scalar(title="MACs", value=b.macs / a.macs, unit="×"))
    if a.ms:
        figures.append(Scalar(title="time", value=b.ms / a.ms, unit="×", note=f"{b.ms:.3g} ms"))
    if mode in GROUPS and (posed := b.shift[mode].accuracy_shifted) is not None and done.labeled:
        figures.append(Scalar(title="accuracy in a random pose", value=posed, unit="%"))
    else:
        figures.append(Scalar(title="downsamplers replaced", value=len(done.replaced)))
    return tuple(figures)


def _next(done: Fixed) -> tuple[Command, ...]:
    named = Named(model=done.run, data=done.data)
    if done.kept == "fixed":
        audit = named.command("audit", "See every layer of the fixed model")
        return (audit, named.command("export", "Export it", "--format", "onnx", data=False))
    if done.again is not None:
        return (done.again,)
    return (named.command("explore", "See which layers break"),)


def again(named: Named | None, how: Mapping[str, Any], seconds: float) -> Command | None:
    """The same fix with more time; None where no command can name the model.

    Args:
        named: the model and data.
        how: options of `convert`, and `only` where groups were named.
        seconds: of the budget.
    """
    if named is None:
        return None
    names = [k for k in ("downsampling", "padding", "symmetry", "by") if k in how]
    words = [w for k in names for w in (f"--{k}", str(how[k]))]
    words += [w for group in how.get("only", ()) for w in ("--layer", group)]
    return named.command("fix", "Give the fine-tune more time", *words, "--budget", f"{seconds:g}s")


def _skipped(left: tuple[Skipped, ...]) -> str:
    if not left:
        return ""
    names = ", ".join(printable(w.name) for w in left[:3])
    more = f", and {len(left) - 3} more" if len(left) > 3 else ""
    return f"Skipped: {names}{more}; the reasons are below."


def _figures(done: Fixed) -> Table:
    a, b = done.before, done.candidate
    rows: list[list[Cell]] = []
    if done.labeled:
        rows = [
            ["accuracy", share(a.accuracy), share(b.accuracy)],
            [f"accuracy with {_changed(done)} alone", None, share(done.converted)],
        ]
    else:
        rows = [["predictions equal to those of the original model", None, share(b.accuracy)]]
    for mode, shift in a.shift.items():
        if mode in GROUPS and done.labeled:
            values = [_in_a_pose(s) for s in (shift, b.shift[mode])]
            rows.append(["accuracy in a random pose", *values])
        rows.append(
            [
                f"consistency, {moved_by(shift) if mode in GROUPS else mode}",
                share(shift.consistency),
                share(b.shift[mode].consistency),
            ]
        )
    rows += [
        ["MACs of a sample", f"{a.macs:,}", f"{b.macs:,}"],
        ["milliseconds of a sample", f"{a.ms:.3f}", f"{b.ms:.3f}"],
        ["memory of a sample, MB", f"{a.memory / 1e6:.2f}", f"{b.memory / 1e6:.2f}"],
        ["parameters", f"{a.params:,}", f"{b.params:,}"],
    ]
    note = ""
    if done.aim in GROUPS:
        note = (
            f"Consistency, {moved_by(a.shift[done.aim])}: fraction of samples with the same "
            "prediction in two random poses. "
        )
    if first := next((s for m, s in a.shift.items() if m not in GROUPS), None):
        kind = nouns(first.axes)
        unit = kind.unit if first.max_shift == 1 else kind.units
        note += (
            f"Consistency: fraction of {_count(first.n, 'sample')} with the same prediction at two "
            f"random positions up to {first.max_shift:g} {unit} away (seed "
            f"{done.finetune['seed']}). Time: median of forward passes of a batch, both "
            "models in turns."
        )
    columns = ("what", "before", "fixed" if done.kept == "fixed" else "tried, not kept")
    return Table(title="before and after", columns=columns, rows=rows, note=note)


def _changed(done: Fixed) -> str:
    """What was swapped in, in words."""
    swapped = done.aim not in GROUPS or any(r.name != "symmetry" for r in done.replaced)
    parts = ("new samplers" if swapped else "", "the symmetry" if done.aim in GROUPS else "")
    return " and ".join(filter(None, parts))


def _swaps(replaced: tuple[Replaced, ...]) -> Table:
    rows: list[list[Cell]] = [[r.name, r.was, r.now] for r in replaced]
    return Table(title="replaced", columns=("name", "was", "now"), rows=rows)


def _advice(ranks: tuple[GroupRank, ...]) -> Table:
    modes = list(ranks[0].flips)
    rows: list[list[Cell]] = [
        [a.group, *[f"{100 * a.flips[m]:+.2f}" for m in modes], f"{a.macs / 1e6:+.2f}"]
        for a in ranks
    ]
    return Table(
        title="which to fix first",
        columns=("group", *[f"{m} flips less, points" for m in modes], "MACs more, M"),
        rows=rows,
        note=f"Each group replaced alone, weights as they are, {ADVISED} samples at most; what "
        "gains most for a MAC comes first.",
    )


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def how_chosen(improved: FinetuneSearch, *, validated: int, seen: bool | None) -> list[str]:
    """How the state of a fix was chosen, in words.

    Args:
        improved: the states.
        validated: samples that they were scored on.
        seen: the original model had been trained on these.
    """
    out = []
    assert improved.best is not None
    if improved.norms:
        out.append(
            f"{_count(improved.norms, 'batch norm')} {'was' if improved.norms == 1 else 'were'} "
            f"recalibrated on {_count(improved.images, 'image')} without labels"
        )
    else:
        out.append("no batch norm keeps running statistics, so none was recalibrated")
    if improved.tuned.step:
        passes = f"{improved.passes:.3g} pass{'' if improved.passes == 1 else 'es'}"
        out.append(
            f"fine-tuned for {passes} at learning rate {improved.lr:.3g} and consistency weight "
            f"{improved.consistency_weight:.3g}"
        )
    if improved.stopped:
        early = (
            "the fine-tune ended early" if improved.tuned.step else "the fine-tune did not begin"
        )
        out.append(f"{early}: {improved.stopped}")
    at = f" at step {improved.best.step:,}" if improved.best.step else ""
    higher = any(v["fidelity"] > improved.best.score.fidelity for v in improved.validations)
    out.append(
        f"of {_count(len(improved.validations), 'state')} the {improved.best.what} one{at} was "
        f"chosen on {_count(validated, 'validation sample')}"
        + (" (the latest of the fine-tune within one standard error of the best)" if higher else "")
    )
    if seen:
        out.append(
            "the original model was trained on these, so it is compared with the chosen state only "
            "on the samples of this report"
        )
    return out
