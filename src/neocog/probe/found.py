"""A module is looked at without being changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["as_found"]

_HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_pre_hooks",
    "_backward_hooks",
)


@contextmanager
def as_found(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards all as before, also after an exception.

    What comes back: every sub-module's own mode and hooks, every buffer and its values, every
    parameter's gradient and whether it takes one. Inside, parameters start without a gradient, so
    that a backward pass adds to nobody's sum. Values of parameters are not kept: whoever looks
    does not write.

    Args:
        module: any module.

    Example:
        >>> net = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()).train()
        >>> with as_found(net):
        ...     net.training
        False
        >>> net.training
        True
    """
    modules = list(module.modules())
    modes = [m.training for m in modules]
    hooks = [{name: dict(getattr(m, name)) for name in _HOOKS} for m in modules]
    buffers = [{name: _Kept(b) for name, b in m._buffers.items()} for m in modules]
    gradients = [(p, p.grad, p.requires_grad) for p in module.parameters()]
    try:
        module.eval()
        for p, _, _ in gradients:
            p.grad = None
        yield
    finally:
        for p, gradient, takes in gradients:
            with torch.inference_mode(p.is_inference()):
                p.requires_grad_(takes)
            p.grad = gradient
        for m, training, kept_hooks, kept in zip(modules, modes, hooks, buffers, strict=True):
            m.training = training
            for name, entries in kept_hooks.items():
                _refill(getattr(m, name), entries)
            _refill(m._buffers, {name: k.restored() for name, k in kept.items()})


class _Kept:
    """A buffer and its values; a buffer that nobody wrote to is not written to either."""

    def __init__(self, buffer: Tensor | None) -> None:
        self.buffer = buffer
        self.values = None if buffer is None else buffer.detach().clone()
        self.version = _version(buffer)

    def restored(self) -> Tensor | None:
        if self.buffer is None or self.values is None:
            return None
        if self.version is None or _version(self.buffer) != self.version:
            with torch.inference_mode(self.buffer.is_inference()), torch.no_grad():
                self.buffer.copy_(self.values)
        return self.buffer


def _version(buffer: Tensor | None) -> int | None:
    """How often it was written to; None where PyTorch does not count."""
    return None if buffer is None or buffer.is_inference() else buffer._version


def _refill(held: Any, before: dict[Any, Any]) -> None:
    if not isinstance(held, dict):  # a compiled module's: its entries cannot be exchanged
        return
    held.clear()
    held.update(before)
