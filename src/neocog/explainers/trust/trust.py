"""Sanity checks of a map: four tests, each passed, failed or undecided, and all of it in words.

    deletion, insertion             does the prediction depend on the pixels that the map marks?
    model parameter randomization   does the map need what the network has learned?
    shift equivariance              does the map move with the image?

None of them proves a map right; each can show one to be wrong. The first two are decided by an
effect and its interval; the bounds of the others are named here, so that they can be argued with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan

import numpy as np
from torch import Tensor, nn

from neocog.exhibits import Check
from neocog.explainers.grad_cam import METHODS, Cam
from neocog.explainers.maps.objective import Target
from neocog.explainers.trust.deletion import Deletion, deletion
from neocog.explainers.trust.motion import MapMotion, map_motion
from neocog.explainers.trust.randomize import Randomized, mean_of, randomize
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords

__all__ = ["FOLLOWS", "FORGETS", "Trust", "trust"]

FORGETS = 0.5
"""With all layers random, the amount of the rank correlation with the trained map must be less."""

FOLLOWS = 0.75
"""Fraction of the shifts that the maps must follow, to within half a cell."""


@dataclass(frozen=True, kw_only=True)
class Trust(Jsonable):
    """Sanity checks of some maps.

    Args:
        deletion: the output while pixels are deleted and inserted.
        randomized: the maps of networks with random weights.
        motion: the maps of moved images.
        n: images.
        class_free: whether the maps are of no class.
    """

    JSON = keys("*deletion", "randomization=randomized", "motion", "checks", "verdict")

    deletion: Deletion
    randomized: Randomized
    motion: MapMotion
    n: int
    class_free: bool = False

    @property
    def checks(self) -> tuple[Check, ...]:
        """The four tests."""
        return (
            self._against_noise("deletion", self.deletion.effect_deletion, "less"),
            self._against_noise("insertion", self.deletion.effect_insertion, "more"),
            self._randomization(),
            self._equivariance(),
        )

    @property
    def passed(self) -> dict[str, bool | None]:
        """Name of each test to its outcome; None where it could not be decided."""
        return {c.name: c.passed for c in self.checks}

    @property
    def outcome(self) -> str:
        """How many of them were passed, half a sentence.

        Example: "passed 3 of 4 (failed: insertion)".
        """
        checks = self.checks
        failed = [c.name for c in checks if c.passed is False]
        undecided = [c.name for c in checks if c.passed is None]
        rest = [
            f"{what}: {', '.join(names)}"
            for what, names in (("failed", failed), ("undecided", undecided))
            if names
        ]
        good = len(checks) - len(failed) - len(undecided)
        return f"passed {good} of {len(checks)}" + (f" ({'; '.join(rest)})" if rest else "")

    def verdict(self) -> str:
        """How many tests were passed, then a paragraph a question."""
        parts = [f"Sanity checks: {self.outcome}.", self._hangs(), self._learned(), self._moves()]
        if self.motion.turn_error is not None:
            parts.append(self._turns())
        return "\n\n".join(parts)

    def _against_noise(self, name: str, effect: tuple[float, float, float], wanted: str) -> Check:
        """Passed where the interval of the effect lies above zero, failed where there is none."""
        gain, low, _ = effect
        if isnan(gain):
            return Check(name=name, passed=None, text="the map is constant")
        value = float(self.deletion.areas(name).mean())
        noise = float(self.deletion.areas(f"random_{name}").mean())
        passed = True if low > 0 else False if gain <= 0 else None
        text = f"area {_two(value)}, of noise {_two(noise)} ({wanted} is better)"
        if not isnan(low):
            text += f"; gain {_signed(gain)} (at least {_signed(low)} with 95 % confidence)"
        elif passed is None:
            text += "; too little noise to decide"
        return Check(name=name, passed=passed, value=value, baseline=noise, text=text)

    def _randomization(self) -> Check:
        name, changed = "model parameter randomization", self.randomized.changed
        if isnan(changed):
            return Check(name=name, passed=None, text="a map is constant")
        text = (
            f"rank correlation {_two(changed)} with all layers randomized (passed below {FORGETS})"
        )
        passed = changed < FORGETS
        return Check(name=name, passed=passed, value=changed, baseline=FORGETS, text=text)

    def _equivariance(self) -> Check:
        name, follows = "shift equivariance", self.motion.follows
        if isnan(follows):
            return Check(name=name, passed=None, text="the map is constant")
        text = f"follows {follows:.0%} of the shifts (passed from {FOLLOWS:.0%})"
        return Check(
            name=name,
            passed=follows >= FOLLOWS,
            value=follows,
            baseline=FOLLOWS,
            text=text.replace("%", " %"),
        )

    def _hangs(self) -> str:
        d = self.deletion
        if not d.ordered.any():
            return "Deletion and insertion: undecided, the map is constant and marks no pixels."
        fall, rise = d.areas("deletion").mean(), d.areas("insertion").mean()
        low, high = d.areas("random_deletion").mean(), d.areas("random_insertion").mean()
        fell = _beats(d.better_deletion, d.chance_deletion)
        rose = _beats(d.better_insertion, d.chance_insertion)
        return (
            "Does the prediction depend on the marked pixels? Deleting them, highest values first, "
            f"leaves an area of {_two(fall)} under the curve, noise maps {_two(low)} (smaller is "
            f"better); {fell}. Inserting them gives {_two(rise)} against {_two(high)} (larger is "
            f"better); {rose}."
        )

    def _learned(self) -> str:
        r = self.randomized
        first, last = float(mean_of(r.rank[:, 0], 0)), r.changed
        if isnan(last):
            return (
                "Model parameter randomization: undecided, the map, or what it becomes with random "
                "weights, is constant."
            )
        text = (
            "Does the map depend on the learned weights? With the last layer randomized "
            f"({r.layers[0]}) its rank correlation with the trained network's map is "
            f"{_two(first)}, whatever its sign; with all {r.counts[-1]} layers random {_two(last)} "
            "(0 is 0: a completely different map)."
        )
        if self.class_free and first > FORGETS:
            text += " It is class-agnostic, so the last layer cannot change it."
        elif last >= FORGETS:
            text += " It hardly changes: the map shows the image, not the network."
        elif first > FORGETS:
            text += (
                " It hardly needs the last layer, which separates the classes: it shows where "
                "features are rather than why this class."
            )
        return text

    def _moves(self) -> str:
        m = self.motion
        if isnan(m.follows):
            return "Shift equivariance: undecided, the map is constant."
        cell = max(m.stride)
        text = (
            "Does the map move with the image? Of the circular shifts beyond half a cell of "
            f"its layer (a cell is {cell:.3g} pixels), up to {m.distances[-1]} pixels, the map "
            f"followed {m.follows:.0%} to within half a cell. It differs from the moved map by "
            f"{_two(m.error.mean())} of that map's variation; the layer's grid alone accounts for "
            f"{_two(m.floor.mean())}."
        )
        if m.predictions_kept < 1:
            text += (
                f" The prediction itself was unchanged in {m.predictions_kept:.0%} of the shifts."
            )
        return text.replace("%", " %")

    def _turns(self) -> str:
        m = self.motion
        assert m.turn_error is not None
        assert m.turn_rank is not None
        assert m.turn_predictions_kept is not None
        return (
            f"Under quarter turns, to which few networks are equivariant, the map differs by "
            f"{_two(m.turn_error)} (rank correlation {_two(m.turn_rank)}); the prediction stayed "
            f"in {m.turn_predictions_kept:.0%}".replace("%", " %")
            + " of them."
        )


@known_keywords
def trust(
    model: nn.Module,
    x: Tensor,
    cam: Cam,
    *,
    target: Target = None,
    baseline: str = "blur",
    seed: int = 0,
    on_progress: Callable[[str], None] | None = None,
) -> Trust:
    """Put some maps to all tests. The model is left as it was found.

    Args:
        model: as for `grad_cam`.
        x: the images that the maps are of.
        cam: the maps.
        target: the function of the output that the maps are of, if they are of one.
        baseline: what deleted pixels are replaced by, one of `deletion.BASELINES`.
        seed: of all random numbers.
        on_progress: called with what is measured next.

    Example:
        >>> import torch
        >>> from neocog.explainers.grad_cam import grad_cam
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> x = torch.rand(2, 1, 12, 12)
        >>> [c.name for c in trust(net, x, grad_cam(net, x)).checks][:2]
        ['deletion', 'insertion']
    """
    on_progress = on_progress or (lambda text: None)
    wanted = target if callable(target) else None
    on_progress("deletion and insertion")
    gone = deletion(model, x, cam, target=wanted, baseline=baseline, seed=seed)
    on_progress("random weights")
    random = randomize(model, x, cam, target=wanted, seed=seed)
    on_progress("moved images")
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
    text = f"{who} {better.mean():.0%} of that noise, which does as well in {chance:.0%} of cases"
    return text.replace("%", " %")


def _two(value: float) -> str:
    """Two decimals, and no nothing below zero."""
    if isnan(value):
        return "unknown"
    return f"{round(float(value), 2) + 0.0:.2f}"


def _signed(value: float) -> str:
    """Two decimals, or the first one that is not zero."""
    return f"{value:+.2f}" if value == 0 or abs(value) >= 0.005 else f"{value:+.1g}"
