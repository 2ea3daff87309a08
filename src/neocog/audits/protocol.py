"""How an audit was measured, and how to repeat exactly that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from neocog.audits.config import AuditConfig
from neocog.audits.moving import MODES
from neocog.audits.plan import Plan
from neocog.audits.table import MEASURES
from neocog.models.exact import ExactModel

__all__ = ["protocol"]


def protocol(
    config: AuditConfig, made: Plan, model: ExactModel, batch: int | None
) -> dict[str, Any]:
    """How it was measured, and the options that give the same figures again.

    Args:
        config: the options.
        made: what was measured in the end.
        model: the model.
        batch: batch size; None where it follows the size of a sample.
    """
    given = asdict(config)
    for name in ("every_sample", "full", "budget"):
        del given[name]
    chosen = {
        **given,
        "shift": list(made.shift),
        "maps": list(made.maps),
        "map_samples": made.map_samples,
        **{m.name: m.name in made.extras for m in MEASURES},
        "layers": bool(made.layers),
        "lie": made.lie,
        "layer_samples": made.layers,
        "n": made.samples,
        "batch": batch,
    }
    return {
        **chosen,
        "precision": str(model.dtype).removeprefix("torch."),
        "mode": "evaluation",
        "samples_rotated_scaled_deformed": max(made.extras.values(), default=0),
        "samples_for_layers": made.layers,
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "repeat": _options(chosen),
    }


def _options(chosen: Mapping[str, Any]) -> str:
    """As they are written after a command."""
    parts = [f"--samples {chosen['n']}"]
    if chosen["shift"]:
        parts.append(f"--shift {_modes(chosen['shift'])}")
    if chosen["max_shift"] is not None:
        parts.append(f"--max-shift {chosen['max_shift']}")
    parts.append(f"--maps {_modes(chosen['maps'])}")
    if chosen["maps"]:
        parts.append(f"--map-samples {chosen['map_samples']}")
    if chosen["all_shifts"]:
        parts.append("--all-shifts")
    parts += [f"--{m.option}" for m in MEASURES if chosen[m.name]]
    if not chosen["layers"]:
        parts.append("--no-layers")
    else:
        parts += ["--lie"] * bool(chosen["lie"])
        parts.append(f"--layer-samples {chosen['layer_samples']}")
    if chosen["batch"] is not None:
        parts.append(f"--batch-size {chosen['batch']}")
    return " ".join([*parts, f"--seed {chosen['seed']}"])


def _modes(names: Sequence[str]) -> str:
    return "all" if set(names) == set(MODES) else ",".join(names) or "none"
