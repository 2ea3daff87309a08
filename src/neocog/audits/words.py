"""What an audit found, in sentences."""

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
"""Below this an error is rounding: float32 has 1e-7, and errors of layers add up."""


def verdict(audit: Audit) -> str:
    """The main sentences, for the head of a report and the terminal."""
    said = [_shift(mode, s) for mode, s in audit.shift.items() if s.flip_rate is not None]
    if said and all(s.largest_class == 1 for s in audit.shift.values()):
        said.append("All answers are of one class: that none changes says nothing of shifts.")
    circular = audit.shift.get("circular")
    if circular is not None and circular.border is not None:
        said.append(_apart(audit, circular.border))
    if audit.layers:
        said.append(blame(audit))
    if audit.alignment is not None:
        said += audit.alignment.sentences()
    said += [sentence for found in audit.extras.values() for sentence in found.sentences()]
    return "\n\n".join(said)


def blame(audit: Audit) -> str:
    """Which layers break shift equivariance, and how."""
    alone = [e for e in audit.layers if e.local_shift is not None]
    lost = [e for e in alone if not math.isfinite(e.local_shift or 0.0)]
    inside = _worst(alone, lambda e: e.own_inside)
    if inside:
        said = _away(audit, inside)
    elif len(alone) > len(lost):
        said = (
            "Away from the border no layer that was looked at by itself breaks it on these samples."
        )
    else:
        said = "No layer could be looked at by itself, so none is cleared."
    if lost:
        named = ", ".join(printable(e.name) for e in lost[:NAMED]) + _more(lost)
        said += f" Of {named} the error is no finite number, which clears nothing."
    functions = aliasing_layers(audit)[1]
    if functions:
        named = ", ".join(f"{printable(a.name)} ({a.kind})" for a in functions[:NAMED])
        said += (
            f" Functions that downsample break it{' too' if inside else ''}: "
            f"{named}{_more(functions)}."
        )
    border = border_layers(audit)
    if border:
        count = f"{len(border)} layer{'s do' if len(border) > 1 else ' does'}"
        said += (
            f" At the border {count}, most of all "
            f"{_named(border[:1], lambda e: e.own_at_border)}; "
            "with circular padding none would."
        )
    return said


def aliasing_layers(audit: Audit) -> tuple[list[LayerError], list[Aliasing]]:
    """Layers that break it away from the border, the worst first, and functions that sample.

    Args:
        audit: what was found.
    """
    alone = [e for e in audit.layers if e.local_shift is not None]
    measured = {e.name for e in alone}
    functions = [a for a in audit.aliasing if not a.consistent and a.name not in measured]
    return _worst(alone, lambda e: e.own_inside), functions


def border_layers(audit: Audit) -> list[LayerError]:
    """Layers that break it mostly at the border, the worst first; none where not all is known.

    Args:
        audit: what was found.
    """
    bordered = _bordered(audit)
    alone = [e for e in audit.layers if e.local_shift is not None]
    return [
        e
        for e in _worst(alone, lambda e: e.own_at_border)
        if (e.own_border or 0.0) > 0.5 and e.name in bordered
    ]


def named_errors(layers: list[LayerError], *, inside: bool) -> str:
    """The worst by name, each with its own error.

    Args:
        layers: the worst first.
        inside: the error away from the border; else that at the border.
    """
    value = (lambda e: e.own_inside) if inside else (lambda e: e.own_at_border)
    return f"{_named(layers, value)}{_more(layers)}"


def _away(audit: Audit, inside: list[LayerError]) -> str:
    """Layers that break it by sampling, the worst first, and what aliases there."""
    many = len(inside) > 1
    said = f"Away from the border {_named(inside, lambda e: e.own_inside)}{_more(inside)} "
    said += "break it, each alone" if many else "breaks it, alone"
    said += " by that much of its output's norm"
    energy = {a.name: a.aliased_energy for a in audit.aliasing if math.isfinite(a.aliased_energy)}
    aliased = [e for e in inside if e.name in energy]
    if aliased:
        worst = max(aliased, key=lambda e: energy[e.name])
        said += (
            f"; of what {printable(worst.name)} samples, {share(energy[worst.name])} of the "
            "energy aliases"
        )
    return f"{said}."


def causes(audit: Audit) -> tuple[str, ...]:
    """What may change answers under shifts that every downsampler meets at the same phase."""
    rows = () if audit.alignment is None else audit.alignment.rows
    rows = tuple(r for r in rows if r.rule == CIRCULAR_SHIFT)
    found = []
    if any(r.is_border for r in rows):
        found.append("the border")
    if any(r.by_size for r in rows):
        found.append("sizes that the strides do not divide")
    for words, some in (
        ("weights that belong to one place", POSITIONAL_WEIGHTS),
        ("what is not the same for all positions", tuple(POSITION_DEPENDENT)),
    ):
        placed = list(dict.fromkeys(r.layer for r in rows if r.reason in some))
        if placed:
            named = ", ".join(printable(name) or "the network itself" for name in placed[:NAMED])
            found.append(f"{words} ({named})")
    return tuple(found)


def _apart(audit: Audit, found: Border) -> str:
    """Flips by shifts that every downsampler meets at one phase, and what other shifts add."""
    unit = audit.nouns.unit if found.stride == 1 else audit.nouns.units
    said = (
        f"Circular shifts by whole multiples of the total stride ({found.stride} {unit}) "
        f"change {share(found.border)} of the answers"
    )
    if found.border:
        said += f": {_still(audit)}"
    elif able := causes(audit):
        said += f", though {_either(able)} could"
    if found.stride == 1:  # every shift is such a multiple
        return f"{said}. All whole shifts are such multiples: there is no fixed sampling grid."
    low, _ = found.aliasing_ci
    more = found.aliasing
    if not more:
        return f"{said}. Other shifts of about that length change as many."
    said += f". Other shifts of about that length change {share(abs(more))} "
    if more < 0:
        return f"{said}fewer: nothing points to the sampling grid."
    return f"{said}more{': the sampling grid.' if low > 0 else ', which may be chance.'}"


def _still(audit: Audit) -> str:
    """What may be behind it, in a sentence."""
    if audit.alignment is None or audit.alignment.unknown:
        return "not all was looked behind, so the cause is unknown"
    found = causes(audit)
    if not found:
        return "the geometry shows no cause; rounding is one, where two classes tie"
    return f"that is {_either(found)}"


def _either(found: Sequence[str]) -> str:
    return found[0] if len(found) == 1 else ", ".join(found[:-1]) + f", or {found[-1]}"


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
    return (
        f"Under {words}, up to {s.max_shift:g} {unit}, {share(s.flip_rate)} of the answers change."
    )


def _bordered(audit: Audit) -> set[str]:
    """Layers at whose border something else than the other side of the map is seen.

    None where not all was looked behind: what breaks a layer near its border may be its grid.
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


def _more(found: Sequence[object]) -> str:
    return f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
