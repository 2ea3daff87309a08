"""Resampling of images: shifts, affine maps and smooth deformations of whole batches.

Coordinates are (row, column) in pixels, the origin at the center of the image. Angles are in
degrees, positive counterclockwise as seen on the screen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Num
from torch import Tensor

from neocog.errors import UsageError, did_you_mean

__all__ = [
    "BORDERS",
    "EVEN",
    "affine",
    "affine_matrix",
    "crop_at",
    "flip",
    "shift_circular",
    "shift_into",
    "shift_linear",
    "shift_zero_fill",
    "smooth_field",
    "warp",
]

BORDERS = {"zeros": "zeros", "edge": "border", "reflect": "reflection"}
"""What lies beyond the border: black, the border pixel, the reflected image."""

EVEN = 1e-6
"""In samples: what counts as a whole shift."""


def shift_zero_fill(x: Num[Tensor, "B C *S"], offset: Int[Tensor, "B D"]) -> Tensor:
    """Shift each sample by whole steps; zeros enter.

    Args:
        x: images (B, C, H, W) or series (B, C, N).
        offset: (rows down, columns right) or (steps later,), one row for each sample.

    Example:
        >>> x = torch.tensor([[[[1., 2.], [3., 4.]]]])
        >>> shift_zero_fill(x, torch.tensor([[0, 1]]))
        tensor([[[[0., 1.],
                  [0., 3.]]]])
    """
    size = tuple(x.shape[2:])
    far = torch.tensor(size)
    offset = offset.cpu().clamp(-far, far)  # beyond that all is zero
    reach = _reach(offset)
    return _windows(_framed(_channels_last(x), reach), reach - offset, size)


def shift_circular(x: Num[Tensor, "B C *S"], offset: Int[Tensor, "B D"]) -> Tensor:
    """Shift each sample by whole steps; what leaves on one side enters on the other.

    Args:
        x: images (B, C, H, W) or series (B, C, N).
        offset: (rows down, columns right) or (steps later,), one row for each sample.

    Example:
        >>> x = torch.tensor([[[[1., 2.], [3., 4.]]]])
        >>> shift_circular(x, torch.tensor([[0, 1]]))
        tensor([[[[2., 1.],
                  [4., 3.]]]])
    """
    if len(offset) and bool((offset == offset[0]).all()):  # one block copy
        shifts = {a: int(v) for a, v in enumerate(offset[0].tolist(), start=2) if v} or {2: 0}
        return x.roll(tuple(shifts.values()), tuple(shifts))
    size = tuple(x.shape[2:])
    n = torch.tensor(size)
    offset = (offset.cpu() + n // 2).remainder(n) - n // 2  # the shorter way round
    reach = _reach(offset)
    return _windows(_wrapped(_channels_last(x), reach), reach - offset, size)


def crop_at(x: Num[Tensor, "B C *S"], corner: Int[Tensor, "B D"], size: tuple[int, ...]) -> Tensor:
    """A window of each sample, of one size, each at its own corner.

    Args:
        x: images (B, C, H, W) or series (B, C, N).
        corner: of the window, (row, column) or (step,), one row for each sample.
        size: of the windows.

    Example:
        >>> x = torch.arange(9.0).reshape(1, 1, 3, 3)
        >>> crop_at(x, torch.tensor([[1, 0]]), (2, 2))
        tensor([[[[3., 4.],
                  [6., 7.]]]])
    """
    if len(corner) and bool((corner == corner[0]).all()):  # a view
        cut = [slice(c, c + n) for c, n in zip(corner[0].tolist(), size, strict=True)]
        return x[(slice(None), slice(None), *cut)]
    return _windows(_channels_last(x), corner, size)


def _channels_last(x: Tensor) -> Tensor:
    """(B, *S, C): a view."""
    return x.movedim(1, -1)


def _reach(offset: Tensor) -> Tensor:
    """The maximum offset along each axis, of either sign, (D,)."""
    return offset.abs().amax(0) if len(offset) else offset.new_zeros(offset.shape[1])


def _framed(x: Tensor, reach: Tensor) -> Tensor:
    """(B, *S, C) with zeros around, `reach` on either side of each axis."""
    around = [v for r in reach.flip(0).tolist() for v in (r, r)]
    return F.pad(x, [0, 0, *around])


def _wrapped(x: Tensor, reach: Tensor) -> Tensor:
    """(B, *S, C), periodically extended on both sides of each axis."""
    for axis, r in enumerate(reach.tolist(), start=1):
        if r:
            n = x.shape[axis]
            x = torch.cat([x.narrow(axis, n - r, r), x, x.narrow(axis, 0, r)], axis)
    return x


def _windows(x: Tensor, corner: Tensor, size: tuple[int, ...]) -> Tensor:
    """A window of each sample, (B, C, *size), channels_last in memory.

    Windows at all corners are a view; picking one for each sample copies whole rows of it.

    Args:
        x: (B, *S, C).
        corner: (B, D).
        size: of the windows.
    """
    for axis, n in enumerate(size, start=1):
        x = x.unfold(axis, n, 1)
    x = x.movedim(1 + len(size), -1)
    corners = (torch.arange(len(x), device=x.device), *corner.to(x.device).unbind(1))
    return x[corners].movedim(-1, 1)


def shift_linear(
    x: Float[Tensor, "B C *S"], offset: Float[Tensor, "B D"], *, circular: bool
) -> Float[Tensor, "B C *S"]:
    """Shift each sample by any distance, linearly between the whole steps on either side.

    Args:
        x: images (B, C, H, W) or series (B, C, N).
        offset: (rows down, columns right) or (steps later,), one row for each sample.
        circular: whether what leaves on one side enters on the other; else zeros enter.

    Example:
        >>> shift_linear(torch.tensor([[[4.0, 8.0, 0.0]]]), torch.tensor([[0.25]]), circular=False)
        tensor([[[3., 7., 2.]]])
    """
    whole = shift_circular if circular else shift_zero_fill
    for axis in range(offset.shape[1]):
        low, part = offset[:, axis].floor(), offset[:, axis].remainder(1)
        steps = torch.zeros(offset.shape, dtype=torch.long)
        steps[:, axis] = low.long()
        near = whole(x, steps)
        if bool((part > EVEN).any()):
            steps[:, axis] += 1
            less, more = (w.to(x).view(-1, *[1] * (x.ndim - 1)) for w in (1 - part, part))
            near = less * near + more * whole(x, steps)
        x = near
    return x


def shift_into(out: Tensor, x: Tensor, steps: Sequence[int], *, circular: bool) -> Tensor:
    """Write x, shifted by whole steps, into an existing buffer: fresh pages cost more.

    Args:
        out: like x, but not x itself.
        x: images (B, C, H, W) or series (B, C, N).
        steps: (rows down, columns right) or (steps later,), for all samples.
        circular: whether what leaves on one side enters on the other; else zeros enter.
    """
    if not circular:
        out.zero_()
    for blocks in product(
        *(_blocks(n, s, circular) for n, s in zip(x.shape[2:], steps, strict=True))
    ):
        to, source = zip(*blocks, strict=True)
        out[(..., *to)].copy_(x[(..., *source)])
    return out


def _blocks(n: int, step: int, circular: bool) -> list[tuple[slice, slice]]:
    """Target and source slices of each part of a shift along one axis of n samples.

    Example:
        >>> _blocks(5, 2, True)
        [(slice(2, 5, None), slice(0, 3, None)), (slice(0, 2, None), slice(3, 5, None))]
    """
    if circular:
        step %= n
        parts = [(slice(step, n), slice(0, n - step)), (slice(0, step), slice(n - step, n))]
        return parts[: 2 if step else 1]
    step = max(-n, min(n, step))
    return [(slice(max(0, step), n + min(0, step)), slice(max(0, -step), n - max(0, step)))]


def affine(
    x: Float[Tensor, "B C H W"],
    *,
    angle: float = 0.0,
    scale: float = 1.0,
    offset: tuple[float, float] = (0.0, 0.0),
    displacement: Float[Tensor, "b h w 2"] | None = None,
    jump: tuple[float, float] = (1.0, 1.0),
    border: str = "zeros",
    between: Literal["bilinear", "bicubic"] = "bilinear",
) -> Float[Tensor, "B C H W"]:
    """Rotate and rescale all images about the center, deform and shift them, in one interpolation.

    Where content shrinks, it is low-pass filtered by the same factor first, so that nothing
    aliases.

    Args:
        x: images, or maps on another grid.
        angle: degrees counterclockwise on the screen.
        scale: of length; above 1 enlarges the content.
        offset: (rows down, columns right), in samples of x.
        displacement: added to the position that each value comes from, (x, y) in pixels, on a grid
            that spans the image; one for all or one for each sample.
        jump: pixels from one sample of x to the next, along rows and columns.
        border: a key of `BORDERS`.
        between: interpolation between samples.

    Example:
        >>> x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> affine(x, angle=90).round(decimals=4)
        tensor([[[[2., 4.],
                  [1., 3.]]]])
    """
    shape, threads = x.shape, torch.get_num_threads()
    if scale < 1:
        x = _smoothed(x, scale)
    if len(x) == 1 and x.shape[1] % threads == 0:
        # PyTorch resamples one image in one thread; so channels are split into as many images.
        x = x.reshape(threads, -1, *shape[2:])
    b, one = len(x), torch.ones(1)
    matrix = affine_matrix(angle=one * angle, zoom=torch.full((1, 2), scale), shear=0 * one)
    sides = torch.tensor([jump[1], jump[0]], dtype=torch.float32)  # (x, y)
    matrix = matrix * (sides[None, :] / sides[:, None])
    field = None
    if displacement is not None:
        if displacement.shape[1:3] != shape[2:]:
            displacement = smooth_field(displacement.permute(0, 3, 1, 2), shape[2:])
        field = (displacement / sides).expand(b, -1, -1, -1)
    moved = torch.tensor([offset], dtype=torch.float32).expand(b, 2)
    out = warp(x, matrix.expand(b, 2, 2), moved, field=field, border=border, between=between)
    return out.reshape(shape)


def _smoothed(x: Tensor, factor: float) -> Tensor:
    """Without the frequencies that would alias when the content shrinks."""
    h, w = x.shape[2:]
    small = (max(1, round(h * factor)), max(1, round(w * factor)))
    x = F.interpolate(x, size=small, mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(x, size=(h, w), mode="bilinear", align_corners=False)


def affine_matrix(
    *,
    angle: Float[Tensor, " B"],
    zoom: Num[Tensor, "B 2"],
    shear: Float[Tensor, " B"],
) -> Float[Tensor, "B 2 2"]:
    """The matrix from output to input positions, (x, y): undo zoom, then shear, then rotation.

    Args:
        angle: degrees, counterclockwise on the screen.
        zoom: how much larger the content gets, (rows, columns); negative columns mirror.
        shear: slope of a vertical line afterwards.
    """
    a = angle * (math.pi / 180)
    cos, sin = torch.cos(a), torch.sin(a)
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    one, zero = torch.ones_like(shear), torch.zeros_like(shear)
    slant = torch.stack([torch.stack([one, shear], 1), torch.stack([zero, one], 1)], 1)
    shrink = torch.diag_embed(1 / zoom.flip(1))
    return turn @ slant @ shrink


def smooth_field(coarse: Float[Tensor, "B 2 h w"], size: Sequence[int]) -> Float[Tensor, "B H W 2"]:
    """A smooth displacement of every pixel from a few, by bicubic interpolation.

    Args:
        coarse: displacements in pixels, (x, y), on a grid that spans the image.
        size: (H, W).
    """
    fine = F.interpolate(coarse, size=tuple(size), mode="bicubic", align_corners=True)
    return fine.permute(0, 2, 3, 1)


def warp(
    x: Float[Tensor, "B C H W"],
    matrix: Float[Tensor, "B 2 2"],
    offset: Float[Tensor, "B 2"],
    *,
    field: Float[Tensor, "B H W 2"] | None = None,
    border: str = "zeros",
    between: Literal["bilinear", "bicubic"] = "bilinear",
) -> Float[Tensor, "B C H W"]:
    """Resample each image once along an affine map and a smooth field.

    Args:
        x: images.
        matrix: from output to input positions, see `affine_matrix`.
        offset: where the content goes, (rows down, columns right), in pixels.
        field: added to the input position of each output pixel, (x, y), in pixels.
        border: a key of `BORDERS`.
        between: how values between pixels are found.

    Raises:
        UsageError: the border is unknown.

    Example:
        >>> x = torch.tensor([[[[1., 2.], [3., 4.]]]])
        >>> warp(x, torch.eye(2)[None], torch.tensor([[0., 1.]])).round(decimals=4)
        tensor([[[[0., 1.],
                  [0., 3.]]]])
    """
    if border not in BORDERS:
        raise UsageError(
            f"`border` says what lies beyond an image, got `{border}`. "
            f"{did_you_mean(border, BORDERS)}"
        )
    b, _, h, w = x.shape
    unit = torch.tensor([2 / w, 2 / h])
    # Positions run from -1 to 1 along each side: a map in pixels is scaled on both sides.
    scaled = matrix * (unit[:, None] / unit[None, :])
    origin = -(matrix @ offset.flip(1)[:, :, None])[:, :, 0] * unit
    theta = torch.cat([scaled, origin[:, :, None]], dim=2)
    alike = b > 1 and not any(t.stride(0) for t in (matrix, offset))  # expanded: one grid will do
    n = 1 if alike else b
    grid = F.affine_grid(theta[:n], [n, 1, h, w], align_corners=False)
    grid = grid.expand(b, -1, -1, -1)
    if field is not None:
        grid = grid + field * unit
    return F.grid_sample(
        x, grid.to(x), mode=between, padding_mode=BORDERS[border], align_corners=False
    )


def flip(x: Float[Tensor, "B C H W"], which: Tensor, *, axis: int) -> Float[Tensor, "B C H W"]:
    """Mirror the images for which `which`, (B,) bool, is true, along one axis."""
    return torch.where(which.to(x.device)[:, None, None, None], x.flip(axis), x)
