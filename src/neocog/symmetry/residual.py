"""The motion of a map that fits best to that of its input, and what is left of it then."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import torch
from torch import Tensor, nn

from neocog.signal.fourier import shift_subpixel
from neocog.symmetry.warp import shift_circular

__all__ = ["Jump", "misfit", "near_border", "own_jump", "reach"]

Jump = tuple[Fraction, ...]
"""Samples of an input from one output sample to the next, along each axis."""


def own_jump(m: nn.Module, x: Tensor, out: Tensor) -> Jump | None:
    """Of a layer alone, samples of its input from one output sample to the next."""
    stride = getattr(m, "stride", None)
    steps = stride if isinstance(stride, tuple | list) else (stride,)
    if stride is not None and all(isinstance(s, int) for s in steps):
        each = tuple(steps) * (x.ndim - 2 if len(steps) == 1 else 1)
        transposed = getattr(m, "transposed", False)
        return tuple(Fraction(1, s) if transposed else Fraction(s) for s in each)
    jumps = tuple(Fraction(a, b) for a, b in zip(x.shape[2:], out.shape[2:], strict=True))
    return jumps if all(1 in (j.numerator, j.denominator) for j in jumps) else None


def misfit(
    still: Tensor,
    moved: Tensor,
    offset: Tensor,
    jump: Jump | None,
    size: tuple[int, ...],
) -> Tensor:
    """Moved - T still, for the T of each sample that fits best; see the head of this file.

    Args:
        still: a layer's output for samples as they are.
        moved: for the samples moved by `offset`.
        offset: in samples of the layer's input (or in pixels), (B, D).
        jump: of these, from one output sample to the next; None for a vector.
        size: of that input.
    """
    if jump is None:
        return moved - still
    share = offset / torch.tensor([float(j) for j in jump])
    known = _known(still, share, jump, size)
    fits = None
    least = torch.full((len(still),), torch.inf, dtype=torch.float64, device=still.device)
    for candidate in _candidates(still, share):
        wrong = (moved - candidate) * known
        far = torch.linalg.vector_norm(wrong.flatten(1), dim=1, dtype=torch.float64)
        better = far < least
        least = torch.where(better, far, least)
        shape = [-1] + [1] * (wrong.ndim - 1)
        fits = wrong if fits is None else torch.where(better.view(shape), wrong, fits)
    assert fits is not None
    return fits


def _candidates(still: Tensor, share: Tensor) -> Iterator[Tensor]:
    """The whole shifts on either side, and the shift by the fraction itself."""
    for whole in _neighbors(share):
        yield shift_circular(still, whole)
    if bool((share != share.round()).any()):
        yield shift_subpixel(still, share.to(still.dtype))


def _neighbors(share: Tensor) -> list[Tensor]:
    """The whole shifts on either side, each combination of axes once."""
    below, above = share.floor().long(), share.ceil().long()
    if torch.equal(below, above):
        return [below]
    out = []
    for pick in product((0, 1), repeat=share.shape[1]):
        out.append(torch.where(torch.tensor(pick, dtype=torch.bool), above, below))
    return out


def _known(still: Tensor, share: Tensor, jump: Jump, size: tuple[int, ...]) -> Tensor:
    """1 where both sides know the value, (B, 1, *S).

    Everywhere on an axis whose samples tile the image: nothing leaves under a circular shift.
    Else, behind a window without border, where the shift has not come in from the other side.
    """
    axes = still.ndim - 2
    known = torch.ones(len(still), 1, *still.shape[2:], dtype=torch.bool)
    for a, (n, j, whole) in enumerate(zip(still.shape[2:], jump, size, strict=True)):
        if n * j != whole:
            place = torch.arange(n) - share[:, a : a + 1]
            shape = [len(still), 1] + [n if b == a else 1 for b in range(axes)]
            known &= ((place >= 0) & (place <= n - 1)).view(shape)
    return known.to(still)


def reach(m: nn.Module) -> tuple[int, ...]:
    """Samples of a layer's input that its window reaches to one side, an axis or for all."""
    kernel = getattr(m, "kernel_size", 1)
    dilation = getattr(m, "dilation", 1)
    kernel = kernel if isinstance(kernel, tuple) else (kernel,)
    dilation = dilation if isinstance(dilation, tuple) else (dilation,)
    return tuple(
        int(d) * (int(k) - 1) for k, d in zip(kernel, dilation * len(kernel), strict=False)
    )


def near_border(wrong: Tensor, offset: Tensor, jump: Jump, reach: tuple[int, ...]) -> Tensor:
    """1 within reach of the border or of where the image was cut, (B, 1, *S)."""
    near = torch.zeros(len(wrong), 1, *wrong.shape[2:], dtype=torch.bool)
    axes = wrong.ndim - 2
    for a in range(axes):
        n = wrong.shape[2 + a]
        step = float(jump[a])
        far = reach[a % len(reach)] / step + 1
        place = torch.arange(n)
        cut = (offset[:, a : a + 1] / step).remainder(n)
        to_cut = (place - cut).abs()
        to_cut = torch.minimum(to_cut, n - to_cut)
        to_edge = torch.minimum(place + 1, n - place).expand(len(wrong), n)
        close = (to_edge <= far) | ((to_cut <= far) & (offset[:, a : a + 1] != 0))
        shape = [len(wrong), 1] + [n if b == a else 1 for b in range(axes)]
        near |= close.view(shape)
    return near.to(wrong)
