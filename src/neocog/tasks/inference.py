"""A model's logits on a whole split, without changing the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from neocog.types import Batch

__all__ = ["evaluating", "logits_of"]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every submodule's mode is restored."""
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def logits_of(model: nn.Module, batches: Iterable[Batch], *, device: str = "cpu") -> Tensor:
    """The logits of all batches, float32 arithmetic, on the CPU, (B, K), in their order.

    Args:
        model: pixels in [0, 1] to logits.
        batches: of one split, each sample once.
        device: where the model is.
    """
    with evaluating(model):
        return torch.cat([model(b.x.to(device)).float().cpu() for b in batches])
