"""Is this map to be trusted? Three questions to it, and the answer in words.

    deletion, insertion   does the answer hang on the pixels that the map marks?
    randomization         does the map need what the network has learned?
    motion                does the map go where the image goes?

None of them proves a map right; each can show one to be wrong. The bounds are named here, so that a
verdict can be argued with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
from torch import Tensor, nn

from neocog.explainers.grad_cam import METHODS, Cam
from neocog.explainers.maps.wanted import Target
from neocog.explainers.trust.deletion import Deletion, deletion
from neocog.explainers.trust.motion import MapMotion, map_motion
from neocog.explainers.trust.randomize import Randomized, mean_of, randomize

__all__ = ["CHANCE", "FOLLOWS", "FORGETS", "Trust", "trust"]

CHANCE = 0.05
"""Noise must do as well as the maps no more often than this; so often noise itself passes."""

FORGETS = 0.5
"""With all layers random, the amount of the rank correlation with the trained map must be less."""

FOLLOWS = 0.75
"""Share of the shifts that the maps must follow, to within half a cell."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What speaks for some maps, and what against.

    Args:
        deletion: the answer while pixels are deleted and inserted.
        randomized: the maps of networks with random weights.
        motion: the maps of moved images.
        n: images.
        class_free: whether the maps are of no class.
    """

    deletion: Deletion
    randomized: Randomized
    motion: MapMotion
    n: int
    class_free: bool = False

    @property
    def checks(self) -> dict[str, bool | None]:
        """Name of each question to whether its answer speaks for the maps; None: cannot be told."""
        changed, follows = self.randomized.changed, self.motion.follows
        return {
            "deletion": self._beats_noise(self.deletion.chance_deletion),
            "insertion": self._beats_noise(self.deletion.chance_insertion),
            "randomization": None if isnan(changed) else changed < FORGETS,
            "motion": None if isnan(follows) else follows >= FOLLOWS,
        }

    def verdict(self) -> str:
        """A paragraph a question; the last says which spoke against the maps."""
        parts = [self._hangs(), self._learned(), self._moves()]
        if self.motion.turn_error is not None:
            parts.append(self._turns())
        against = [name for name, good in self.checks.items() if good is False]
        open_ = [name for name, good in self.checks.items() if good is None]
        last = [f"Cannot be told: {', '.join(open_)}."] if open_ else []
        if against:
            last.append(f"Against trusting it: {', '.join(against)}.")
        elif len(open_) < len(self.checks):
            last.append("Nothing here speaks against trusting it.")
        parts.append(" ".join(last))
        return "\n\n".join(parts)

    def to_json(self) -> dict[str, Any]:
        """With the names of the spec: deletion, insertion, randomization; and motion."""
        return {
            **self.deletion.to_json(),
            "randomization": self.randomized.to_json(),
            "motion": self.motion.to_json(),
            "checks": self.checks,
            "verdict": self.verdict(),
        }

    def _beats_noise(self, chance: float) -> bool | None:
        """Whether the maps are better than noise; None where there is too little of it."""
        least = 1 / (len(self.deletion.random_deletion) + 1)
        return None if isnan(chance) or least > CHANCE else chance <= CHANCE

    def _hangs(self) -> str:
        d = self.deletion
        if not d.told.any():
            return (
                "Does the answer hang on the marked pixels? That cannot be told: the map is one "
                "value everywhere, and marks none."
            )
        fall, rise = d.areas("deletion").mean(), d.areas("insertion").mean()
        low, high = d.areas("random_deletion").mean(), d.areas("random_insertion").mean()
        fell = _beats(d.better_deletion, d.chance_deletion)
        rose = _beats(d.better_insertion, d.chance_insertion)
        return (
            "Does the answer hang on the marked pixels? Deleting them, the strongest first, leaves "
            f"an area of {_two(fall)} below the answer, maps of noise {_two(low)} (less is "
            f"better); {fell}. Inserting them gives {_two(rise)} against "
            f"{_two(high)} (more is better); {rose}."
        )

    def _learned(self) -> str:
        r = self.randomized
        first, last = float(mean_of(r.rank[:, 0], 0)), r.changed
        if isnan(last):
            return (
                "Does the map need what was learned? That cannot be told: the map, or what it "
                "becomes with random weights, is one value everywhere."
            )
        said = (
            f"Does the map need what was learned? With the last layer random ({r.layers[0]}) its "
            f"rank correlation with the trained network's map is {_two(first)}, whatever its sign; "
            f"with all {r.counts[-1]} layers random {_two(last)} (0 is a map that has changed "
            "altogether)."
        )
        if self.class_free and first > FORGETS:
            said += " It looks at no class, so the last layer cannot change it."
        elif last >= FORGETS:
            said += " It stays what it was: this is an image of the image, not of the network."
        elif first > FORGETS:
            said += (
                " It hardly needs the last layer, which tells the classes apart: it shows where "
                "features are rather than why this class."
            )
        return said

    def _moves(self) -> str:
        m = self.motion
        if isnan(m.follows):
            return (
                "Does the map go where the image goes? That cannot be told: the map is one value "
                "everywhere."
            )
        cell = max(m.stride)
        said = (
            "Does the map go where the image goes? Of the circular shifts beyond half a cell of "
            f"its layer (a cell is {cell:.3g} pixels), up to {m.distances[-1]} pixels, it followed "
            f"{m.follows:.0%} to within half a cell. It differs from the moved map by "
            f"{_two(m.error.mean())} of how that map varies; the layer's grid alone costs "
            f"{_two(m.floor.mean())}."
        )
        if m.answers_kept < 1:
            said += f" The answer itself stayed in {m.answers_kept:.0%} of the shifts."
        return said.replace("%", " %")

    def _turns(self) -> str:
        m = self.motion
        assert m.turn_error is not None
        assert m.turn_rank is not None
        assert m.turn_answers_kept is not None
        return (
            f"Under quarter turns, for which few networks are made, the map differs by "
            f"{_two(m.turn_error)} (rank correlation {_two(m.turn_rank)}); the answer stayed in "
            f"{m.turn_answers_kept:.0%}".replace("%", " %")
            + " of them."
        )


def trust(
    model: nn.Module,
    x: Tensor,
    cam: Cam,
    *,
    target: Target = None,
    baseline: str = "blur",
    seed: int = 0,
    tell: Callable[[str], None] | None = None,
) -> Trust:
    """Ask all questions to some maps. The model is left as it was found.

    Args:
        model: as for `grad_cam`.
        x: the images that the maps are of.
        cam: the maps.
        target: the function of the answer that the maps are of, if they are of one.
        baseline: what deleted pixels are replaced by, one of `deletion.BASELINES`.
        seed: of everything that is drawn.
        tell: called with what is measured next.

    Example:
        >>> import torch
        >>> from neocog.explainers.grad_cam import grad_cam
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> x = torch.rand(2, 1, 12, 12)
        >>> sorted(trust(net, x, grad_cam(net, x)).checks)
        ['deletion', 'insertion', 'motion', 'randomization']
    """
    tell = tell or (lambda text: None)
    wanted = target if callable(target) else None
    tell("deletion and insertion")
    gone = deletion(model, x, cam, target=wanted, baseline=baseline, seed=seed)
    tell("random weights")
    random = randomize(model, x, cam, target=wanted, seed=seed)
    tell("moved images")
    motion = map_motion(model, x, cam, target=wanted)
    return Trust(
        deletion=gone,
        randomized=random,
        motion=motion,
        n=len(cam.maps),
        class_free=METHODS[cam.method].class_free,
    )


def _beats(better: np.ndarray, chance: float) -> str:
    """Of one map or of several."""
    who = "it beats" if len(better) == 1 else "the maps beat"
    said = f"{who} {better.mean():.0%} of that noise, which does as well in {chance:.0%} of cases"
    return said.replace("%", " %")


def _two(value: float) -> str:
    """Two decimals, and no nothing below zero."""
    if isnan(value):
        return "unknown"
    return f"{round(float(value), 2) + 0.0:.2f}"
