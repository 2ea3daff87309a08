"""How the output of a layer holds space: where its channels are, and which of its axes are places.

channels first   (B, C, *S)         convolutions
channels last    (B, *S, C)         some transformers, norms over channels
tokens           (B, p + ∏S, C)     transformers with a patch grid; p tokens, such as a class
                                    token, belong to no place
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

__all__ = ["Layout", "layout_of", "patches_of", "said"]

EXTRA = 8
"""Tokens that belong to no place, at most."""

SKEW = 2.0
"""How much the pixels a cell may differ between rows and columns."""


@dataclass(frozen=True)
class Layout:
    """Where an output has its places.

    Args:
        kind: "channels first", "channels last" or "tokens".
        grid: places along each axis of space.
        skip: tokens before the grid.
        batch: axis of the batch; 1 for transformers that have it second.
    """

    kind: str
    grid: tuple[int, ...]
    skip: int = 0
    batch: int = 0

    def maps(self, out: Tensor) -> Tensor:
        """An output as (B, C, *grid), a view where it can be.

        Example:
            >>> import torch
            >>> Layout("tokens", (2, 2), skip=1).maps(torch.zeros(3, 5, 8)).shape
            torch.Size([3, 8, 2, 2])
        """
        out = out.movedim(self.batch, 0)
        if self.kind == "channels last":
            return out.movedim(-1, 1)
        if self.kind == "tokens":
            some = out[:, self.skip :].transpose(1, 2)
            return some.reshape(*some.shape[:2], *self.grid)
        return out


def layout_of(
    shape: Sequence[int],
    size: Sequence[int],
    *,
    batch: int,
    patches: Iterable[tuple[int, tuple[int, ...]]] = (),
) -> Layout | None:
    """The layout of an output, told by its shape; None where it has no places, or one only.

    Args:
        shape: of the output.
        size: of the picture, (H, W) or (N,).
        batch: samples that went in.
        patches: channels and grids that were seen before, which tokens may be of.

    Example:
        >>> layout_of((2, 64, 8, 8), (32, 32), batch=2)
        Layout(kind='channels first', grid=(8, 8), skip=0, batch=0)
        >>> layout_of((2, 65, 192), (32, 32), batch=2)
        Layout(kind='tokens', grid=(8, 8), skip=1, batch=0)
        >>> layout_of((2, 64, 1, 1), (32, 32), batch=2)
    """
    shape, size = tuple(shape), tuple(size)
    if len(shape) == len(size) + 2 and shape[0] == batch:
        kind = _with_channels(shape, size, patches)
        if kind is not None:
            return kind if math.prod(kind.grid) > 1 else None
    if len(shape) == 3:
        for axis in (0, 1):
            if shape[axis] == batch:
                found = _tokens(shape[1 - axis], shape[2], size, patches, axis)
                if found is not None:
                    return found
    return None


def patches_of(shape: Sequence[int], size: Sequence[int]) -> tuple[int, tuple[int, ...]] | None:
    """Channels and grid of an output with channels first, which tokens may be made of."""
    if len(shape) != len(size) + 2 or math.prod(shape[2:]) < 2:
        return None
    return (shape[1], tuple(shape[2:])) if _even(shape[2:], size) else None


def said(grid: Sequence[int]) -> str:
    """A grid as it is said.

    Example:
        >>> said((7, 7)), said((12,))
        ('7 × 7', '12')
    """
    return " × ".join(map(str, grid))


def _with_channels(
    shape: tuple[int, ...],
    size: tuple[int, ...],
    patches: Iterable[tuple[int, tuple[int, ...]]],
) -> Layout | None:
    first, last = shape[2:], shape[1:-1]
    known = list(patches)
    if len(size) == 1 and known and _token_like(shape, known):
        return None  # (B, T, C) of a transformer on series
    if _even(first, size):
        return Layout("channels first", first)
    if _even(last, size):
        return Layout("channels last", last)
    return None


def _token_like(shape: tuple[int, ...], known: list[tuple[int, tuple[int, ...]]]) -> bool:
    """Whether (B, a, b) is tokens of a grid of a series rather than a map with channels first."""
    return any(
        shape[2] == c and 0 <= shape[1] - grid[0] <= EXTRA and shape[1:] != (c, *grid)
        for c, grid in known
    )


def _even(grid: Sequence[int], size: Sequence[int]) -> bool:
    """Whether cells are about as high as they are wide, as those of a map of a picture are."""
    if any(g < 1 for g in grid):
        return False
    steps = [n / g for n, g in zip(size, grid, strict=True)]
    if min(grid) == 1:  # the last map of a long picture may have one row
        return max(steps) / min(steps) <= SKEW * max(size) / min(size)
    return max(steps) / min(steps) <= SKEW


def _tokens(
    count: int,
    channels: int,
    size: tuple[int, ...],
    patches: Iterable[tuple[int, tuple[int, ...]]],
    axis: int,
) -> Layout | None:
    known = list(patches)
    for own in (True, False):  # a grid with as many channels before one with others
        for c, grid in reversed(known):
            skip = count - math.prod(grid)
            if 0 <= skip <= EXTRA and (c == channels or not own):
                return Layout("tokens", grid, skip, axis)
    if known or len(size) != 2:
        return None
    for skip in range(min(EXTRA, count - 2) + 1):
        rows = math.isqrt((count - skip) * size[0] // size[1])
        if rows and rows * rows * size[1] == (count - skip) * size[0]:  # cells are squares
            return Layout("tokens", (rows, (count - skip) // rows), skip, axis)
    return None
