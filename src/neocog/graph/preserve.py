"""A module runs in evaluation mode and is left as it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from neocog.errors import ModelError
from neocog.graph.wording import times
from neocog.layers._cpu.spectral import in_space

__all__ = ["blank_sample", "exact", "preserved"]

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
def preserved(module: nn.Module, sample: Tensor | None = None) -> Iterator[None]:
    """Evaluation mode inside; afterwards all as before, also after an exception.

    What comes back: every submodule's own mode and hooks, every buffer and its values, every
    parameter's gradient and whether it takes one. Inside, parameters start without a gradient, so
    that a backward pass adds to nobody's sum. Values of parameters are not kept: whoever looks
    does not write.

    Lazy modules, which take their shapes from the first sample, are lazy again afterwards: the
    sample that was sent need not be the owner's. Compiled modules run as they were written.

    Args:
        module: any module.
        sample: sent through first where something is lazy, so that all has its shape inside.

    Example:
        >>> net = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()).train()
        >>> with preserved(net):
        ...     net.training
        False
        >>> net.training
        True
    """
    modules = list(module.modules())
    modes = [getattr(m, "training", False) for m in modules]  # a frozen script has none
    lazy = [_Lazy(m) for m in modules if isinstance(m, nn.modules.lazy.LazyModuleMixin)]
    hooks = [{name: dict(getattr(m, name)) for name in _HOOKS} for m in modules]
    buffers = [{name: _Kept(b) for name, b in m._buffers.items()} for m in modules]
    gradients = [(p, p.grad, p.requires_grad) for p in module.parameters()]
    try:
        _evaluating(module)
        for p, _, _ in gradients:
            p.grad = None
        with _eagerly(), torch.random.fork_rng([], enabled=bool(lazy)):
            if lazy and sample is not None:
                with torch.no_grad():
                    module(sample)
            yield
    finally:
        for was in lazy:
            was.restore()
        for p, gradient, takes in gradients:
            if p.requires_grad is not takes:
                with torch.inference_mode(p.is_inference()):
                    p.requires_grad_(takes)
            p.grad = gradient
        for m, training, kept_hooks, kept in zip(modules, modes, hooks, buffers, strict=True):
            m.training = training
            for name, entries in kept_hooks.items():
                _refill(getattr(m, name), entries)
            _refill(m._buffers, {name: k.restored() for name, k in kept.items()})


@contextmanager
def blank_sample(module: nn.Module, size: Sequence[int], purpose: str) -> Iterator[Tensor]:
    """A sample of zeros, on a module's device and in its type, to be sent through it inside.

    The module is `preserved`; inside, no gradient is recorded.

    Args:
        module: any module that takes one tensor.
        size: of one sample, without the batch axis: (C, H, W).
        purpose: subject and verb of the message: "Counting needs".

    Raises:
        ModelError: the module fails on it.

    Example:
        >>> with blank_sample(nn.Flatten(), (3, 4, 4), "A test needs") as x:
        ...     x.shape
        torch.Size([1, 3, 4, 4])
    """
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))
    x = torch.zeros((1, *size), device=like.device, dtype=like.dtype)
    try:
        with preserved(module, x), torch.no_grad():  # inside, a lazy module has its parameters
            yield x
    except Exception as e:  # of any kind: an external forward may raise anything
        raise ModelError(
            f"{purpose} one forward pass of one sample; the module fails on one of "
            f"{times(size)} ({type(e).__name__}: {e}). Give its input size."
        ) from e


@contextmanager
def exact() -> Iterator[None]:
    """No automatic casts, no shortened mantissas, no convolution by frequencies inside.

    The settings are as before afterwards.

    Rounding must not look like an effect.

    Example:
        >>> with exact():
        ...     torch.get_float32_matmul_precision()
        'highest'
    """
    matmul = torch.get_float32_matmul_precision()
    convolution = torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        casts = torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False)
        with casts[0], casts[1], in_space():
            yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution


class _Kept:
    """A buffer and its values; a buffer that nobody wrote to is not written to either."""

    def __init__(self, buffer: Tensor | None) -> None:
        self.buffer = buffer
        self.values = None if buffer is None or is_lazy(buffer) else buffer.detach().clone()
        self.version = _version(buffer)

    def restored(self) -> Tensor | None:
        if self.buffer is None or self.values is None:
            return self.buffer
        if self.version is None or _version(self.buffer) != self.version:
            with torch.inference_mode(self.buffer.is_inference()), torch.no_grad():
                self.buffer.copy_(self.values)
        return self.buffer


class _Lazy:
    """A lazy module, and what its first sample changes for good: class, fields, tensors."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.kind = type(module)
        self.fields = dict(module.__dict__)
        self.loading = dict(module._load_state_dict_pre_hooks)
        held = (*module._parameters.values(), *module._buffers.values())
        self.tensors = [(t, type(t)) for t in held if t is not None and is_lazy(t)]

    def restore(self) -> None:
        fresh = [(t, kind) for t, kind in self.tensors if type(t) is not kind]
        if not fresh and type(self.module) is self.kind:
            return
        self.module.__class__ = self.kind
        self.module.__dict__.clear()
        self.module.__dict__.update(self.fields)
        _refill(self.module._load_state_dict_pre_hooks, self.loading)
        for tensor, kind in fresh:  # the objects stay: an optimizer may hold them
            tensor.data = torch.empty(0, device=tensor.device, dtype=tensor.dtype)
            tensor.__class__ = kind


def _evaluating(module: nn.Module) -> None:
    """Evaluation mode of all that has modes; what `torch.export` gives has none, and refuses."""
    try:
        module.eval()
    except NotImplementedError:
        for child in module.children():
            _evaluating(child)


def _eagerly() -> AbstractContextManager[Any]:
    """Compiled code is not run inside: it would be recompiled for every kind of look."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    eager: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return eager


def _version(buffer: Tensor | None) -> int | None:
    """How often it was written to; None where PyTorch does not count."""
    if buffer is None or is_lazy(buffer) or buffer.is_inference():
        return None
    return buffer._version


def _refill(held: Any, before: dict[Any, Any]) -> None:
    if not isinstance(held, dict):  # a compiled module's: its entries cannot be exchanged
        return
    held.clear()
    held.update(before)
