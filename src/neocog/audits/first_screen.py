"""An audit on one screen: at most 24 lines of 80 columns, the headline first."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from neocog.audits.clock import in_words
from neocog.audits.compare import flipped, moved_by, points
from neocog.audits.verdict import NAMED, aliasing_layers, border_layers, named_errors
from neocog.errors import printable
from neocog.first_screen import shell_line

if TYPE_CHECKING:
    from neocog.audits.compare import Compared
    from neocog.audits.result import Audit
    from neocog.audits.shift import Shift

__all__ = [
    "COLUMNS",
    "LINES",
    "ROBUST",
    "first_screen",
    "headline",
    "leading",
    "left_out_sentence",
    "next_command",
    "next_step",
    "no_better_than_chance",
]

LINES, COLUMNS = 24, 80
"""Of a terminal."""

ROBUST = 0.02
"""A model is called shift-robust where the 95 % CI of its flip rate lies at or below this fraction,
and not shift-robust where it lies above; in between nothing is decided."""

_SHIFTS = {
    "crop": ("crops", "windows"),
    "circular": ("circular shifts", "circular shifts"),
    "zeros": ("shifts with zero fill", "shifts with zero fill"),
    "subpixel": ("sub-pixel shifts", "sub-step shifts"),
}
"""Kinds of shift, of images and of series."""

_SHORT = {
    "crop": ("crops", "windows"),
    "circular": ("circular", "circular"),
    "zeros": ("zero fill", "zero fill"),
    "subpixel": ("sub-pixel", "sub-step"),
}
"""The same in a table."""


def leading(audit: Audit) -> Shift | None:
    """The kind of shift that the headline is about: crops, as a camera makes them, else another.

    Args:
        audit: the result.
    """
    for mode in ("crop", "circular"):
        if mode in audit.shift:
            return audit.shift[mode]
    return next(iter(audit.shift.values()), None)


def headline(audit: Audit) -> str:
    """The result in a sentence: a verdict, the figure and its CI.

    Args:
        audit: the result.
    """
    s = leading(audit)
    if s is None:
        if audit.accuracy is None or audit.accuracy_ci is None:
            return "Nothing measured: no shifts, and these samples have no labels for an accuracy."
        low, high = audit.accuracy_ci
        return f"Accuracy {flipped(audit.accuracy)} % (95 % CI {_range(low, high)})."
    low, high = s.consistency_ci
    under = f"under {moved_by(s)}"
    if not s.unit:
        return (
            f"Outputs differ by {s.consistency:.3g} on average {under} "
            f"(95 % CI {low:.3g}–{high:.3g}, in their units)."
        )
    rate, low, high = 1 - s.consistency, 1 - high, 1 - low
    what = "predictions flip" if s.flip_rate is not None else "pixels change class"
    sentence = f"{flipped(rate)} % of {what} {under} (95 % CI {_range(low, high)})."
    if s.largest_class == 1:
        return f"Not decided: all predictions are of one class. {sentence}"
    if no_better_than_chance(audit):
        return f"Not decided: accuracy is not above that of always predicting one class. {sentence}"
    if low > ROBUST:
        return f"Not shift-robust: {sentence}"
    if high <= ROBUST:
        return f"Shift-robust: {sentence}"
    return f"Not decided at {s.n:,} sample{'' if s.n == 1 else 's'}: {sentence}"


def no_better_than_chance(audit: Audit) -> bool:
    """Whether the accuracy may be that of always predicting the most frequent class.

    Flips of such a model say little: a model that predicts one class for everything never flips.

    Args:
        audit: the result.
    """
    s = leading(audit)
    if s is None or s.majority is None or audit.accuracy_ci is None:
        return False
    return audit.accuracy_ci[0] <= s.majority < 1


def next_step(audit: Audit) -> tuple[str, tuple[str, ...]] | None:
    """What to do about it: a command with its options; None where nothing is to be done.

    Args:
        audit: the result.
    """
    s = leading(audit)
    if s is None or audit.task != "classify" or not audit.layers:
        return None
    fix = ("fix", ("--padding", "circular") if s.mode == "circular" else ())
    more = audit.available > s.n if audit.available else s.n < 1000
    if s.largest_class == 1 or (no_better_than_chance(audit) and not more):
        return ("predict" if audit.accuracy is None else "evaluate"), ()
    if no_better_than_chance(audit):
        return "audit", ("--all",)
    if 1 - s.consistency_ci[1] > ROBUST:
        return fix
    if 1 - s.consistency_ci[0] > ROBUST:  # nothing is decided: more samples do, else a fix
        return ("audit", ("--all",)) if more else fix
    return None


def next_command(audit: Audit, command: Sequence[str]) -> str:
    """The same as a command; empty where nothing is to be done, or the model has no name.

    Args:
        audit: the result.
        command: model, data and options of the model, as the command line names them.
    """
    step = next_step(audit)
    if step is None or not command:
        return ""
    verb, more = step
    return shell_line(["neocog", verb, *command, *more])


def first_screen(
    audit: Audit,
    command: Sequence[str] = (),
    *,
    above: str = "",
    compared: Sequence[Compared] = (),
) -> list[str]:
    """The lines for a terminal.

    Args:
        audit: the result.
        command: as for `next_command`.
        above: the headline, where it is not the audit's own.
        compared: with a baseline, one for each kind of shift.
    """
    top = _wrapped(above or headline(audit))
    body = [*_beside(compared, audit.axes), *_figures(audit), *_causes(audit), *_more(audit)]
    end = _wrapped(left_out_sentence(audit), hang=10)
    what = next_command(audit, command)
    if what:  # a command is copied, so it is never broken
        end += ["", f"Next: {what}"]
    notes = [line for note in audit.notes for line in _wrapped(f"Note: {note}", hang=6)]
    room = LINES - len(top) - len(body) - len(end) - 2
    if len(notes) > room:
        cut = max(0, room - 1)
        notes = [*notes[:cut], "Note: more with --verbose."]
    return [*top, "", *body, *([""] if notes or end else []), *notes, *end]


def _beside(compared: Sequence[Compared], axes: int) -> list[str]:
    """Flips and accuracy of the baseline and of this model, and the difference."""
    rows = []
    for c in compared:
        name = f"flips, {_SHORT[c.mode][axes == 1]}"
        low, high = (-v for v in reversed(c.difference_ci))
        rows.append((name, 1 - c.first, 1 - c.second, -c.difference, low, high))
    lines = [
        f"{name:<20} {flipped(one):>6} % {flipped(two):>6} %  {points(gain, 1):>6} "
        f"({points(low, 1)} to {points(high, 1)})"
        for name, one, two, gain, low, high in rows
    ]
    for c in compared[:1]:
        if c.accuracy_difference is not None and c.accuracy_ci is not None:
            low, high = c.accuracy_ci
            gain = points(c.accuracy_difference, 1)
            reach = f"({points(low, 1)} to {points(high, 1)})"
            lines.append(f"{'accuracy':<20} {'':>8} {'':>8}  {gain:>6} {reach}")
    if lines:
        head = f"{'':<20} {'baseline':>8} {'model':>8}  Δ in pp (95 % CI)"
        lines = [head, *lines, ""]
    return lines


def _figures(audit: Audit) -> list[str]:
    """At most five figures, each with its CI and what it was measured on."""
    rows: list[tuple[str, str, str, str]] = []
    if audit.accuracy is not None:
        ci = "" if audit.accuracy_ci is None else _range(*audit.accuracy_ci)
        what = f"unshifted, {_many(audit.n, audit)}"
        rows.append(("accuracy", f"{flipped(audit.accuracy)} %", ci, what))
    s = leading(audit)
    if s is not None and s.map is not None and s.map.worst_case_accuracy is not None:
        what = (
            f"at all {s.map.agreement.size} {_SHIFTS[s.mode][s.axes == 1]}, {_many(s.map.n, audit)}"
        )
        worst = s.map.worst_case_accuracy
        rows.append(("worst-case accuracy", f"{flipped(worst)} %", "", what))
    elif s is not None and s.both_correct is not None:
        rows.append(("correct at both", f"{flipped(s.both_correct)} %", "", "of two positions"))
    for mode, shift in audit.shift.items():
        low, high = shift.consistency_ci
        title = _SHORT[mode][shift.axes == 1]
        if shift.unit:
            what = "flips" if shift.flip_rate is not None else "differing"
            value, ci = f"{flipped(1 - shift.consistency)} %", _range(1 - high, 1 - low)
            rows.append((f"{what}, {title}", value, ci, ""))
        else:
            value, ci = f"{shift.consistency:.3g}", f"{low:.3g}–{high:.3g}"
            rows.append((f"difference, {title}", value, ci, "in the units of the output"))
    return [
        f"{name:<20} {value:>8}  {ci:<13} {what}".rstrip()[:COLUMNS]
        for name, value, ci, what in rows
    ]


def _causes(audit: Audit) -> list[str]:
    """Layers by cause."""
    lines = []
    inside, functions = aliasing_layers(audit)
    border = border_layers(audit)
    circular = audit.shift.get("circular")
    circular_border = None if circular is None else circular.border
    grid = ""
    if circular_border is not None and circular_border.stride > 1:
        low, high = circular_border.aliasing_ci
        added = points(circular_border.aliasing, 1)
        grid = f"{added} pp of flips ({points(low, 1)} to {points(high, 1)}); "
    if inside or functions:
        names = named_errors(inside, inside=True) if inside else ""
        more = ", ".join(printable(a.name) for a in functions[:NAMED])
        lines += _wrapped(f"aliasing  {grid}{', '.join(t for t in (names, more) if t)}", hang=10)
    if border:
        many = f"{len(border)} layer{'s' if len(border) > 1 else ''}, most "
        at = (
            f"{flipped(circular_border.border)} % of flips; "
            if circular_border is not None and circular_border.stride > 1
            else ""
        )
        names = named_errors(border[:1], inside=False)
        lines += _wrapped(f"padding   {at}{many}{names}", hang=10)
    if audit.alignment is not None and audit.alignment.unknown:
        lines += _wrapped(
            f"Not analyzed: {', '.join(map(printable, audit.alignment.unknown))}; no finding "
            "is not an all-clear."
        )
    elif audit.layers and not lines:
        lines = ["No layer that was measured separately breaks shift equivariance."]
    if lines:
        what = "Causes, with the local equivariance error of each layer (relative L2)"
        lines = ["", what if inside or border else "Causes", *lines]
    return lines


def _more(audit: Audit) -> list[str]:
    """One sentence for each further measure."""
    sentences = [t for measured in audit.extras.values() for t in measured.sentences()]
    lines = [line for t in sentences for line in _wrapped(t)]
    return ["", *lines] if lines else []


def left_out_sentence(audit: Audit) -> str:
    """What was not measured, with the options that measure it; empty where everything was.

    Args:
        audit: the result.
    """
    if not audit.left_out:
        return ""
    parts = ", ".join(map(str, audit.left_out))
    takes = f", about {in_words(audit.full_seconds)}" if audit.full_seconds >= 1 else ""
    return f"Left out: {parts}. All of it: --full{takes}."


def _many(n: int, audit: Audit) -> str:
    kind = audit.nouns
    return f"{n:,} {kind.one if n == 1 else kind.many}"


def _range(low: float, high: float) -> str:
    return f"{flipped(max(0.0, low))}–{flipped(min(1.0, high))} %"


def _wrapped(text: str, *, hang: int = 0) -> list[str]:
    whole = text.replace(" %", "\u00a0%").replace("≤ ", "≤\u00a0")
    lines = textwrap.wrap(
        whole,
        COLUMNS,
        subsequent_indent=" " * hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\u00a0", " ") for line in lines]
