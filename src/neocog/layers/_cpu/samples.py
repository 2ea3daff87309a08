"""Samples of maps taken out, and put back: whole pixels at once where channels lie side by side.

A gather along rows reads one number of each pixel; where the channels of a pixel lie next to each
other in memory, an index of pixels reads all of them in one go, and the layout stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from neocog.layers.border import beside

__all__ = ["flat_index", "put_samples", "take_samples"]


def flat_index(lines: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """Indices along each axis, (B, n) an axis, as indices into a map laid out as one row.

    Example:
        >>> flat_index([torch.tensor([[0, 1]]), torch.tensor([[2]])], (2, 3))
        tensor([[2, 5]])
    """
    if len(lines) == 1:
        return lines[0]
    rows, columns = lines
    return (rows[:, :, None] * size[1] + columns[:, None]).flatten(1)


def take_samples(x: Tensor, index: Tensor, size: Sequence[int]) -> Tensor:
    """Some samples of each map.

    Args:
        x: (B, C, *space).
        index: (B, n) into the map laid out as one row; see `flat_index`.
        size: of what comes out, along each axis.

    Example:
        >>> take_samples(torch.tensor([[[3.0, 5.0, 4.0]]]), torch.tensor([[2, 0]]), [2])
        tensor([[[4., 3.]]])
    """
    batch, channels, *space = x.shape
    if beside(x):
        pixels = x.permute(0, 2, 3, 1).reshape(-1, channels)
        taken = pixels.index_select(0, _in_batch(index, math.prod(space)))
        return taken.view(batch, *size, channels).permute(0, 3, 1, 2)
    index = index[:, None].expand(-1, channels, -1)
    return x.flatten(2).gather(2, index).view(batch, channels, *size)


def put_samples(x: Tensor, index: Tensor, size: Sequence[int]) -> Tensor:
    """The transpose of `take_samples`: samples where they were taken, zeros elsewhere.

    Args:
        x: (B, C, *smaller).
        index: (B, n) into the map laid out as one row, no two alike.
        size: of the map that comes out, along each axis.
    """
    batch, channels = x.shape[:2]
    if beside(x):
        pixels = math.prod(size)
        samples = x.permute(0, 2, 3, 1).reshape(-1, channels)
        zeros = x.new_zeros(batch * pixels, channels)
        whole = zeros.index_copy(0, _in_batch(index, pixels), samples)
        return whole.view(batch, *size, channels).permute(0, 3, 1, 2)
    rows = x.reshape(batch, channels, index.shape[1])
    index = index[:, None].expand(-1, channels, -1)
    zeros = x.new_zeros(batch, channels, math.prod(size))
    return zeros.scatter(2, index, rows).view(batch, channels, *size)


def _in_batch(index: Tensor, pixels: int) -> Tensor:
    """Indices into each map, as indices into all maps one behind the other."""
    first = torch.arange(index.shape[0], device=index.device) * pixels
    return (index + first[:, None]).flatten()
