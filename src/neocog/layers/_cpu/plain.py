"""When a kernel may take the place of PyTorch's operations, and tensors be kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor

__all__ = ["is_plain", "normal_tensors"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def normal_tensors(make: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A function whose tensors may be kept: none is an inference tensor, whoever calls it.

    A tensor that is made within `torch.inference_mode` can never take part in a gradient, so one
    that is kept from there would break a training that comes later.

    Example:
        >>> with torch.inference_mode():
        ...     normal_tensors(torch.zeros)(2).is_inference()
        False
    """

    @wraps(make)
    def made(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with torch.inference_mode(mode=False), torch.no_grad():
            return make(*args, **kwargs)

    return made


def is_plain(*tensors: Tensor | None) -> bool:
    """Whether tensors hold their values now, on a processor, and keep their types.

    Not where they are mapped over, traced, compiled or cast: there nothing but operations of
    PyTorch can be seen through.

    Args:
        tensors: of an operation; None where it has one less.

    Example:
        >>> is_plain(torch.zeros(2), None), is_plain(torch.zeros(2, dtype=torch.int64))
        (True, False)
    """
    return (
        all(_is_plain(t) for t in tensors if t is not None)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    )


def _is_plain(t: Tensor) -> bool:
    return (
        type(t) in (Tensor, nn.Parameter)
        and t.device.type == "cpu"
        and t.dtype in (torch.float32, torch.float64)
        and not is_functorch_wrapped_tensor(t)
    )
