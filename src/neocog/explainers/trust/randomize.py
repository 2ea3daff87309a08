"""Does the map need what the network has learned? The parameter randomization test.

The weights are randomized, from the output toward the image, stage by stage, and
each time the map is made again for the same class and layer. A map that stays as it was shows the
image, not the network. Random weights have the scale of the ones that they
replace; weights with one axis, those of norms and biases, are shuffled. What is not a parameter
stays, the running means and variances of a batch norm among it.

Random weights turn the sign of a map as often as not, so a map that comes out as its own negative
has not changed: what counts is the amount of each rank correlation, of every image and draw,
before any mean (the paper reports both). A map that is one value everywhere has no order, and
says nothing.

Source: J. Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018 (cascading test).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neocog.errors import ModelError
from neocog.explainers.grad_cam import Cam, as_input, explained
from neocog.explainers.maps.objective import Target
from neocog.explainers.trust.similarity import by_parts, constant, spearman, ssim
from neocog.graph.activations import differentiable
from neocog.graph.hooks import hooked
from neocog.jsonable import Jsonable, keys

__all__ = ["Randomized", "mean_of", "numbers", "random_weights", "randomize"]

STAGES = 8
"""Steps from the last layer alone to all layers, at most."""


@dataclass(frozen=True, kw_only=True)
class Randomized(Jsonable):
    """How alike the map stays when layers become random, from the top.

    Args:
        layers: the lowest layer that is random in each stage; the first is the last layer alone.
        counts: layers that are random in each stage.
        rank: amount of the rank correlation with the map of the trained network, (B, stages), mean
            over draws; not a number where one of the two maps is constant in every draw.
        signed: the same with its sign.
        ssim: amount of the structural similarity of the maps, each over its largest value, (B,
            stages), mean over the same draws.
        maps: of the first image in each stage of the first draw, (stages, *grid).
    """

    JSON = keys("layers", "random_layers=counts", "*means")

    layers: tuple[str, ...]
    counts: tuple[int, ...]
    rank: np.ndarray
    signed: np.ndarray
    ssim: np.ndarray
    maps: np.ndarray = field(repr=False)

    @property
    def changed(self) -> float:
        """With all layers random, the mean of `rank`; NaN where undefined."""
        return float(mean_of(self.rank[:, -1], 0))

    @property
    def means(self) -> dict[str, np.ndarray]:
        """Means over images, a stage each, and each image with all layers random."""
        return {
            "rank_correlation": mean_of(self.rank, 0),
            "signed_rank_correlation": mean_of(self.signed, 0),
            "ssim": mean_of(self.ssim, 0),
            "each": self.rank[:, -1],
        }


def randomize(
    model: nn.Module,
    x: Tensor,
    cam: Cam,
    *,
    target: Target = None,
    draws: int = 2,
    seed: int = 0,
) -> Randomized:
    """Make the maps again with random weights, from the last layer to all.

    The weights of the model are not written to: it runs with replacements.

    Args:
        model: as for `grad_cam`; left as it was found.
        x: the images that the maps are of.
        cam: the maps.
        target: a function of the output, where the maps are of one; else the maps' own classes.
        draws: of random weights; what is reported is the mean.
        seed: of these.

    Raises:
        ModelError: the model has no weights.
    """
    x = as_input(model, x)
    order = _from_the_top(model, x)
    if not order:
        raise ModelError(
            f"Randomization needs weights; {type(model).__name__} has none. Explain a trained "
            "network."
        )
    stages = _stages(len(order))
    wanted = target if callable(target) or cam.targets[0] is None else _known(cam)
    similarity = np.zeros((3, draws, len(stages), len(cam.maps)))
    first: list[np.ndarray] = []
    for d in range(draws):
        weights = random_weights(model, seed=seed + d)
        for s, count in enumerate(stages):
            some = {n: weights[n] for _, names in order[:count] for n in names}
            again = explained(
                model,
                x,
                layer=cam.layer,
                target=wanted,
                method=cam.method,
                layout=cam.layout,
                weights=some,
            )
            similarity[:, d, s] = _alike(cam, again)
            if d == 0:
                first.append(again.maps[0].nan_to_num().cpu().numpy())
    rank, signed, structure = mean_of(similarity, 1)
    return Randomized(
        layers=tuple(order[count - 1][0] for count in stages),
        counts=tuple(stages),
        rank=rank.T,
        signed=signed.T,
        ssim=structure.T,
        maps=np.stack(first),
    )


def random_weights(model: nn.Module, *, seed: int) -> dict[str, Tensor]:
    """A random tensor for every parameter, by its name.

    With two axes or more it is normal with mean zero and the root mean square that the parameter
    has; with one it holds the same values in another order.

    Args:
        model: whose parameters; they are not written to.
        seed: of the random numbers, the same for the same names and shapes.

    Example:
        >>> drawn = random_weights(nn.Linear(3, 2), seed=0)
        >>> drawn["weight"].shape, torch.is_grad_enabled() and drawn["weight"].requires_grad
        (torch.Size([2, 3]), False)
    """
    generator = torch.Generator().manual_seed(seed)
    drawn: dict[str, Tensor] = {}
    with torch.inference_mode(False), torch.no_grad():
        for name, p in model.named_parameters():
            if not p.is_floating_point():
                continue
            if p.ndim > 1:
                size = float(p.detach().double().square().mean().sqrt())
                new = torch.randn(p.shape, generator=generator) * size
            else:
                index = torch.randperm(p.numel(), generator=generator)
                new = p.detach().clone().cpu().flatten()[index].view(p.shape)
            drawn[name] = new.to(p.device, p.dtype)
    return drawn


def _known(cam: Cam) -> list[int]:
    return [int(t or 0) for t in cam.targets]


def mean_of(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of those that are numbers; not a number where none is.

    Example:
        >>> mean_of(np.array([[1.0, np.nan], [3.0, np.nan]]), 0).tolist()
        [2.0, nan]
    """
    real = ~np.isnan(values)
    count = real.sum(axis)
    total = np.where(real, values, 0).sum(axis)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def numbers(values: np.ndarray) -> list[float | None]:
    """As a list with None for what is not a number."""
    return [None if np.isnan(v) else float(v) for v in values]


def _alike(cam: Cam, again: Cam) -> np.ndarray:
    """Amount of the rank correlation, the correlation, amount of the structure, (3, B)."""
    one, other = cam.enlarged(), cam.enlarged(again.maps).nan_to_num()
    maps = again.maps.nan_to_num()
    rank = by_parts(spearman, cam.maps, maps).cpu().numpy()
    structure = by_parts(_structure, one, other).abs().cpu().numpy()
    similarity = np.stack([np.abs(rank), rank, structure])
    similarity[:, (constant(cam.maps) | constant(maps)).cpu().numpy()] = np.nan
    return similarity


def _structure(one: Tensor, other: Tensor) -> Tensor:
    """Structural similarity of maps, each over its largest value."""
    return ssim(_scaled(one), _scaled(other), reach=2.0)


def _scaled(maps: Tensor) -> Tensor:
    """Each map over its largest absolute value."""
    most = maps.flatten(1).abs().amax(1)
    most = torch.where(most > 0, most, torch.ones_like(most))
    return maps / most.view(-1, *[1] * (maps.ndim - 1))


def _stages(layers: int) -> list[int]:
    """Numbers of layers: one, then evenly up to all."""
    steps = min(STAGES, layers)
    return sorted({round(float(n)) for n in np.linspace(1, layers, steps)})


def _from_the_top(model: nn.Module, x: Tensor) -> list[tuple[str, list[str]]]:
    """Layers with own weights and the names of these, the last that starts first."""
    started: dict[str, None] = {}

    def note(name: str, m: nn.Module, args: Any, kwargs: Any) -> None:
        started.setdefault(name)

    with differentiable(model) as run, torch.no_grad(), hooked(model.named_modules(), before=note):
        run(x[:1])
    rank = {name: i for i, name in enumerate(started)}
    own: dict[str, list[str]] = {}
    for name, p in model.named_parameters():
        if p.is_floating_point():
            holder = name.rpartition(".")[0]
            own.setdefault(holder, []).append(name)

    def started_at(name: str) -> tuple[int, bool]:
        """When; of one whose weights another takes without calling it, just after that one."""
        above = name
        while above not in rank and above:
            above = above.rpartition(".")[0]
        return rank.get(above, -1), above != name

    bottom_up = sorted(own, key=started_at)
    return [(name or "the network itself", own[name]) for name in reversed(bottom_up)]
