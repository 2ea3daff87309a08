"""The first screen of an audit: a sentence, an image, five figures, a command.

The terminal, the report and a notebook take their first screen from here, so they agree. The bounds
of the badge are named, so they can be discussed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neocog.audits.charts import (
    agreement_map,
    flip_pairs,
    flip_rate,
    flip_rate_ci,
    layers_by_cause,
    shared_low,
)
from neocog.audits.compare import flipped, points
from neocog.audits.first_screen import (
    ROBUST,
    headline,
    leading,
    left_out_sentence,
    next_step,
    no_better_than_chance,
)
from neocog.audits.shift import Shift
from neocog.audits.verdict import aliasing_layers, border_layers
from neocog.errors import printable
from neocog.exhibits import Exhibit, Scalar
from neocog.first_screen import MOST_FIGURES, Command, FirstScreen, Level, Named

if TYPE_CHECKING:
    from neocog.audits.result import Audit

__all__ = ["first_screen", "opening"]

LEVELS: dict[str, Level] = {
    "Not shift-robust": "bad",
    "Shift-robust": "good",
    "Not decided": "open",
}
"""Level of an audit by the words that its sentence begins with."""


def opening(audit: Audit) -> tuple[str, Level, str, str]:
    """Badge, level, the sentence with the number, and a detail.

    Args:
        audit: the result.
    """
    sentence = headline(audit)
    badge, _, rest = sentence.partition(": ")
    level = next((v for k, v in LEVELS.items() if badge.startswith(k)), None)
    if level is None:
        return "", "plain", sentence, ""
    rest = f"{rest[:1].upper()}{rest[1:]}"
    return badge, level, rest, _worst_layer(audit) if level == "bad" else _bound(audit, level)


def first_screen(audit: Audit, named: Named | None = None) -> FirstScreen:
    """The first screen.

    Args:
        audit: the result.
        named: model and data as the user named them; None where they are objects in Python.
    """
    badge, level, sentence, detail = opening(audit)
    return FirstScreen(
        headline=sentence,
        detail=detail,
        badge=badge,
        level=level,
        image=_image(audit),
        figures=_figures(audit),
        next=_next(audit, level, named),
        note=_basis(audit),
    )


def _bound(audit: Audit, level: Level) -> str:
    """Why nothing is decided, where the number of samples is the reason."""
    s = leading(audit)
    if level != "open" or s is None or s.largest_class == 1:
        return ""
    if no_better_than_chance(audit) and s.majority is not None:
        return (
            f"Always predicting the most frequent class scores {flipped(s.majority)} %: flips of "
            "such a model mean little."
        )
    return f"The threshold of {flipped(ROBUST, 0)} % lies within the interval."


def _worst_layer(audit: Audit) -> str:
    """The layers that break equivariance most, by cause; empty where none does."""
    aliased, border = aliasing_layers(audit)[0], border_layers(audit)
    parts = []
    if aliased:
        e = aliased[0]
        error = f"equivariance error {e.own_inside:.2g}"
        parts.append(f"{printable(e.name)} aliases most ({error})")
    if border:
        e = border[0]
        parts.append(f"{printable(e.name)} breaks most by its padding ({e.own_at_border:.2g})")
    return f"Of the layers, {', '.join(parts)}." if parts else ""


def _image(audit: Audit) -> tuple[Exhibit, ...]:
    """One large pair that flips, or the map of shifts where none does; layers by cause."""
    s = leading(audit)
    exhibits: list[Exhibit] = []
    if s is not None:
        pair = flip_pairs(s.flips, audit.classes, "one of the images that flip", large=True)
        if pair.images:
            exhibits.append(pair)
        elif s.map is not None and s.map.agreement.ndim == 2:
            exhibits.append(agreement_map(s, shared_low(audit)))
    layers = layers_by_cause(audit)
    if layers is not None:
        exhibits.append(layers)
    return tuple(exhibits)


def _figures(audit: Audit) -> tuple[Scalar, ...]:
    figures: list[Scalar] = []

    def fraction(title: str, value: float, ci: tuple[float, float] | None, note: str = "") -> None:
        figures.append(Scalar(title=title, value=value, unit="%", interval=ci, note=note))

    first = leading(audit)
    if first is not None and first.unit:
        fraction(_flips(first), flip_rate(first), flip_rate_ci(first))
    if audit.accuracy is not None:
        fraction("accuracy", audit.accuracy, audit.accuracy_ci)
    if first is not None and first.worst_case_accuracy is not None and first.map is not None:
        note = f"correct at every shift of the map, {first.map.n} images"
        fraction("worst-case accuracy", first.worst_case_accuracy, None, note)
    turned = () if audit.rotation is None else (1 - audit.rotation.quarter_turn_agreement,)
    room = MOST_FIGURES - len(figures) - len(turned)
    others = [s for m in ("subpixel", "circular", "zeros") if (s := audit.shift.get(m)) is not None]
    for s in [s for s in others if s is not first and s.unit][:room]:
        fraction(_flips(s), flip_rate(s), flip_rate_ci(s))
    for rate in turned:
        fraction("flips, exact turns", rate, None)
    return tuple(figures)


def _flips(s: Shift) -> str:
    words = {"zeros": "zero fill", "subpixel": "sub-pixel" if s.axes > 1 else "sub-step"}
    return f"flips, {words.get(s.mode, s.mode)}"


def _basis(audit: Audit) -> str:
    """On how many samples."""
    kind = audit.nouns.one if audit.n == 1 else audit.nouns.many
    return f"On {audit.n:,} {kind} (seed {audit.seed}). {left_out_sentence(audit)}".strip()


def _next(audit: Audit, level: Level, named: Named | None) -> tuple[Command, ...]:
    commands: list[Command] = []
    step = next_step(audit)
    if step is not None:
        verb, more = step
        text = {
            "audit": f"Decide on more {audit.nouns.many}",
            "evaluate": "See which classes it predicts",
            "predict": "See which classes it predicts",
            "fix": f"Swap in anti-aliased downsampling{_gain(leading(audit))}",
        }[verb]
        commands.append(
            Command(text=text, python=_PYTHON[(verb, *more)])
            if named is None
            else named.command(verb, text, *more)
        )
    if level not in ("bad", "open") and audit.axes == 2 and (audit.layers or named is None):
        commands.append(_explained(named))
    return tuple(commands)


_PYTHON = {
    ("audit", "--all"): "neocog.audit(model, data, every_sample=True)",
    ("evaluate",): "model.evaluate(data)",
    ("predict",): "model.predict(data)",
    ("fix",): "neocog.fix(model, data)",
    ("fix", "--padding", "circular"): 'neocog.fix(model, data, padding="circular")',
}
"""The commands in Python."""


def _explained(named: Named | None) -> Command:
    text = "See the evidence for a prediction"
    if named is None:
        return Command(text=text, python="neocog.explain(model, data)")
    return named.command("explain", text)


def _gain(s: Shift | None) -> str:
    """What may be gained, where causes were separated."""
    if s is None or s.border is None or s.border.aliasing_ci[0] <= 0:
        return ""
    low, high = (points(v, 1).lstrip("+") for v in s.border.aliasing_ci)
    return f": aliasing adds {points(s.border.aliasing, 1)} pp of flips (95 % CI {low} to {high})"
