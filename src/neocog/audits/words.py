"""What an audit found, in sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from neocog.audits.misalignment import CIRCULAR_SHIFT, OF_ONE_PLACE, OF_POSITIONS
from neocog.audits.nouns import nouns
from neocog.errors import printable

if TYPE_CHECKING:
    from neocog.audits.layers import LayerError
    from neocog.audits.shift import Shift
    from neocog.audits.suite import Audit

__all__ = ["blame", "causes", "share", "verdict"]

NAMED = 3
"""Layers that are called by name."""

NOTHING = 1e-4
"""Below this an error is rounding: float32 has 1e-7, and errors of layers add up."""


def share(value: float) -> str:
    """A share in per cent; all of it only where it is all of it.

    Example:
        >>> share(0.99996), share(1.0), share(0.00001)
        ('99.99 %', '100 %', '0.01 %')
    """
    if value in (0.0, 1.0):
        return f"{value:.0%}".replace("%", " %")
    return f"{min(max(round(value * 100, 2), 0.01), 99.99):.2f} %"


def verdict(audit: Audit) -> str:
    """The main sentences, for the head of a report and the terminal."""
    said = [_shift(mode, s) for mode, s in audit.shift.items() if s.flip is not None]
    if "circular" in audit.shift and (border := audit.shift["circular"].border) is not None:
        said.append(
            f"Circular shifts by whole multiples of the total stride ({border.stride} "
            f"{audit.nouns.unit if border.stride == 1 else audit.nouns.units}) "
            f"change {share(border.border)} of the answers"
            + (f": that is {_still(audit)}. " if border.border or causes(audit) else ". ")
            + f"Other shifts of about that length change {share(max(0.0, border.aliasing))} more: "
            "the sampling grid."
        )
    if audit.layers:
        said.append(blame(audit))
    if audit.alignment is not None:
        said += audit.alignment.sentences()
    if audit.rotation is not None:
        square = 90.0 in audit.rotation.sweep.amounts
        said.append(
            f"Under exact {'quarter' if square else 'half'} turns "
            f"{share(audit.rotation.quarter_turn_agreement)} of the answers stay."
        )
    return "\n\n".join(said)


def blame(audit: Audit) -> str:
    """Which layers break shift equivariance, and how."""
    measured = {e.name for e in audit.layers if e.own_shift is not None}
    inside = _worst(audit, lambda e: e.own_inside)
    bordered = _bordered(audit)
    border = _worst(
        audit,
        lambda e: (e.own_shift or 0.0) if (e.own_border or 0) > 0.5 and e.name in bordered else 0.0,
    )
    if inside:
        said = f"Away from the border {_named(inside, lambda e: e.own_inside)} break it"
        said += f", and {len(inside) - NAMED} more" if len(inside) > NAMED else ""
        said += ", each alone by that much of its output's norm"
        energy = {a.name: a for a in audit.aliasing}
        aliased = [e for e in inside if e.name in energy]
        if aliased:
            worst = max(aliased, key=lambda e: energy[e.name].aliased_energy)
            said += (
                f"; of what {printable(worst.name)} samples, "
                f"{share(energy[worst.name].aliased_energy)} of the energy aliases"
            )
        said += "."
    elif measured:
        said = "Away from the border no layer that was looked at by itself breaks it."
    else:
        said = "No layer could be looked at by itself, so none is cleared."
    functions = [a for a in audit.aliasing if not a.consistent and a.name not in measured]
    if functions:
        named = ", ".join(f"{printable(a.name)} ({a.kind})" for a in functions[:NAMED])
        said += f" Functions that drop samples break it too: {named}."
    if border:
        count = f"{len(border)} layer{'s do' if len(border) > 1 else ' does'}"
        said += (
            f" At the border {count}, most of all "
            f"{_named(border[:1], lambda e: e.own_shift or 0.0)}; "
            "with circular padding none would."
        )
    return said


def causes(audit: Audit) -> tuple[str, ...]:
    """What may change answers under shifts that every down-sampler meets at the same phase."""
    rows = () if audit.alignment is None else audit.alignment.rows
    rows = tuple(r for r in rows if r.rule == CIRCULAR_SHIFT)
    found = []
    if any(r.is_border for r in rows):
        found.append("the border")
    if any(r.by_size for r in rows):
        found.append("sizes that the strides do not divide")
    for words, some in (
        ("weights that belong to one place", OF_ONE_PLACE),
        ("what is not the same for all positions", tuple(OF_POSITIONS)),
    ):
        placed = list(dict.fromkeys(r.layer for r in rows if r.came in some))
        if placed:
            named = ", ".join(printable(name) or "the network itself" for name in placed[:NAMED])
            found.append(f"{words} ({named})")
    return tuple(found)


def _still(audit: Audit) -> str:
    """The same, in a sentence."""
    found = causes(audit)
    if not found:
        return "rounding, as nothing in the geometry would"
    return found[0] if len(found) == 1 else ", ".join(found[:-1]) + f", and {found[-1]}"


def _shift(mode: str, s: Shift) -> str:
    assert s.flip is not None
    kind = nouns(s.axes)
    unit = kind.unit if s.radius == 1 else kind.units
    words = {
        "circular": "circular shifts",
        "crop": "another crop" if s.axes > 1 else "another window",
        "zero": f"shifts that bring in {kind.nothing}",
        "subpixel": f"shifts by fractions of a {kind.unit}",
    }[mode]
    return f"Under {words}, up to {s.radius:g} {unit}, {share(s.flip)} of the answers change."


def _bordered(audit: Audit) -> set[str]:
    """Layers at whose border something else than the other side of the map is seen.

    None where not all was looked behind: what breaks a layer near its border may be its grid.
    """
    if audit.alignment is None or audit.alignment.unknown:
        return set()
    names = {r.layer for r in audit.alignment.rows if r.is_border}
    return {e.name for e in audit.layers if e.name.partition("#")[0] in names}


def _worst(audit: Audit, value: Callable[[LayerError], float]) -> list[LayerError]:
    own = [e for e in audit.layers if e.own_shift is not None and value(e) > NOTHING]
    return sorted(own, key=value, reverse=True)


def _named(layers: list[LayerError], value: Callable[[LayerError], float]) -> str:
    return ", ".join(f"{printable(e.name)} ({value(e):.2f})" for e in layers[:NAMED])
