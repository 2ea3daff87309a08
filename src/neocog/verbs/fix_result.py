"""What a fix did: figures before and after, as numbers and as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neocog.audits.compare import Compared
from neocog.audits.shift import Shift
from neocog.exhibits import Cell, Section, Table
from neocog.runs.trained import Trained
from neocog.surgery.advice import Advice
from neocog.surgery.result import Left, Replaced

__all__ = ["ADVISED", "Fixed", "Measured"]

ADVISED = 256
"""Samples on which each group of samplers is tried alone."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A model, before or after.

    Args:
        accuracy: share of right answers on all samples.
        accuracy_ci: its 95 % interval.
        loss: mean cross-entropy.
        n: samples.
        shift: way of shifting to what it does.
        params: numbers in all parameters.
        macs: products that are summed for one sample.
        ms: of the forward pass of one sample, in a batch, on the processor.
        memory: bytes of parameters and of all tensors made for one sample, in float32.
    """

    accuracy: float
    accuracy_ci: tuple[float, float]
    loss: float
    n: int
    shift: dict[str, Shift]
    params: int
    macs: int
    ms: float
    memory: int

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists."""
        brief = ("n", "consistency", "consistency_ci", "flip", "floor", "accuracy", "protocol")
        shift = {}
        for mode, found in self.shift.items():
            whole = found.to_json()
            shift[mode] = {k: whole[k] for k in brief}
        return {**vars(self), "accuracy_ci": list(self.accuracy_ci), "shift": shift}


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """What a fix did.

    Args:
        replaced: down-samplers that were replaced.
        left: what could not be, with the reason.
        before: the model that came.
        converted: accuracy with other samplers, before the fine-tune.
        after: the model that goes.
        compared: way of shifting to both on the same samples.
        advice: what is worth most first; empty where it was not asked for.
        notes: what a user should know.
        finetune: epochs, seconds, learning rate.
        run: the folder.
        model: opened from it; None where it could only be kept as weights.
    """

    replaced: tuple[Replaced, ...]
    left: tuple[Left, ...]
    before: Measured
    converted: float
    after: Measured
    compared: dict[str, Compared]
    advice: tuple[Advice, ...]
    notes: tuple[str, ...]
    finetune: dict[str, Any]
    run: str
    model: Trained | None

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        return {
            "replaced": [dict(vars(r)) for r in self.replaced],
            "left": [dict(vars(w)) for w in self.left],
            "before": self.before.to_json(),
            "converted": {"accuracy": self.converted},
            "after": self.after.to_json(),
            "compared": {mode: c.to_json() for mode, c in self.compared.items()},
            "advice": [_advice_json(a) for a in self.advice],
            "notes": list(self.notes),
            "finetune": self.finetune,
            "run": self.run,
        }

    def exhibits(self) -> Section:
        """What came of it, as tables."""
        tables = [_figures(self), _swaps(self.replaced)]
        if self.left:
            rows: list[list[Cell]] = [[w.name, w.what, w.reason] for w in self.left]
            tables.append(Table(title="left as it was", columns=("name", "what", "why"), rows=rows))
        if self.advice:
            tables.append(_advice(self.advice))
        return Section(title="Fixed", exhibits=tuple(tables), text=" ".join(self.notes))


def _figures(done: Fixed) -> Table:
    a, b = done.before, done.after
    rows: list[list[Cell]] = [
        ["accuracy", _share(a.accuracy), _share(b.accuracy)],
        ["accuracy before the fine-tune", None, _share(done.converted)],
    ]
    for mode, found in a.shift.items():
        rows.append(
            [f"consistency, {mode}", _share(found.consistency), _share(b.shift[mode].consistency)]
        )
    rows += [
        ["multiply-adds of a sample", f"{a.macs:,}", f"{b.macs:,}"],
        ["milliseconds of a sample", f"{a.ms:.3f}", f"{b.ms:.3f}"],
        ["memory of a sample, MB", f"{a.memory / 1e6:.2f}", f"{b.memory / 1e6:.2f}"],
        ["parameters", f"{a.params:,}", f"{b.params:,}"],
    ]
    note = ""
    if shown := next(iter(a.shift.values()), None):
        note = (
            f"Consistency: share of {shown.n:,} samples with the same answer at two positions up "
            f"to {shown.radius:g} pixels away, drawn for each (seed {done.finetune['seed']})."
        )
    columns = ("what", "before", "after")
    return Table(title="before and after", columns=columns, rows=rows, note=note)


def _swaps(replaced: tuple[Replaced, ...]) -> Table:
    rows: list[list[Cell]] = [[r.name, r.was, r.now] for r in replaced]
    return Table(title="replaced", columns=("name", "was", "now"), rows=rows)


def _advice(found: tuple[Advice, ...]) -> Table:
    modes = list(found[0].flips)
    rows: list[list[Cell]] = [
        [a.group, *[f"{100 * a.flips[m]:+.2f}" for m in modes], f"{a.macs / 1e6:+.2f}"]
        for a in found
    ]
    return Table(
        title="which to fix first",
        columns=("group", *[f"{m} flips less, points" for m in modes], "multiply-adds more, M"),
        rows=rows,
        note=f"Each group replaced alone, weights as they are, {ADVISED} samples at most; what "
        "gains most for a multiply-add comes first.",
    )


def _advice_json(a: Advice) -> dict[str, Any]:
    return {
        "group": a.group,
        "members": list(a.members),
        "flips": dict(a.flips),
        "macs": a.macs,
        "gain": a.gain,
    }


def _share(value: float) -> str:
    return f"{value:.2%}"
