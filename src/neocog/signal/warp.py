"""Moving pictures: shifts, affine maps and smooth deformations of whole batches.

Coordinates are (row, column) in pixels, the origin in the middle of the picture. Angles are in
degrees and positive anticlockwise, as one sees it on the screen.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from neocog.errors import UsageError, did_you_mean

__all__ = ["BORDERS", "affine_matrix", "flip", "shift_zero_fill", "smooth_field", "warp"]

BORDERS = {"zero": "zeros", "edge": "border", "reflect": "reflection"}
"""What lies beyond the border: black, the border pixel, the mirrored picture."""


def shift_zero_fill(x: Float[Tensor, "B C H W"], offset: Int[Tensor, "B 2"]) -> Tensor:
    """Move each picture by whole pixels; what comes in is zero.

    Args:
        x: pictures.
        offset: (rows down, columns right), one pair a picture.

    Example:
        >>> x = torch.tensor([[[[1., 2.], [3., 4.]]]])
        >>> shift_zero_fill(x, torch.tensor([[0, 1]]))
        tensor([[[[0., 1.],
                  [0., 3.]]]])
    """
    b, c, h, w = x.shape
    row = torch.arange(h) - offset[:, :1]
    column = torch.arange(w) - offset[:, 1:]
    known = ((row >= 0) & (row < h))[:, :, None] & ((column >= 0) & (column < w))[:, None, :]
    source = row.clamp(0, h - 1)[:, :, None] * w + column.clamp(0, w - 1)[:, None, :]
    flat = x.permute(0, 2, 3, 1).reshape(b, h * w, c)
    index = source.to(x.device).reshape(b, h * w, 1).expand(b, h * w, c)
    moved = flat.gather(1, index).view(b, h, w, c).permute(0, 3, 1, 2)
    return moved * known.to(x.device)[:, None]


def affine_matrix(
    *,
    angle: Float[Tensor, " B"],
    zoom: Float[Tensor, "B 2"],
    shear: Float[Tensor, " B"],
) -> Float[Tensor, "B 2 2"]:
    """The matrix from output to input positions, (x, y): undo zoom, then shear, then turn.

    Args:
        angle: degrees, anticlockwise on the screen.
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


def smooth_field(
    coarse: Float[Tensor, "B 2 h w"], size: tuple[int, int]
) -> Float[Tensor, "B H W 2"]:
    """A smooth displacement of every pixel from a few, by bicubic interpolation.

    Args:
        coarse: displacements in pixels, (x, y), on a grid that spans the picture.
        size: (H, W).
    """
    fine = F.interpolate(coarse, size=size, mode="bicubic", align_corners=True)
    return fine.permute(0, 2, 3, 1)


def warp(
    x: Float[Tensor, "B C H W"],
    matrix: Float[Tensor, "B 2 2"],
    offset: Float[Tensor, "B 2"],
    *,
    field: Float[Tensor, "B H W 2"] | None = None,
    border: str = "zero",
) -> Float[Tensor, "B C H W"]:
    """Resample each picture once, bilinearly, along an affine map and a smooth field.

    Args:
        x: pictures.
        matrix: from output to input positions, see `affine_matrix`.
        offset: where the content goes, (rows down, columns right), in pixels.
        field: added to the input position of each output pixel, (x, y), in pixels.
        border: a key of `BORDERS`.

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
            f"`border` says what lies beyond a picture, got `{border}`. "
            f"{did_you_mean(border, BORDERS)}"
        )
    b, _, h, w = x.shape
    unit = torch.tensor([2 / w, 2 / h])
    # Positions run from -1 to 1 along each side: a map in pixels is scaled on both sides.
    scaled = matrix * (unit[:, None] / unit[None, :])
    origin = -(matrix @ offset.flip(1)[:, :, None])[:, :, 0] * unit
    theta = torch.cat([scaled, origin[:, :, None]], dim=2)
    grid = F.affine_grid(theta, [b, 1, h, w], align_corners=False)
    if field is not None:
        grid = grid + field * unit
    return F.grid_sample(
        x, grid.to(x), mode="bilinear", padding_mode=BORDERS[border], align_corners=False
    )


def flip(x: Float[Tensor, "B C H W"], which: Tensor, *, axis: int) -> Float[Tensor, "B C H W"]:
    """Mirror the pictures for which `which`, (B,) bool, is true, along one axis."""
    return torch.where(which.to(x.device)[:, None, None, None], x.flip(axis), x)
