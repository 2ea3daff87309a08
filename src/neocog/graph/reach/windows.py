"""Rules of what slides over a map: convolutions, pools, paddings, interpolation."""

from __future__ import annotations

from fractions import Fraction

import torch

from neocog.graph.ops import numbers, window_of
from neocog.graph.reach.intervals import (
    Reach,
    hull,
    moved,
    permuted,
    reshaped,
    union,
    upto,
    windows,
)
from neocog.graph.reach.scene import Scene, channels

__all__ = [
    "of_adaptive_pool",
    "of_col2im",
    "of_convolution",
    "of_im2col",
    "of_interpolation",
    "of_pad",
    "of_pool",
    "of_recurrent",
]


_WIDE = 4
"""Samples along the axes that are not looked at."""

_ROUNDING = 1e-9
"""Of a weight that would be zero: float64 has 1e-16."""


def of_convolution(s: Scene) -> Reach:
    """The window, in all channels of the group; forwards and transposed."""
    g, x = s.given, s.reach["input"]
    axes = len(s.out) - 2
    groups = g["groups"]
    held = x.lo.shape[1] > 1
    x = hull(x, [1], groups)
    if held and x.lo.shape[1] > 1:  # groups see different things, and each has its outputs
        x = moved(
            x,
            lambda v: v[:, :: x.shape[1] // groups].repeat_interleave(s.out[1] // groups, 1),
            kept=[0, *range(2, axes + 2)],
        )
    for k, (taps, stride, pad, gap) in enumerate(zip(*window_of(s.op), strict=True)):
        out = upto(s.out[2 + k]).unsqueeze(1)
        tap = gap * upto(taps)
        if g["transposed"]:
            at = out + pad - tap
            places, taken = at // stride, at % stride == 0
            x = windows(x, 2 + k, places, ratio=Fraction(1, stride), taken=taken)
        else:
            x = windows(x, 2 + k, out * stride - pad + tap, ratio=Fraction(stride))
    x = channels(x, s.out[1])
    weight = s.reach["weight"]
    if bool(weight.seen.any()):  # a kernel made from the input
        whole = reshaped(hull(weight, range(len(weight.shape))), (1,) * len(s.out))
        x = union([x, whole], s.out)
    return x


def of_pool(s: Scene) -> Reach:
    """The window."""
    x, window = s.first, window_of(s.op)
    first = len(s.out) - len(window.kernel_size)
    for k, (taps, stride, pad, gap) in enumerate(zip(*window, strict=True)):
        places = upto(s.out[first + k]).unsqueeze(1) * stride - pad
        x = windows(x, first + k, places + gap * upto(taps), ratio=Fraction(stride))
    return x


def of_adaptive_pool(s: Scene) -> Reach:
    """An even share of the axis."""
    x = s.first
    axes = len(s.given["output_size"])
    for d in range(len(s.out) - axes, len(s.out)):
        n, m = x.shape[d], s.out[d]
        if m == 1:
            x = hull(x, [d])
            continue
        out = upto(m)
        start, end = out * n // m, -(-(out + 1) * n // m)
        places = start.unsqueeze(1) + upto(int((end - start).max()))
        ratio = Fraction(n, m) if n % m == 0 else None
        x = windows(x, d, places, ratio=ratio, taken=places < end.unsqueeze(1))
    return x


def of_im2col(s: Scene) -> Reach:
    """Windows, laid out as columns."""
    x = s.first
    for k, (taps, stride, pad, gap) in enumerate(zip(*window_of(s.op), strict=True)):
        d = 2 + 2 * k
        count = (x.shape[d] + 2 * pad - gap * (taps - 1) - 1) // stride + 1
        places = gap * upto(taps).unsqueeze(1) + upto(count) * stride - pad
        x = windows(x, d, places.reshape(-1, 1), ratio=None)
        x = reshaped(x, (*x.shape[:d], taps, count, *x.shape[d + 1 :]))
    return reshaped(permuted(x, (0, 1, 2, 4, 3, 5)), s.out)


def of_col2im(s: Scene) -> Reach:
    """Columns, summed where their windows lie."""
    x, slid, sizes = s.first, window_of(s.op), numbers(s.given["output_size"], 2)
    counts = [
        (n + 2 * pad - gap * (taps - 1) - 1) // stride + 1
        for n, taps, stride, pad, gap in zip(sizes, *slid, strict=True)
    ]
    taps = slid.kernel_size
    x = reshaped(x, (x.shape[0], s.out[1], *taps, *counts))
    x = reshaped(
        permuted(x, (0, 1, 2, 4, 3, 5)),
        (x.shape[0], s.out[1], taps[0] * counts[0], taps[1] * counts[1]),
    )
    for k, (n, count, stride, pad, gap) in enumerate(zip(sizes, *slid, strict=True)):
        tap = upto(count).unsqueeze(0)
        at = upto(n).unsqueeze(1) + pad - gap * tap
        window = at // stride
        taken = (at % stride == 0) & (window >= 0) & (window < counts[k])
        places = tap * counts[k] + window.clamp(0, counts[k] - 1)
        x = windows(x, 2 + k, places, ratio=None, taken=taken)
        x = _evenly(x, 2 + k)
    return x


def _evenly(x: Reach, d: int) -> Reach:
    """With the step of its places, where those within go on evenly."""
    return moved(x, lambda v: v, kept=[e for e in range(len(x.shape)) if e != d])


def of_recurrent(s: Scene) -> Reach:
    """Everything before it and itself, or behind it and itself, in all channels."""
    x = s.first
    places = upto(x.shape[0])
    index = places.unsqueeze(0).expand(len(places), -1)
    back = bool(s.given.get("reverse", False))
    taken = index >= places.unsqueeze(1) if back else index <= places.unsqueeze(1)
    x = windows(hull(x, [2]), 0, index, ratio=None, taken=taken)
    return channels(x, s.out[2], 2)


def of_pad(s: Scene) -> Reach:
    """(left, right) of the last axis, then of the axis before it, and so on."""
    x, pads = s.first, list(s.given.get("pad") or s.given.get("padding") or ())
    for k in range(len(pads) // 2):
        d = len(s.out) - 1 - k
        if pads[2 * k] or pads[2 * k + 1]:
            places = upto(s.out[d]).unsqueeze(1) - pads[2 * k]
            x = windows(x, d, places, ratio=Fraction(1))
    return x


def of_interpolation(s: Scene) -> Reach:
    """The samples that have a weight: determined by sending one sample at a time through.

    The other axes are a few samples wide and keep their size: on a single row or column some
    kernels are not themselves.
    """
    x = s.first
    axes = len(s.out) - 2
    names = ["scales_d", "scales_h", "scales_w"][3 - axes :] if axes > 1 else ["scales"]
    even = not s.given.get("align_corners", False)
    for k, scale in enumerate(names):
        d, n, m = 2 + k, x.shape[2 + k], s.out[2 + k]
        if n == m == 1:
            continue
        one = torch.eye(n, dtype=torch.float64, device="cpu").view(
            1, n, *(n if e == k else 1 for e in range(axes))
        )
        one = one.expand(1, n, *(n if e == k else _WIDE for e in range(axes))).contiguous()
        size = [m if e == k else _WIDE for e in range(axes)]
        scales = [s.given.get(scale) if e == k else None for e in range(axes)]
        flags = [s.given["align_corners"]] if "align_corners" in s.given else []
        weights = s.op.func(one, size, *flags, *scales)
        for e in range(axes):
            weights = weights if e == k else weights.narrow(2 + e, _WIDE // 2, 1)
        weights = weights.reshape(n, m).t()
        taken = weights.abs() > _ROUNDING
        reach = int(taken.sum(1).max())
        order = taken.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :reach]
        x = windows(
            x,
            d,
            order,
            ratio=Fraction(n, m) if even and scales[k] in (None, m / n) else None,
            taken=taken.gather(1, order),
        )
    return x
