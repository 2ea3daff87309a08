"""Circular padding at inference, written into one block of memory that is used again.

A padded map lives as long as the convolution that reads it. Memory for a few megabytes that is
taken and freed with each layer is, in an ordinary process, given back to the system each time and
cleared page by page when it is allocated again; that costs more than the copy itself.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import Tensor

from neocog.layers._cpu.spectral import is_unobserved
from neocog.layers.border import beside, wrap

__all__ = ["is_reusable", "wrapped"]

_LARGEST = 8 * 2**20
"""Elements of a padded map beyond which its memory is not kept: 32 MiB in float32."""


class _Memory(threading.local):
    """A block for each data type, one set for each thread."""

    def __init__(self) -> None:
        self.blocks: dict[torch.dtype, Tensor] = {}

    def block(self, elements: int, dtype: torch.dtype) -> Tensor:
        block = self.blocks.get(dtype)
        if block is None or block.numel() < elements:
            # An inference tensor could not be written to outside of inference mode.
            with torch.inference_mode(mode=False):
                block = self.blocks[dtype] = torch.empty(elements, dtype=dtype)
        return block[:elements]


_MEMORY = _Memory()


def _size(x: Tensor, sides: Sequence[tuple[int, int]]) -> list[int]:
    return [n + sum(side) for n, side in zip(x.shape[2:], sides, strict=True)]


def is_reusable(x: Tensor, sides: Sequence[tuple[int, int]], *operands: Tensor | None) -> bool:
    """Whether `wrapped` serves: a channels_last map on a processor that nobody differentiates.

    Args:
        x: (B, C, H, W).
        sides: (before, after) of each axis.
        operands: what else the convolution takes.
    """
    if not beside(x):
        return False
    rows, columns = _size(x, sides)
    return (
        0 < x.shape[0] * x.shape[1] * rows * columns <= _LARGEST
        and all(max(side) <= n for side, n in zip(sides, x.shape[2:], strict=True))
        and is_unobserved(x, *operands)
    )


def wrapped(x: Tensor, sides: Sequence[tuple[int, int]]) -> Tensor:
    """The circularly padded map, valid in this thread until the next call.

    Args:
        x: (B, C, H, W), for which `is_reusable` holds.
        sides: (before, after) of each axis.

    Example:
        >>> x = torch.tensor([1.0, 10.0, 2.0, 20.0]).view(1, 1, 2, 2).permute(0, 3, 1, 2)
        >>> wrapped(x, [(0, 0), (1, 0)])[0, 1]
        tensor([[20., 10., 20.]])
    """
    batch, channels = x.shape[:2]
    rows, columns = _size(x, sides)
    block = _MEMORY.block(batch * channels * rows * columns, x.dtype)
    return wrap(x, sides, block.view(batch, rows, columns, channels).permute(0, 3, 1, 2))
