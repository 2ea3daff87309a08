"""Score checkpoints of a fix, and decide whether a fixed model is better than the original.

The score of a checkpoint on validation samples is its *fidelity*: the fraction of samples that it
predicts correctly at both of two random shifts, in which accuracy and consistency are one number.

The verdict compares paired predictions on the same samples. Better means: consistency under the
requested shifts is higher, with the 95 % CI of the difference above zero, and accuracy is not
lower, with the CI reaching zero. Without labels accuracy is unknown; then the predictions must
agree with those of the original model at least as often as the original agrees with itself under
shifts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from neocog.audits.compare import points
from neocog.audits.poses import consistency, correct_upright
from neocog.audits.shift import Shift
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.exhibits import share
from neocog.jsonable import Jsonable, keys
from neocog.layers.symmetrized import Symmetrized
from neocog.networks.model import SpecifiedNetwork
from neocog.stats import paired_interval
from neocog.symmetry.poses import GROUPS

__all__ = ["Figures", "Judge", "Score", "Verdict", "can_gain", "trained_on", "verdict"]

SCORED = 2000
"""Max validation samples for a score."""


@dataclass(frozen=True, kw_only=True)
class Score(Jsonable):
    """Scores of a checkpoint on the validation samples.

    Args:
        fidelity: fraction predicted correctly at both shifts.
        accuracy: fraction predicted correctly, unshifted.
        consistency: fraction with the same prediction at both shifts.
        correct: for each sample, unshifted.
        faithful: for each sample, whether it is predicted correctly at both shifts.
        first: for each sample, whether it is predicted correctly at the first of them.
    """

    JSON = keys("fidelity", "accuracy", "consistency")

    fidelity: float
    accuracy: float
    consistency: float
    correct: np.ndarray
    faithful: np.ndarray
    first: np.ndarray

    def below(self, best: Score) -> bool:
        """Whether fidelity is lower than another's by more than one standard error of pairs."""
        difference = best.faithful.astype(float) - self.faithful
        return bool(difference.mean() > difference.std() / np.sqrt(max(1, len(difference))))


class Judge:
    """Scores checkpoints on the same samples and shifts.

    Args:
        val: the samples.
        mode: kind of shift, one of `audits.shift.MODES`, or a group of poses.
        seed: of the random samples and shifts.
        limit: max samples.
    """

    def __init__(self, val: Split, *, mode: str, seed: int, limit: int = SCORED) -> None:
        self.samples = Samples.of(val).first(limit, seed=seed)
        self.mode, self.seed = mode, seed

    def __call__(self, model: SpecifiedNetwork) -> Score:
        """Score a checkpoint; the model is not changed."""
        if _invariant(model.network, self.mode):
            correct = correct_upright(model, self.samples)
            accuracy = float(correct.mean())
            return Score(
                fidelity=accuracy,
                accuracy=accuracy,
                consistency=1.0,
                correct=correct,
                faithful=correct,
                first=correct,
            )
        result = consistency(model, self.samples, mode=self.mode, seed=self.seed)
        assert result.accuracy is not None
        return Score(
            fidelity=float(result.both.mean()),
            accuracy=result.accuracy,
            consistency=result.consistency,
            correct=result.right,
            faithful=result.both,
            first=result.first,
        )


def _invariant(network: nn.Module, mode: str) -> bool:
    """Whether no pose can be predicted otherwise than another, so that one is enough to look at."""
    if not isinstance(network, Symmetrized):
        return False
    return network.group.keeps_grid and network.group.name == mode


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures of a model on the test samples.

    Args:
        correct: for each sample, whether it is predicted correctly.
        shift: under the requested shifts.
    """

    correct: np.ndarray
    shift: Shift


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the second of two models is better.

    Args:
        better: consistency is higher and accuracy is not lower.
        reason: why it is not better, a clause, or "".
        accuracy: difference of the fractions, and its 95 % CI.
        consistency: the same.
    """

    better: bool
    reason: str
    accuracy: tuple[float, float, float]
    consistency: tuple[float, float, float]

    def also(self, reason: str) -> Verdict:
        """Not better, for another reason."""
        reasons = f"{self.reason} and {reason}" if self.reason else reason
        return replace(self, better=False, reason=reasons)


def verdict(before: Figures, after: Figures, *, labeled: bool, seed: int = 0) -> Verdict:
    """Compare two models on the same samples and shifts.

    Args:
        before: the original model.
        after: the fixed model.
        labeled: accuracy is known; else `correct` is agreement with the original model.
        seed: of the bootstrap.
    """
    accuracy = paired_interval(after.correct, before.correct, seed=seed)
    consistency = paired_interval(after.shift.same, before.shift.same, seed=seed)
    mode, reasons = before.shift.mode, []
    if consistency[0] <= 0:
        reasons.append(f"{mode} consistency is no higher ({_points(consistency)})")
    elif consistency[1] <= 0:
        reasons.append(f"{mode} consistency is not higher beyond chance ({_points(consistency)})")
    if labeled and accuracy[2] < 0:
        reasons.append(f"accuracy is lower ({_points(accuracy)})")
    if not labeled and accuracy[2] < before.shift.consistency - 1:
        kind = "in two poses" if mode in GROUPS else "under shifts"
        reasons.append(
            f"it agrees with the original model on {share(1 + accuracy[0])} of the images, less "
            f"than that model agrees with itself {kind}, "
            f"{share(before.shift.consistency)}"
        )
    return Verdict(
        better=not reasons,
        reason=" and ".join(reasons),
        accuracy=accuracy,
        consistency=consistency,
    )


def can_gain(before: Shift, *, seed: int = 0) -> bool:
    """Whether a model without flips would differ significantly from this one."""
    return paired_interval(np.ones_like(before.same), before.same, seed=seed)[1] > 0


def trained_on(val: np.ndarray, test: np.ndarray) -> bool:
    """Whether a model was trained on the first samples, as it does so much better on them.

    Args:
        val: for each sample, whether it is predicted correctly.
        test: the same for new samples.

    Example:
        >>> good, fair = np.ones(1000, bool), np.arange(1000) % 10 > 0
        >>> trained_on(good, fair), trained_on(fair, fair)
        (True, False)
    """
    p, q = val.mean(), test.mean()
    spread = np.sqrt(p * (1 - p) / len(val) + q * (1 - q) / len(test))
    return bool(p - q > 1.96 * spread)


def _points(difference: tuple[float, float, float]) -> str:
    value, low, high = (points(d, 1) for d in difference)
    return f"{value} pp, 95 % CI {low} to {high}"
