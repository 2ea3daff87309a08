"""An audit as plain numbers, lists and names: what `--json` prints and bounds are set on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from neocog.audits.table import MEASURES, Measured

if TYPE_CHECKING:
    from neocog.audits.result import Audit

__all__ = ["plain"]


def plain(audit: Audit) -> Any:
    """The names are those of the spec.

    Args:
        audit: what was found.
    """
    return _finite(
        {
            "task": audit.task,
            "n": audit.n,
            "accuracy": audit.accuracy,
            "accuracy_ci": None if audit.accuracy_ci is None else list(audit.accuracy_ci),
            "shift": {mode: found.to_json() for mode, found in audit.shift.items()},
            **{m.name: _json(audit.extras.get(m.name)) for m in MEASURES},
            "layers": _layers(audit),
            "aliasing": [
                {
                    "name": a.name,
                    "kind": a.kind,
                    "stride": list(a.stride),
                    "aliased_energy": a.aliased_energy,
                    "consistent": a.consistent,
                }
                for a in audit.aliasing
            ],
            "alignment": [] if audit.alignment is None else audit.alignment.to_json()["rules"],
            "alignment_sizes": {}
            if audit.alignment is None
            else audit.alignment.to_json()["sizes"],
            "alignment_status": "unknown" if audit.alignment is None else audit.alignment.status,
            "total_stride": None if audit.alignment is None else audit.alignment.total_stride,
            "not_looked_behind": ["the whole model"]
            if audit.alignment is None
            else list(audit.alignment.unknown),
            "cost": _cost(audit),
            "receptive_field": []
            if audit.receptive_field is None
            else audit.receptive_field.to_json()["layers"],
            "seed": audit.seed,
            "protocol": audit.protocol,
            "left_out": [{"what": p.what, "option": p.option} for p in audit.left_out],
            "notes": list(audit.notes),
        }
    )


def _json(found: Measured | None) -> dict[str, Any] | None:
    return None if found is None else found.to_json()


def _finite(value: Any) -> Any:
    """What is no finite number is null: JSON has no other word for it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list | tuple) else value


def _layers(audit: Audit) -> list[dict[str, Any]]:
    lie = {e.name: e for e in audit.lie}
    energy = {a.name: a.aliased_energy for a in audit.aliasing}
    rows = []
    for e in audit.layers:
        slow = lie.get(e.name)
        rows.append(
            {
                "name": e.name,
                "kind": e.kind,
                "output": list(e.output),
                "shift_error": e.shift_error,
                "shift_error_ci": list(e.shift_ci),
                "rotation_error": e.rotation_error,
                "aliased_energy": energy.get(e.name),
                "local_shift_error": e.local_shift,
                "local_shift_error_border_share": e.own_border,
                "local_rotation_error": e.local_rotation,
                "lie_shift": None if slow is None else slow.shift,
                "lie_rotation": None if slow is None else slow.rotation,
            }
        )
    return rows


def _cost(audit: Audit) -> dict[str, Any] | None:
    if audit.cost is None:
        return {"seconds_per_image": audit.seconds_per_image}
    names = ("params", "macs", "flops", "activations", "status")
    return {
        **{k: getattr(audit.cost, k) for k in names},
        "seconds_per_image": audit.seconds_per_image,
    }
