"""The result of an audit in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from neocog.errors import printable
from neocog.exhibits import share
from neocog.graph.misalignment import CIRCULAR_SHIFT, POSITION_DEPENDENT, POSITIONAL_WEIGHTS
from neocog.graph.wording import nouns

if TYPE_CHECKING:
    from neocog.audits.aliasing import Aliasing
    from neocog.audits.layers import LayerError
    from neocog.audits.result import Audit
    from neocog.audits.shift import Border, Shift

__all__ = [
    "NAMED",
    "NOTHING",
    "aliasing_layers",
    "blame",
    "border_layers",
    "causes",
    "named_errors",
    "verdict",
]

NAMED = 3
"""Layers that are called by name."""

NOTHING = 1e-4
"""Below this an error is rounding: float32 has 1e-7, and errors of layers accumulate."""


def verdict(audit: Audit) -> str:
    """The main sentences, for the head of a report and the terminal."""
    sentences = [_shift(mode, s) for mode, s in audit.shift.items() if s.flip_rate is not None]
    if sentences and all(s.largest_class == 1 for s in audit.shift.values()):
        sentences.append(
            "All predictions are of one class, so a flip rate of zero says nothing about shifts."
        )
    circular = audit.shift.get("circular")
    if circular is not None and circular.border is not None:
        sentences.append(_apart(audit, circular.border))
    if audit.layers:
        sentences.append(blame(audit))
    if audit.alignment is not None:
        sentences += audit.alignment.sentences()
    sentences += [
        sentence for measured in audit.extras.values() for sentence in measured.sentences()
    ]
    return "\n\n".join(sentences)


def blame(audit: Audit) -> str:
    """Which layers break shift equivariance, and how."""
    alone = [e for e in audit.layers if e.local_shift is not None]
    lost = [e for e in alone if not math.isfinite(e.local_shift or 0.0)]
    inside = _worst(alone, lambda e: e.own_inside)
    if inside:
        text = _away(audit, inside)
    elif len(alone) > len(lost):
        text = (
            "In the interior, no layer that was measured separately breaks shift equivariance on "
            "these samples."
        )
    else:
        text = "No layer could be measured separately, so none is cleared."
    if lost:
        named = ", ".join(printable(e.name) for e in lost[:NAMED]) + _more(lost)
        text += f" Of {named} the error is not a finite number, which clears nothing."
    functions = aliasing_layers(audit)[1]
    if functions:
        named = ", ".join(f"{printable(a.name)} ({a.kind})" for a in functions[:NAMED])
        text += (
            f" Functional downsampling breaks equivariance{' too' if inside else ''}: "
            f"{named}{_more(functions)}."
        )
    border = border_layers(audit)
    if border:
        count = f"{len(border)} layer{'s break' if len(border) > 1 else ' breaks'}"
        text += (
            f" At the border {count} equivariance, most of all "
            f"{_named(border[:1], lambda e: e.own_at_border)}; "
            "with circular padding none would."
        )
    return text


def aliasing_layers(audit: Audit) -> tuple[list[LayerError], list[Aliasing]]:
    """Layers that break it away from the border, the worst first, and functions that downsample.

    Args:
        audit: the result.
    """
    alone = [e for e in audit.layers if e.local_shift is not None]
    measured = {e.name for e in alone}
    functions = [a for a in audit.aliasing if not a.consistent and a.name not in measured]
    return _worst(alone, lambda e: e.own_inside), functions


def border_layers(audit: Audit) -> list[LayerError]:
    """Layers that break it mostly at the border, the worst first; none where not all is known.

    Args:
        audit: the result.
    """
    bordered = _bordered(audit)
    alone = [e for e in audit.layers if e.local_shift is not None]
    return [
        e
        for e in _worst(alone, lambda e: e.own_at_border)
        if (e.own_border or 0.0) > 0.5 and e.name in bordered
    ]


def named_errors(layers: list[LayerError], *, inside: bool) -> str:
    """The worst by name, each with its local error.

    Args:
        layers: the worst first.
        inside: the error away from the border; else that at the border.
    """
    value = (lambda e: e.own_inside) if inside else (lambda e: e.own_at_border)
    return f"{_named(layers, value)}{_more(layers)}"


def _away(audit: Audit, inside: list[LayerError]) -> str:
    """Layers that break it by downsampling, the worst first, and how much aliases there."""
    named = f"{_named(inside, lambda e: e.own_inside)}{_more(inside)}"
    text = f"Local equivariance error (relative L2) in the interior: {named}"
    energy = {a.name: a.aliased_energy for a in audit.aliasing if math.isfinite(a.aliased_energy)}
    aliased = [e for e in inside if e.name in energy]
    if aliased:
        worst = max(aliased, key=lambda e: energy[e.name])
        text += (
            f"; of what {printable(worst.name)} samples, {share(energy[worst.name])} of the "
            "energy aliases"
        )
    return f"{text}."


def causes(audit: Audit) -> tuple[str, ...]:
    """What may flip predictions under shifts that every downsampling layer meets at one phase."""
    rows = () if audit.alignment is None else audit.alignment.rows
    rows = tuple(r for r in rows if r.rule == CIRCULAR_SHIFT)
    reasons = []
    if any(r.is_border for r in rows):
        reasons.append("the border")
    if any(r.by_size for r in rows):
        reasons.append("sizes that the strides do not divide")
    for words, some in (
        ("weights that depend on position", POSITIONAL_WEIGHTS),
        ("operations that differ by position", tuple(POSITION_DEPENDENT)),
    ):
        placed = list(dict.fromkeys(r.layer for r in rows if r.reason in some))
        if placed:
            named = ", ".join(printable(name) or "the network itself" for name in placed[:NAMED])
            reasons.append(f"{words} ({named})")
    return tuple(reasons)


def _apart(audit: Audit, border: Border) -> str:
    """Flips by shifts that every downsampling layer meets at one phase; what other shifts add."""
    unit = audit.nouns.unit if border.stride == 1 else audit.nouns.units
    text = (
        f"Circular shifts by whole multiples of the total stride ({border.stride} {unit}) "
        f"flip {share(border.border)} of the predictions"
    )
    if border.border:
        text += f": {_still(audit)}"
    elif able := causes(audit):
        text += f", though {_either(able)} could"
    if border.stride == 1:  # every shift is such a multiple
        return f"{text}. All integer shifts are such multiples, so the sampling grid plays no part."
    low, _ = border.aliasing_ci
    more = border.aliasing
    if not more:
        return f"{text}. Other shifts of about that length flip as many."
    text += f". Other shifts of about that length flip {share(abs(more))} "
    if more < 0:
        return f"{text}fewer, so nothing points to the sampling grid."
    return f"{text}more{': the sampling grid.' if low > 0 else ', which may be chance.'}"


def _still(audit: Audit) -> str:
    """Possible causes, in a sentence."""
    if audit.alignment is None or audit.alignment.unknown:
        return "the cause is unknown, as not everything was analyzed"
    reasons = causes(audit)
    if not reasons:
        return "the geometry shows no cause; rounding can be one, where two classes tie"
    return f"that is {_either(reasons)}"


def _either(reasons: Sequence[str]) -> str:
    return reasons[0] if len(reasons) == 1 else ", ".join(reasons[:-1]) + f", or {reasons[-1]}"


def _shift(mode: str, s: Shift) -> str:
    assert s.flip_rate is not None
    kind = nouns(s.axes)
    unit = kind.unit if s.max_shift == 1 else kind.units
    words = {
        "circular": "circular shifts",
        "crop": "another crop" if s.axes > 1 else "another window",
        "zeros": f"shifts that bring in {kind.nothing}",
        "subpixel": f"shifts by fractions of a {kind.unit}",
    }[mode]
    return f"Prediction flips: {share(s.flip_rate)} under {words}, up to {s.max_shift:g} {unit}."


def _bordered(audit: Audit) -> set[str]:
    """Layers whose padding differs from the other side of the map.

    None where not everything was analyzed: an error near the border may come from the grid.
    """
    if audit.alignment is None or audit.alignment.unknown:
        return set()
    names = {r.layer for r in audit.alignment.rows if r.is_border}
    return {e.name for e in audit.layers if e.name.partition("#")[0] in names}


def _worst(layers: list[LayerError], value: Callable[[LayerError], float]) -> list[LayerError]:
    return sorted((e for e in layers if NOTHING < value(e) < math.inf), key=value, reverse=True)


def _named(layers: list[LayerError], value: Callable[[LayerError], float]) -> str:
    return ", ".join(f"{printable(e.name)} ({_error(value(e))})" for e in layers[:NAMED])


def _error(value: float) -> str:
    return f"{value:.2f}" if value >= 0.005 else f"{value:.1g}"


def _more(errors: Sequence[object]) -> str:
    return f", and {len(errors) - NAMED} more" if len(errors) > NAMED else ""
