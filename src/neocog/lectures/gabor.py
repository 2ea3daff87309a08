"""How much like a Gabor function is each filter, and how much would chance reach?

A Gabor function is a wave under a Gaussian. It has eight parameters (position, two widths,
direction, wavelength, amplitude, phase), so a kernel of 3×3 is nearly filled by them whatever it
is: a good fit says something only beside the fit that random filters of the same size reach. That
baseline is measured with every fit, by the same search.

Source: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional
Neural Networks", NeurIPS 2012, figure 3 (the observation); J. Daugman, JOSA A 2(7), 1985 (the
function).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from neocog.errors import ModelError, printable
from neocog.exhibits import Cell, Curve, Exhibit, Gallery, Scalar, Section, Table
from neocog.explainers.filters import Filters
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords
from neocog.lectures.gabor_search import fitted
from neocog.render.pixels import as_image, beside, enlarged, signed

__all__ = ["CHANCE", "GaborFit", "first_layer", "gabor_fit"]

PAIR = 50
"""Pixels of each side of a pair, about."""

_LEVEL = 0.95
"""Quantile of the floor that a filter has to pass."""

CHANCE = 0.05
"""Fraction of filters that pass it by chance."""

_SATURATED = 0.75
"""Explained by chance, above which a fit says nothing."""


@dataclass(frozen=True, kw_only=True)
class GaborFit(Jsonable):
    """The nearest Gabor function of each filter of a layer, and what chance reaches.

    Args:
        layer: whose filters.
        explained: (O,), the fraction of each filter's energy that is in the fit: R² about zero, at
            most 1; nan for a filter that is zero.
        floor: (n,), the same of random filters of that size, normal noise.
        shuffled: (n,), the same of the layer's own filters with their taps in random order: as
            strong and in the same colors, without their shape.
        wavelength: (O,), in samples; inf where the fit has no second crest.
        angle: (O,), of the direction across the stripes, degrees counterclockwise in [0, 180).
        phase: (O,), degrees in [-180, 180], of the channel in which the filter is strongest: 0
            is even and highest in the middle of the bell, 180 lowest there, ±90 is odd.
        center: (O, 2), row and column of the bell, from the middle of the kernel.
        sigma: (O, 2), widths of the bell across and along the stripes, in samples.
        filters: (O, I, h, w), what was fitted.
        fitted: (O, I, h, w), the fits: one function times a number per channel.
    """

    JSON = keys(
        "layer", "explained", "wavelength", "angle", "phase", "center", "sigma", "floor=chance",
        "fraction_above",
    )  # fmt: skip

    layer: str
    explained: np.ndarray
    floor: np.ndarray
    shuffled: np.ndarray
    wavelength: np.ndarray
    angle: np.ndarray
    phase: np.ndarray
    center: np.ndarray
    sigma: np.ndarray
    filters: np.ndarray = field(repr=False)
    fitted: np.ndarray = field(repr=False)

    @property
    def bar(self) -> float:
        """What one of twenty filters by chance passes, of noise or of shuffled taps."""
        return float(max(np.quantile(f, _LEVEL) for f in (self.floor, self.shuffled) if len(f)))

    @property
    def fraction_above(self) -> float:
        """The fraction of filters that pass the bar; chance alone would be 5 %."""
        return self.above / self.n if self.n else 0.0

    @property
    def n(self) -> int:
        """Filters that are not zero."""
        return int(np.isfinite(self.explained).sum())

    @property
    def above(self) -> int:
        """Filters that pass the bar."""
        return int((self.explained > self.bar).sum())

    @property
    def is_evidence(self) -> bool:
        """Whether a good fit says something: not where chance reaches one as well."""
        by_chance = [float(np.median(f)) for f in (self.floor, self.shuffled) if len(f)]
        return self.n > 0 and max(by_chance) <= _SATURATED

    def verdict(self) -> str:
        """What the numbers say, in a sentence or two."""
        own, chance = float(np.nanmedian(self.explained)), float(np.median(self.floor))
        mixed = float(np.median(self.shuffled)) if len(self.shuffled) else chance
        size = "×".join(map(str, self.filters.shape[2:]))
        text = (
            f"A Gabor function explains {own:.0%} of the median filter's energy. It explains "
            f"{chance:.0%} of that of a random {size} filter, and {mixed:.0%} of that of these "
            f"filters with their taps shuffled. {self.fraction_above:.0%} of the filters pass the "
            f"bar that 5% pass by chance ({self.bar:.0%})."
        ).replace("%", " %")
        if self.n and not self.is_evidence:
            text += (
                " At this size nearly every filter looks like a Gabor function, learned or not: "
                "the fit is not evidence."
            )
        return text

    def sections(self, most: int = 64) -> list[Section]:
        """For a report.

        Args:
            most: filters that are shown, the best fits first.
        """
        order = np.argsort(-np.nan_to_num(self.explained, nan=-1.0), kind="stable")[:most]
        top = np.abs(self.filters).max(axis=(1, 2, 3)) + 1e-30
        times = max(1, PAIR // max(self.filters.shape[2:]))
        images = []
        for i in order.tolist():
            pair = (_drawn(w[i], top[i]) for w in (self.filters, self.fitted))
            # White, since the middle gray of a filter is zero.
            images.append(beside(*(enlarged(p, times) for p in pair), gap=times, ground=255))
        gallery = Gallery(
            title="Filter and fit",
            images=images,
            captions=[f"{i}: {self.explained[i]:.2f}" for i in order.tolist()],
            note="Left the filter, right the nearest Gabor function, with the fraction of energy "
            "that it explains; best first.",
        )
        text = self.verdict()
        exhibits: list[Exhibit] = [*self._scalars(), gallery, self._curve()]
        exhibits.append(self._table(order[:16]))
        title = f"Gabor functions in {printable(self.layer) or 'the network itself'}"
        return [Section(title=title, exhibits=exhibits, text=text)]

    @property
    def chance(self) -> dict[str, float | int | None]:
        """What random filters and shuffled taps reach."""
        return {
            "median": float(np.median(self.floor)),
            "quantile_95": float(np.quantile(self.floor, _LEVEL)),
            "shuffled_median": float(np.median(self.shuffled)) if len(self.shuffled) else None,
            "bar": self.bar,
            "n": len(self.floor),
        }

    def _scalars(self) -> tuple[Scalar, ...]:
        return (
            Scalar(
                title="explained, median filter",
                value=float(np.nanmedian(self.explained)),
                unit="%",
                note="Fraction of the filter's energy.",
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
                value=self.fraction_above,
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
            x_label="fraction of filters",
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
            "direction across the stripes, counterclockwise.",
        )


def first_layer(banks: Sequence[Filters]) -> Filters:
    """The first convolution with a shape: two axes, more than one tap.

    Raises:
        ModelError: there is none.
    """
    for f in banks:
        if f.axes == 2 and min(f.kernel_size) > 1:
            return f
    raise ModelError(
        "A Gabor function is fitted to kernels of two axes with more than one tap on each; none of "
        f"the {len(banks)} layers has such. Look at its filters instead."
    )


@known_keywords
def gabor_fit(bank: Filters, *, random: int = 100, seed: int = 0) -> GaborFit:
    """Fit a Gabor function to each filter, and to as many filters of chance of the same size.

    A filter of several channels is fitted by one function times a number per channel: the fit is
    made to its strongest pattern over channels, and what that leaves out counts as not explained.
    All filters are searched at once, each from ten starts: the peak of its spectrum, fixed
    directions, and bells without a wave.

    Args:
        bank: the filters of one layer.
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
    first_layer([bank])
    weights = torch.from_numpy(bank.weights).double()
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((random, *weights.shape[1:]), generator=generator, dtype=torch.float64)
    mixed = _shuffled(weights, random, generator)
    fit = fitted(torch.cat([weights, noise, mixed]))
    own, count = slice(0, len(weights)), len(weights)
    return GaborFit(
        layer=bank.name,
        explained=fit["explained"][own],
        floor=fit["explained"][count : count + random],
        shuffled=fit["explained"][count + random :],
        wavelength=fit["wavelength"][own],
        angle=fit["angle"][own],
        phase=fit["phase"][own],
        center=fit["center"][own],
        sigma=fit["sigma"][own],
        filters=bank.weights,
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


def _drawn(weights: np.ndarray, top: float) -> np.ndarray:
    """Weights (I, h, w) with the middle gray at zero; of other than 1 or 3 channels their mean."""
    if weights.shape[0] in (1, 3):
        return as_image(weights / top / 2 + 0.5)
    return signed(weights.mean(0))
