"""Does the answer hang on the pixels that the map marks? Deletion and insertion.

The pixels are taken in the order of the map, the strongest first. *Deletion* replaces them by those
of a picture without content and watches the answer fall: the smaller the area below the curve, the
better the map. *Insertion* brings them back into that picture: the larger the better. Beside each
stands the same for maps of noise on the layer's own grid, which are as coarse and as smooth.

Source: V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box
Models", BMVC 2018.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UsageError, did_you_mean
from neocog.explainers.grad_cam import Cam, as_input, resize_map
from neocog.explainers.maps.wanted import Target, answer_of, area, share, value
from neocog.probe.activations import differentiable

__all__ = ["BASELINES", "Deletion", "blurred", "deletion", "mean_colour"]

_VALUES = 2**22
"""Values of a batch, at most: 16 MiB in float32."""


def blurred(x: Tensor) -> Tensor:
    """Pictures smoothed by a Gaussian of an eighth of their side, mirrored at the border."""
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


def mean_colour(x: Tensor) -> Tensor:
    """Pictures of one colour, their mean."""
    return x.mean(tuple(range(2, x.ndim)), keepdim=True).expand_as(x)


BASELINES: dict[str, Callable[[Tensor], Tensor]] = {"blur": blurred, "mean": mean_colour}
"""Name to what is left of a picture without its content."""


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """Curves of the answer, one a picture, over the share of pixels that are exchanged.

    Args:
        fractions: of the pixels, from 0 to 1.
        deletion: the answer when as many are deleted, (B, F).
        insertion: the answer when as many are inserted, (B, F).
        random_deletion: the same for maps of noise, (R, B, F).
        random_insertion: the same for maps of noise, (R, B, F).
        baseline: one of `BASELINES`.
        probability: whether the answer is a probability, else a number in its own unit.
    """

    fractions: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    random_deletion: np.ndarray
    random_insertion: np.ndarray
    baseline: str
    probability: bool

    def areas(self, name: str) -> np.ndarray:
        """The areas below the curves of that name, (B,) or (R, B)."""
        y: np.ndarray = getattr(self, name)
        found: np.ndarray = ((y[..., 1:] + y[..., :-1]) / 2 * np.diff(self.fractions)).sum(-1)
        return found

    @property
    def better_deletion(self) -> np.ndarray:
        """Share of the maps of noise for which each picture's answer falls more slowly, (B,)."""
        better = self.areas("deletion") < self.areas("random_deletion")
        return np.asarray(better.mean(0))

    @property
    def better_insertion(self) -> np.ndarray:
        """Share of the maps of noise for which each picture's answer rises more slowly, (B,)."""
        better = self.areas("insertion") > self.areas("random_insertion")
        return np.asarray(better.mean(0))

    def to_json(self) -> dict[str, Any]:
        """Areas and curves as plain numbers."""
        return {
            name: {
                "auc": float(self.areas(name).mean()),
                "random_auc": float(self.areas(f"random_{name}").mean()),
                "better_than_random": float(better.mean()),
                "each": self.areas(name).tolist(),
                "curve": getattr(self, name).mean(0).tolist(),
                "random_curve": getattr(self, f"random_{name}").mean((0, 1)).tolist(),
                "fractions": self.fractions.tolist(),
                "baseline": self.baseline,
                "unit": "probability" if self.probability else "answer",
            }
            for name, better in (
                ("deletion", self.better_deletion),
                ("insertion", self.better_insertion),
            )
        }


def deletion(
    model: nn.Module,
    x: Tensor,
    cam: Cam,
    *,
    target: Target = None,
    baseline: str = "blur",
    steps: int = 12,
    draws: int = 4,
    seed: int = 0,
) -> Deletion:
    """Delete and insert the pixels of each picture in the order of its map.

    Args:
        model: as for `grad_cam`; left as it was found.
        x: the pictures that the maps are of.
        cam: the maps.
        target: a function of the answer, where the maps are of one; else the maps' own classes.
        baseline: one of `BASELINES`.
        steps: of the curves.
        draws: maps of noise.
        seed: of these.

    Raises:
        UsageError: no such baseline.
    """
    if baseline not in BASELINES:
        raise UsageError(
            f"`{baseline}` is no picture without content. {did_you_mean(baseline, BASELINES)}"
        )
    x = as_input(model, x)
    size = tuple(x.shape[2:])
    fractions = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    noise = torch.rand((draws, *cam.grid), generator=torch.Generator().manual_seed(seed))
    with differentiable(model) as run, torch.no_grad():
        ask = _asker(run, cam, target)
        empty = BASELINES[baseline](x)
        order = _order(cam.enlarged())
        full, nothing = _all(ask, x), _all(ask, empty)

        def curves(order: Tensor, start: Tensor, end: Tensor) -> np.ndarray:
            between = _curve(ask, start, end, order, fractions[1:-1])
            ends = (full, nothing) if end is empty else (nothing, full)
            return np.concatenate([ends[0], between, ends[1]], axis=1)

        random = [
            _order(resize_map(one[None].to(x.device), size)).expand(len(x), -1) for one in noise
        ]
        return Deletion(
            fractions=fractions.numpy(),
            deletion=curves(order, x, empty),
            insertion=curves(order, empty, x),
            random_deletion=np.stack([curves(r, x, empty) for r in random]),
            random_insertion=np.stack([curves(r, empty, x) for r in random]),
            baseline=baseline,
            probability=not callable(target) and _several(cam.answers),
        )


def _several(answers: Tensor) -> bool:
    """Whether there are classes, so that each has a probability."""
    return answers.ndim > 1 and answers.shape[1] > 1


Ask = Callable[[Tensor, Tensor], Tensor]


def _asker(run: Callable[[Tensor], Any], cam: Cam, target: Target) -> Ask:
    """From pictures, and the numbers of those that they were made of, to answers (b,)."""
    if callable(target):
        return lambda pictures, rows: value(answer_of(run(pictures)), target)[0]
    known = all(t is not None for t in cam.targets)
    classes = cam.targets if known else value(cam.answers, None)[1]
    where = None
    if cam.answers.ndim > 2:
        where = area(cam.answers, torch.tensor(classes, device=cam.answers.device))

    def ask(pictures: Tensor, rows: Tensor) -> Tensor:
        wanted = [classes[i] for i in rows.tolist()]
        return share(answer_of(run(pictures)), wanted, None if where is None else where[rows])

    return ask


def _order(maps: Tensor) -> Tensor:
    """Of every pixel, from 0 (marked most) to just below 1, (B, P)."""
    flat = maps.flatten(1)
    order = flat.argsort(dim=1, descending=True, stable=True)
    places = torch.arange(flat.shape[1], device=flat.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).double() / flat.shape[1]


def _curve(ask: Ask, start: Tensor, end: Tensor, order: Tensor, steps: Tensor) -> np.ndarray:
    """Answers while `start` becomes `end`, (B, steps): batch by batch."""
    b, space = len(start), start.shape[2:]
    index = torch.arange(b * len(steps))
    found: list[Tensor] = []
    for begin in range(0, len(index), _batch(start)):
        part = index[begin : begin + _batch(start)]
        rows, step = part % b, steps[part // b]
        gone = order[rows] < step[:, None].to(order)
        gone = gone.view(len(part), 1, *space)
        found.append(ask(torch.where(gone, end[rows], start[rows]), rows).double().cpu())
    return torch.cat(found).view(len(steps), b).T.numpy()


def _all(ask: Ask, x: Tensor) -> np.ndarray:
    """Answers for whole pictures, (B, 1)."""
    rows = torch.arange(len(x)).split(_batch(x))  # type: ignore[no-untyped-call]
    return np.asarray(torch.cat([ask(x[r], r).double().cpu() for r in rows]).numpy())[:, None]


def _batch(x: Tensor) -> int:
    """Pictures at once."""
    return max(1, min(256, _VALUES // max(1, x[0].numel())))
