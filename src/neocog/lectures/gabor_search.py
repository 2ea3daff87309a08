"""The search for the nearest Gabor function of many kernels at once.

Amplitude and phase are solved for, the other six numbers are searched by gradient steps from ten
starts: the peak of the kernel's spectrum, fixed directions, and bells without a wave.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["fitted"]

_STEPS = 300
_FIRST = 80
"""Steps from all starts; the rest from the best ones."""
_KEPT = 3
_RATE = 0.05
_NARROW = 0.35
"""Samples: a narrower bell touches one tap only."""


def fitted(weights: Float[Tensor, "O I h w"]) -> dict[str, np.ndarray]:
    """The nearest Gabor function of each kernel, its numbers by the names of `gabor.GaborFit`.

    Args:
        weights: kernels in double precision; of several channels one function times a number a
            channel is fitted.
    """
    size = (int(weights.shape[2]), int(weights.shape[3]))
    flat = weights.flatten(2)
    energy = flat.square().sum((1, 2))
    zero = energy <= 1e-24
    # The best product of a number per channel and one pattern.
    color, strength, pattern = torch.linalg.svd(flat, full_matrices=False)
    # Of the two signs of that product, the one with which the strongest channel is positive.
    strongest = color[:, :, 0].gather(1, color[:, :, 0].abs().argmax(1, keepdim=True))
    sign = torch.where(strongest < 0, -1.0, 1.0)
    color, y = color[:, :, 0] * sign, pattern[:, 0] * sign
    raw = _search(y, size)
    shape = _shape(raw, size)
    share, a, b = _projection(y[:, None], shape, size)
    best = share.argmax(1)
    rows = torch.arange(len(y))
    center, sigma, wave = (part[rows, best] for part in shape)
    a, b = a[rows, best], b[rows, best]
    even, odd = _waves((center[:, None], sigma[:, None], wave[:, None]), size)
    plane = a[:, None] * even[:, 0] + b[:, None] * odd[:, 0]
    made = (color * strength[:, :1])[:, :, None] * plane[:, None]
    left = (flat - made).square().sum((1, 2))
    explained = torch.where(zero, torch.nan, 1 - left / torch.where(zero, 1.0, energy))
    return {
        "explained": explained.numpy(),
        "center": center.numpy(),
        "sigma": sigma.numpy(),
        "fitted": made.view_as(weights).numpy(),
        **_parameters(wave, a, b, max(size)),
    }


def _parameters(wave: Tensor, a: Tensor, b: Tensor, largest: int) -> dict[str, np.ndarray]:
    """Wave vectors (down, right) in cycles per sample as wavelength, angle and phase."""
    turns = wave.norm(dim=1)
    angle = torch.rad2deg(torch.atan2(-wave[:, 0], wave[:, 1]))
    phase = torch.rad2deg(-torch.atan2(b, a))
    turned = (angle < 0) | (angle >= 180)  # the same wave, run through the other way
    angle = torch.where(turned, angle % 180, angle)
    phase = torch.where(turned, -phase, phase)
    length = torch.where(turns * 4 * largest < 1, torch.inf, 1 / turns)
    return {"wavelength": length.numpy(), "angle": angle.numpy(), "phase": phase.numpy()}


Shape = tuple[Tensor, Tensor, Tensor]
"""Center (…, 2), widths (…, 2) across and along, wave vector (…, 2) in cycles per sample."""


def _shape(raw: Tensor, size: tuple[int, int]) -> Shape:
    """Unbounded numbers as positions on the kernel, widths of a tap to twice the kernel, waves."""
    half = raw.new_tensor(size) / 2
    ratio = math.log(2 * max(size) / _NARROW)
    center = half * torch.tanh(raw[..., 0:2])
    sigma = _NARROW * torch.exp(ratio * torch.sigmoid(raw[..., 2:4]))
    return center, sigma, torch.tanh(raw[..., 4:6]) / 2


def _waves(shape: Shape, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The even and the odd wave under the bell, (F, S, h · w)."""
    center, sigma, wave = shape
    rows, columns = (torch.arange(n, dtype=wave.dtype) - (n - 1) / 2 for n in size)
    down = rows.repeat_interleave(size[1]) - center[..., 0:1]
    right = columns.repeat(size[0]) - center[..., 1:2]
    turns = torch.sqrt(wave.square().sum(-1, keepdim=True) + 1e-12)
    along_row, along_column = wave[..., 0:1] / turns, wave[..., 1:2] / turns
    u = along_row * down + along_column * right
    v = along_row * right - along_column * down
    bell = torch.exp(-((u / sigma[..., 0:1]).square() + (v / sigma[..., 1:2]).square()) / 2)
    angle = 2 * math.pi * (wave[..., 0:1] * down + wave[..., 1:2] * right)
    return bell * torch.cos(angle), bell * torch.sin(angle)


def _projection(y: Tensor, shape: Shape, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """The fraction of y (of length 1) that the best amplitude and phase explain, and both."""
    even, odd = _waves(shape, size)
    ee, oo, eo = (even * even).sum(-1), (odd * odd).sum(-1), (even * odd).sum(-1)
    small = 1e-9 * (ee + oo) + 1e-15
    ee, oo = ee + small, oo + small
    ye, yo = (y * even).sum(-1), (y * odd).sum(-1)
    det = ee * oo - eo * eo
    a, b = (oo * ye - eo * yo) / det, (ee * yo - eo * ye) / det
    return a * ye + b * yo, a, b


def _search(y: Tensor, size: tuple[int, int]) -> Tensor:
    """Gradient steps of every pattern at once: from all starts, then on from its best three."""
    raw = _ascended(_starts(y, size), y, size, _FIRST)
    share, _, _ = _projection(y[:, None], _shape(raw, size), size)
    best = share.topk(_KEPT, dim=1).indices
    kept = raw.gather(1, best[:, :, None].expand(-1, -1, raw.shape[2]))
    return _ascended(kept, y, size, _STEPS - _FIRST)


def _ascended(raw: Tensor, y: Tensor, size: tuple[int, int], steps: int) -> Tensor:
    """Free numbers after some gradient steps, (F, S, 6)."""
    raw = raw.clone().requires_grad_()
    optimizer = torch.optim.Adam([raw], lr=_RATE)
    with torch.enable_grad():
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = _RATE * (1 + math.cos(math.pi * step / steps)) / 2
            optimizer.zero_grad()
            share, _, _ = _projection(y[:, None], _shape(raw, size), size)
            (-share.sum()).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return raw.detach()


def _starts(y: Tensor, size: tuple[int, int]) -> Tensor:
    count, largest = len(y), max(size)
    planes = y.view(count, *size)
    peak = _peak(planes)
    weight = planes.square() / planes.square().sum((1, 2), keepdim=True).clamp_min(1e-30)
    middle = torch.stack(
        [
            (weight.sum(2) * (torch.arange(size[0]) - (size[0] - 1) / 2)).sum(1),
            (weight.sum(1) * (torch.arange(size[1]) - (size[1] - 1) / 2)).sum(1),
        ],
        1,
    )
    turned = [(0.2 * math.sin(a), 0.2 * math.cos(a)) for a in (k * math.pi / 4 for k in range(4))]
    fixed = [*turned, (0.02, 0.0), (0.0, 0.02)]
    waves = [peak, peak, peak * 0.6, *(y.new_tensor(w).expand(count, 2) for w in fixed)]
    waves.append(peak.flip(1))
    widths = [largest / 5, largest / 2.5, largest / 4] + [largest / 4] * 7
    half = y.new_tensor(size) / 2
    starts = []
    for wave, width in zip(waves, widths, strict=True):
        middle_raw = torch.atanh((middle / half).clamp(-0.9, 0.9))
        share = math.log(max(width, 1.2 * _NARROW) / _NARROW) / math.log(2 * largest / _NARROW)
        spread = y.new_full((count, 2), math.log(share / (1 - share)))
        starts.append(
            torch.cat([middle_raw, spread, torch.atanh((2 * wave).clamp(-0.95, 0.95))], 1)
        )
    return torch.stack(starts, 1).contiguous()


def _peak(planes: Tensor) -> Tensor:
    """The strongest wave of each plane, (down, right) in cycles per sample."""
    room = 32 if max(planes.shape[1:]) <= 32 else max(planes.shape[1:])
    power = torch.fft.rfft2(planes, s=(room, room)).abs()
    flat = power.flatten(1).argmax(1)
    down = torch.fft.fftfreq(room, dtype=planes.dtype)[flat // power.shape[2]]
    right = torch.fft.rfftfreq(room, dtype=planes.dtype)[flat % power.shape[2]]
    return torch.stack([down, right], 1)
