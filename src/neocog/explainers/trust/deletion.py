"""Does the output depend on the pixels that the map marks? Deletion and insertion.

The pixels are taken in the order of the map, the strongest first. *Deletion* replaces them by those
of a blank image and records how the output falls: the smaller the area below the curve, the
better the map. *Insertion* brings them back into that image: the larger the better. Beside each
stands the same for maps of noise: each map's own amplitudes on the layer's grid, with random
phases, so that the noise is as coarse and as smooth as the map (Theiler et al. 1992).

Whether the map is better than noise is decided by an effect and its CI: how much smaller (or
larger) its area is than the mean area of the noise, and how far a map that is noise itself would
come from that mean: Student's prediction interval from the spread of the draws, 90 %, so that noise
passes in 5 % of cases. With several images the mean over them is taken within each draw first; all
have the same random phases, so that the interval also holds where their maps are alike. Beside it
stands a rank: how often one of draws + 1 maps, the noise and the map, does as well as the map.

Source: V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box
Models", BMVC 2018. J. Theiler et al., "Testing for nonlinearity in time series: the method of
surrogate data", Physica D 1992.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.data.samples import batch_for
from neocog.errors import UsageError, did_you_mean
from neocog.explainers.grad_cam import Cam, as_input, enlarge
from neocog.explainers.maps.objective import Target, area, model_output, share, value
from neocog.explainers.trust.similarity import constant, ranks
from neocog.graph.activations import differentiable
from neocog.jsonable import Jsonable, keys
from neocog.stats import student_t

__all__ = [
    "BASELINES",
    "DRAWS",
    "FEWEST",
    "Deletion",
    "blurred",
    "deletion",
    "mean_color",
    "noise_like",
]

DRAWS = 19
"""Maps of noise."""

TWO_SIDED = 0.90
"""Level of the interval of an effect: whether a map is better than noise is one question with one
side, and each end of this interval is a bound that holds in 95 % of cases."""

FEWEST = 5
"""Maps of noise that have a spread, at least."""


def blurred(x: Tensor) -> Tensor:
    """Images smoothed by a Gaussian of an eighth of their side, mirrored at the border."""
    for axis in range(2, x.ndim):
        n = x.shape[axis]
        sigma = n / 8
        reach = min(math.ceil(3 * sigma), n - 1)
        at = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
        kernel = torch.exp(-(at**2) / (2 * sigma**2))
        rows = x.movedim(axis, -1)
        flat = F.pad(rows.reshape(1, -1, n), (reach, reach), mode="reflect").movedim(1, 0)
        smooth = F.conv1d(flat, (kernel / kernel.sum()).view(1, 1, -1))
        x = smooth.reshape(rows.shape).movedim(-1, axis)
    return x


def mean_color(x: Tensor) -> Tensor:
    """Images of one color, their mean."""
    return x.mean(tuple(range(2, x.ndim)), keepdim=True).expand_as(x)


BASELINES: dict[str, Callable[[Tensor], Tensor]] = {"blur": blurred, "mean": mean_color}
"""Name to what is left of an image without its content."""


@dataclass(frozen=True, kw_only=True)
class Deletion(Jsonable):
    """Curves of the output, one for each image, over the fraction of exchanged pixels.

    Args:
        fractions: of the pixels, from 0 to 1.
        deletion: the output after deletion, (B, F).
        insertion: the output after insertion, (B, F).
        random_deletion: the same for maps of noise, (R, B, F).
        random_insertion: the same for maps of noise, (R, B, F).
        baseline: one of `BASELINES`.
        probability: whether the output is a probability, else a number in its own unit.
        ordered: which maps have an order at all; those of one value have none, (B,).
    """

    JSON = keys("*tests")

    fractions: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    random_deletion: np.ndarray
    random_insertion: np.ndarray
    baseline: str
    probability: bool
    ordered: np.ndarray

    def areas(self, name: str) -> np.ndarray:
        """The areas below the curves of that name, (B,) or (R, B)."""
        y: np.ndarray = getattr(self, name)
        areas: np.ndarray = ((y[..., 1:] + y[..., :-1]) / 2 * np.diff(self.fractions)).sum(-1)
        return areas

    @property
    def better_deletion(self) -> np.ndarray:
        """Fraction of the maps of noise for which each image's output falls more slowly, (B,)."""
        better = self.areas("deletion") < self.areas("random_deletion")
        return np.asarray(better.mean(0))

    @property
    def better_insertion(self) -> np.ndarray:
        """Fraction of the maps of noise for which each image's output rises more slowly, (B,)."""
        better = self.areas("insertion") > self.areas("random_insertion")
        return np.asarray(better.mean(0))

    @property
    def effect_deletion(self) -> tuple[float, float, float]:
        """How much less area the maps leave than noise does, and its 90 % interval."""
        return _effect(self.areas("deletion"), self.areas("random_deletion"), self.ordered, sign=-1)

    @property
    def effect_insertion(self) -> tuple[float, float, float]:
        """How much more area the maps give than noise does, and its 90 % interval."""
        return _effect(
            self.areas("insertion"), self.areas("random_insertion"), self.ordered, sign=1
        )

    @property
    def chance_deletion(self) -> float:
        """How often noise does as well as the maps, from 1 / (R + 1) to 1; see the head."""
        return _chance(self.areas("deletion"), self.areas("random_deletion"), self.ordered)

    @property
    def chance_insertion(self) -> float:
        """The same for insertion; not a number where no map has an order."""
        return _chance(-self.areas("insertion"), -self.areas("random_insertion"), self.ordered)

    @property
    def tests(self) -> dict[str, dict[str, Any]]:
        """Areas, curves and effects of both."""
        return {name: self._test(name) for name in ("deletion", "insertion")}

    def _test(self, name: str) -> dict[str, Any]:
        effect, *interval = getattr(self, f"effect_{name}")
        return {
            "auc": float(self.areas(name).mean()),
            "random_auc": float(self.areas(f"random_{name}").mean()),
            "better_than_random": float(getattr(self, f"better_{name}").mean()),
            "chance": getattr(self, f"chance_{name}"),
            "effect": effect,
            "effect_ci90": None if math.isnan(effect) else interval,
            "each": self.areas(name),
            "curve": getattr(self, name).mean(0),
            "random_curve": getattr(self, f"random_{name}").mean((0, 1)),
            "fractions": self.fractions,
            "baseline": self.baseline,
            "unit": "probability" if self.probability else "output",
        }


def deletion(
    model: nn.Module,
    x: Tensor,
    cam: Cam,
    *,
    target: Target = None,
    baseline: str = "blur",
    steps: int = 10,
    draws: int = DRAWS,
    seed: int = 0,
) -> Deletion:
    """Delete and insert the pixels of each image in the order of its map.

    Args:
        model: as for `grad_cam`; left as it was found.
        x: the images that the maps are of.
        cam: the maps.
        target: a function of the output, where the maps are of one; else the maps' own classes.
        baseline: one of `BASELINES`.
        steps: of the curves.
        draws: maps of noise; with fewer than `FEWEST` no difference is significant.
        seed: of these.

    Raises:
        UsageError: no such baseline.
    """
    if baseline not in BASELINES:
        raise UsageError(
            f"`{baseline}` is not a baseline image. {did_you_mean(baseline, BASELINES)}"
        )
    x = as_input(model, x)
    plan = _Plan(baseline, torch.linspace(0, 1, steps + 1, dtype=torch.float64), draws, seed)
    at_once = _batch(x)
    parts = []
    with differentiable(model) as run, torch.no_grad():
        for begin in range(0, len(x), at_once):
            rows = slice(begin, begin + at_once)
            some = replace(
                cam, maps=cam.maps[rows], targets=cam.targets[rows], outputs=cam.outputs[rows]
            )
            parts.append(_of_some(run, x[rows], some, target, plan))
    return parts[0] if len(parts) == 1 else _joined(parts)


@dataclass(frozen=True)
class _Plan:
    """How images are deleted and inserted."""

    baseline: str
    fractions: Tensor
    draws: int
    seed: int


def _of_some(
    run: Callable[[Tensor], Any], x: Tensor, cam: Cam, target: Target, plan: _Plan
) -> Deletion:
    """Of as many images as there is room for at once."""
    ask, between = _asker(run, cam, target), plan.fractions[1:-1]
    empty = BASELINES[plan.baseline](x)
    full, nothing = _all(ask, x), _all(ask, empty)

    def curves(order: Tensor, start: Tensor, end: Tensor) -> np.ndarray:
        curve = _curve(ask, start, end, order, between)
        ends = (full, nothing) if end is empty else (nothing, full)
        first, last = (np.broadcast_to(e, (*curve.shape[:2], 1)) for e in ends)
        return np.concatenate([first, curve, last], axis=2)

    def noisy(start: Tensor, end: Tensor) -> np.ndarray:
        return np.concatenate([curves(_orders(part, cam), start, end) for part in noise])

    order = _order(cam.enlarged())[None]
    at_once = max(1, _batch(x) // (len(x) * (len(plan.fractions) - 1)))
    noise = noise_like(cam.maps, plan.draws, seed=plan.seed).split(at_once)  # type: ignore[no-untyped-call]
    return Deletion(
        fractions=plan.fractions.numpy(),
        deletion=curves(order, x, empty)[0],
        insertion=curves(order, empty, x)[0],
        random_deletion=noisy(x, empty),
        random_insertion=noisy(empty, x),
        baseline=plan.baseline,
        probability=not callable(target) and _several(cam.outputs),
        ordered=(~constant(cam.maps)).cpu().numpy(),
    )


def _joined(parts: list[Deletion]) -> Deletion:
    """Of all images."""

    def whole(name: str, axis: int) -> np.ndarray:
        return np.concatenate([getattr(p, name) for p in parts], axis)

    return replace(
        parts[0],
        deletion=whole("deletion", 0),
        insertion=whole("insertion", 0),
        random_deletion=whole("random_deletion", 1),
        random_insertion=whole("random_insertion", 1),
        ordered=whole("ordered", 0),
    )


def noise_like(maps: Tensor, draws: int, *, seed: int) -> Tensor:
    """Noise with the amplitudes of each map and random phases, (draws, B, *grid).

    The phases are those of white noise, the same for all maps of a draw.

    Args:
        maps: (B, *grid).
        draws: of noise for each.
        seed: of the phases.

    Example:
        >>> noise_like(torch.rand(2, 6, 6), 3, seed=0).shape
        torch.Size([3, 2, 6, 6])
    """
    grid = tuple(maps.shape[1:])
    axes = tuple(range(-len(grid), 0))
    white = torch.randn(
        (draws, 1, *grid), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    phases = torch.fft.rfftn(white, dim=axes).to(maps.device)
    plain = maps.double() - maps.double().mean(axes, keepdim=True)
    size = torch.fft.rfftn(plain, dim=axes).abs()
    noise: Tensor = torch.fft.irfftn(size * phases / phases.abs(), s=grid, dim=axes)
    return noise


def _chance(map_: np.ndarray, noise: np.ndarray, ordered: np.ndarray) -> float:
    """Fraction of the map and its noise that are as good as the map; areas, less is better."""
    if not ordered.any():
        return math.nan
    areas = np.concatenate([map_[None], noise])[:, ordered]
    sums = ranks(torch.from_numpy(np.ascontiguousarray(areas.T))).sum(0).numpy()
    return float((sums <= sums[0]).mean())


def _effect(
    map_: np.ndarray, noise: np.ndarray, ordered: np.ndarray, *, sign: int
) -> tuple[float, float, float]:
    """How far the mean area of the maps lies from that of noise, and the interval of prediction.

    No number where no map has an order, or where there is too little noise to have a spread.
    """
    if not ordered.any():
        return math.nan, math.nan, math.nan
    draws = noise[:, ordered].mean(1)
    effect = float(sign * (map_[ordered].mean() - draws.mean()))
    if len(draws) < FEWEST:
        return effect, math.nan, math.nan
    half = (
        student_t(len(draws) - 1, level=TWO_SIDED)
        * float(draws.std(ddof=1))
        * math.sqrt(1 + 1 / len(draws))
    )
    return effect, effect - half, effect + half


def _several(outputs: Tensor) -> bool:
    """Whether there are classes, so that each has a probability."""
    return outputs.ndim > 1 and outputs.shape[1] > 1


Ask = Callable[[Tensor, Tensor], Tensor]


def _asker(run: Callable[[Tensor], Any], cam: Cam, target: Target) -> Ask:
    """From images, and the indices of their originals, to outputs (b,)."""
    if callable(target):
        return lambda images, rows: value(model_output(run(images)), target)[0]
    known = all(t is not None for t in cam.targets)
    classes = cam.targets if known else value(cam.outputs, None)[1]
    where = None
    if cam.outputs.ndim > 2:
        where = area(cam.outputs, torch.tensor(classes, device=cam.outputs.device))

    def ask(images: Tensor, rows: Tensor) -> Tensor:
        wanted = [classes[i] for i in rows.tolist()]
        some = None if where is None else where[rows]
        return share(model_output(run(images)), wanted, some, kind=cam.kind)

    return ask


def _order(maps: Tensor) -> Tensor:
    """Of every pixel, from 0 (marked most) to just below 1, (B, P)."""
    flat = maps.flatten(1)
    order = flat.argsort(dim=1, descending=True, stable=True)
    positions = torch.arange(flat.shape[1], device=flat.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, positions).double() / flat.shape[1]


def _orders(maps: Tensor, cam: Cam) -> Tensor:
    """The same of several maps of each image, (R, B, *grid) to (R, B, P)."""
    fine = enlarge(maps.flatten(0, 1), cam.size, cam.cells)
    return _order(fine).view(*maps.shape[:2], -1)


def _curve(ask: Ask, start: Tensor, end: Tensor, order: Tensor, steps: Tensor) -> np.ndarray:
    """Outputs while `start` becomes `end` in each order, (R, B, steps): batch by batch."""
    r, b, space = *order.shape[:2], start.shape[2:]
    index = torch.arange(r * b * len(steps))
    values: list[Tensor] = []
    for begin in range(0, len(index), _batch(start)):
        part = index[begin : begin + _batch(start)]
        rows, step = part % b, steps[part // (r * b)]
        gone = order[part // b % r, rows] < step[:, None].to(order)
        gone = gone.view(len(part), 1, *space)
        values.append(ask(torch.where(gone, end[rows], start[rows]), rows).double().cpu())
    return torch.cat(values).view(len(steps), r, b).movedim(0, 2).numpy()


def _all(ask: Ask, x: Tensor) -> np.ndarray:
    """Outputs for whole images, (B, 1)."""
    rows = torch.arange(len(x)).split(_batch(x))  # type: ignore[no-untyped-call]
    return np.asarray(torch.cat([ask(x[r], r).double().cpu() for r in rows]).numpy())[:, None]


def _batch(x: Tensor) -> int:
    """Images at once."""
    return batch_for(x[0].numel())
