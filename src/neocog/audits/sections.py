"""An audit as exhibits: what the terminal, the report and the web draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neocog.audits.charts import agreement_map, flip_pairs, shared_low
from neocog.audits.compare import Compared, flipped, moved_by, points
from neocog.audits.inside import layers_section, sampling_section
from neocog.audits.shift import Shift
from neocog.audits.verdict import causes, verdict
from neocog.errors import printable
from neocog.exhibits import Cell, Exhibit, Scalar, Section, Table, share
from neocog.graph.wording import Nouns
from neocog.stats import wilson_interval

if TYPE_CHECKING:
    from neocog.audits.result import Audit

__all__ = ["comparison", "sections", "summary"]


def summary(audit: Audit) -> Section:
    """The figures one asks for first."""
    exhibits: list[Exhibit] = []
    if audit.accuracy is not None:
        note = f"top-1, {_samples(audit.n)}, unshifted"
        exhibits.append(_share("accuracy", audit.accuracy, audit.accuracy_ci, note))
    for mode, s in audit.shift.items():
        title = f"{_mode(mode, s.axes)} consistency"
        if s.unit:
            what = "mean fraction of pixels" if audit.task == "segment" else "fraction of samples"
            note = f"{what} with the same prediction at two positions"
            exhibits.append(_share(title, s.consistency, s.consistency_ci, note))
        else:
            exhibits.append(
                Scalar(
                    title=f"{_mode(mode, s.axes)} difference",
                    value=s.consistency,
                    interval=s.consistency_ci,
                    note="mean difference of the outputs at two positions, in their units",
                )
            )
    notes = " ".join(audit.notes)
    return Section(
        title="In words", exhibits=tuple(exhibits), text=f"{verdict(audit)}\n\n{notes}".strip()
    )


def sections(audit: Audit) -> list[Section]:
    """Everything, in reading order."""
    parts = [summary(audit), _shifts(audit)]
    if audit.extras:
        parts.append(_extras(audit))
    if audit.layers:
        parts += [layers_section(audit), sampling_section(audit)]
    if audit.alignment is not None:
        parts.append(audit.alignment.section())
    if audit.cost is not None:
        parts.append(_geometry(audit))
    parts.append(_protocol(audit))
    return parts


def comparison(compared: Sequence[Compared], first: str, second: str, *, axes: int = 2) -> Section:
    """Two models side by side.

    Args:
        compared: one for each kind of shift.
        first: name of the first model.
        second: of the second.
        axes: of a sample that shift.
    """
    rows: list[list[Cell]] = []
    for c in compared:
        rows.append(
            [
                _mode(c.mode, axes),
                share(c.first),
                share(c.second),
                _points(c.difference, c.difference_ci),
                "–" if c.flips is None else f"{c.flips:.2f}",
                None if c.accuracy_difference is None else c.matched_n,
                "–"
                if c.matched_difference is None or c.matched_ci is None
                else _points(c.matched_difference, c.matched_ci),
            ]
        )
    text = ""
    for one in compared[:1]:
        if one.accuracy_difference is not None and one.accuracy_ci is not None:
            gain = _points(one.accuracy_difference, one.accuracy_ci)
            text = (
                f"Accuracy of {printable(second)}: Δ {gain} pp against the baseline "
                f"{printable(first)}."
            )
    if not rows:
        text = "Consistency is not defined for regressed outputs."
        return Section(title="Comparison with the baseline", text=text)
    table = Table(
        title="consistency on the same samples and shifts",
        columns=(
            "shift",
            printable(first),
            printable(second),
            "Δ, pp",
            "flips, ratio",
            "correct in both models",
            "Δ there, pp",
        ),
        rows=rows,
        note="In brackets: 95 % bootstrap CIs over paired samples. Consistency grows with "
        "accuracy alone; the last column covers the samples that both predict correctly unshifted.",
    )
    return Section(title="Comparison with the baseline", exhibits=(table,), text=text)


def _samples(n: int) -> str:
    return f"{n:,} sample{'' if n == 1 else 's'}"


def _points(value: float, interval: tuple[float, float]) -> str:
    return f"{points(value)} ({points(interval[0])} to {points(interval[1])})"


def _share(title: str, value: float, interval: tuple[float, float] | None, note: str) -> Scalar:
    return Scalar(title=title, value=value, unit="%", interval=interval, note=note)


def _shifts(audit: Audit) -> Section:
    exhibits: list[Exhibit] = []
    shares = [s for s in audit.shift.values() if s.flip_rate is not None]
    if shares:
        exhibits.append(_table(shares))
        exhibits += [t for t in (_causes(shares, causes(audit), audit.nouns),) if t is not None]
    low = shared_low(audit)
    for s in audit.shift.values():
        if s.map is not None and s.map.agreement.ndim == 2:
            exhibits.append(agreement_map(s, low))
    for s in audit.shift.values():
        gallery = flip_pairs(s.flips, audit.classes, f"images that flip under {moved_by(s)}")
        if gallery.images:
            exhibits.append(gallery)
    counts = {
        "classify": "whether the prediction is the same at both, correct or not",
        "segment": "what fraction of the pixels has the same class at both, correct or not",
    }.get(audit.task, "how far apart the two outputs are")
    text = f"Each {audit.nouns.one} was shown at two positions. What counts is {counts}."
    return Section(
        title="Shifts",
        exhibits=tuple(exhibits),
        text=text if audit.shift else "No shifts were measured.",
    )


def _table(shares: Sequence[Shift]) -> Table:
    rows: list[list[Cell]] = [
        [
            _mode(s.mode, s.axes),
            share(s.consistency),
            f"{share(s.consistency_ci[0])} to {share(s.consistency_ci[1])}",
            *(
                _maybe(v)
                for v in (s.both_correct, s.both_wrong, s.flip_rate, s.worst_case_accuracy)
            ),
            _maybe(s.chance_agreement),
        ]
        for s in shares
    ]
    columns = (
        "shift",
        "consistency",
        "95 % CI",
        "both correct",
        "same incorrect class",
        "flip rate",
        "worst-case accuracy",
        "chance agreement",
    )
    note = (
        "Worst-case accuracy: correct at every shift of the map. "
        if any(s.map for s in shares)
        else ""
    )
    note += (
        "Chance agreement: of random predictions with this model's class "
        "frequencies; a predictor of one class scores 100 %. "
        + " · ".join(f"{_mode(s.mode, s.axes)}: {s.protocol}" for s in shares)
    )
    return Table(title="consistency", columns=columns, rows=rows, note=note)


def _causes(shares: Sequence[Shift], still: Sequence[str], words: Nouns) -> Table | None:
    """Flips by their cause; `still` are possible causes at multiples of the total stride.

    Two parts are given only where they can be separated: the CI of what downsampling adds is above
    zero. Else all flips are one figure, and downsampling has an upper bound.
    """
    rows: list[list[Cell]] = []
    for s in shares:
        if s.border is not None:
            b, (low, high) = s.border, s.border.aliasing_ci
            whole = min(1.0, max(0.0, b.border + b.aliasing))
            if low > 0:
                left = _between(b.border, wilson_interval(round(b.border * b.n), b.n))
                added = f"{points(b.aliasing, 1)} ({points(low, 1)} to {points(high, 1)})"
            else:
                left = "not separated"
                added = f"at most {points(max(0.0, high), 1)}"
            total = _between(whole, wilson_interval(round(whole * b.n), b.n))
            rows.append([_mode(s.mode, s.axes), b.n, total, left, added])
    stride = next((s.border.stride for s in shares if s.border is not None), 1)
    if stride == 1:  # every whole shift is a multiple: nothing to distinguish
        return None
    framed = [
        _mode(s.mode, s.axes) for s in shares if s.border is not None and s.mode != "circular"
    ]
    other = "by the border" if list(still) == ["the border"] and not framed else "not by aliasing"
    frame = (
        f"; under {' and '.join(framed)} also what enters and leaves the frame" if framed else ""
    )
    return Table(
        title="flips by their cause",
        columns=("shift", "samples", "flips", other, "added by aliasing, pp"),
        rows=rows,
        note=f"95 % CI in brackets. {other.capitalize()}: flips under shifts by multiples of the "
        f"total stride, {stride} {words.units}, which every downsampler meets at one phase; of "
        "the samples that have such a multiple within reach. What can make them here: "
        f"{', '.join(still) or 'nothing in the geometry'}{frame}. Added by aliasing: flips under "
        "all shifts beyond these; where its interval reaches zero, the two are not separated.",
    )


def _between(value: float, interval: tuple[float, float]) -> str:
    return f"{flipped(value)} % ({flipped(interval[0])} to {flipped(interval[1])})"


def _maybe(value: float | None) -> str | None:
    return None if value is None else share(max(0.0, value))


def _extras(audit: Audit) -> Section:
    exhibits = [e for measured in audit.extras.values() for e in measured.exhibits()]
    return Section(title="Rotation, scale and elastic deformation", exhibits=tuple(exhibits))


def _geometry(audit: Audit) -> Section:
    assert audit.cost is not None
    c = audit.cost
    exhibits: list[Exhibit] = [
        Table(
            title="cost",
            columns=("parameters", "MACs", "FLOPs", "activations", "ms per sample", "status"),
            rows=[
                [c.params, c.macs, c.flops, c.activations, audit.seconds_per_image * 1e3, c.status]
            ],
            note="For one sample; FLOPs = 2·MACs and everything else. Time: median of forward "
            "passes of a batch.",
        )
    ]
    if audit.receptive_field is not None:
        exhibits += audit.receptive_field.section().exhibits
    return Section(title="Geometry and cost", exhibits=tuple(exhibits))


def _named(name: str, axes: int) -> str:
    """A row of the protocol; a series is not rotated, and has no pixels."""
    if axes == 1:
        name = name.replace("samples_rotated_scaled_deformed", "samples_moved_otherwise")
    return name.replace("_", " ")


def _mode(mode: str, axes: int) -> str:
    """A kind of shift, as it is called for such samples."""
    return "sub-step" if axes == 1 and mode == "subpixel" else mode


def _protocol(audit: Audit) -> Section:
    rows: list[list[Cell]] = []
    for name, v in audit.protocol.items():
        values = v if isinstance(v, list) else [v]
        text = ", ".join(_mode(str(w), audit.axes) for w in values)
        rows.append([_named(name, audit.axes), text])
    table = Table(title="protocol", columns=("", "value"), rows=rows)
    return Section(title="Protocol", exhibits=(table,))
