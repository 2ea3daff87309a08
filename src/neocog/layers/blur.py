"""Blur, then downsample.

Source: R. Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019: an operator of
stride s is the operator at stride 1, then a low-pass filter, then every s-th sample. The filter
has no parameters and its buffers are not saved, so a state dict fits with and without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UsageError, did_you_mean
from neocog.layers._cpu.blur import fast_blur
from neocog.layers._cpu.separable import TAPS
from neocog.layers.blocks import extend, padding_mode, per_axis
from neocog.signal.kernels import binomial, triangle, windowed_sinc

__all__ = ["KERNELS", "BlurPool", "MaxBlurPool", "blur", "low_pass_kernel", "max_blur"]

KERNELS: dict[str, Callable[[int, int], Tensor]] = {
    "binomial": lambda taps, stride: binomial(taps),
    "triangle": lambda taps, stride: triangle(taps),
    "sinc": windowed_sinc,
}
"""Name to (taps, stride) to a kernel of one axis."""


def low_pass_kernel(name: str, stride: int, taps: int | None = None) -> Float[Tensor, " K"]:
    """The kernel in front of a stride; of a single tap in front of stride 1.

    Args:
        name: one of `KERNELS`.
        stride: that follows.
        taps: of the kernel; 2 · stride + 1 if left out, which is odd, so that the blurred map
            stands where the map stood, and grows with the stride.

    Raises:
        UsageError: no such kernel, or fewer than one tap.

    Example:
        >>> (16 * low_pass_kernel("binomial", 2)).tolist()
        [1.0, 4.0, 6.0, 4.0, 1.0]
    """
    if name not in KERNELS:
        raise UsageError(f"`{name}` is not a low-pass kernel. {did_you_mean(name, KERNELS)}")
    if stride == 1:
        return torch.ones(1, dtype=torch.float64)
    return KERNELS[name](2 * stride + 1 if taps is None else taps, stride)


def blur(
    x: Float[Tensor, "B C *space"],
    kernels: Sequence[Float[Tensor, " _"]],
    *,
    stride: int | Sequence[int] = 1,
    padding: str = "reflect",
) -> Float[Tensor, "B C *smaller"]:
    """Each channel through a separable kernel, of which every s-th sample is computed.

    The window of sample i is centered at s·i, or half a sample after it for an even kernel, so that
    ceil(size / s) samples come out for every size.

    Args:
        x: map, of one or two axes of space.
        kernels: one per axis.
        stride: of all axes or of each.
        padding: padding mode, one of `layers.blocks.PADDINGS`.

    Raises:
        UsageError: no such padding mode, or a stride that does not fit the map.

    Example:
        >>> x = torch.tensor([[[0.0, 0.0, 4.0, 0.0, 0.0, 0.0]]])
        >>> blur(x, [binomial(3)], stride=2, padding="circular")
        tensor([[[0., 2., 0.]]])
    """
    steps = per_axis(stride, x.dim() - 2)
    padding_mode(padding)
    fast = fast_blur(x, kernels, steps, padding, plain=blur)
    if fast is not None:
        return fast
    rim = [(len(k) - 1) // 2 for k in kernels]
    if padding != "zeros" or any(len(k) % 2 == 0 for k in kernels):
        x = extend(x, _sides(x.shape[2:], kernels, steps), padding=padding)
        rim = [0] * len(steps)
    tapers = [_along(k.to(x), i, len(steps)) for i, k in enumerate(kernels)]
    if len(steps) == 1:
        weight = tapers[0].expand(x.shape[1], 1, -1)
        return F.conv1d(x, weight, None, steps[0], rim[0], groups=x.shape[1])
    rows, columns = tapers
    if rows.numel() * columns.numel() <= TAPS:
        weight = (rows * columns).expand(x.shape[1], 1, -1, -1)
        return F.conv2d(x, weight, None, steps, rim, groups=x.shape[1])
    weight = rows.expand(x.shape[1], 1, -1, -1)
    x = F.conv2d(x, weight, None, (steps[0], 1), (rim[0], 0), groups=x.shape[1])
    weight = columns.expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, weight, None, (1, steps[1]), (0, rim[1]), groups=x.shape[1])


def _sides(
    size: Sequence[int], kernels: Sequence[Tensor], steps: Sequence[int]
) -> list[tuple[int, int]]:
    """Samples (before, after) each axis that its windows look at, and no more."""
    sides = []
    for n, kernel, step in zip(size, kernels, steps, strict=True):
        last = step * (math.ceil(n / step) - 1)
        sides.append(((len(kernel) - 1) // 2, max(0, last + len(kernel) // 2 + 1 - n)))
    return sides


def _along(kernel: Tensor, axis: int, axes: int) -> Tensor:
    """A kernel of one axis as a weight for all of them."""
    return kernel.view([-1 if i == axis + 2 else 1 for i in range(axes + 2)])


def max_blur(
    x: Float[Tensor, "B C *space"],
    window: int,
    kernels: Sequence[Float[Tensor, " _"]],
    *,
    stride: int | Sequence[int],
    padding: str = "reflect",
) -> Float[Tensor, "B C *smaller"]:
    """The maximum around each sample, then `blur`.

    Args:
        x: map, of one or two axes of space.
        window: samples of the window, on each axis; the odd one of an even window after it.
        kernels: of the blur, one per axis.
        stride: of all axes or of each.
        padding: padding mode, one of `layers.blocks.PADDINGS`; for `zero` it is
            left out of the maximum.

    Raises:
        UsageError: no such padding mode, or a stride that does not fit the map.

    Example:
        >>> x = torch.tensor([[[0.0, 0.0, 4.0, 0.0, 0.0, 0.0]]])
        >>> max_blur(x, 2, [binomial(3)], stride=2, padding="circular")
        tensor([[[1., 3., 0.]]])
    """
    axes = x.dim() - 2
    before, after = (window - 1) // 2, window // 2
    if padding == "zeros":
        x = F.pad(x, [before, after] * axes, value=-math.inf)
    else:
        x = extend(x, [(before, after)] * axes, padding=padding)
    slide = F.max_pool1d if axes == 1 else F.max_pool2d
    return blur(slide(x, window, stride=1), kernels, stride=stride, padding=padding)


class BlurPool(nn.Module):
    """`blur` with kernels that suit the stride.

    Args:
        stride: of all axes or of each.
        taps: of the kernel; 2 · stride + 1 if left out.
        kernel: one of `KERNELS`.
        padding: padding mode, one of `layers.blocks.PADDINGS`.
        keep: blur for that stride, but keep every sample, for a choice among them behind it.

    Raises:
        UsageError: no such kernel or padding.

    Example:
        >>> BlurPool(2)(torch.zeros(1, 8, 7, 7)).shape, BlurPool(3)(torch.zeros(1, 8, 9)).shape
        (torch.Size([1, 8, 4, 4]), torch.Size([1, 8, 3]))
    """

    def __init__(
        self,
        stride: int | Sequence[int],
        *,
        taps: int | None = None,
        kernel: str = "binomial",
        padding: str = "reflect",
        keep: bool = False,
    ) -> None:
        super().__init__()
        padding_mode(padding)
        self.stride, self.padding, self.keep = stride, padding, keep
        self.names = []
        for i, step in enumerate([stride] if isinstance(stride, int) else stride):
            self.names.append(f"kernel{i}")
            taper = low_pass_kernel(kernel, step, taps).to(torch.get_default_dtype())
            self.register_buffer(self.names[-1], taper, persistent=False)

    def kernels(self, axes: int) -> list[Tensor]:
        """One kernel for each of so many axes of space."""
        kernels = [self.get_buffer(name) for name in self.names]
        return kernels * axes if isinstance(self.stride, int) else kernels

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *smaller"]:
        """Blurred; every s-th sample, or all of them with `keep`."""
        steps = 1 if self.keep else self.stride
        return blur(x, self.kernels(x.dim() - 2), stride=steps, padding=self.padding)

    def extra_repr(self) -> str:
        """Stride, taps and border."""
        taps = [self.get_buffer(name).numel() for name in self.names]
        kept = ", keep=True" if self.keep else ""
        return f"stride={self.stride}, taps={taps}, padding={self.padding}{kept}"


class MaxBlurPool(nn.Module):
    """`max_blur` with kernels that suit the stride: a max pool without its aliasing.

    Args:
        window: of the maximum, on each axis.
        stride: of all axes or of each.
        taps: of the kernel; 2 · stride + 1 if left out.
        kernel: one of `KERNELS`.
        padding: padding mode, one of `layers.blocks.PADDINGS`.

    Raises:
        UsageError: no such kernel or padding.

    Example:
        >>> MaxBlurPool(2, 2)(torch.zeros(1, 8, 7, 7)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        window: int,
        stride: int | Sequence[int],
        *,
        taps: int | None = None,
        kernel: str = "binomial",
        padding: str = "reflect",
    ) -> None:
        super().__init__()
        self.window = window
        self.blur = BlurPool(stride, taps=taps, kernel=kernel, padding=padding)

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *smaller"]:
        """The maximum around each sample; blurred; every s-th."""
        kernels, blur = self.blur.kernels(x.dim() - 2), self.blur
        return max_blur(x, self.window, kernels, stride=blur.stride, padding=blur.padding)

    def extra_repr(self) -> str:
        """The window."""
        return f"window={self.window}"
