"""Two faster ways to blur on a processor: a rim put right afterwards, and matrices in bfloat16."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.autograd.forward_ad import unpack_dual

from neocog.layers._cpu.plain import is_plain
from neocog.layers._cpu.separable import along, filtered, pays

__all__ = ["fast_blur"]

LARGE = 1 << 20
"""A border is added to a map of so many elements, or more, without a copy of the map."""

LONG = 512
"""Samples of an axis, at most, that are put into a matrix."""

Blur = Callable[..., Tensor]


def fast_blur(
    x: Tensor, kernels: Sequence[Tensor], steps: Sequence[int], padding: str, *, plain: Blur
) -> Tensor | None:
    """`layers.blur.blur`, where there is a faster way; else None.

    Args:
        x: map, of one or two axes of space.
        kernels: one per axis.
        steps: stride of each axis.
        padding: padding mode.
        plain: `layers.blur.blur` itself.
    """
    if x.device.type != "cpu":
        return None
    if x.dtype == torch.bfloat16 and max(steps) > 1:
        return _by_matrices(x, kernels, steps, padding, plain)
    if padding == "zeros" or not (is_plain(x) and all(map(_fixed, kernels))):
        return None  # before sizes are compared: a program for any batch would fix its own by that
    if x.numel() < LARGE or max(x.shape[2:]) > LONG:
        return None
    axes = [
        along(n, k, step, padding) for n, k, step in zip(x.shape[2:], kernels, steps, strict=True)
    ]
    return filtered(x, axes) if pays(axes) else None


def _fixed(kernel: Tensor) -> bool:
    """Whether nothing is differentiated or mapped over the taps, so that they are mere numbers."""
    tangent = unpack_dual(kernel).tangent  # type: ignore[no-untyped-call]
    return not (kernel.requires_grad or tangent is not None or is_functorch_wrapped_tensor(kernel))


def _by_matrices(
    x: Tensor, kernels: Sequence[Tensor], steps: Sequence[int], padding: str, plain: Blur
) -> Tensor:
    """A product with a matrix for each axis, which holds the border too.

    PyTorch's convolution of each channel alone in bfloat16 is slow on a processor; its matrix
    product is four to fourteen times as fast, though it multiplies by many zeros.
    """
    each = [
        plain(torch.eye(n).view(n, 1, n), [k.float()], stride=s, padding=padding).view(n, -1).to(x)
        for n, k, s in zip(x.shape[2:], kernels, steps, strict=True)
    ]
    if len(each) == 1 or not x.is_contiguous(memory_format=torch.channels_last):
        x = x @ each[-1]
        return x if len(each) == 1 else each[0].T @ x
    rows, columns = (m.T for m in each)
    batch, channels, _, width = x.shape
    x = rows @ x.permute(0, 2, 3, 1).flatten(2)
    x = columns @ x.reshape(-1, width, channels)
    return x.view(batch, len(rows), len(columns), channels).permute(0, 3, 1, 2)
