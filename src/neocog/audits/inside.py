"""The inside of a network as exhibits: its layers and its downsampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neocog.audits.lie import LieError
from neocog.audits.verdict import blame
from neocog.errors import printable
from neocog.exhibits import Cell, Curve, Exhibit, Map, Section, Table, share

if TYPE_CHECKING:
    from neocog.audits.result import Audit

__all__ = ["layers_section", "sampling_section"]

SPECTRA = 6
"""Downsampling layers whose spectra are drawn."""


DARKEST = -6.0
"""Powers of ten that a spectrum shows."""


def layers_section(audit: Audit) -> Section:
    """How far every layer is from equivariance, alone and with all layers before it."""
    lie = {e.name: e for e in audit.lie}
    x = list(range(1, len(audit.layers) + 1))
    lines: dict[str, list[float | None]] = {"shift": [e.shift_error for e in audit.layers]}
    if any(e.rotation_error is not None for e in audit.layers):
        lines["quarter turn"] = [e.rotation_error for e in audit.layers]
    curve = Curve(
        title="equivariance error after every layer",
        x=x,
        lines=lines,
        x_label="layer, in the order of the first call",
        y_label="‖f(T x) - T f(x)‖ / ‖f(x)‖",
        x_names=[e.name for e in audit.layers],
        note="0 is exactly equivariant; two unrelated maps of one size differ by about 1.4.",
    )
    numbered = [(k, e) for k, e in enumerate(audit.layers, start=1) if e.kind != "Identity"]
    shifts: list[list[Cell]] = [
        [
            number,
            e.name,
            e.kind,
            " × ".join(map(str, e.output)),
            e.shift_error,
            None if e.local_shift is None else e.own_inside,
            None if e.local_shift is None else e.own_at_border,
            *([lie[e.name].shift if e.name in lie else None] if lie else []),
        ]
        for number, e in numbered
    ]
    table = Table(
        title="shifts, layer by layer",
        columns=(
            "",
            "layer",
            "kind",
            "output",
            "error",
            "local, interior",
            "local, at the border",
            *(["Lie derivative"] if lie else []),
        ),
        rows=shifts,
        note=(
            "Error: at the layer's output, including all layers before it. Local: of this layer "
            "only, with its input shifted exactly; in the interior, away from the border, only "
            "downsampling breaks equivariance."
        )
        + (
            f" Lie derivative: how fast the error grows at the start of the shift, per "
            f"{audit.nouns.unit}."
            if lie
            else ""
        ),
    )
    exhibits: list[Exhibit] = [curve, table]
    if "quarter turn" in lines:
        turns: list[list[Cell]] = [
            [
                number,
                e.name,
                e.rotation_error,
                e.local_rotation,
                *([_radian(lie.get(e.name))] if lie else []),
            ]
            for number, e in numbered
        ]
        exhibits.append(
            Table(
                title="quarter turns, layer by layer",
                columns=("", "layer", "error", "local", *(["Lie derivative"] if lie else [])),
                rows=turns,
                note="The same for exact quarter turns"
                + ("; the Lie derivative is per radian." if lie else "."),
            )
        )
    return Section(
        title="Equivariance, layer by layer", exhibits=tuple(exhibits), text=blame(audit)
    )


def _frequencies(n: int) -> tuple[float, float]:
    """Cycles per sample at both edges of a spectrum of n values, zero in the center."""
    first = -(n // 2) / n
    return first - 0.5 / n, first + 1 - 0.5 / n


def _radian(e: LieError | None) -> float | None:
    return None if e is None else e.rotation


def _none_drops(audit: Audit) -> str:
    """What may be claimed where no operation was seen to downsample."""
    alignment = audit.alignment
    if alignment is None or alignment.unknown:
        behind = "" if alignment is None else f" {', '.join(alignment.unknown)}"
        return f"No downsampling was found; not analyzed{behind and ':'}{behind}."
    if alignment.total_stride != 1:
        return (
            f"No convolution, pool or slice downsamples; the total stride of "
            f"{alignment.total_stride} {audit.nouns.units} is that of other operations."
        )
    return "Nothing in this model downsamples except global pooling."


def sampling_section(audit: Audit) -> Section:
    """Where the network downsamples, what aliases there, and the worst spectra."""
    rows: list[list[Cell]] = [
        [
            a.name,
            a.kind,
            "×".join(map(str, a.stride)),
            share(a.aliased_energy),
            f"moves with the {audit.nouns.one}" if a.consistent else "fixed",
        ]
        for a in audit.aliasing
    ]
    exhibits: list[Exhibit] = [
        Table(
            title="downsampling layers",
            columns=("layer", "operation", "stride", "aliased energy", "grid"),
            rows=rows,
            note=(
                "Fraction of the energy before downsampling, without the mean, above the new "
                "Nyquist frequency."
            ),
        )
    ]
    worst = sorted(audit.aliasing, key=lambda a: -a.aliased_energy)[:SPECTRA]
    for a in worst:
        if a.spectrum.ndim != 2:
            continue
        power = a.spectrum.copy()
        power[tuple(n // 2 for n in power.shape)] = 0.0
        if not power.max() > 0:  # nothing but a mean, or no numbers
            continue
        level = np.log10(np.maximum(power / power.max(), 10.0**DARKEST))
        level[tuple(n // 2 for n in power.shape)] = np.nan
        exhibits.append(
            Map(
                title=f"spectrum before {printable(a.name)} downsamples",
                values=level,
                row_label="cycles per sample, vertical",
                column_label="cycles per sample, horizontal",
                ends=(DARKEST, 0.0),
                extent=(_frequencies(level.shape[0]), _frequencies(level.shape[1])),
                box=(1 / a.stride[0], 1 / a.stride[-1]),
                note="Power in powers of ten of the maximum; zero frequency, left out, is in the "
                f"center. The frame: below the Nyquist frequency of stride "
                f"{'×'.join(map(str, a.stride))}; what lies outside it aliases, "
                f"{share(a.aliased_energy)} of the energy.",
            )
        )
    text = "" if rows else _none_drops(audit)
    return Section(title="Aliasing", exhibits=tuple(exhibits) if rows else (), text=text)
