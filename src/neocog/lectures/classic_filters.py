"""The classic filters on any image or series: what a network would otherwise have to learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from neocog.data.samples import in_range
from neocog.errors import ShapeMismatch, UsageError, did_you_mean, printable
from neocog.exhibits import Curve, Exhibit, Gallery, Map, Section
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords
from neocog.render.pixels import amounts, as_image, enlarged, signed
from neocog.signal.correlate import correlate
from neocog.signal.kernels import (
    difference,
    frequency_response,
    gabor,
    gaussian,
    laplace,
    outline,
    product,
    sharpen,
    sobel,
)

__all__ = ["CLASSIC", "SERIES", "Classic", "Filtered", "classic", "sections"]

Make = Callable[[], Tensor]

CLASSIC: Mapping[str, tuple[Make, str]] = {
    "blur": (lambda: product(gaussian(1.5)), "image"),
    "sharpen": (sharpen, "image"),
    "vertical edges": (sobel, "signed"),
    "horizontal edges": (lambda: sobel(axis=0), "signed"),
    "Laplace": (laplace, "signed"),
    "outline": (outline, "signed"),
    "Gabor, upright": (lambda: _balanced(gabor(11, wavelength=5, sigma=2.2)), "signed"),
    "Gabor, lying": (lambda: _balanced(gabor(11, wavelength=5, sigma=2.2, angle=90)), "signed"),
    "Gabor, rising": (lambda: _balanced(gabor(11, wavelength=5, sigma=2.2, angle=135)), "signed"),
}
"""Name to kernel, and whether what comes out is an image again or goes both ways from zero."""

SERIES: Mapping[str, tuple[Make, str]] = {
    "blur": (lambda: gaussian(1.5), "image"),
    "sharpen": (lambda: torch.tensor([-1.0, 3.0, -1.0], dtype=torch.float64), "image"),
    "difference": (difference, "signed"),
    "second difference": (lambda: torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64), "signed"),
}
"""The same for series."""


@dataclass(frozen=True, kw_only=True)
class Filtered(Jsonable):
    """What one filter makes of an image or series.

    Args:
        name: of the filter.
        kernel: its kernel, as it is slid.
        kind: "image" where the result has the range of an image, "signed" where zero is its
            middle.
        values: (C, *size) for images, (1, *size) of the mean over channels for signed results.
    """

    JSON = keys("name", "kind", "kernel")

    name: str
    kernel: np.ndarray
    kind: str
    values: np.ndarray = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Classic(Jsonable):
    """An image or series, and what the classic filters make of it.

    Args:
        image: (C, *size), in [0, 1].
        filtered: one a filter.
    """

    JSON = keys("filters=filtered")

    image: np.ndarray = field(repr=False)
    filtered: tuple[Filtered, ...]

    def sections(self) -> list[Section]:
        """For a report."""
        return sections([self])

    def _drawn(self, title: str) -> Exhibit:
        """The image or series, and what the filters make of it."""
        if self.image.ndim == 2:
            lines = {"as it is": self.image.mean(0).tolist()}
            lines.update({f.name: f.values.mean(0).tolist() for f in self.filtered})
            x = list(range(self.image.shape[1]))
            return Curve(title=title, x=x, lines=lines, x_label="sample", y_label="value")
        galleries = [
            as_image(f.values) if f.kind == "image" else signed(f.values[0], most=_most(f.values))
            for f in self.filtered
        ]
        return Gallery(
            title=title,
            images=[as_image(self.image), *galleries],
            captions=["as it is", *(f.name for f in self.filtered)],
            pixelated=False,
        )

    def _kernels(self) -> list[Exhibit]:
        """The filters themselves."""
        if self.image.ndim == 2:
            return [
                Map(title=f"Kernel: {f.name}", values=f.kernel[None].round(4), diverging=True)
                for f in self.filtered
            ]
        names = [f.name for f in self.filtered]
        responses = [
            frequency_response(torch.from_numpy(f.kernel), 33).numpy() for f in self.filtered
        ]
        return [
            Gallery(
                title="Kernels",
                images=[
                    enlarged(signed(f.kernel), max(1, 33 // len(f.kernel))) for f in self.filtered
                ],
                captions=names,
            ),
            Gallery(
                title="Frequency response",
                images=[amounts(r, least=0.0) for r in responses],
                captions=names,
                note="Flat areas (frequency 0) in the middle, the finest stripes at the border.",
            ),
        ]


def sections(results: Sequence[Classic], *, names: Sequence[str] = ()) -> list[Section]:
    """Several images or series, and the filters once, for a report.

    Args:
        results: with the same filters.
        names: of the images; none is needed where there is one.
    """
    one = "On the image" if results[0].image.ndim == 3 else "On the series"
    titles = [printable(n) for n in names] or [one] * len(results)
    exhibits = [f._drawn(title) for f, title in zip(results, titles, strict=True)]
    text = (
        "Each filter slides over the image; beyond the border lies the mirrored image. "
        "Blue is negative, orange is positive."
    )
    return [
        Section(title="Classic filters", exhibits=[*exhibits, *results[0]._kernels()], text=text)
    ]


@known_keywords
def classic(x: Float[Tensor, C * size], *, names: Sequence[str] | None = None) -> Classic:
    """Apply classic filters to an image or a series.

    Args:
        x: values in [0, 1], (C, H, W) or (C, N).
        names: keys of `CLASSIC`, for a series of `SERIES`; all if left out.

    Raises:
        UsageError: there is no such filter.
        DataError: values are integers that are not in [0, 1].
        ShapeMismatch: x is neither an image nor a series.

    Example:
        >>> found = classic(torch.ones(1, 16, 16), names=["blur", "Laplace"])
        >>> [round(float(f.values.mean()), 6) + 0.0 for f in found.filtered]
        [1.0, 0.0]
    """
    if x.ndim not in (2, 3) or not x.numel():
        raise ShapeMismatch(
            "Classic filters take one image (C, H, W) or one series (C, N); "
            f"got {tuple(x.shape)}. Take one of the batch.",
            expected=(3,),
            actual=tuple(x.shape),
        )
    table = CLASSIC if x.ndim == 3 else SERIES
    unknown = [n for n in names or () if n not in table]
    if unknown:
        raise UsageError(
            f"`{unknown[0]}` is not a classic filter. {did_you_mean(unknown[0], table)}"
        )
    plain = in_range(x).detach().cpu().double()
    done = []
    for name in names or table:
        make, kind = table[name]
        kernel = make()
        source = plain if kind == "image" else plain.mean(0, keepdim=True)
        values = correlate(_mirrored(source, kernel.shape), kernel)
        done.append(
            Filtered(name=name, kernel=kernel.numpy(), kind=kind, values=values.float().numpy())
        )
    return Classic(image=plain.float().numpy(), filtered=tuple(done))


def _mirrored(x: Tensor, kernel_size: torch.Size) -> Tensor:
    """With the mirrored image around it, so that as much comes out as goes in."""
    pads: list[int] = []
    for k, n in zip(reversed(kernel_size), reversed(x.shape[1:]), strict=True):
        pads += [min((k - 1) // 2, n - 1), min(k // 2, n - 1)]
    rest: list[int] = []  # of an image that is smaller than the kernel
    for k, pair in zip(reversed(kernel_size), zip(pads[::2], pads[1::2], strict=True), strict=True):
        rest += [(k - 1) // 2 - pair[0], k // 2 - pair[1]]
    wide = F.pad(x[None], pads, mode="reflect")
    return (F.pad(wide, rest, mode="replicate") if any(rest) else wide)[0]


def _balanced(kernel: Tensor) -> Tensor:
    """Without its mean, so that a flat area gives nothing."""
    return kernel - kernel.mean()


def _most(values: np.ndarray) -> float:
    """The amount of the fullest colors: all but the largest hundredth is within."""
    return float(np.quantile(np.abs(values), 0.99)) or float(np.abs(values).max()) or 1.0
