"""How much does the output change when the image is deformed a little?

A network is stable to deformations where ‖f(x) - f(D_τ x)‖ grows at most in proportion to ‖∇τ‖, the
maximum slope of the displacement τ, and not with τ itself (S. Mallat, "Group Invariant Scattering",
2012; J. Bruna, S. Mallat, "Invariant Scattering Convolution Networks", 2013). A displacement is a
sum of a few sine waves with random directions, so both its maximum and its maximum slope are known;
each image gets a displacement of its own, at several amplitudes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neocog.audits.agreement import kind_of
from neocog.audits.motion import change_of
from neocog.audits.unshifted import Unshifted
from neocog.data.samples import batch_of
from neocog.errors import UsageError
from neocog.exhibits import Curve, Exhibit
from neocog.jsonable import Jsonable
from neocog.keywords import known_keywords
from neocog.models.exact import AnySamples, Measurable, measured
from neocog.symmetry.motion import Translation, Warp

__all__ = ["AMOUNTS", "Deformation", "Waves", "elastic", "slope_of"]

AMOUNTS = (0.02, 0.05, 0.1, 0.15, 0.2)
"""Maximum slopes of displacements, pixels per pixel."""

WAVES = 4
"""Sine waves in a displacement."""


@dataclass(frozen=True, kw_only=True)
class Deformation(Jsonable):
    """What bending does.

    Args:
        n: samples.
        amount: ‖∇τ‖, the maximum slope of the displacement, in pixels per pixel.
        displacement: mean maximum length at each amount, in pixels.
        distance: mean of ‖f(x) - f(D_τ x)‖ / ‖f(x)‖ over samples, f centered over the classes.
        agreement: fraction of samples with the same prediction.
        slope: of distance over amount, of a line through zero.
        slope_ci: its 95 % CI, by bootstrap over samples.
        constant: `distance` under a shift (Fourier, circular) as long as the longest displacement,
            whose slope is zero.
        cycles: waves across the image, at most.
    """

    n: int
    amount: tuple[float, ...]
    displacement: tuple[float, ...]
    distance: tuple[float, ...]
    agreement: tuple[float, ...]
    slope: float
    slope_ci: tuple[float, float]
    constant: float
    cycles: int

    def exhibits(self) -> list[Exhibit]:
        """The distance over the slope, and the fitted line."""
        low, high = self.slope_ci
        return [
            Curve(
                title="bent",
                x=[0.0, *self.amount],
                lines={
                    "distance": [0.0, *self.distance],
                    "line through zero": [0.0, *(self.slope * a for a in self.amount)],
                },
                x_label="maximum slope of the displacement, pixels per pixel",
                y_label="‖f(x) - f(deformed x)‖ / ‖f(x)‖",
                note=f"Slope {self.slope:.3g} ({low:.3g} to {high:.3g}); displacements reach "
                f"{self.displacement[-1]:.1f} pixels. A shift as long as the longest of them, "
                f"whose slope is zero, changes the output by {self.constant:.3g}.",
            )
        ]

    def sentences(self) -> list[str]:
        """None: the curve shows it."""
        return []


@dataclass(frozen=True)
class Waves:
    """Parameters of the displacements, drawn once for all samples.

    Args:
        waves: radians per pixel, (B, K, 2), rows before columns.
        phase: radians, (B, K).
        direction: (B, K, 2), x before y.
    """

    waves: Tensor
    phase: Tensor
    direction: Tensor

    @classmethod
    def drawn(cls, n: int, size: tuple[int, int], *, cycles: int, seed: int) -> Waves:
        """For `n` samples; the first of a longer draw are the same.

        Args:
            n: how many.
            size: (H, W).
            cycles: waves across the image, at most, along each axis.
            seed: of the draw.
        """
        rng = [np.random.default_rng([seed, 0xBE17, stream]) for stream in range(3)]
        waves = rng[0].integers(-cycles, cycles + 1, (n, WAVES, 2)).astype(np.float64)
        waves[(waves == 0).all(2)] = [1.0, 0.0]
        return cls(
            torch.from_numpy(waves * 2 * math.pi / np.array(size)),
            torch.from_numpy(rng[1].uniform(0, 2 * math.pi, (n, WAVES))),
            torch.from_numpy(rng[2].standard_normal((n, WAVES, 2))),
        )

    def field(self, rows: slice, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Displacements whose largest slope is one pixel a pixel.

        Args:
            rows: which samples.
            size: (H, W).

        Returns:
            (B, H, W, 2) displacements (x, y) in pixels, and the largest length of each, (B,). The
            slope is the largest singular value of the matrix of derivatives, over all pixels.
        """
        k, d = self.waves[rows], self.direction[rows]
        down, right = (torch.arange(n, dtype=torch.float64) for n in size)
        angle = (
            k[:, :, 0, None, None] * down[:, None]
            + k[:, :, 1, None, None] * right[None, :]
            + self.phase[rows][:, :, None, None]
        )
        field = torch.einsum("nkhw,nkc->nhwc", angle.sin(), d)
        jacobian = torch.einsum("nkhw,nkc,nka->nhwca", angle.cos(), d, k)
        largest = _spectral_norm(jacobian).flatten(1).amax(1)
        field = field / largest[:, None, None, None]
        return field.float(), field.norm(dim=3).flatten(1).amax(1)


def _spectral_norm(m: Tensor) -> Tensor:
    """The larger singular value of 2×2 matrices, (..., 2, 2)."""
    a, b, c, d = m[..., 0, 0], m[..., 0, 1], m[..., 1, 0], m[..., 1, 1]
    sum_, difference = a * a + b * b + c * c + d * d, (a * d - b * c) * 2
    return ((sum_ + (sum_ * sum_ - difference * difference).clamp(min=0).sqrt()) / 2).sqrt()


@known_keywords
def elastic(
    model: Measurable,
    data: AnySamples,
    *,
    amounts: Sequence[float] = AMOUNTS,
    cycles: int = 1,
    border: str = "reflect",
    seed: int = 0,
    batch: int | None = None,
    unshifted: Unshifted | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Deformation:
    """Deform images and measure how much the output changes.

    Args:
        model: the model that is measured.
        data: images.
        amounts: maximum slopes, rising, in pixels per pixel; below 1, so that nothing folds.
        cycles: waves across the image, at most.
        border: what lies beyond the image.
        seed: of the displacements and the bootstrap.
        batch: batch size.
        unshifted: outputs of the unshifted samples, shared with other measures.
        progress: called with the fraction that is done.

    Raises:
        UsageError: an amount is out of range, or the samples are not images.
    """
    model, data = measured(model, data)
    if len(data.size) != 2 or model.task == "segment":
        raise UsageError(
            "Elastic deformation needs images with one prediction each. Leave out the elastic "
            "measure."
        )
    if not amounts or min(amounts) <= 0 or max(amounts) >= 1:
        raise UsageError(
            f"The slope of a displacement is above 0 and below 1, where an image would fold; "
            f"got {list(amounts)}. Take 0.02 to 0.2."
        )
    n, size, kind = len(data), (data.size[0], data.size[1]), kind_of(model.task)
    step = batch_of(data, batch)
    distance: list[list[Tensor]] = [[] for _ in amounts]
    equal, longest = [0.0] * len(amounts), 0.0
    constant: list[Tensor] = []
    waves = Waves.drawn(n, size, cycles=cycles, seed=seed)
    unshifted = unshifted or Unshifted(model, data)
    heading = _directions(n, seed)
    with model.ready():
        for start in range(0, n, step):
            rows = slice(start, min(n, start + step))
            x = data.take(rows)
            field, length = waves.field(rows, size)
            reference = unshifted.outputs(rows, x)
            base = kind.predicted(reference)
            for k, amount in enumerate(amounts):
                bend = Warp(displacement=amount * field, border=border, between="bicubic")
                out = model(bend(x))
                distance[k].append(change_of(reference, out))
                equal[k] += float(kind.agreement(base, kind.predicted(out)).sum())
            longest += float(length.sum())
            shift = (heading[rows] * length[:, None] * max(amounts)).float()
            constant.append(change_of(reference, model(Translation(shift)(x))))
            progress(rows.stop / n)
    every = torch.stack([torch.cat(d) for d in distance]).numpy()
    slope, low, high = slope_of(np.array(amounts), every, seed=seed)
    return Deformation(
        n=n,
        amount=tuple(float(a) for a in amounts),
        displacement=tuple(float(a) * longest / n for a in amounts),
        distance=tuple(float(v) for v in every.mean(1)),
        agreement=tuple(e / n for e in equal),
        slope=slope,
        slope_ci=(low, high),
        constant=float(torch.cat(constant).mean()),
        cycles=cycles,
    )


def slope_of(amounts: np.ndarray, distance: np.ndarray, *, seed: int) -> tuple[float, float, float]:
    """The line through zero that fits distances best, and its 95 % CI.

    Args:
        amounts: (A,).
        distance: (A, B), of each sample.
        seed: of the bootstrap over samples.

    Returns:
        (slope, low, high).
    """
    one = amounts @ distance / (amounts @ amounts)  # the slope is linear in the distances
    rng = np.random.default_rng([seed, 0xDEF0])
    draws = np.array([one[rng.integers(0, len(one), len(one))].mean() for _ in range(1000)])
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(one.mean()), float(low), float(high)


def _directions(n: int, seed: int) -> Tensor:
    """Unit vectors (rows, columns), one per sample."""
    angle = np.random.default_rng([seed, 0xC057]).uniform(0, 2 * math.pi, n)
    return torch.from_numpy(np.stack([np.sin(angle), np.cos(angle)], 1))
