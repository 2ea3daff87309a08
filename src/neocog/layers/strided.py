"""Convolutions with a stride, for every kind of downsampling: what stands before and after."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from neocog.layers.blocks import Pair, pair, same_padding
from neocog.layers.downsample import (
    far_border_of,
    operator_stride,
    reduce,
    reduce_pair,
    windows_before,
)
from neocog.layers.subsample import AsTheyAre, Windows, WindowsPair

__all__ = ["Strided", "strided", "strided_pair"]


@dataclass(frozen=True, kw_only=True)
class Strided:
    """How an operator of some stride is built for a kind of downsampling.

    Args:
        before: what the map goes through before the operator; for a pair, both maps.
        stride: of the operator itself.
        pad: samples that it adds a side itself.
        after: what follows the operator with its norm and activation; for a pair, of both maps.
    """

    before: nn.Module
    stride: tuple[int, int]
    pad: tuple[int, int]
    after: nn.Module


def strided(
    downsampling: str,
    channels: int,
    *,
    kernel_size: Pair,
    stride: Pair,
    padding: str,
    pad: Pair | None = None,
) -> Strided:
    """A convolution with a stride: the phase chosen before it where that is exact, else behind it.

    Args:
        downsampling: one of `DOWNSAMPLINGS`.
        channels: of the operator's output.
        kernel_size: taps.
        stride: the downsampling factor.
        padding: padding mode, one of `layers.blocks.PADDINGS`.
        pad: samples added on each side; None for as many as keep the size at stride 1.
    """
    frame = same_padding(kernel_size) if pad is None else pair(pad)
    windows = windows_before(downsampling, kernel_size, stride, frame, padding)
    if windows is None:
        after = reduce(downsampling, channels, stride=stride, padding=padding)
        step = operator_stride(downsampling, stride)
        far = far_border_of(kernel_size, stride, frame, padding, step)
        return Strided(before=far, stride=step, pad=frame, after=after)
    return Strided(before=Windows(*windows), stride=pair(stride), pad=(0, 0), after=nn.Identity())


def strided_pair(
    downsampling: str, channels: tuple[int, int], *, kernel_size: Pair, stride: Pair, padding: str
) -> Strided:
    """The same for the convolution with the stride in a residual block, and its shortcut.

    Args:
        downsampling: one of `DOWNSAMPLINGS`.
        channels: of the operator's output, of the shortcut.
        kernel_size: taps; the size is kept at stride 1.
        stride: the downsampling factor.
        padding: padding mode.
    """
    frame, steps = same_padding(kernel_size), pair(stride)
    windows = windows_before(downsampling, kernel_size, stride, frame, padding)
    if windows is None:
        after = reduce_pair(downsampling, channels, stride=stride, padding=padding)
        step = operator_stride(downsampling, stride)
        return Strided(before=AsTheyAre(), stride=step, pad=frame, after=after)
    return Strided(before=WindowsPair(*windows, steps), stride=steps, pad=(0, 0), after=AsTheyAre())
