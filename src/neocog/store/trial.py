"""One forward pass through an external network, to get the shape of its output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import NeocogError, ShapeMismatch, printable

__all__ = ["first_output"]


def first_output(
    network: nn.Module,
    shape: tuple[int, ...],
    *,
    read: Callable[[object], Tensor] | None = None,
) -> Tensor:
    """The output of a network in evaluation mode for two samples of zeros.

    Args:
        network: (2, C, H, W) to any output.
        shape: (C, H, W) of a sample.
        read: selects one tensor of several outputs.

    Raises:
        ShapeMismatch: the network fails, and the message names the layer; or its output is not
            a tensor of one row per sample.
    """
    running: list[tuple[str, nn.Module, tuple[int, ...]]] = []
    handles = []

    def entering(name: str) -> Any:
        def note(module: nn.Module, args: tuple[Any, ...]) -> None:
            shape_in = next((tuple(a.shape) for a in args if isinstance(a, Tensor)), ())
            running.append((name, module, shape_in))

        return note

    def leaving(module: nn.Module, args: Any, out: Any) -> None:
        running.pop()

    for name, module in network.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            continue  # it takes no hooks
        handles.append(module.register_forward_pre_hook(entering(name)))
        handles.append(module.register_forward_hook(leaving))
    like = next((p for p in network.parameters() if p.is_floating_point()), torch.zeros(()))
    x = torch.zeros(2, *shape, device=like.device, dtype=like.dtype)
    try:
        with torch.no_grad():
            out = network(x)
    except (NeocogError, MemoryError):
        raise
    except Exception as e:  # whatever an external forward raises
        if _is_memory(e):
            raise
        raise _refused(e, running, shape) from e
    finally:
        for handle in handles:
            handle.remove()
    if read is not None:
        out = read(out)
    if not isinstance(out, Tensor) or out.ndim < 1 or len(out) != 2:
        actual = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise ShapeMismatch(
            f"A network maps (B, C, H, W) to one tensor, one row per sample; for "
            f"{tuple(x.shape)} this one returned {actual}. Name a factory whose network "
            "returns its "
            "logits alone."
        )
    return out


def _refused(
    e: Exception, running: list[tuple[str, nn.Module, tuple[int, ...]]], shape: tuple[int, ...]
) -> ShapeMismatch:
    lines = str(e).strip().splitlines() or [type(e).__name__]
    name, module, shape_in = running[-1] if running else ("", None, ())
    where = f"layer `{printable(name)}` ({type(module).__name__})" if name else "the network itself"
    return ShapeMismatch(
        f"A network must accept samples of its input size; for {shape} "
        f"{where} fails on {shape_in or 'its input'}: {printable(lines[0][:240])}. "
        "Check --size C,H,W.",
        actual=shape_in,
    )


def _is_memory(e: Exception) -> bool:
    return any(w in str(e) for w in ("out of memory", "can't allocate memory", "enough memory"))
