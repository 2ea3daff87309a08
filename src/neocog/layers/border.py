"""Borders that are taken from the map itself, for every size, in the layout that the map has.

PyTorch's own ones refuse to wrap or mirror a short axis more than once; wrapping turns a map whose
channels lie next to each other into one whose rows do, and its gradient fills several whole maps
with zeros where a few samples at the rim would do. A gradient is folded here: the inside is copied
once and what stands outside is added to where it was taken from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["beside", "continued", "folded", "wrap"]

Sides = Sequence[tuple[int, int]]
"""Samples (before, after) of each axis of space."""


def beside(x: Tensor) -> bool:
    """Whether the channels of a pixel of (B, C, H, W) lie next to each other in memory."""
    return x.dim() == 4 and x.stride(1) == 1 < x.shape[1]


def continued(x: Tensor, sides: Sides, mode: str) -> Tensor:
    """Samples added to each axis of (B, C, *space).

    Args:
        x: map.
        sides: (before, after) of each axis.
        mode: "circular", "reflect" or "replicate".
    """
    flat = [n for side in reversed(sides) for n in side]
    if mode == "circular" and _watched() and _reaches(x, sides, mode):
        return F.pad(x, flat, mode=mode)  # one operation, which is seen for what it is
    if mode != "circular" and _reaches(x, sides, mode) and not x.is_contiguous():
        return F.pad(x, flat, mode=mode)  # as good as can be where channels lie side by side
    if torch.compiler.is_compiling() or not (x.requires_grad and torch.is_grad_enabled()):
        return _fill(x, sides, mode)
    wider: Tensor = _Continue.apply(x, tuple(sides), mode)  # type: ignore[no-untyped-call]
    return wider


def folded(x: Tensor, sides: Sides, mode: str) -> Tensor:
    """The transpose of `continued`: every added sample added to the one that it was a copy of.

    Args:
        x: map with the samples that were added.
        sides: (before, after) of each axis.
        mode: "circular", "reflect" or "replicate".
    """
    return _fold(x, list(enumerate(sides, start=2)), mode)


def _watched() -> bool:
    """Whether function calls are observed, as by an audit."""
    return bool(torch._C._is_torch_function_mode_enabled())


def _reaches(x: Tensor, sides: Sides, mode: str) -> bool:
    """Whether each axis is long enough to be wrapped or mirrored once."""
    room = {"circular": 0, "reflect": -1, "replicate": max(map(max, sides))}[mode]
    return all(max(s) <= n + room for s, n in zip(sides, x.shape[2:], strict=True))


def _fill(x: Tensor, sides: Sides, mode: str) -> Tensor:
    reaches = _reaches(x, sides, mode)
    if reaches and (mode != "circular" or x.is_contiguous()):
        return F.pad(x, [n for side in reversed(sides) for n in side], mode=mode)
    if mode == "circular" and reaches and beside(x) and not _recorded():
        return _wrapped(x, sides)
    for axis, side in enumerate(sides, start=2):
        n = x.shape[axis]
        if reaches:
            ends = [x.narrow(axis, n - side[0], side[0]), x.narrow(axis, 0, side[1])]
        else:
            ends = [x.index_select(axis, i) for i in _sources(n, side, mode, x)]
        # An empty part would have a say in the layout of the whole.
        parts = [part for part in (ends[0], x, ends[1]) if part.shape[axis]]
        x = torch.cat(parts, axis) if len(parts) > 1 else x
    return x


def _recorded() -> bool:
    """Whether a program is traced, in which writes in place become many operations."""
    tracing: bool = torch.jit.is_tracing()  # type: ignore[no-untyped-call, attr-defined]
    return tracing or torch.compiler.is_compiling()


def wrap(x: Tensor, sides: Sides, out: Tensor) -> Tensor:
    """A map and its circular border, written into memory that is there.

    Args:
        x: map, each axis of which is as long as its border.
        sides: (before, after) of each axis.
        out: what is written and returned, of the size that the sides make.
    """
    (top, _), (left, _) = sides
    out.narrow(2, top, x.shape[2]).narrow(3, left, x.shape[3]).copy_(x)
    for axis, (before, after) in enumerate(sides, start=2):
        n = x.shape[axis]
        out.narrow(axis, 0, before).copy_(out.narrow(axis, n, before))
        out.narrow(axis, before + n, after).copy_(out.narrow(axis, before, after))
    return out


def _wrapped(x: Tensor, sides: Sides) -> Tensor:
    """One copy of the map, and its rim written into it: two thirds of the time of joining parts."""
    rows, columns = (n + sum(side) for n, side in zip(x.shape[2:], sides, strict=True))
    return wrap(x, sides, x.new_empty(x.shape[0], rows, columns, x.shape[1]).permute(0, 3, 1, 2))


def _sources(n: int, side: tuple[int, int], mode: str, like: Tensor) -> list[Tensor]:
    """Of which samples of an axis those before and those after it are copies."""
    ends = []
    for at in (torch.arange(-side[0], 0), torch.arange(n, n + side[1])):
        if mode == "circular":
            at = at % n
        elif mode == "replicate" or n == 1:
            at = at.clamp(0, n - 1)
        else:
            at = ((at + n - 1) % (2 * n - 2) - (n - 1)).abs()
        ends.append(at.to(like.device))
    return ends


def _fold(x: Tensor, axes: Sequence[tuple[int, tuple[int, int]]], mode: str) -> Tensor:
    if not axes:
        return x.clone()
    (axis, (before, after)), *rest = axes
    n = x.shape[axis] - before - after
    inside = _fold(x.narrow(axis, before, n), rest, mode)
    ends = [
        _fold(x.narrow(axis, start, count), rest, mode)
        for start, count in ((0, before), (before + n, after))
    ]
    if mode == "replicate":
        inside.narrow(axis, 0, 1).add_(ends[0].sum(axis, keepdim=True))
        inside.narrow(axis, n - 1, 1).add_(ends[1].sum(axis, keepdim=True))
    elif mode == "circular" and max(before, after) <= n:
        inside.narrow(axis, n - before, before).add_(ends[0])
        inside.narrow(axis, 0, after).add_(ends[1])
    elif mode == "reflect" and max(before, after) < n:
        inside.narrow(axis, 1, before).add_(ends[0].flip(axis))
        inside.narrow(axis, n - 1 - after, after).add_(ends[1].flip(axis))
    else:
        for end, at in zip(ends, _sources(n, (before, after), mode, x), strict=True):
            inside.index_add_(axis, at, end)
    return inside


class _AtBorder(torch.autograd.Function):
    """A linear map of a border: a gradient needs its sides and mode alone."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.sides, ctx.mode = inputs


class _Continue(_AtBorder):
    """`continued`, with `folded` for its gradient."""

    @staticmethod
    def forward(x: Tensor, sides: Sides, mode: str) -> Tensor:
        return _fill(x, sides, mode)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        back: Tensor = _Folded.apply(g, ctx.sides, ctx.mode)  # type: ignore[no-untyped-call]
        return back, None, None

    @staticmethod
    def jvp(ctx: Any, x: Tensor, *rest: None) -> Tensor:
        return _fill(x, ctx.sides, ctx.mode)


class _Folded(_AtBorder):
    """`folded`, with `continued` for its gradient."""

    @staticmethod
    def forward(x: Tensor, sides: Sides, mode: str) -> Tensor:
        return folded(x, sides, mode)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        return continued(g, ctx.sides, ctx.mode), None, None

    @staticmethod
    def jvp(ctx: Any, x: Tensor, *rest: None) -> Tensor:
        return folded(x, ctx.sides, ctx.mode)
