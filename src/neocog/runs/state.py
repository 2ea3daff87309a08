"""All that a resumed training needs, as named tensors and plain numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import RunError
from neocog.store.tensors import load_state
from neocog.training.average import Average

__all__ = ["pack", "unpack"]


def pack(
    network: nn.Module, optimiser: torch.optim.Optimizer, average: Average | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, and what of the optimiser's state is no tensor."""
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{k}": v for k, v in average.module.state_dict().items()}
    plain: dict[str, Any] = {}
    for index, state in optimiser.state_dict()["state"].items():
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimiser.{index}.{key}"] = value
            else:
                plain[f"{index}.{key}"] = value
    return tensors, plain


def unpack(
    tensors: dict[str, Tensor],
    plain: dict[str, Any],
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: Average | None,
) -> None:
    """Put back what `pack` took, in place.

    Raises:
        ModelError: the network's tensors do not fit.
        RunError: the weight average is missing.
    """
    load_state(network, _under("network.", tensors), "the checkpoint")
    if average is not None:
        kept = _under("average.", tensors)
        if not kept:
            raise RunError(
                "A resumed training needs the checkpoint's weight average, and there is none. "
                "Set `course.average` back to what the run was started with."
            )
        load_state(average.module, kept, "the checkpoint's average")
    state: dict[int, dict[str, Any]] = {}
    for name, value in [*_under("optimiser.", tensors).items(), *plain.items()]:
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    _lay_out(optimiser)


def _lay_out(optimiser: torch.optim.Optimizer) -> None:
    """Give what belongs to a parameter the parameter's layout in memory, which files forget.

    Fused updates walk through memory and would pair up the wrong numbers.
    """
    for parameter, state in optimiser.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
