"""Polyphase downsampling at the cost of the operator itself: choose before it, not after.

Adaptive polyphase sampling (see `layers.polyphase`) runs an operator of stride s at stride 1 and
keeps one of the s phases per axis of what comes out, so s² times the MACs are spent and all but one
part of them thrown away. The phase can as well be chosen from what goes *into* the operator: any
choice that moves with the map does. Then the map is taken from that phase on, and the operator runs
at its own stride, on a quarter of the windows at stride 2:

    phase = choose_windows(x, s)      small: one value per sample of the map
    operator(take_windows(x, phase))  the windows that the dense operator has at that phase

`take_windows` also adds the padding that the operator had, so that circular padding costs no
second copy.

The choice must distinguish phases that hold equal samples, since the windows around them differ (an
image enlarged by repeating pixels has four equal phases). So it does not compare the norms of the
phases but their contrast: how far each sample is from the weighted mean of two neighbors, which
weigh unequally, so that a mirrored neighborhood is another one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UsageError
from neocog.layers._cpu.samples import flat_index, take_samples
from neocog.layers.blocks import extend, per_axis
from neocog.types import FieldWindow

__all__ = ["ChooseWindows", "TakeWindows", "choose_windows", "take_windows"]

_NEIGHBORS = {1: ((1, 1), (-1, 1)), 2: ((1, 1), (1, 2))}
"""Axes of space to (shift, axis) of the two neighbors: of a point of a plane the one above it and
the one to its left."""

_WEIGHTS = 0.6, 0.4
"""Of these: unequal, see above; their sum is 1, so an even surface has no contrast."""

_DARKER = 0.5
"""What a sample counts that is below its neighbors: a line is as far above them as they below."""


def choose_windows(
    x: Float[Tensor, "B C *space"], stride: int | Sequence[int]
) -> Int[Tensor, " B"]:
    """The phase of the most contrast, which moves with the map under circular shifts.

    The norm over channels of each sample is compared with those of two neighbors, with wrap-around;
    the squares of the differences, negative ones halved, are summed over each phase, in double
    precision. Of equal sums the first counts. No gradient goes through the choice.

    Args:
        x: map, of one or two axes of space. Where the stride does not divide a size, phases are
            continued with the beginning of the axis, and move with the map nearly.
        stride: of all axes or of each.

    Example:
        >>> x = torch.tensor([[[0.0, 3.0, 3.0, 0.0]]])
        >>> choose_windows(x, 2), choose_windows(x.roll(1, 2), 2)
        (tensor([1]), tensor([0]))
    """
    steps = per_axis(stride, x.dim() - 2)
    x = x.detach()
    if x.dtype not in (torch.float32, torch.float64):
        x = x.float()
    points = torch.linalg.vector_norm(x, 2, dim=1)
    one, other = _NEIGHBORS[len(steps)]
    near = points.roll(*one) * _WEIGHTS[0] + points.roll(*other) * _WEIGHTS[1]
    contrast = F.leaky_relu(points - near, _DARKER).square()
    rest = [(0, -n % s) for n, s in zip(contrast.shape[1:], steps, strict=True)]
    contrast = extend(contrast[:, None], rest, padding="circular")[:, 0]
    split = [part for s, n in zip(steps, contrast.shape[1:], strict=True) for part in (n // s, s)]
    grid = contrast.reshape(-1, *split)
    sums = grid.sum(tuple(range(1, 2 * len(steps), 2)), dtype=torch.float64)
    return sums.flatten(1).argmax(1)


def take_windows(
    x: Float[Tensor, "B C *space"],
    phase: Int[Tensor, " _"],
    *,
    stride: int | Sequence[int],
    reach: int | Sequence[int],
    sides: Sequence[tuple[int, int]],
) -> Float[Tensor, "B C *wide"]:
    """A circularly padded map from its phase on, as far as a strided operator looks.

    The operator, without its own padding, gives as many samples of the result as it gave of
    the padded map. Where that is size / stride, they are those of the operator at stride 1 at this
    phase.

    Args:
        x: map, of one or two axes of space.
        phase: an index per map, row by row, below the product of the strides.
        stride: of all axes or of each.
        reach: samples from the first tap of the operator to its last, both counted.
        sides: (before, after) of the padding that the operator had on each axis.

    Raises:
        UsageError: not a phase for each map, or an operator that reaches beyond the padded map.

    Example:
        >>> x = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
        >>> take_windows(x, torch.tensor([1]), stride=2, reach=3, sides=[(1, 1)])
        tensor([[[1., 2., 3., 4., 1.]]])
    """
    axes = x.dim() - 2
    steps, taps = per_axis(stride, axes), per_axis(reach, axes)
    size = tuple(x.shape[2:])
    if phase.shape[0] != x.shape[0]:
        raise UsageError(
            f"Each feature map of a batch needs one phase; got {phase.shape[0]} phases for "
            f"{x.shape[0]} maps. Give one per map."
        )
    counts = [
        (n + sum(side) - r) // s + 1 for n, s, r, side in zip(size, steps, taps, sides, strict=True)
    ]
    if min(counts) < 1:
        raise UsageError(
            f"A padded feature map must contain a whole window; got {size} with padding "
            f"{tuple(sides)} for a reach of {taps}. Give a larger map."
        )
    phases = (phase,) if axes == 1 else (phase // steps[1], phase % steps[1])
    lines = [
        (p[:, None] + torch.arange(-before, s * (count - 1) + r - before, device=x.device)) % n
        for p, n, s, r, count, (before, _) in zip(
            phases, size, steps, taps, counts, sides, strict=True
        )
    ]
    return take_samples(x, flat_index(lines, size), [line.shape[1] for line in lines])


class ChooseWindows(nn.Module):
    """`choose_windows` as a module of a map.

    Args:
        stride: of all axes or of each.
    """

    def __init__(self, stride: int | Sequence[int]) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Float[Tensor, "B C *space"]) -> Int[Tensor, " B"]:
        """The phase of the most contrast."""
        return choose_windows(x, self.stride)

    def extra_repr(self) -> str:
        """The stride."""
        return f"stride={self.stride}"


class TakeWindows(nn.Module):
    """`take_windows` as a module of (map, phase); the arguments are its.

    The operator that follows has the stride and no padding.

    Args:
        stride: of all axes or of each.
        reach: samples from the first tap of the operator to its last, both counted.
        sides: (before, after) of the padding that the operator had on each axis.
        whole: with as much more after an axis as the stride leaves over, so that of every size
            ceil(size / stride) windows are taken.
    """

    def __init__(
        self,
        stride: int | Sequence[int],
        *,
        reach: Sequence[int],
        sides: Sequence[tuple[int, int]],
        whole: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.reach = per_axis(stride, len(reach)), tuple(reach)
        self.sides, self.whole = tuple(sides), whole
        self.geometry = tuple(
            FieldWindow(s, 1, -before) for s, (before, _) in zip(self.stride, sides, strict=True)
        )

    def forward(self, x: Float[Tensor, "B C *space"], phase: Int[Tensor, " B"]) -> Tensor:
        """The padded map from its phase on."""
        sides = self.sides
        if self.whole:
            rest = [-n % s for n, s in zip(x.shape[2:], self.stride, strict=True)]
            sides = tuple((a, b + r) for (a, b), r in zip(sides, rest, strict=True))
        return take_windows(x, phase, stride=self.stride, reach=self.reach, sides=sides)

    def extra_repr(self) -> str:
        """What the arguments were."""
        return f"stride={self.stride}, reach={self.reach}, sides={self.sides}"
