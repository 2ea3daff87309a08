"""An exponential average of weights, beside the ones that are trained (Polyak & Juditsky 1992)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

__all__ = ["Average"]


class Average:
    """A copy of a module whose weights trail the trained ones.

    After step t the copy moves by 1 − d toward the trained weights, where
    d = min(decay, (1 + t) / (10 + t)), so that the random start is soon forgotten. Running
    statistics of batch norm are averaged in the same way, so that they fit the weights.

    Args:
        module: what is trained.
        decay: d at last, at least 0 and below 1; the average reaches back 1 / (1 − d) steps.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = copy.deepcopy(module).requires_grad_(False)
        self._ours, self._theirs = [], []
        self._counts: list[tuple[Tensor, Tensor]] = []
        for ours, theirs in zip(_tensors(self.module), _tensors(module), strict=True):
            if ours.is_floating_point():
                self._ours.append(ours.detach())
                self._theirs.append(theirs.detach())
            else:
                self._counts.append((ours, theirs))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the copy after step number `step`, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._ours, self._theirs, 1 - decay)
        for ours, theirs in self._counts:
            ours.copy_(theirs)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
