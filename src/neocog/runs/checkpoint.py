"""All that a resumed training needs, as named tensors and plain numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import RunError
from neocog.fields import Fields
from neocog.store.tensors import load_state
from neocog.training.average import Average

__all__ = ["pack", "unpack"]


def pack(
    network: nn.Module, optimizer: torch.optim.Optimizer, average: Average | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, and the rest of the optimizer state."""
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{k}": v for k, v in average.module.state_dict().items()}
    plain: dict[str, Any] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{key}"] = value
            else:
                plain[f"{index}.{key}"] = value
    return tensors, plain


def unpack(
    tensors: dict[str, Tensor],
    plain: Fields,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Average | None,
) -> None:
    """Restore the state of `pack`, in place.

    Raises:
        ModelError: the network's tensors do not fit.
        RunError: the weight average is missing, or the optimizer's state does not fit.
    """
    load_state(network, _under("network.", tensors), "the checkpoint")
    if average is not None:
        kept = _under("average.", tensors)
        if not kept:
            raise RunError(
                "A resumed training needs the checkpoint's weight average, and there is none. "
                "Set `train.ema_decay` back to what the run was started with."
            )
        load_state(average.module, kept, "the checkpoint's average")
    state: dict[int, dict[str, Any]] = {}
    held = {**_under("optimizer.", tensors), **dict.fromkeys(plain.values)}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, value in held.items():
        index, _, key = name.partition(".")
        known = index.isascii() and index.isdigit() and len(index) < 9
        if not known or int(index) >= len(parameters) or key not in _KEPT[type(optimizer).__name__]:
            plain.bad(name, f"a state of one of {len(parameters)} parameters", value)
        if value is None and plain.values.get(name) is not None:
            plain.bad(name, "nothing, or a tensor", plain.values[name])
        if value is not None and not _fits(value, parameters[int(index)]):
            plain.bad(name, "a tensor of the parameter's shape", tuple(value.shape))
        state.setdefault(int(index), {})[key] = value
    if any(kept.keys() != _KEPT[type(optimizer).__name__] for kept in state.values()):
        plain.bad("optimizer", "complete for each parameter", sorted(held))
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    _lay_out(optimizer)


_KEPT = {"SGD": {"momentum_buffer"}, "AdamW": {"step", "exp_avg", "exp_avg_sq"}}
"""What an optimizer keeps of each parameter."""


def _fits(value: Tensor, parameter: Tensor) -> bool:
    """Whether a tensor may be a state of a parameter: of its shape, or a scalar."""
    return value.is_floating_point() and value.shape in (parameter.shape, torch.Size([]))


def _lay_out(optimizer: torch.optim.Optimizer) -> None:
    """Give the state of a parameter the memory layout of the parameter, which files do not keep.

    Fused updates walk through memory and would pair up the wrong numbers.
    """
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
