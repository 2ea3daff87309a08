"""A separable filter and its border: zeros around the whole map, then the rim is put right.

Samples that a border adds to a map are seen by the outermost windows alone. To add them first means
to copy the map, and its gradient too, which takes longer than the filter itself. So the filter
runs over the map as it is, as if zeros stood around it, and a few rows and columns are computed
again: along each axis a filter of stride s is a matrix M, with zeros around it a matrix Z, and
`M x Nᵀ = Z x Yᵀ + (M - Z) x Nᵀ + Z x (N - Y)ᵀ`, where M - Z and N - Y have next to no rows. The
gradient is the same with every matrix transposed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from neocog.layers.border import beside

__all__ = ["SeparableAxis", "along", "filtered", "pays"]

TAPS = 25
"""Up to so many taps in all, one pass over the map is faster than one for each axis."""

MODES = {"circular": "wrap", "reflect": "reflect", "replicate": "edge"}
"""Border to the name that NumPy has for it; `zero` has none here."""


class End(NamedTuple):
    """Outputs at one end of an axis that see its border, and where they find it in the map."""

    out: tuple[int, int]
    """(first, count) of the outputs."""
    within: tuple[int, int]
    """(first, count) of the samples that the border repeats there."""
    weights: np.ndarray
    """(outputs, samples)."""


@dataclass(frozen=True, eq=False)
class SeparableAxis:
    """A filter along one axis, every s-th sample of what it gives.

    Args:
        kernel: its taps.
        step: s.
        size: samples that come.
        whole: (ceil(size / s), size), float64, with the border.
        bare: the same with zeros for a border.
        ends: the rows in which they differ, and the columns.
    """

    kernel: tuple[float, ...]
    step: int
    size: int
    whole: np.ndarray
    bare: np.ndarray
    ends: tuple[End, ...]

    @property
    def rim(self) -> int:
        """Zeros at both sides, for a convolution that is `bare`."""
        return (len(self.kernel) - 1) // 2

    @property
    def left(self) -> int:
        """Samples at the end that its windows do not reach; negative if a window is missing."""
        return self.size + 2 * self.rim - len(self.kernel) - self.step * (len(self.bare) - 1)


def along(size: int, kernel: Tensor, step: int, padding: str) -> SeparableAxis:
    """The filter of an axis; the window of output i is centered at s·i, or half a sample after it.

    Args:
        size: samples that come.
        kernel: its taps.
        step: s.
        padding: "zeros" or one of `MODES`.

    Example:
        >>> along(4, torch.tensor([0.25, 0.5, 0.25]), 2, "circular").whole.tolist()
        [[0.5, 0.25, 0.0, 0.25], [0.0, 0.25, 0.5, 0.25]]
    """
    return _along(size, tuple(kernel.tolist()), step, padding)


@functools.lru_cache(maxsize=64)
def _along(size: int, kernel: tuple[float, ...], step: int, padding: str) -> SeparableAxis:
    count, before = math.ceil(size / step), (len(kernel) - 1) // 2
    after = max(0, step * (count - 1) + len(kernel) // 2 + 1 - size)
    seen = np.arange(count)[:, None] * step + np.arange(len(kernel)) - before
    inside = (seen >= 0) & (seen < size)
    rows = np.broadcast_to(np.arange(count)[:, None], seen.shape)
    taps = np.broadcast_to(np.array(kernel), seen.shape)
    bare = np.zeros((count, size))
    np.add.at(bare, (rows[inside], seen[inside]), taps[inside])
    whole = bare.copy()
    if padding != "zeros":
        source = np.pad(np.arange(size), (before, after), mode=MODES[padding])  # type: ignore[call-overload]
        np.add.at(whole, (rows[~inside], source[seen[~inside] + before]), taps[~inside])
    return SeparableAxis(kernel, step, size, whole, bare, tuple(_ends(whole - bare)))


def _ends(border: np.ndarray) -> list[End]:
    """The rows with something in them, in runs, each with the columns that it needs."""
    rows = np.flatnonzero(border.any(1))
    ends = []
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
        if len(run):
            some = border[run]
            columns = np.flatnonzero(some.any(0))
            first, count = int(columns[0]), int(columns[-1] - columns[0] + 1)
            weights = some[:, first : first + count]
            ends.append(End((int(run[0]), len(run)), (first, count), weights))
    return ends


def pays(axes: Sequence[SeparableAxis]) -> bool:
    """Whether `filtered` can be used, and its products at the rim are less work than the rest.

    Example:
        >>> short, long = (along(32, torch.ones(taps), 1, "reflect") for taps in (3, 17))
        >>> pays([short, short]), pays([long, long])
        (True, False)
    """
    if any(axis.left < 0 for axis in axes):
        return False
    taps = [len(axis.kernel) for axis in axes]
    others = [axes[1].whole.size, axes[0].whole.size] if len(axes) == 2 else [1]
    at_rim = [sum(end.weights.size for end in axis.ends) for axis in axes]
    outputs = math.prod(len(axis.whole) for axis in axes)
    inside = outputs * min(math.prod(taps), 2 * sum(taps))  # in one pass, or one for each axis
    return sum(a * other for a, other in zip(at_rim, others, strict=True)) <= inside


def filtered(x: Tensor, axes: Sequence[SeparableAxis]) -> Tensor:
    """A map through a filter along each of its axes.

    Args:
        x: (B, C, *space) on a processor, float32 or float64.
        axes: one or two, of which none has a window missing (`Axis.left`).

    Returns:
        (B, C, *smaller), of ceil(size / s) samples per axis, in the layout of the map.

    Example:
        >>> x = torch.tensor([[[0.0, 0.0, 4.0, 0.0, 0.0, 0.0]]])
        >>> filtered(x, [along(6, torch.tensor([0.25, 0.5, 0.25]), 2, "circular")])
        tensor([[[0., 2., 0.]]])
    """
    if not (x.requires_grad and torch.is_grad_enabled()):
        return _filter(x, tuple(axes))
    out: Tensor = _Filtered.apply(x, tuple(axes))  # type: ignore[no-untyped-call]
    return out


class _Linear(torch.autograd.Function):
    """A linear map: a gradient needs its axes alone."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.axes = inputs


class _Filtered(_Linear):
    """`filtered`, with its transpose for its gradient."""

    @staticmethod
    def forward(x: Tensor, axes: tuple[SeparableAxis, ...]) -> Tensor:
        return _filter(x, axes)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        if not torch.is_grad_enabled():
            return _spread(g, ctx.axes), None
        return _Spread.apply(g, ctx.axes), None  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx: Any, x: Tensor, axes: None) -> Tensor:
        return _filter(x, ctx.axes)


class _Spread(_Linear):
    """The transpose of `filtered`, with `filtered` for its gradient."""

    @staticmethod
    def forward(g: Tensor, axes: tuple[SeparableAxis, ...]) -> Tensor:
        return _spread(g, axes)

    @staticmethod
    def backward(ctx: Any, x: Tensor) -> tuple[Tensor, None]:
        return _Filtered.apply(x, ctx.axes), None  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx: Any, g: Tensor, axes: None) -> Tensor:
        return _spread(g, ctx.axes)


def _filter(x: Tensor, axes: tuple[SeparableAxis, ...]) -> Tensor:
    with torch.autocast("cpu", enabled=False):  # a gradient may be computed where it is on
        y = _convolved(x, axes)
        _add_rim(y, x, axes, back=False)
    return y


def _spread(g: Tensor, axes: tuple[SeparableAxis, ...]) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        x = _convolved_back(g, axes)
        _add_rim(x, g, axes, back=True)
    return x


def _add_rim(into: Tensor, seen: Tensor, axes: tuple[SeparableAxis, ...], *, back: bool) -> None:
    """The difference between the border and zeros; `back` with all matrices transposed."""
    pixelwise = beside(seen)
    if pixelwise:
        into, seen = into.permute(0, 2, 3, 1), seen.permute(0, 2, 3, 1)
    first = 1 if pixelwise else 2
    for strip in _strips(axes, seen.dtype, back):
        x = seen.narrow(first + strip.axis, *strip.within)
        y = into.narrow(first + strip.axis, *strip.out)
        if pixelwise:
            pixels = x.reshape(len(x), -1, x.shape[3])
            matrix = strip.matrix.expand(len(x), -1, -1)
            y.add_(torch.bmm(matrix, pixels).view(y.shape))
        else:  # one product, not one for each channel
            y.add_((x.reshape(-1, strip.matrix.shape[1]) @ strip.matrix.T).view(y.shape))


class InputStrip(NamedTuple):
    """Rows or columns at one end, from those that the border repeats."""

    axis: int
    """Of space."""
    out: tuple[int, int]
    """(first, count)."""
    within: tuple[int, int]
    """(first, count)."""
    matrix: Tensor
    """(numbers that come out, numbers that go in), of all axes of space."""


@functools.lru_cache(maxsize=64)
def _strips(
    axes: tuple[SeparableAxis, ...], dtype: torch.dtype, back: bool
) -> tuple[InputStrip, ...]:
    strips = []
    for i, axis in enumerate(axes):
        for out, within, weights in axis.ends:
            matrix = weights
            if len(axes) == 2:
                matrix = np.kron(axes[0].bare, weights) if i else np.kron(weights, axes[1].whole)
            if back:
                out, within, matrix = within, out, matrix.T
            strips.append(
                InputStrip(i, out, within, torch.tensor(matrix, dtype=dtype, device="cpu"))
            )
    return tuple(strips)


Pass = tuple[Tensor, tuple[int, ...], tuple[int, ...]]
"""(weight of one channel, stride, zeros at both sides) of a convolution."""


@functools.lru_cache(maxsize=64)
def _passes(axes: tuple[SeparableAxis, ...], dtype: torch.dtype) -> tuple[Pass, ...]:
    """One convolution, or one for each axis if that is less work."""
    kernels = [np.array(axis.kernel) for axis in axes]
    steps, zeros = [tuple(getattr(a, name) for a in axes) for name in ("step", "rim")]
    if len(axes) == 2 and (rows := kernels[0]).size * kernels[1].size > TAPS:
        weights = [rows[:, None], kernels[1][None]]
        ways = [((steps[0], 1), (zeros[0], 0)), ((1, steps[1]), (0, zeros[1]))]
    else:
        weights = [functools.reduce(np.multiply.outer, kernels)]
        ways = [(steps, zeros)]
    tensors = [torch.tensor(weight[None, None], dtype=dtype, device="cpu") for weight in weights]
    return tuple((tensor, *way) for tensor, way in zip(tensors, ways, strict=True))


def _convolved(x: Tensor, axes: tuple[SeparableAxis, ...]) -> Tensor:
    channels = x.shape[1]
    convolve = F.conv1d if len(axes) == 1 else F.conv2d
    for weight, stride, zeros in _passes(axes, x.dtype):
        weight = weight.expand(channels, *weight.shape[1:])
        x = convolve(x, weight, None, stride, zeros, groups=channels)
    return x


def _convolved_back(g: Tensor, axes: tuple[SeparableAxis, ...]) -> Tensor:
    channels = g.shape[1]
    spread = F.conv_transpose1d if len(axes) == 1 else F.conv_transpose2d
    for weight, stride, zeros in reversed(_passes(axes, g.dtype)):
        left = [axis.left if s > 1 else 0 for axis, s in zip(axes, stride, strict=True)]
        weight = weight.expand(channels, *weight.shape[1:])
        g = spread(g, weight, None, stride, zeros, left, channels)
    return g
