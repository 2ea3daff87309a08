"""What run folders, recipes and exported models called things before: read under today's names.

Recipes and specs carry no number of their format, so each old name is looked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # recipes are read without PyTorch
    from torch import Tensor

__all__ = [
    "OLD_SPEC_FILE",
    "card_of_today",
    "checkpoint_of_today",
    "recipe_of_today",
    "spec_of_today",
]

OLD_SPEC_FILE = "neocog-contract.json"
"""Inside an exported model; what is written today is `models.external.SPEC_FILE`."""

_TABLES = {"course": "train", "network": "model", "optimiser": "optimizer"}
"""Tables of a recipe."""

_KEYS = {
    "data": {"place": "path", "fit": "resize_mode"},
    "model": {"start": "init", "start_digest": "init_digest", "sampling": "downsampling"},
    "train": {"batch": "batch_size", "average": "ema_decay"},
    "machine": {"layout": "memory_format"},
    "schedule": {"final": "final_lr_factor"},
    "objective": {"clip": "max_grad_norm"},
    "augment": {
        "equalise": "equalize",
        "erase": "random_erasing",
        "erase_size": "erasing_size",
        "squeeze": "aspect_jitter",
    },
}
"""Keys, by the table of today."""

_VALUES = {
    ("data", "resize_mode"): {"cover": "crop"},
    ("model", "padding"): {"zero": "zeros"},
    ("augment", "border"): {"zero": "zeros"},
}
"""Values, by table and key of today."""


def recipe_of_today(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Tables of a recipe, under the names that are used today.

    Args:
        tables: table to key to value, as a file has them; what is no table stays as it is.

    Example:
        >>> recipe_of_today({"course": {"batch": 64}, "network": {"padding": "zero"}})
        {'train': {'batch_size': 64}, 'model': {'padding': 'zeros'}}
    """
    renamed = _renamed(tables, _TABLES)
    return {k: _table(k, v) if isinstance(v, Mapping) else v for k, v in renamed.items()}


def spec_of_today(table: Mapping[str, Any]) -> dict[str, Any]:
    """A model's spec, under the names that are used today.

    Example:
        >>> spec_of_today({"task": "classify", "signal": {"fit": "cover"}})
        {'task': 'classify', 'input': {'resize_mode': 'crop'}}
    """
    renamed = _renamed(table, {"signal": "input"})
    if isinstance(renamed.get("input"), Mapping):
        renamed["input"] = _table("data", renamed["input"])
    return renamed


def card_of_today(card: Mapping[str, Any]) -> dict[str, Any]:
    """A model.json of format 1, in the format of today.

    Example:
        >>> card_of_today({"format": 1, "contract": {}, "measured": {}})
        {'format': 2, 'spec': {}, 'metrics': {}}
    """
    renamed = _renamed(card, {"contract": "spec", "measured": "metrics"}) | {"format": 2}
    if isinstance(renamed.get("data"), Mapping):
        renamed["data"] = _table("data", renamed["data"])
    network = renamed.get("network")
    if isinstance(network, Mapping) and isinstance(network.get("options"), Mapping):
        renamed["network"] = {**network, "options": _table("model", network["options"])}
    return renamed


def checkpoint_of_today(
    tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state of a checkpoint, under the names that are used today."""
    old, new = "optimiser.", "optimizer."
    named = {new + k.removeprefix(old) if k.startswith(old) else k: v for k, v in tensors.items()}
    return named, _renamed(state, {"optimiser": "optimizer"})


def _table(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    renamed = _renamed(table, _KEYS.get(name, {}))
    for (table_name, key), values in _VALUES.items():
        value = renamed.get(key)
        if table_name == name and isinstance(value, str):
            renamed[key] = values.get(value, value)
    return renamed


def _renamed(table: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    # An old name beside the one of today stays, and is refused like any other unknown key.
    return {names[k] if k in names and names[k] not in table else k: v for k, v in table.items()}
