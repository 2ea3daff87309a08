"""Convolutions as every network builds them: geometry, borders, convolution + norm + activation.

The arithmetic of one axis, with input size W, kernel K, padding P per side, stride S, dilation D:

    output = floor((W + 2P - D(K - 1) - 1) / S) + 1          (D = 1: floor((W - K + 2P) / S) + 1)
    same   = D(K - 1) / 2 per side for odd K                   (stride 1 keeps the size)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UsageError, did_you_mean
from neocog.layers._cpu.spectral import circular_conv2d, is_cheaper, is_unobserved
from neocog.layers._cpu.wrapped import is_reusable, wrapped
from neocog.layers.border import continued

__all__ = [
    "PADDINGS",
    "CircularConv2d",
    "Pair",
    "border",
    "conv",
    "conv_norm_activation",
    "extend",
    "grow",
    "he_normal",
    "keeps",
    "output_hw",
    "output_size",
    "padding_mode",
    "pair",
    "per_axis",
    "same_padding",
]

Pair = int | tuple[int, int]
"""One number for both axes, or (rows, columns)."""

PADDINGS: dict[str, Literal["zeros", "circular", "reflect", "replicate"]] = {
    "zeros": "zeros",
    "circular": "circular",
    "reflect": "reflect",
    "replicate": "replicate",
}
"""What stands outside the image: our name to PyTorch's `padding_mode`."""


def pair(value: Pair) -> tuple[int, int]:
    """Both axes, written out.

    Example:
        >>> pair(3), pair((1, 5))
        ((3, 3), (1, 5))
    """
    return (value, value) if isinstance(value, int) else value


def per_axis(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """One number for each of so many axes of space.

    Raises:
        UsageError: as many numbers as there are axes did not come.

    Example:
        >>> per_axis(2, 1), per_axis((2, 3), 2)
        ((2,), (2, 3))
    """
    values = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(values) != axes or min(values) < 1:
        raise UsageError(
            f"A stride is a positive integer, one for all axes or one for each of the {axes} axes; "
            f"got {value}."
        )
    return values


def output_size(
    size: int, kernel_size: int, *, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """How many outputs a sliding window has along one axis.

    Args:
        size: of the input.
        kernel_size: taps of the window.
        stride: of the window.
        padding: samples on each side.
        dilation: of the window.

    Returns:
        The count; 0 where the window is larger than the padded input.

    Example:
        >>> output_size(32, 5), output_size(7, 3, stride=2, padding=1)
        (28, 4)
    """
    reach = dilation * (kernel_size - 1) + 1
    return max(0, (size + 2 * padding - reach) // stride + 1)


def output_hw(
    size: tuple[int, int], kernel_size: Pair, *, stride: Pair = 1, padding: Pair = 0
) -> tuple[int, int]:
    """`output_size` for rows and columns.

    Example:
        >>> output_hw((28, 32), 2, stride=2)
        (14, 16)
    """
    (kh, kw), (sh, sw), (ph, pw) = pair(kernel_size), pair(stride), pair(padding)
    return (
        output_size(size[0], kh, stride=sh, padding=ph),
        output_size(size[1], kw, stride=sw, padding=pw),
    )


def same_padding(kernel_size: Pair, *, dilation: Pair = 1) -> tuple[int, int]:
    """The padding a side with which an odd kernel keeps the size at stride 1.

    Raises:
        UsageError: a kernel is even; no equal padding of both sides keeps the size then.

    Example:
        >>> same_padding(5), same_padding((1, 3), dilation=2)
        ((2, 2), (0, 2))
    """
    (kh, kw), (dh, dw) = pair(kernel_size), pair(dilation)
    if kh % 2 == 0 or kw % 2 == 0:
        raise UsageError(
            f"Padding that keeps the size needs an odd kernel; got {kh}×{kw}. "
            "Use an odd kernel, or give the padding in samples."
        )
    return dh * (kh - 1) // 2, dw * (kw - 1) // 2


def padding_mode(padding: str) -> Literal["zeros", "circular", "reflect", "replicate"]:
    """PyTorch's word for one of our paddings.

    Raises:
        UsageError: no such padding mode.
    """
    if padding not in PADDINGS:
        raise UsageError(f"`{padding}` is not a padding mode. {did_you_mean(padding, PADDINGS)}")
    return PADDINGS[padding]


class CircularConv2d(nn.Conv2d):
    """`nn.Conv2d` with a fast circular padding.

    PyTorch's own turns a channels_last map into a contiguous one and costs about as much as the
    convolution. Here the memory format is kept; at inference small maps are convolved in the
    frequency domain where that is faster (`layers/_cpu/spectral.py`), and larger ones are padded in
    memory that is used again (`layers/_cpu/wrapped.py`). Values (to rounding),
    parameters and arguments are the same.
    """

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The convolution of the circularly padded map."""
        if self.padding_mode != "circular" or isinstance(self.padding, str):
            return super().forward(x)
        if self._is_spectral(x):
            before: tuple[int, int] = self.padding  # type: ignore[assignment]
            return circular_conv2d(x, self.weight, self.bias, before=before)
        sides = [(n, n) for n in self.padding]
        if is_reusable(x, sides, self.weight, self.bias):
            wide = wrapped(x, sides)
        else:
            wide = extend(x, sides, padding="circular")
        return F.conv2d(wide, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)

    def _is_spectral(self, x: Tensor) -> bool:
        pads = self.padding if isinstance(self.padding, tuple) else ()
        return (
            self.stride == self.dilation == (1, 1)
            and self.groups == 1
            and self.kernel_size == tuple(2 * p + 1 for p in pads)
            and x.dim() == 4
            and x.dtype == self.weight.dtype
            and is_unobserved(x, self.weight, self.bias)
            and is_cheaper(x, self.weight)
        )


def conv(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: Pair,
    stride: Pair = 1,
    padding: str = "zeros",
    pad: Pair | None = None,
    groups: int = 1,
    bias: bool = True,
) -> nn.Conv2d:
    """An `nn.Conv2d` with our word for the border; the faster `CircularConv2d` where it wraps.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        kernel_size: taps.
        stride: of the window.
        padding: padding mode, one of `PADDINGS`.
        pad: samples added on each side; None for as many as keep the size at stride 1.
        groups: independent groups of channels.
        bias: add a trainable number per channel.

    Raises:
        UsageError: no such padding mode, or an even kernel without `pad`.

    Example:
        >>> conv(3, 6, kernel_size=5, pad=0)
        Conv2d(3, 6, kernel_size=(5, 5), stride=(1, 1))
    """
    mode, frame = padding_mode(padding), same_padding(kernel_size) if pad is None else pair(pad)
    kind = CircularConv2d if mode == "circular" and any(frame) else nn.Conv2d
    return kind(
        in_channels,
        out_channels,
        pair(kernel_size),
        stride=pair(stride),
        padding=frame,
        padding_mode=mode if any(frame) else "zeros",
        groups=groups,
        bias=bias,
    )


def border(pad: Pair, *, padding: str) -> nn.Module:
    """Adds `pad` samples on each side of rows and columns; `nn.Identity` for none.

    Raises:
        UsageError: no such padding mode.

    Example:
        >>> border(2, padding="circular")
        CircularPad2d((2, 2, 2, 2))
    """
    mode = padding_mode(padding)
    rows, columns = pair(pad)
    sides = (columns, columns, rows, rows)
    if not any(sides):
        return nn.Identity()
    kinds: dict[str, type[nn.Module]] = {
        "zeros": nn.ZeroPad2d,
        "circular": nn.CircularPad2d,
        "reflect": nn.ReflectionPad2d,
        "replicate": nn.ReplicationPad2d,
    }
    return kinds[mode](sides)


def extend(
    x: Float[Tensor, "B C *space"], sides: Sequence[tuple[int, int]], *, padding: str
) -> Float[Tensor, "B C *larger"]:
    """The map with samples added before and after each axis, any number of them.

    A short axis is wrapped or mirrored as often as it takes.

    Args:
        x: map, of one or two axes of space.
        sides: (before, after) of each axis.
        padding: what is added, one of `PADDINGS`.

    Raises:
        UsageError: no such padding mode.

    Example:
        >>> import torch
        >>> extend(torch.tensor([[[1.0, 2.0, 3.0]]]), [(1, 4)], padding="reflect")
        tensor([[[2., 1., 2., 3., 2., 1., 2., 3.]]])
    """
    mode = padding_mode(padding)
    if not any(map(any, sides)):
        return x
    if mode == "zeros":
        return F.pad(x, [n for side in reversed(sides) for n in side])
    return continued(x, sides, mode)


def keeps(
    size: tuple[int, int], kernel_size: Pair, *, stride: Pair, least: int, padding: Pair = 0
) -> bool:
    """Whether a window leaves at least `least` samples on both axes.

    Example:
        >>> keeps((3, 3), 2, stride=2, least=2)
        False
    """
    return min(output_hw(size, kernel_size, stride=stride, padding=padding)) >= least


def grow(x: Float[Tensor, "B C H W"], size: int, *, padding: str) -> Float[Tensor, "B C h w"]:
    """The image in the middle of at least `size` rows and columns, the odd one after it.

    Args:
        x: image or map; an axis that is long enough stays as it is.
        size: the least number of rows and of columns.
        padding: what fills it up, one of `PADDINGS`.

    Raises:
        UsageError: no such padding mode.

    Example:
        >>> import torch
        >>> grow(torch.ones(1, 1, 28, 40), 32, padding="replicate").shape
        torch.Size([1, 1, 32, 40])
    """
    mode = padding_mode(padding)
    rows, columns = (max(0, size - n) for n in x.shape[2:])
    if rows == columns == 0:
        return x
    sides = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    return F.pad(x, sides, mode="constant" if mode == "zeros" else mode)


def conv_norm_activation(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: Pair,
    stride: Pair = 1,
    padding: str = "zeros",
    pad: Pair | None = None,
) -> nn.Sequential:
    """Convolution, batch normalization, ReLU; named conv, norm, act.

    The size is kept where `pad` is left out. The convolution has no bias: the normalization would
    subtract it again.


    Example:
        >>> import torch
        >>> conv_norm_activation(1, 8, kernel_size=3)(torch.zeros(2, 1, 5, 5)).shape
        torch.Size([2, 8, 5, 5])
    """
    block = nn.Sequential()
    block.add_module(
        "conv",
        conv(
            in_channels,
            out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            pad=pad,
            bias=False,
        ),
    )
    block.add_module("norm", nn.BatchNorm2d(out_channels))
    block.add_module("act", nn.ReLU())
    return block


def he_normal(module: nn.Module, *, grouped: bool = False) -> None:
    """Initialize all convolution weights: normal, variance 2 / (outputs · taps); biases zero.

    Args:
        module: changed in place.
        grouped: count the outputs of one group, as many as an input really feeds; without, a
            depthwise convolution starts with weights too small by the root of its channels.

    Source: K. He et al., "Delving Deep into Rectifiers", ICCV 2015, eq. 14.
    """
    for m in module.modules():
        if isinstance(m, nn.Conv2d) and not m.weight.is_meta:  # which holds no values
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            if grouped and m.groups > 1:
                with torch.no_grad():
                    m.weight.mul_(m.groups**0.5)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
