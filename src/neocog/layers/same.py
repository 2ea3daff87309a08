"""Convolutions with the border of TensorFlow's "same": by size and stride, the odd one after.

At stride s the n samples of an axis give ceil(n / s), and the border is as narrow as that allows:

    total  = max(0, (ceil(n / s) - 1)·s + K - n)       K taps
    before = floor(total / 2),  after = total - before

At stride 1 this is (K - 1) / 2 per side, as everywhere here. At stride 2 a 3×3 window gets (0, 1)
on an even axis and (1, 1) on an odd one, where PyTorch's networks have (1, 1) always; weights that
were trained with one border see a map that is shifted by a sample with the other.

Source: the description of `padding="SAME"` of `tf.nn.convolution` (TensorFlow 2).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.layers.blocks import Pair, extend, pair
from neocog.layers.downsample import downsampling_of
from neocog.layers.subsample import Windows
from neocog.layers.windows import TakeWindows

__all__ = ["SameConv2d", "same_sides", "same_windows"]


def same_sides(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Samples before and after an axis with which it gives ceil(size / stride).

    Args:
        size: of the input.
        kernel_size: taps of the window.
        stride: of the window.

    Example:
        >>> same_sides(8, 3, 2), same_sides(9, 3, 2), same_sides(8, 5, 1)
        ((0, 1), (1, 1), (2, 2))
    """
    total = max(0, (-(-size // stride) - 1) * stride + kernel_size - size)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution behind the border of `same_sides`, computed for each size.

    It may run at stride 1 before something else that drops samples: then it gives as many samples
    as come in, of which every s-th is what it gives at stride s.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        kernel_size: taps.
        steps: the stride that the border is laid for.
        stride: of the convolution itself: `steps`, or 1.
        padding: what the border holds, one of `layers.blocks.PADDINGS`.
        groups: independent groups of channels.
        bias: add a trainable number per channel.

    Example:
        >>> import torch
        >>> layer = SameConv2d(1, 1, kernel_size=3, steps=2, stride=2, padding="zeros", bias=False)
        >>> with torch.no_grad():
        ...     _ = layer.weight.fill_(1)
        ...     layer(torch.ones(1, 1, 4, 4))[0, 0].tolist()
        [[9.0, 6.0], [6.0, 4.0]]
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: Pair,
        steps: Pair = 1,
        stride: Pair = 1,
        padding: str = "zeros",
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            pair(kernel_size),
            stride=pair(stride),
            groups=groups,
            bias=bias,
        )
        self.steps, self.border = pair(steps), padding

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The convolution of the continued map."""
        sides = [self._sides(axis, x.shape[2 + axis]) for axis in (0, 1)]
        rim = [before for before, _ in sides]
        if self.border != "zeros" or any(before != after for before, after in sides):
            x, rim = extend(x, sides, padding=self.border), [0, 0]
        return F.conv2d(x, self.weight, self.bias, self.stride, rim, 1, self.groups)

    def _sides(self, axis: int, size: int) -> tuple[int, int]:
        kernel, step = self.kernel_size[axis], self.steps[axis]
        before, after = same_sides(size, kernel, step)
        return (before, after) if self.stride[axis] == step else (before, kernel - 1 - before)

    def extra_repr(self) -> str:
        """That of the convolution, and its border."""
        taps = ", ".join(map(str, (self.in_channels, self.out_channels)))
        return (
            f"{taps}, kernel_size={self.kernel_size}, stride={self.stride}, groups={self.groups}, "
            f"padding=same for {self.steps}, {self.border}"
        )


def same_windows(
    downsampling: str, kernel_size: Pair, stride: Pair, padding: str
) -> nn.Module | None:
    """Chooses and takes the windows of such a convolution before it; None where its output decides.

    As `downsample.windows_before`, for a border that is not the same on both sides.
    """
    kind, taps, steps = downsampling_of(downsampling), pair(kernel_size), pair(stride)
    if kind.choose_windows is None or padding != "circular" or steps == (1, 1):
        return None
    if any(k < s for k, s in zip(taps, steps, strict=True)):
        return None
    total = [k - s for k, s in zip(taps, steps, strict=True)]
    sides = [(t // 2, t - t // 2) for t in total]
    take = TakeWindows(steps, reach=taps, sides=sides, whole=True)
    return Windows(kind.choose_windows(steps), take)
