"""Results of audits that nobody measured: for sentences and pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neocog.audits.layers import LayerError
from neocog.audits.result import Audit
from neocog.audits.shift import Border, Flip, Grid, Shift
from neocog.stats import interval


def shift(same: np.ndarray, *, mode: str = "crop", grid: float | None = None, **more: Any) -> Shift:
    """Of samples whose predictions are the same at both positions, or not."""
    same = np.asarray(same, bool)
    n = len(same)
    flips = tuple(
        Flip(
            index=int(i),
            name=f"image {i}",
            images=(np.full((3, 8, 8), 0.2), np.full((3, 8, 8), 0.8)),
            offsets=((1.0, 0.0), (-2.0, 3.0)),
            predictions=(0, 1),
            truth=0,
        )
        for i in np.flatnonzero(~same)[:12]
    )
    whole = Grid(
        n=64,
        offsets=(-1.0, 0.0, 1.0),
        agreement=np.full((3, 3), 1.0 if grid is None else grid),
        accuracy=None,
        worst_case_accuracy=0.8,
        stable=0.9,
        largest_difference=0.1,
    )
    parts: dict[str, Any] = {
        "mode": mode,
        "n": n,
        "max_shift": 4.0,
        "unit": "%",
        "consistency": float(same.mean()),
        "consistency_ci": interval(same),
        "both_correct": None,
        "both_wrong": None,
        "flip_rate": float((~same).mean()),
        "one_correct": None,
        "accuracy": None,
        "accuracy_shifted": None,
        "chance_agreement": 0.1,
        "largest_class": 0.2,
        "majority": 0.1,
        "worst_case_accuracy": 0.8,
        "map": whole if grid is not None else None,
        "border": None,
        "flips": flips,
        "same": same,
        "right": np.ones(n, bool),
        "both": same,
    }
    return Shift(**{**parts, **more})


def border(border: float, aliasing: float, ci: tuple[float, float], n: int = 200) -> Border:
    """Flips told apart."""
    return Border(n=n, stride=4, border=border, aliasing=aliasing, aliasing_ci=ci)


def layer(name: str, own: float, at_border: float) -> LayerError:
    """A layer with its own error, and the fraction of its square that lies at the border."""
    return LayerError(
        name=name,
        kind="Conv2d",
        output=(8, 4, 4),
        shift_error=own,
        shift_ci=(own, own),
        local_shift=own,
        own_border=at_border,
        rotation_error=None,
        local_rotation=None,
    )


def audit(*shifts: Shift, **more: Any) -> Audit:
    """An audit with some ways of shifting."""
    n = shifts[0].n if shifts else 10
    parts: dict[str, Any] = {
        "task": "classify",
        "n": n,
        "accuracy": 0.9,
        "accuracy_ci": (0.87, 0.93),
        "classes": ("deer", "horse"),
        "shift": {s.mode: s for s in shifts},
        "extras": {},
        "layers": (),
        "lie": (),
        "aliasing": (),
        "alignment": None,
        "cost": None,
        "receptive_field": None,
        "seconds_per_image": 0.001,
        "seed": 0,
        "protocol": {"n": 1000},
    }
    return Audit(**{**parts, **more})


def flipping(n: int, flips: int, **more: Any) -> Shift:
    """So many of n predictions flip."""
    return shift(np.arange(n) >= flips, **more)


__all__ = ["audit", "border", "flipping", "layer", "replace", "shift"]
