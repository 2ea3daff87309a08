"""Arithmetic without shortcuts: rounding must not look like an effect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["exact"]


@contextmanager
def exact() -> Iterator[None]:
    """No automatic casts and no shortened mantissas inside; the settings as before afterwards.

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
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution
