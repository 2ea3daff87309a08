"""Rules of what slides over a map: convolutions, pools, paddings, interpolation."""

from __future__ import annotations

from fractions import Fraction

import torch

from neocog.audits.reach.intervals import (
    Reach,
    hull,
    moved,
    permuted,
    reshaped,
    union,
    upto,
    windows,
)
from neocog.audits.reach.scene import Scene, channels, numbers

__all__ = [
    "of_adaptive_pool",
    "of_convolution",
    "of_im2col",
    "of_interpolation",
    "of_pad",
    "of_pool",
]


def of_convolution(s: Scene) -> Reach:
    """The window, in all channels of the group; forwards and transposed."""
    g, x = s.given, s.reach["input"]
    axes = len(s.out) - 2
    kernel = g["weight"].shape[2:]
    groups = g["groups"]
    held = x.lo.shape[1] > 1
    x = hull(x, [1], groups)
    if held and x.lo.shape[1] > 1:  # groups see different things, and each has its outputs
        x = moved(
            x,
            lambda v: v[:, :: x.shape[1] // groups].repeat_interleave(s.out[1] // groups, 1),
            kept=[0, *range(2, axes + 2)],
        )
    parts = [numbers(g[n], axes) for n in ("stride", "padding", "dilation")]
    for k, (taps, stride, pad, gap) in enumerate(zip(kernel, *parts, strict=True)):
        out = upto(s.out[2 + k]).unsqueeze(1)
        tap = gap * upto(int(taps))
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
    g, x = s.given, s.first
    kernel = g["kernel_size"]
    axes = int(s.name.partition("pool")[2][0])  # max_pool2d_with_indices
    first = len(s.out) - axes
    parts = [
        numbers(kernel, axes),
        numbers(g.get("stride") or kernel, axes),
        numbers(g.get("padding", 0), axes),
        numbers(g.get("dilation", 1), axes),
    ]
    for k, (taps, stride, pad, gap) in enumerate(zip(*parts, strict=True)):
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
    g, x = s.given, s.first
    parts = [numbers(g[n], 2) for n in ("kernel_size", "stride", "padding", "dilation")]
    sizes = []
    for k, (taps, stride, pad, gap) in enumerate(zip(*parts, strict=True)):
        d = 2 + 2 * k
        count = (x.shape[d] + 2 * pad - gap * (taps - 1) - 1) // stride + 1
        places = gap * upto(taps).unsqueeze(1) + upto(count) * stride - pad
        x = windows(x, d, places.reshape(-1, 1), ratio=None)
        x = reshaped(x, (*x.shape[:d], taps, count, *x.shape[d + 1 :]))
        sizes.append(count)
    return reshaped(permuted(x, (0, 1, 2, 4, 3, 5)), s.out)


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
    """The samples that have a weight: asked by sending one sample at a time through."""
    x = s.first
    axes = len(s.out) - 2
    names = ["scales_d", "scales_h", "scales_w"][3 - axes :] if axes > 1 else ["scales"]
    even = not s.given.get("align_corners", False)
    for k, scale in enumerate(names):
        d, n, m = 2 + k, x.shape[2 + k], s.out[2 + k]
        if n == m == 1:
            continue
        one = torch.eye(n, device="cpu").view(1, n, *(n if e == k else 1 for e in range(axes)))
        size = [m if e == k else 1 for e in range(axes)]
        scales = [s.given.get(scale) if e == k else None for e in range(axes)]
        flags = [s.given["align_corners"]] if "align_corners" in s.given else []
        weights = s.func(one, size, *flags, *scales).reshape(n, m).t()
        taken = weights != 0
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
