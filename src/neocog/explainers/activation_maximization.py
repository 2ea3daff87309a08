"""Activation maximization: an image optimized to excite a unit.

The image is optimized by gradient ascent on the coefficients of its spectrum, scaled so that a step
is as large in every frequency and color as natural images (or the data) are. In every step it is
shifted, rotated and enlarged a little at random, so that nothing survives that depends on one pixel
grid. Its contrast is kept near that of the data.

Source: C. Olah, A. Mordvintsev, L. Schubert, "Feature Visualization", Distill, 2017; the idea is
from D. Erhan, Y. Bengio, A. Courville, P. Vincent, "Visualizing Higher-Layer Features of a Deep
Network", Université de Montréal, 2009.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.samples import Samples, batch_for
from neocog.errors import ShapeMismatch, UsageError
from neocog.explainers.activation_maximization_result import ActivationMaximization
from neocog.explainers.largest import Largest, largest_on
from neocog.explainers.statistics import Statistics, statistics_from, statistics_of
from neocog.explainers.units import check_units, finite, layout_for, output_of, unit_values
from neocog.graph.activations import differentiable, handed
from neocog.keywords import known_keywords
from neocog.symmetry.jitter import jitter, jitter_moves

__all__ = ["AscentConfig", "maximize_activation"]

Read = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class AscentConfig:
    """Options of the optimization.

    Args:
        steps: of gradient ascent.
        rate: step size, in standard deviations of the data; decays to zero.
        seeds: images for each unit, from different noise.
        seed: of the noise and of the random transformations.
        views: randomly transformed copies in each step.
        shift: maximum shift, as a fraction of the side.
        turn: maximum rotation, in degrees.
        zoom: maximum change of scale, as a fraction.
        contrast: maximum contrast of the image, in standard deviations of the data.
        l2: weight of the mean square of the coefficients.
        tv: weight of the mean difference between neighboring pixels (total variation).
        diversity: weight of the similarity between the images of one unit.
        where: of a feature map, its "mean", its "middle" or its "largest" element.
    """

    steps: int = 128
    rate: float = 0.05
    seeds: int = 1
    seed: int = 0
    views: int = 2
    shift: float = 0.1
    turn: float = 8.0
    zoom: float = 0.1
    contrast: float = 1.5
    l2: float = 0.0
    tv: float = 0.0
    diversity: float = 0.0
    where: str = "mean"


@known_keywords
def maximize_activation(
    model: nn.Module,
    layer: str,
    unit: int | Sequence[int],
    *,
    size: Sequence[int],
    in_channels: int,
    config: AscentConfig | None = None,
    statistics: Statistics | None = None,
    samples: Samples | None = None,
) -> ActivationMaximization:
    """Images that excite units of a layer as much as possible.

    As many are optimized at once as fit in memory; none depends on the others. A unit that stays at
    zero starts again from other noise.

    Args:
        model: from values in [0, 1] to outputs; left as it is.
        layer: a submodule's name; "" for the model's own outputs.
        unit: a channel of a map or an element of a vector, or several.
        size: (H, W) or (N,) of the model's input.
        in_channels: of the model's input.
        config: options of the optimization.
        statistics: of the images; those of the samples if left out, else those of the model's
            spec.
        samples: to find the maximum activation on data, for comparison.

    Raises:
        UsageError: there is no such unit, or an option is out of range.
        ModelError: the layer does not run, or its output is not finite.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        >>> config = AscentConfig(steps=8)
        >>> found = maximize_activation(net, "0", 1, size=(8, 8), in_channels=1, config=config)
        >>> found.images.shape, bool(0 <= found.images.min() < found.images.max() <= 1)
        ((1, 1, 8, 8), True)
    """
    config = config or AscentConfig()
    _check(config)
    units = [unit] if isinstance(unit, int) else [int(u) for u in unit]
    kind = statistics or _statistics(model, tuple(size), in_channels, samples)
    _fits(kind, tuple(size), in_channels)
    with differentiable(model) as run:

        def read(x: Tensor) -> Tensor:
            return output_of(run, model, layer, handed(model, x), layout=layout)

        noise = _noise(kind, 32, config.seed)
        layout = layout_for(run, model, layer, handed(model, kind.image(noise[:1])))
        with torch.no_grad():
            values = finite(unit_values(read(kind.image(noise)), config.where), layer)
        check_units(units, values.shape[1], layer)
        scale = _scale(values[:, units].std(0).float().cpu())
        made = _made(read, kind, config, units, scale)
    finite(made.reached, layer)
    most = None
    if samples is not None:
        most = largest_on(model, samples, layer, units, where=config.where)
    return _result(layer, config, units, made, most, kind.source)


def _result(
    layer: str,
    config: AscentConfig,
    units: Sequence[int],
    made: _Made,
    most: Largest | None,
    source: str,
) -> ActivationMaximization:
    """The optimized images, beside the maximum on data, one row for each image."""
    return ActivationMaximization(
        layer=layer,
        where=config.where,
        units=np.repeat(units, config.seeds),
        seeds=np.tile(np.arange(config.seeds) + config.seed, len(units)),
        images=made.images.numpy(),
        activations=made.reached.numpy(),
        awake=made.awake.numpy(),
        way=made.way.numpy(),
        largest=None if most is None else most.values.repeat(config.seeds),
        largest_index=None if most is None else most.index.repeat(config.seeds),
        largest_images=None if most is None else most.images,
        source=source,
    )


@dataclass(frozen=True, kw_only=True)
class _Made:
    """The end of an optimization: one row for each image, but for `way`, (steps, images)."""

    images: Tensor
    reached: Tensor
    awake: Tensor
    way: Tensor


def _made(
    read: Read, kind: Statistics, config: AscentConfig, units: Sequence[int], scale: Tensor
) -> _Made:
    """All units, as many at once as fit; images do not depend on each other."""
    room = batch_for(kind.mean.size)
    step = max(1, room // (config.seeds * config.views))
    parts = []
    for start in range(0, len(units), step):
        some = slice(start, start + step)
        parts.append(_Ascent(read, kind, config, units[some], scale[some]).run())
    return _Made(
        images=torch.cat([p.images for p in parts]),
        reached=torch.cat([p.reached for p in parts]),
        awake=torch.cat([p.awake for p in parts]),
        way=torch.cat([p.way for p in parts], 1),
    )


class _Ascent:
    """One optimization of several units at once."""

    def __init__(
        self,
        read: Read,
        kind: Statistics,
        config: AscentConfig,
        units: Sequence[int],
        scale: Tensor,
    ) -> None:
        self.read, self.kind, self.config = read, kind, config
        self.unit = torch.tensor(units).repeat_interleave(config.seeds)
        self.scale = scale.repeat_interleave(config.seeds)

    def run(self) -> _Made:
        """The optimization, step by step."""
        config, several = self.config, len(self.unit) // self.config.seeds
        z = (0.3 * self._drawn(0)).contiguous().requires_grad_()
        moves = [
            jitter_moves(config.steps * config.views, config.seed + s) for s in range(config.seeds)
        ]
        moved = torch.stack(moves).view(config.seeds, config.steps, config.views, -1)
        optimizer = torch.optim.Adam([z], lr=config.rate)
        awake = torch.zeros(len(z), dtype=torch.bool)
        way = torch.zeros(config.steps, len(z))
        for step in range(config.steps):
            optimizer.param_groups[0]["lr"] = config.rate * _fall(step, config.steps)
            optimizer.zero_grad()
            x = self.kind.image(z)
            value, pull = self._pull(x, moved[:, step].repeat(several, 1, 1))
            asleep = pull.flatten(1).abs().amax(1) == 0
            awake |= ~asleep
            way[step] = value
            price = config.tv * _variation(x) + config.l2 * z.square().flatten(1).mean(1)
            (price.sum() - (x * pull).sum()).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            with torch.no_grad():
                if bool(asleep.any()):
                    z[asleep] = self._drawn(step + 1)[asleep]
                z.mul_(self._within(z))
        with torch.no_grad():
            images = self.kind.image(z)
            values = unit_values(self.read(images), config.where).float().cpu()
        reached = values[torch.arange(len(z)), self.unit]
        return _Made(images=images, reached=reached, awake=awake, way=way)

    def _drawn(self, time: int) -> Tensor:
        """Noise for all images: a function of seed and restart, whatever units there are."""
        seeds = self.config.seeds
        drawn = [_noise(self.kind, 1, self.config.seed + s + 7919 * time) for s in range(seeds)]
        return torch.cat(drawn).repeat(len(self.unit) // seeds, *[1] * (drawn[0].ndim - 1))

    def _pull(self, x: Tensor, moves: Tensor) -> tuple[Tensor, Tensor]:
        """Activations for transformed images, in their own scale, and the gradient for x."""
        config = self.config
        still = x.detach().requires_grad_()
        seen = jitter(
            still.repeat_interleave(config.views, 0),
            moves.flatten(0, 1),
            shift=config.shift,
            turn=config.turn,
            zoom=config.zoom,
        )
        out = self.read(seen).float().cpu()
        rows = torch.arange(len(seen))
        value = unit_values(out, config.where)[rows, self.unit.repeat_interleave(config.views)]
        value = value.view(-1, config.views).mean(1) / self.scale
        goal = value.sum()
        if config.diversity and config.seeds > 1:
            goal = goal - config.diversity * self._likeness(out, still)
        (pull,) = torch.autograd.grad(goal, still)
        return value.detach(), pull

    def _likeness(self, out: Tensor, x: Tensor) -> Tensor:
        """Mean cosine similarity between the images of a unit, summed over units.

        Of a map the products of its channels are compared (Olah et al. 2017), of a vector the
        images themselves.
        """
        seeds = self.config.seeds
        if out.ndim > 2:
            flat = out.flatten(2)
            style = (flat @ flat.transpose(1, 2)).flatten(1).view(len(x), self.config.views, -1)
            form = style.mean(1)
        else:
            form = (x - x.mean(tuple(range(2, x.ndim)), keepdim=True)).flatten(1)
        form = nn.functional.normalize(form, dim=1).view(-1, seeds, form.shape[1])
        alike = (form @ form.transpose(1, 2)).sum((1, 2)) - seeds
        return alike.sum() / (seeds - 1)

    def _within(self, z: Tensor) -> Tensor:
        """Factors that project coefficients onto the ball of the contrast."""
        strength = (2 * z.square().flatten(1).mean(1)).sqrt()
        factor = (self.config.contrast / strength.clamp_min(1e-12)).clamp_max(1)
        return factor.view(-1, *[1] * (z.ndim - 1))


def _noise(kind: Statistics, count: int, seed: int) -> Tensor:
    """Coefficients of images that vary as the data do."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, len(kind.mean), *kind.amplitude.shape, 2)
    return torch.randn(shape, generator=generator) / math.sqrt(2)


def _fall(step: int, steps: int) -> float:
    """Constant for the first half, then a cosine decay to zero."""
    share = step / steps
    return 1.0 if share < 0.5 else math.cos(math.pi * (share - 0.5))


def _variation(x: Tensor) -> Tensor:
    """Mean absolute difference between neighbors along all axes, one number for each image."""
    parts = [x.diff(dim=a).abs().flatten(1).mean(1) for a in range(2, x.ndim) if x.shape[a] > 1]
    return torch.stack(parts).sum(0) if parts else x.new_zeros(len(x))


def _scale(spread: Tensor) -> Tensor:
    """Standard deviation of a unit's activation on noise; 1 where it is constant."""
    return torch.where(spread > 1e-8, spread, torch.ones_like(spread))


def _statistics(
    model: nn.Module, size: tuple[int, ...], channels: int, samples: Samples | None
) -> Statistics:
    if samples is not None:
        return statistics_of(samples)
    signal: Any = getattr(getattr(model, "spec", None), "input", None)
    if signal is None or len(signal.mean) != channels:
        return statistics_from((0.5,) * channels, (0.25,) * channels, size)
    # A spec may hold no more than a 0 and a 1: such a mean is not a mean of images.
    usable = [
        0.02 < m < 0.98 and 0.02 < s < 0.6 for m, s in zip(signal.mean, signal.std, strict=True)
    ]
    mean = [m if ok else 0.5 for m, ok in zip(signal.mean, usable, strict=True)]
    std = [s if ok else 0.25 for s, ok in zip(signal.std, usable, strict=True)]
    return statistics_from(mean, std, size)


def _fits(kind: Statistics, size: tuple[int, ...], channels: int) -> None:
    if kind.size != size or len(kind.mean) != channels:
        raise ShapeMismatch(
            "Statistics are of images of the size that the model takes; got those of "
            f"{len(kind.mean)} channels, {kind.size}, for {channels}, {size}. "
            "Measure them on data of that size.",
            expected=(channels, *size),
            actual=(len(kind.mean), *kind.size),
        )


def _check(config: AscentConfig) -> None:
    if config.steps < 1 or config.seeds < 1 or config.views < 1 or not config.contrast > 0:
        raise UsageError(
            "Gradient ascent needs at least one step, one seed, one view and a contrast above 0; "
            f"got {config.steps}, {config.seeds}, {config.views} and {config.contrast}. "
            "Give such, or leave them out."
        )
