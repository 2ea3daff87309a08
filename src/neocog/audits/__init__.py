"""Measurements of any `nn.Module`.

    from neocog.audits import shift_consistency

    shift_consistency(net, x, mode="circular").consistency  # any module, values in [0, 1]

Each name is opened when it is first used. What needs no data is in `neocog.graph`: `cost.cost`,
`receptive_field.receptive_field`, `alignment.alignment`; measures that are called like their module
stay there: `neocog.audits.aliasing.aliasing`, `elastic.elastic`, `compare.compare`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neocog.audits.layers import layer_errors
    from neocog.audits.lie import lie_errors
    from neocog.audits.motion import rotation, scale
    from neocog.audits.poses import pose_consistency
    from neocog.audits.shift import shift_consistency
    from neocog.audits.suite import audit_model
    from neocog.data.samples import Samples
    from neocog.graph.gradient_field import effective_field
    from neocog.models.exact import ExactModel

__all__ = [
    "ExactModel",
    "Samples",
    "audit_model",
    "effective_field",
    "layer_errors",
    "lie_errors",
    "pose_consistency",
    "rotation",
    "scale",
    "shift_consistency",
]

_MODULES = {
    "Samples": "neocog.data.samples",
    "ExactModel": "neocog.models.exact",
    "audit_model": "neocog.audits.suite",
    "effective_field": "neocog.graph.gradient_field",
    "layer_errors": "neocog.audits.layers",
    "lie_errors": "neocog.audits.lie",
    "pose_consistency": "neocog.audits.poses",
    "rotation": "neocog.audits.motion",
    "scale": "neocog.audits.motion",
    "shift_consistency": "neocog.audits.shift",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module `neocog.audits` has no attribute `{name}`")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
