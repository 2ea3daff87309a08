"""Where in the image the cells of a layer lie: each at the center of its receptive field.

A map is usually enlarged by stretching its grid over the whole image. That is right where the
receptive fields cover the image evenly. Without padding they do not: of a 9×9 convolution the first
cell sees around pixel 4, and the stretched map shows it at pixel 0. Nor do they where a stride of
two starts at the border: the cells of a ResNet lie at pixels 0, 32, 64, ….
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Cells", "spread"]


@dataclass(frozen=True)
class Cells:
    """Centers of the receptive fields of a grid, in pixels, a number for each axis of space.

    Args:
        first: the center of cell 0; 0 is the center of the first pixel.
        step: pixels to the next one.
    """

    first: tuple[float, ...]
    step: tuple[float, ...]

    @classmethod
    def seeing(
        cls,
        size: Sequence[int],
        jump: Sequence[int | float | Fraction | None],
        start: Sequence[int | None],
    ) -> Cells | None:
        """From receptive fields; None where these are not evenly spaced or unknown.

        Args:
            size: pixels from the first to the last of a receptive field.
            jump: pixels from one receptive field to the next.
            start: the first pixel of cell 0; negative in the padding.

        Example:
            >>> Cells.seeing((16, 16), (4, 4), (0, 0))
            Cells(first=(7.5, 7.5), step=(4.0, 4.0))
        """
        first, step = [], []
        for n, j, s in zip(size, jump, start, strict=True):
            if j is None or s is None or j <= 0 or n < 1:
                return None
            first.append(s + (n - 1) / 2)
            step.append(float(j))
        return cls(tuple(first), tuple(step)) if first else None

    def scaled(self, times: Sequence[float]) -> Cells:
        """The same in an image of other numbers of pixels along each axis.

        Example:
            >>> Cells((0.0,), (1.0,)).scaled((4,))
            Cells(first=(1.5,), step=(4.0,))
        """
        first = tuple((f + 0.5) * t - 0.5 for f, t in zip(self.first, times, strict=True))
        return Cells(first, tuple(s * t for s, t in zip(self.step, times, strict=True)))

    def at(self, axis: int, pixels: int) -> Float[Tensor, " pixels"]:
        """The position of each pixel of an axis, counted in cells: integers are centers.

        Example:
            >>> Cells((1.0,), (2.0,)).at(0, 4).tolist()
            [-0.5, 0.0, 0.5, 1.0]
        """
        return (torch.arange(pixels, dtype=torch.float64) - self.first[axis]) / self.step[axis]


def spread(maps: Float[Tensor, B * S], size: Sequence[int], cells: Cells) -> Tensor:
    """Maps at the size of the image, each cell where it lies.

    Linear between the centers. Pixels beyond the outermost centers are seen by the outermost cells
    alone, or by none: they have the value of these.

    Args:
        maps: (B, *grid).
        size: of the image.
        cells: where they lie in it.

    Example:
        >>> spread(torch.tensor([[0.0, 1.0]]), (5,), Cells((1.0,), (2.0,)))
        tensor([[0.0000, 0.0000, 0.5000, 1.0000, 1.0000]])
    """
    for axis, n in enumerate(size):
        last = maps.shape[axis + 1] - 1
        at = cells.at(axis, n).clamp(0, last)
        low = at.floor().clamp(max=max(0, last - 1))
        share = (at - low).to(maps.device, maps.dtype).view(-1, *[1] * (len(size) - axis - 1))
        index = low.long().to(maps.device)
        near = maps.index_select(axis + 1, index)
        maps = near.lerp(maps.index_select(axis + 1, (index + 1).clamp(max=last)), share)
    return maps
