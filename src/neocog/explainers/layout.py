"""How the output of a layer holds space: where its channels are, and which of its axes are space.

channels first   (B, C, *S)         convolutions
channels last    (B, *S, C)         some transformers, norms over channels
tokens           (B, p + ∏S, C)     transformers with a patch grid; p tokens, such as the class
    token, have no position
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules import batchnorm, conv, instancenorm, pooling

__all__ = ["SpatialLayout", "channels_of", "layout_of", "patches_of", "size_text"]

EXTRA = 8
"""Tokens without a position, at most."""

SKEW = 2.0
"""Maximum ratio of the pixels per cell along rows and columns."""

FIRST, LAST = "channels first", "channels last"

_FIRST = (
    conv._ConvNd,
    batchnorm._BatchNorm,
    instancenorm._InstanceNorm,
    pooling._MaxPoolNd,
    pooling._AvgPoolNd,
    pooling._AdaptiveMaxPoolNd,
    pooling._AdaptiveAvgPoolNd,
    nn.GroupNorm,
)
_LAST = (
    nn.RNNBase,
    nn.MultiheadAttention,
    nn.TransformerEncoder,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoder,
    nn.TransformerDecoderLayer,
)
"""Layers that have an option for the axis of their channels."""


@dataclass(frozen=True)
class SpatialLayout:
    """Where an output has its space.

    Args:
        kind: "channels first", "channels last" or "tokens".
        grid: positions along each axis of space.
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
            >>> SpatialLayout("tokens", (2, 2), skip=1).maps(torch.zeros(3, 5, 8)).shape
            torch.Size([3, 8, 2, 2])
        """
        out = out.movedim(self.batch, 0)
        if self.kind == "channels last":
            return out.movedim(-1, 1)
        if self.kind == "tokens":
            some = out[:, self.skip :].transpose(1, 2)
            return some.reshape(*some.shape[:2], *self.grid)
        return out


def channels_of(module: nn.Module, shape: Sequence[int]) -> str | None:
    """Where a layer's class puts its channels, "channels first" or "channels last"; None: unknown.

    A subclass of a norm over the last axis may have permuted its output: there the width decides.

    Args:
        module: the layer.
        shape: of its output.

    Example:
        >>> channels_of(nn.Conv2d(3, 8, 3), (2, 8, 30, 30)), channels_of(nn.ReLU(), (2, 8, 4, 4))
        ('channels first', None)
        >>> channels_of(nn.LayerNorm(96), (2, 56, 56, 96))
        'channels last'
    """
    if isinstance(module, _FIRST):
        return FIRST
    if isinstance(module, _LAST):
        return LAST
    if isinstance(module, nn.Linear):
        width = module.out_features
    elif isinstance(module, nn.LayerNorm | nn.RMSNorm) and len(module.normalized_shape) == 1:
        width = module.normalized_shape[0]
    else:
        return None
    if shape[-1] != width:
        return FIRST if shape[1] == width else None
    plain = type(module) in (nn.Linear, nn.LayerNorm, nn.RMSNorm)
    return LAST if plain or shape[1] != width else None


def layout_of(
    shape: Sequence[int],
    size: Sequence[int],
    *,
    batch: int,
    patches: Iterable[tuple[int, tuple[int, ...]]] = (),
    channels: str | None = None,
    likely: str | None = None,
) -> SpatialLayout | None:
    """The layout of an output, by its shape; None where it has no space, or one position only.

    Args:
        shape: of the output.
        size: of the image, (H, W) or (N,).
        batch: samples that went in.
        patches: channels and grids of earlier outputs, which tokens may be of.
        channels: "channels first" or "channels last" where that is known, see `channels_of`.
        likely: the same where it is only likely; it decides between grids that fit equally well.

    Example:
        >>> layout_of((2, 64, 8, 8), (32, 32), batch=2)
        SpatialLayout(kind='channels first', grid=(8, 8), skip=0, batch=0)
        >>> layout_of((2, 56, 56, 96), (224, 224), batch=2)
        SpatialLayout(kind='channels last', grid=(56, 56), skip=0, batch=0)
        >>> layout_of((2, 65, 192), (32, 32), batch=2)
        SpatialLayout(kind='tokens', grid=(8, 8), skip=1, batch=0)
        >>> layout_of((2, 64, 1, 1), (32, 32), batch=2)
    """
    shape, size, known = tuple(shape), tuple(size), list(patches)
    series = len(size) == 1 and not (known and _token_like(shape, known))
    if len(shape) == len(size) + 2 and shape[0] == batch and (series or len(size) > 1):
        kind = _with_channels(shape, size, channels, likely)
        if kind is not None:
            return kind if math.prod(kind.grid) > 1 else None
    if len(shape) == 3:
        for axis in (0, 1):
            if shape[axis] == batch:
                tokens = _tokens(shape[1 - axis], shape[2], size, known, axis)
                if tokens is not None:
                    return tokens
        if len(size) == 1 and channels == LAST and shape[1] == batch and shape[0] > 1:
            return SpatialLayout(LAST, shape[:1], batch=1)
    return None


def patches_of(shape: Sequence[int], size: Sequence[int]) -> tuple[int, tuple[int, ...]] | None:
    """Channels and grid of an output with channels first, which tokens may be made of."""
    if len(shape) != len(size) + 2 or math.prod(shape[2:]) < 2:
        return None
    return (shape[1], tuple(shape[2:])) if _even(shape[2:], size) else None


def size_text(grid: Sequence[int]) -> str:
    """The size of a grid as text.

    Example:
        >>> size_text((7, 7)), size_text((12,))
        ('7 × 7', '12')
    """
    return " × ".join(map(str, grid))


def _with_channels(
    shape: tuple[int, ...], size: tuple[int, ...], channels: str | None, likely: str | None
) -> SpatialLayout | None:
    """The grid that the layer's class implies, or the one that fits the image better."""
    grids = {FIRST: shape[2:], LAST: shape[1:-1]}
    if channels == FIRST:  # a convolution may keep few of the rows and all columns
        return SpatialLayout(FIRST, grids[FIRST])
    if channels == LAST and _even(grids[LAST], size):
        return SpatialLayout(LAST, grids[LAST])
    kinds = [kind for kind, grid in grids.items() if _even(grid, size)]
    if not kinds:
        return SpatialLayout(likely, grids[likely]) if likely == FIRST else None
    kind = min(kinds, key=lambda k: (_misfit(grids[k], size), k != likely))
    return SpatialLayout(kind, grids[kind])


def _misfit(grid: tuple[int, ...], size: tuple[int, ...]) -> float:
    """How far cells are from squares; of a series, whether its length differs."""
    if len(size) == 1:
        return float(grid != size)
    steps = [n / g for n, g in zip(size, grid, strict=True)]
    return round(max(steps) / min(steps), 1)


def _token_like(shape: tuple[int, ...], known: list[tuple[int, tuple[int, ...]]]) -> bool:
    """Whether (B, a, b) is tokens of a grid of a series rather than a map with channels first."""
    return any(
        shape[2] == c and 0 <= shape[1] - grid[0] <= EXTRA and shape[1:] != (c, *grid)
        for c, grid in known
    )


def _even(grid: Sequence[int], size: Sequence[int]) -> bool:
    """Whether cells are about as high as they are wide, as those of a map of an image are."""
    if any(g < 1 for g in grid):
        return False
    steps = [n / g for n, g in zip(size, grid, strict=True)]
    if min(grid) == 1:  # the last map of a long image may have one row
        return max(steps) / min(steps) <= SKEW * max(size) / min(size)
    return max(steps) / min(steps) <= SKEW


def _tokens(
    count: int,
    channels: int,
    size: tuple[int, ...],
    patches: Iterable[tuple[int, tuple[int, ...]]],
    axis: int,
) -> SpatialLayout | None:
    known = list(patches)
    for own in (True, False):  # a grid with as many channels before one with others
        for c, grid in reversed(known):
            skip = count - math.prod(grid)
            if 0 <= skip <= EXTRA and (c == channels or not own):
                return SpatialLayout("tokens", grid, skip, axis)
    if known or len(size) != 2:
        return None
    for skip in range(min(EXTRA, count - 2) + 1):
        rows = math.isqrt((count - skip) * size[0] // size[1])
        if rows and rows * rows * size[1] == (count - skip) * size[0]:  # cells are squares
            return SpatialLayout("tokens", (rows, (count - skip) // rows), skip, axis)
    return None
