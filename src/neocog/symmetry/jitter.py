"""Small random transformations of images that gradients flow through."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from neocog.symmetry.warp import affine_matrix, warp

__all__ = ["jitter", "jitter_moves"]


def jitter_moves(count: int, seed: int) -> Float[Tensor, "M 4"]:
    """Random transformations in units of their maximum: down, right, angle, scale, each in [-1, 1].

    Args:
        count: how many.
        seed: of the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand((count, 4), generator=generator) - 1


def jitter(
    x: Float[Tensor, "B C *space"],
    moves: Float[Tensor, "B 4"],
    *,
    shift: float,
    turn: float,
    zoom: float,
) -> Float[Tensor, "B C *space"]:
    """Shift, rotate and rescale each image on its own, in one interpolation.

    The border is filled by reflection. Series are shifted and stretched.

    Args:
        x: images (B, C, H, W) or series (B, C, N).
        moves: from `jitter_moves`.
        shift: maximum, as a fraction of the side.
        turn: maximum angle, in degrees.
        zoom: maximum change of scale: content is enlarged by up to 1 + zoom.

    Example:
        >>> x = torch.rand(2, 1, 6, 6)
        >>> torch.allclose(jitter(x, torch.zeros(2, 4), shift=0.1, turn=9, zoom=0.1), x, atol=1e-5)
        True
    """
    if x.ndim == 3:
        return jitter(x[:, :, None], moves, shift=shift, turn=turn, zoom=zoom)[:, :, 0]
    flat = x.shape[2] == 1
    sides = torch.tensor([0.0 if flat else float(x.shape[2]), float(x.shape[3])])
    size = 1 + zoom * moves[:, 3:4].expand(-1, 2)
    if flat:
        size = torch.cat([torch.ones(len(x), 1), size[:, 1:]], 1)
    angle = torch.zeros(len(x)) if flat else turn * moves[:, 2]
    matrix = affine_matrix(angle=angle, zoom=size, shear=torch.zeros(len(x)))
    return warp(x, matrix, shift * sides * moves[:, :2], border="reflect")
