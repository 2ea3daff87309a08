"""Downsampling as they come, and the border that an operator in front of it may need.

The pieces of `layers.downsample`, which says when each is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.layers.blocks import extend
from neocog.layers.polyphase import TakePhase
from neocog.layers.windows import TakeWindows

__all__ = [
    "AsTheyAre",
    "Both",
    "FarBorder",
    "Steps",
    "Subsample",
    "SubsamplePair",
    "Windows",
    "WindowsPair",
    "far_border",
    "subsample",
]

Steps = tuple[int, ...]
"""Samples from one that is kept to the next, on each axis; as many numbers as axes of space."""


def subsample(x: Float[Tensor, "B C *space"], stride: Steps) -> Float[Tensor, "B C *smaller"]:
    """Every s-th sample of each axis, from the first; a view.

    Example:
        >>> import torch
        >>> subsample(torch.arange(9.0).reshape(1, 1, 3, 3), (2, 2))
        tensor([[[[0., 2.],
                  [6., 8.]]]])
    """
    return x[tuple(slice(None, None, s) for s in (1, 1, *stride))]


class Subsample(nn.Module):
    """`subsample` as a module.

    Args:
        stride: of each axis.
    """

    def __init__(self, stride: Steps) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *smaller"]:
        """Every s-th sample of each axis."""
        return subsample(x, self.stride)

    def extra_repr(self) -> str:
        """The stride."""
        return f"stride={self.stride}"


class SubsamplePair(nn.Module):
    """`subsample` of two maps.

    Args:
        stride: of each axis.
    """

    def __init__(self, stride: Steps) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, main: Tensor, short: Tensor) -> tuple[Tensor, Tensor]:
        """Every s-th sample of both."""
        return subsample(main, self.stride), subsample(short, self.stride)


class AsTheyAre(nn.Module):
    """Two maps, unchanged: the `reduce_pair` where nothing is left to do."""

    def forward(self, main: Tensor, short: Tensor) -> tuple[Tensor, Tensor]:
        """Both."""
        return main, short


class Both(nn.Module):
    """One module, without parameters, over each of two maps.

    Args:
        module: of one map.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, main: Tensor, short: Tensor) -> tuple[Tensor, Tensor]:
        """Both, through the module."""
        return self.module(main), self.module(short)


def far_border(
    x: Float[Tensor, "B C *space"],
    kernel_size: Sequence[int],
    *,
    stride: Sequence[int],
    pad: Sequence[int],
    padding: str,
) -> Float[Tensor, "B C *larger"]:
    """Samples on the far side with which an operator at stride 1 leaves whole strides behind.

    As few as that takes, and none that a window would see nothing but: so an odd kernel whose
    border keeps the size gets none, a window of 2 without border gets one before stride 2.

    Args:
        x: map that the operator sees.
        kernel_size: taps of the operator's window, on each axis.
        stride: that the operator had, on each axis.
        pad: samples that the operator itself adds a side, on each axis.
        padding: what is added, one of `layers.blocks.PADDINGS`; or `-inf`.

    Example:
        >>> import torch
        >>> far_border(torch.tensor([[[1.0, 2.0]]]), (2,), stride=(2,), pad=(0,), padding="zeros")
        tensor([[[1., 2., 0.]]])
    """
    axes = zip(x.shape[2:], kernel_size, stride, pad, strict=True)
    more = [min(-(n + 2 * p - k + 1) % s, max(0, k - 1 - 2 * p)) for n, k, s, p in axes]
    if not any(more):
        return x
    if padding == "-inf":
        return F.pad(x, [n for m in reversed(more) for n in (0, m)], value=-math.inf)
    return extend(x, [(0, m) for m in more], padding=padding)


class FarBorder(nn.Module):
    """`far_border` as a module.

    Args:
        kernel_size: taps of the operator's window, on each axis.
        stride: that the operator had, on each axis.
        pad: samples that the operator itself adds a side, on each axis.
        padding: what is added, one of `layers.blocks.PADDINGS`; or `-inf`.
    """

    def __init__(
        self, kernel_size: Sequence[int], *, stride: Sequence[int], pad: Sequence[int], padding: str
    ) -> None:
        super().__init__()
        self.kernel_size, self.steps = tuple(kernel_size), tuple(stride)
        self.pad, self.padding = tuple(pad), padding

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *larger"]:
        """The map, continued."""
        return far_border(
            x, self.kernel_size, stride=self.steps, pad=self.pad, padding=self.padding
        )

    def extra_repr(self) -> str:
        """Window, stride and border."""
        return f"{self.kernel_size}, stride={self.steps}, pad={self.pad}, padding={self.padding}"


class Windows(nn.Module):
    """The windows of a strided operator, from a phase that its input chooses, padding included.

    Args:
        choose: map to phase.
        take: (map, phase) to the windows of an operator.
    """

    def __init__(self, choose: nn.Module, take: TakeWindows) -> None:
        super().__init__()
        self.choose, self.take = choose, take

    def forward(self, x: Tensor) -> Tensor:
        """What the operator sees."""
        out: Tensor = self.take(x, self.choose(x))
        return out


class WindowsPair(nn.Module):
    """`Windows` of a main branch, and the samples of a shortcut that stand where they do.

    Args:
        choose: map of the main branch to phase.
        take: (map, phase) to the windows of the operator in the main branch.
        stride: of that operator.
    """

    def __init__(self, choose: nn.Module, take: TakeWindows, stride: Steps) -> None:
        super().__init__()
        self.choose, self.take, self.short = choose, take, TakePhase(stride)

    def forward(self, main: Tensor, short: Tensor) -> tuple[Tensor, Tensor]:
        """What the operator sees, and every s-th sample of the shortcut."""
        phase = self.choose(main)
        return self.take(main, phase), self.short(short, phase)
