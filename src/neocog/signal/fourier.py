"""What frequencies a map holds, and what is exact in terms of them.

Space wraps around here: a map of n samples has the frequencies k / n cycles per sample. Maps are
(B, C, H, W) or (B, C, N).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Num
from torch import Tensor

__all__ = [
    "aliased_energy",
    "low_pass",
    "power_spectrum",
    "resample",
    "shift_subpixel",
    "spectrum_of",
]


def shift_subpixel(
    x: Float[Tensor, "B C *space"],
    offset: Num[Tensor, "B axes"],
    *,
    spectrum: Tensor | None = None,
) -> Float[Tensor, "B C *space"]:
    """Move each map by any distance, with wrap-around, without loss.

    The map is the only band-limited function through its samples, and that is moved. Of the highest
    frequency of an even size, which has no phase, the part that stays real is kept: its amplitude
    is multiplied by cos(π · offset). Whole offsets are `torch.roll`, to rounding.

    Args:
        x: maps.
        offset: in samples, one number per axis: (rows down, columns right) for images.
        spectrum: `spectrum_of(x)`, where the same maps are moved again and again.

    Example:
        >>> x = torch.tensor([[[1.0, 2.0, 3.0, 2.0]]])
        >>> moved = shift_subpixel(x, torch.tensor([[0.5]]))
        >>> [round(v, 3) for v in moved.flatten().tolist()]
        [1.293, 1.293, 2.707, 2.707]
    """
    axes = tuple(range(2, x.dim()))
    spectrum = spectrum_of(x) if spectrum is None else spectrum
    for i, axis in enumerate(axes):
        n, half = x.shape[axis], axis == axes[-1]
        frequencies = torch.fft.rfftfreq if half else torch.fft.fftfreq
        k = frequencies(n, dtype=torch.float64, device=x.device)
        turn = torch.exp(-2j * math.pi * k * offset[:, i : i + 1].to(k))
        if n % 2 == 0:
            turn = torch.where(k.abs() == 0.5, turn.real.to(turn.dtype), turn)
        shape = [x.shape[0], 1] + [1] * len(axes)
        shape[axis] = len(k)
        spectrum = spectrum * turn.view(shape).to(spectrum.dtype)
    moved: Tensor = torch.fft.irfftn(spectrum, s=x.shape[2:], dim=axes)
    return moved


def spectrum_of(x: Float[Tensor, "B C *space"]) -> Tensor:
    """The Fourier transform of each map over its space; half of the last axis, as maps are real.

    Example:
        >>> spectrum_of(torch.tensor([[[1.0, 0.0, -1.0, 0.0]]]))
        tensor([[[0.+0.j, 2.+0.j, 0.+0.j]]])
    """
    spectrum: Tensor = torch.fft.rfftn(x, dim=tuple(range(2, x.dim())))
    return spectrum


def resample(
    x: Float[Tensor, "B C *space"], size: Sequence[int], *, band: Sequence[float] | None = None
) -> Float[Tensor, "B C *size"]:
    """The band-limited function through the samples, at another number of samples.

    Sample 0 stays where it is. Frequencies that either grid cannot distinguish are left out, the
    highest of an even size among them: so the result moves with x by any part of a sample.

    Args:
        x: maps.
        size: samples of each axis afterwards.
        band: frequencies, in cycles per sample of x, below which they are kept; all that both grids
            hold if left out.

    Example:
        >>> x = torch.tensor([[[1.0, 0.0, -1.0, 0.0]]])
        >>> [round(v, 3) + 0.0 for v in resample(x, [8]).flatten().tolist()]
        [1.0, 0.707, 0.0, -0.707, -1.0, -0.707, 0.0, 0.707]
    """
    axes = tuple(range(2, x.dim()))
    limits = [0.5] * len(axes) if band is None else list(band)
    wide = x if x.dtype in (torch.float32, torch.float64) else x.float()
    spectrum = torch.fft.rfftn(wide, dim=axes)
    scale = 1.0
    for i, axis in enumerate(axes):
        n, m = x.shape[axis], size[i]
        # The highest integer number of turns that is below both ends and the band.
        top = min(_below(n / 2), _below(m / 2), _below(n * limits[i]))
        if axis == axes[-1]:
            kept = [spectrum.narrow(axis, 0, top + 1)]
            room = m // 2 + 1 - (top + 1)
        else:
            low, high = spectrum.narrow(axis, 0, top + 1), spectrum.narrow(axis, n - top, top)
            kept, room = [low, high], m - 2 * top - 1
        if room:
            shape = list(spectrum.shape)
            shape[axis] = room
            kept.insert(1, spectrum.new_zeros(shape))
        spectrum = torch.cat(kept, axis) if len(kept) > 1 else kept[0]
        scale *= m / n
    finer: Tensor = torch.fft.irfftn(spectrum, s=tuple(size), dim=axes)
    return (finer * scale).to(x.dtype)


def low_pass(
    x: Float[Tensor, "B C *space"], stride: int | Sequence[int]
) -> Float[Tensor, "B C *space"]:
    """The part of each map that every s-th sample can hold: |frequency| < 1 / (2 · stride).

    The frequency 1 / (2 · stride) itself is left out, as its phase is lost at every s-th sample:
    so taking every s-th sample afterwards commutes with shifts by any part of a sample.

    Args:
        x: maps.
        stride: of all axes or of each.

    Example:
        >>> low_pass(torch.tensor([[[1.0, -1.0, 3.0, 1.0]]]), 2)
        tensor([[[1., 1., 1., 1.]]])
    """
    steps = [stride] * (x.dim() - 2) if isinstance(stride, int) else stride
    return resample(x, x.shape[2:], band=[1 / (2 * s) for s in steps])


def power_spectrum(x: Float[Tensor, "B C *space"]) -> Float[Tensor, "*space"]:
    """Mean power of each frequency over batch and channels, frequency 0 in the middle.

    The powers sum to the mean square of x. Frequency k stands at size // 2 + k on each axis.

    Example:
        >>> power_spectrum(torch.tensor([[[1.0, -1.0, 1.0, -1.0]]]))
        tensor([1., 0., 0., 0.])
    """
    axes = tuple(range(2, x.dim()))
    power = torch.fft.fftn(x, dim=axes, norm="forward").abs().square().mean((0, 1))
    middle: Tensor = torch.fft.fftshift(power)
    return middle


def aliased_energy(
    x: Float[Tensor, "B C *space"], stride: int | Sequence[int]
) -> Float[Tensor, " B"]:
    """The fraction of each map's energy at frequencies that every s-th sample cannot distinguish.

    The energy is that of the differences from the mean of each channel: a mean is never aliased,
    and would hide how much of the rest is. 0 for maps that are constant.

    Args:
        x: maps.
        stride: of all axes or of each.

    Example:
        >>> aliased_energy(torch.tensor([[[1.0, 0.0, 1.0, 0.0]], [[2.0, 2.0, 2.0, 2.0]]]), 2)
        tensor([1., 0.])
    """
    axes = tuple(range(2, x.dim()))
    steps = [stride] * len(axes) if isinstance(stride, int) else stride
    centered = x - x.mean(axes, keepdim=True)
    wide = centered if x.dtype in (torch.float32, torch.float64) else centered.float()
    spectrum = torch.fft.fftn(wide, dim=axes, norm="ortho")
    energy = (spectrum.real.square() + spectrum.imag.square()).sum(1)
    total, kept = energy.flatten(1).sum(1), energy
    for axis, s in enumerate(steps, start=1):
        n = x.shape[axis + 1]
        turns = torch.arange(n, device=x.device)
        turns = torch.minimum(turns, n - turns)
        if s > 1:  # else nothing is dropped, and nothing aliases
            kept = kept.index_select(axis, (2 * s * turns < n).nonzero()[:, 0])
    # What rounding leaves of a constant map does not count as energy.
    floor = x.square().flatten(1).sum(1) * torch.finfo(x.dtype).eps ** 2 * x[0].numel()
    share = 1 - kept.flatten(1).sum(1) / torch.where(total > floor, total, torch.ones_like(total))
    return torch.where(total > floor, share.clamp(0, 1), torch.zeros_like(total))


def _below(limit: float) -> int:
    """The largest integer below the limit, unless only rounding is the reason to be below it."""
    return math.ceil(round(limit, 9)) - 1
