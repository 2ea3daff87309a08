"""How much like a Gabor function is each filter, and how much would chance reach?

A Gabor function is a wave under a bell curve. It has eight numbers (place, two widths, direction,
wavelength, amplitude, phase), so a kernel of 3×3 is nearly filled by them whatever it is: a good
fit says something only beside the fit that random filters of the same size reach. That floor is
measured with every fit, by the same search.

Source: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional
Neural Networks", NeurIPS 2012, figure 3 (the observation); J. Daugman, JOSA A 2(7), 1985 (the
function).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neocog.errors import ModelError, printable
from neocog.exhibits import Cell, Curve, Exhibit, Gallery, Scalar, Section, Table
from neocog.explainers.filters import Filters
from neocog.explainers.shown import as_picture, beside, signed

__all__ = ["GaborFit", "first_layer", "gabor_fit"]

_STEPS = 300
_FIRST = 80
"""Steps from all starts; the rest from the best ones."""
_KEPT = 3
_RATE = 0.05
_NARROW = 0.35
"""Samples: a narrower bell touches one tap only."""
_LEVEL = 0.95
"""Quantile of the floor that a filter has to pass."""


@dataclass(frozen=True, kw_only=True)
class GaborFit:
    """The nearest Gabor function of each filter of a layer, and what chance reaches.

    Args:
        layer: whose filters.
        explained: (O,), the share of each filter's energy that is in the fit: R² about zero, at
            most 1; nan for a filter that is zero.
        floor: (n,), the same of random filters of that size, normal noise.
        shuffled: (n,), the same of the layer's own filters with their taps in random order: as
            strong and in the same colours, without their shape.
        wavelength: (O,), in samples; inf where the fit has no second crest.
        angle: (O,), of the direction across the stripes, degrees anticlockwise in [0, 180).
        phase: (O,), degrees, 0 is even about the middle of the bell, ±90 is odd.
        centre: (O, 2), row and column of the bell, from the middle of the kernel.
        sigma: (O, 2), widths of the bell across and along the stripes, in samples.
        filters: (O, I, h, w), what was fitted.
        fitted: (O, I, h, w), the fits: one function times a number a channel.
    """

    layer: str
    explained: np.ndarray
    floor: np.ndarray
    shuffled: np.ndarray
    wavelength: np.ndarray
    angle: np.ndarray
    phase: np.ndarray
    centre: np.ndarray
    sigma: np.ndarray
    filters: np.ndarray = field(repr=False)
    fitted: np.ndarray = field(repr=False)

    @property
    def bar(self) -> float:
        """What one of twenty filters by chance passes, of noise or of shuffled taps."""
        return float(max(np.quantile(f, _LEVEL) for f in (self.floor, self.shuffled) if len(f)))

    @property
    def share_above(self) -> float:
        """The share of filters that pass the bar; chance alone would be 5 %."""
        known = self.explained[np.isfinite(self.explained)]
        return float((known > self.bar).mean()) if len(known) else 0.0

    def verdict(self) -> str:
        """What the numbers say, in a sentence or two."""
        own, chance = float(np.nanmedian(self.explained)), float(np.median(self.floor))
        mixed = float(np.median(self.shuffled)) if len(self.shuffled) else chance
        size = "×".join(map(str, self.filters.shape[2:]))
        said = (
            f"A Gabor function explains {own:.0%} of the median filter's energy. It explains "
            f"{chance:.0%} of that of a random {size} filter, and {mixed:.0%} of that of these "
            f"filters with their taps shuffled. {self.share_above:.0%} of the filters pass the bar "
            f"that 5 % pass by chance ({self.bar:.0%})."
        )
        if max(chance, mixed) > 0.75:
            said += (
                " At this size nearly every filter looks like a Gabor function, learned or not: "
                "the fit says little."
            )
        return said

    def sections(self, most: int = 64) -> list[Section]:
        """For a report.

        Args:
            most: filters that are drawn, the best fits first.
        """
        order = np.argsort(-np.nan_to_num(self.explained, nan=-1.0), kind="stable")[:most]
        top = np.abs(self.filters).max(axis=(1, 2, 3)) + 1e-30
        pictures = []
        for i in order.tolist():
            pair = (_drawn(self.filters[i], top[i]), _drawn(self.fitted[i], top[i]))
            pictures.append(beside(*pair, gap=1))
        gallery = Gallery(
            title="Filter and fit",
            pictures=pictures,
            captions=[f"{i}: {self.explained[i]:.2f}" for i in order.tolist()],
            note="Left the filter, right the nearest Gabor function, with the share of energy "
            "that it explains; best first.",
        )
        text = self.verdict()
        exhibits: list[Exhibit] = [*self._scalars(), gallery, self._curve()]
        exhibits.append(self._table(order[:16]))
        title = f"Gabor functions in {printable(self.layer) or 'the network itself'}"
        return [Section(title=title, exhibits=exhibits, text=text)]

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, without the weights."""
        names = ("explained", "wavelength", "angle", "phase", "centre", "sigma")
        plain = {name: _finite(getattr(self, name).tolist()) for name in names}
        chance = {
            "median": float(np.median(self.floor)),
            "quantile_95": float(np.quantile(self.floor, _LEVEL)),
            "shuffled_median": float(np.median(self.shuffled)) if len(self.shuffled) else None,
            "bar": self.bar,
            "n": len(self.floor),
        }
        return {"layer": self.layer, **plain, "floor": chance, "share_above": self.share_above}

    def _scalars(self) -> tuple[Scalar, ...]:
        return (
            Scalar(
                title="explained, median filter",
                value=float(np.nanmedian(self.explained)),
                unit="%",
                note="Share of the filter's energy.",
            ),
            Scalar(
                title="explained, random filters",
                value=float(np.median(self.floor)),
                unit="%",
                note=f"Median of {len(self.floor)} filters of noise, same size, same search.",
            ),
            Scalar(
                title="explained, taps shuffled",
                value=float(np.median(self.shuffled)) if len(self.shuffled) else math.nan,
                unit="%",
                note=f"Median of {len(self.shuffled)}: these filters, their taps in random order.",
            ),
            Scalar(
                title="above chance",
                value=self.share_above,
                unit="%",
                note="Filters better than 95 % of the random and of the shuffled ones; by chance "
                "it would be 5 %.",
            ),
        )

    def _curve(self) -> Curve:
        at = np.linspace(0, 1, 41)
        known = self.explained[np.isfinite(self.explained)]
        lines = {
            "filters of the layer": known,
            "random filters": self.floor,
            "taps shuffled": self.shuffled,
        }
        return Curve(
            title="How well the fits are",
            x=at.tolist(),
            lines={n: np.quantile(v, at).tolist() for n, v in lines.items() if len(v)},
            x_label="share of filters",
            y_label="%",
            note="Energy explained, from the worst fit to the best.",
        )

    def _table(self, order: np.ndarray) -> Table:
        def row(i: int) -> list[Cell]:
            wave = float(self.wavelength[i])
            return [
                str(i),
                float(self.explained[i]),
                round(wave, 2) if math.isfinite(wave) else None,
                round(float(self.angle[i])),
                round(float(self.phase[i])),
                round(float(self.sigma[i, 0]), 2),
                round(float(self.sigma[i, 1]), 2),
            ]

        columns = ("filter", "explained", "wavelength", "angle °", "phase °", "σ across", "σ along")
        return Table(
            title="The best fits",
            columns=columns,
            rows=[row(i) for i in order.tolist()],
            note="Lengths in samples; – where there is no second crest. The angle is that of the "
            "direction across the stripes, anticlockwise.",
        )


def first_layer(found: Sequence[Filters]) -> Filters:
    """The first convolution with a shape: two axes, more than one tap.

    Raises:
        ModelError: there is none.
    """
    for f in found:
        if f.axes == 2 and min(f.kernel) > 1:
            return f
    raise ModelError(
        "A Gabor function is fitted to kernels of two axes with more than one tap on each; none of "
        f"the {len(found)} layers has such. Look at its filters instead."
    )


def gabor_fit(found: Filters, *, random: int = 100, seed: int = 0) -> GaborFit:
    """Fit a Gabor function to each filter, and to as many filters of chance of the same size.

    A filter of several channels is fitted by one function times a number a channel: the fit is
    made to its strongest pattern over channels, and what that leaves out counts as not explained.
    All filters are searched at once, each from ten starts: the peak of its spectrum, fixed
    directions, and bells without a wave.

    Args:
        found: the filters of one layer.
        random: filters of noise, and filters with shuffled taps, for the floor.
        seed: of both.

    Raises:
        ModelError: kernels that have no two axes with more than one tap.

    Example:
        >>> from neocog.signal.kernels import gabor
        >>> kernel = gabor(9, wavelength=4, angle=30, sigma=2)[None, None].float().numpy()
        >>> made = Filters(
        ...     name="", kind="", weights=kernel, stride=(1, 1), dilation=(1, 1), groups=1
        ... )
        >>> fit = gabor_fit(made, random=20)
        >>> round(float(fit.explained[0]), 2), round(float(fit.angle[0]))
        (1.0, 30)
    """
    first_layer([found])
    weights = torch.from_numpy(found.weights).double()
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((random, *weights.shape[1:]), generator=generator, dtype=torch.float64)
    mixed = _shuffled(weights, random, generator)
    fit = _fit(torch.cat([weights, noise, mixed]))
    own, count = slice(0, len(weights)), len(weights)
    return GaborFit(
        layer=found.name,
        explained=fit["explained"][own],
        floor=fit["explained"][count : count + random],
        shuffled=fit["explained"][count + random :],
        wavelength=fit["wavelength"][own],
        angle=fit["angle"][own],
        phase=fit["phase"][own],
        centre=fit["centre"][own],
        sigma=fit["sigma"][own],
        filters=found.weights,
        fitted=fit["fitted"][own].astype(np.float32),
    )


def _shuffled(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Filters of a layer in turns, the taps in a random order that is the same in all channels."""
    alive = weights[weights.flatten(1).abs().amax(1) > 0]
    if not len(alive):
        return weights[:0]
    some = alive[torch.arange(count) % len(alive)].flatten(2)
    order = torch.rand((count, some.shape[2]), generator=generator).argsort(1)
    return some.gather(2, order[:, None].expand_as(some)).view(count, *weights.shape[1:])


def _fit(weights: Float[Tensor, "O I h w"]) -> dict[str, np.ndarray]:
    size = (int(weights.shape[2]), int(weights.shape[3]))
    flat = weights.flatten(2)
    energy = flat.square().sum((1, 2))
    zero = energy <= 1e-24
    # The best product of a number a channel and one pattern.
    colour, strength, pattern = torch.linalg.svd(flat, full_matrices=False)
    y = pattern[:, 0]
    raw = _search(y, size)
    shape = _shape(raw, size)
    share, a, b = _projection(y[:, None], shape, size)
    best = share.argmax(1)
    rows = torch.arange(len(y))
    centre, sigma, wave = (part[rows, best] for part in shape)
    a, b = a[rows, best], b[rows, best]
    even, odd = _waves((centre[:, None], sigma[:, None], wave[:, None]), size)
    made = a[:, None] * even[:, 0] + b[:, None] * odd[:, 0]
    fitted = (colour[:, :, 0] * strength[:, :1])[:, :, None] * made[:, None]
    left = (flat - fitted).square().sum((1, 2))
    explained = torch.where(zero, torch.nan, 1 - left / torch.where(zero, 1.0, energy))
    return {
        "explained": explained.numpy(),
        "centre": centre.numpy(),
        "sigma": sigma.numpy(),
        "fitted": fitted.view_as(weights).numpy(),
        **_told(wave, a, b, max(size)),
    }


def _told(wave: Tensor, a: Tensor, b: Tensor, largest: int) -> dict[str, np.ndarray]:
    """Wave vectors (down, right) in cycles a sample as wavelength, angle and phase."""
    turns = wave.norm(dim=1)
    angle = torch.rad2deg(torch.atan2(-wave[:, 0], wave[:, 1]))
    phase = torch.rad2deg(-torch.atan2(b, a))
    turned = (angle < 0) | (angle >= 180)  # the same wave, run through the other way
    angle = torch.where(turned, angle % 180, angle)
    phase = torch.where(turned, -phase, phase)
    length = torch.where(turns * 4 * largest < 1, torch.inf, 1 / turns)
    return {"wavelength": length.numpy(), "angle": angle.numpy(), "phase": phase.numpy()}


Shape = tuple[Tensor, Tensor, Tensor]
"""Centre (…, 2), widths (…, 2) across and along, wave vector (…, 2) in cycles a sample."""


def _shape(raw: Tensor, size: tuple[int, int]) -> Shape:
    """Free numbers as places on the kernel, widths between a tap and twice the kernel, waves."""
    half = raw.new_tensor(size) / 2
    ratio = math.log(2 * max(size) / _NARROW)
    centre = half * torch.tanh(raw[..., 0:2])
    sigma = _NARROW * torch.exp(ratio * torch.sigmoid(raw[..., 2:4]))
    return centre, sigma, torch.tanh(raw[..., 4:6]) / 2


def _waves(shape: Shape, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The even and the odd wave under the bell, (F, S, h · w)."""
    centre, sigma, wave = shape
    rows, columns = (torch.arange(n, dtype=wave.dtype) - (n - 1) / 2 for n in size)
    down = rows.repeat_interleave(size[1]) - centre[..., 0:1]
    right = columns.repeat(size[0]) - centre[..., 1:2]
    turns = torch.sqrt(wave.square().sum(-1, keepdim=True) + 1e-12)
    along_row, along_column = wave[..., 0:1] / turns, wave[..., 1:2] / turns
    u = along_row * down + along_column * right
    v = along_row * right - along_column * down
    bell = torch.exp(-((u / sigma[..., 0:1]).square() + (v / sigma[..., 1:2]).square()) / 2)
    angle = 2 * math.pi * (wave[..., 0:1] * down + wave[..., 1:2] * right)
    return bell * torch.cos(angle), bell * torch.sin(angle)


def _projection(y: Tensor, shape: Shape, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """The share of y (of length 1) that the best amplitude and phase explain, and both."""
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
    raw = _climbed(_starts(y, size), y, size, _FIRST)
    share, _, _ = _projection(y[:, None], _shape(raw, size), size)
    best = share.topk(_KEPT, dim=1).indices
    kept = raw.gather(1, best[:, :, None].expand(-1, -1, raw.shape[2]))
    return _climbed(kept, y, size, _STEPS - _FIRST)


def _climbed(raw: Tensor, y: Tensor, size: tuple[int, int], steps: int) -> Tensor:
    """Free numbers after some gradient steps, (F, S, 6)."""
    raw = raw.clone().requires_grad_()
    optimiser = torch.optim.Adam([raw], lr=_RATE)
    with torch.enable_grad():
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = _RATE * (1 + math.cos(math.pi * step / steps)) / 2
            optimiser.zero_grad()
            share, _, _ = _projection(y[:, None], _shape(raw, size), size)
            (-share.sum()).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
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
        place = torch.atanh((middle / half).clamp(-0.9, 0.9))
        share = math.log(max(width, 1.2 * _NARROW) / _NARROW) / math.log(2 * largest / _NARROW)
        spread = y.new_full((count, 2), math.log(share / (1 - share)))
        starts.append(torch.cat([place, spread, torch.atanh((2 * wave).clamp(-0.95, 0.95))], 1))
    return torch.stack(starts, 1).contiguous()


def _peak(planes: Tensor) -> Tensor:
    """The strongest wave of each plane, (down, right) in cycles a sample."""
    room = 32 if max(planes.shape[1:]) <= 32 else max(planes.shape[1:])
    power = torch.fft.rfft2(planes, s=(room, room)).abs()
    flat = power.flatten(1).argmax(1)
    down = torch.fft.fftfreq(room, dtype=planes.dtype)[flat // power.shape[2]]
    right = torch.fft.rfftfreq(room, dtype=planes.dtype)[flat % power.shape[2]]
    return torch.stack([down, right], 1)


def _drawn(weights: np.ndarray, top: float) -> np.ndarray:
    """Weights (I, h, w) with the middle grey at zero; of other than 1 or 3 channels their mean."""
    if weights.shape[0] in (1, 3):
        return as_picture(weights / top / 2 + 0.5)
    return signed(weights.mean(0))


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return value if math.isfinite(value) else None
