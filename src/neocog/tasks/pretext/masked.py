"""Masked reconstruction for convolutions: squares are blanked, a light decoder fills them in.

After Z. Xie et al., "SimMIM: a simple framework for masked image modeling", CVPR 2022, whose
decoder is one layer, on the last feature map of a convolutional network; the loss counts blanked
pixels alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.tasks.pretext.method import Encoder, PretextMethod

__all__ = ["Masked", "masked_error", "square_mask"]

FRACTION = 0.6
"""Of the squares of an image that are blanked."""


def square_mask(n: int, size: tuple[int, int], patch: int, fraction: float = FRACTION) -> Tensor:
    """Random squares, bool (n, 1, H, W); the same number in every image.

    Args:
        n: images.
        size: (H, W).
        patch: side of a square, in pixels.
        fraction: of the squares that are true.

    Example:
        >>> square_mask(3, (8, 8), 4, 0.5).sum((1, 2, 3)).tolist()
        [32, 32, 32]
    """
    h, w = (-(-s // patch) for s in size)
    masked = torch.rand(n, h * w).argsort(1) < round(fraction * h * w)
    coarse = masked.view(n, 1, h, w).repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    return coarse[:, :, : size[0], : size[1]]


def masked_error(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of y at the masked pixels of x.

    Args:
        x: (B, C, H, W).
        y: likewise.
        mask: bool (B, 1, H, W).

    Example:
        >>> x, mask = torch.zeros(1, 1, 1, 2), torch.tensor([[[[True, False]]]])
        >>> masked_error(x, torch.tensor([[[[3.0, 5.0]]]]), mask).item()
        9.0
    """
    error = (x.float() - y.float()).square() * mask
    return error.sum() / (mask.sum() * x.shape[1]).clamp(min=1)


class Masked(PretextMethod):
    """Masked image modeling.

    Args:
        encoder: of a network with a feature map.
        channels: of the images.
    """

    views = 1

    def __init__(self, encoder: Encoder, channels: int) -> None:
        super().__init__()
        self.stride = encoder.stride
        self.decoder = nn.Conv2d(encoder.channels, channels * encoder.stride**2, 3, padding=1)

    def forward(self, encoder: Encoder, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The images, what was filled in, and where."""
        mask = square_mask(len(x), (x.shape[2], x.shape[3]), max(4, self.stride)).to(x.device)
        gray = x.mean((2, 3), keepdim=True)
        maps = encoder.map_of(torch.where(mask, gray, x))
        filled = F.pixel_shuffle(self.decoder(maps), self.stride)
        if filled.shape[2:] != x.shape[2:]:
            filled = F.interpolate(filled, x.shape[2:], mode="bilinear", align_corners=False)
        return x, filled, mask

    def loss(self, output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Mean squared error of blanked pixels."""
        return masked_error(*output)
