"""How states of a fix are told apart, and when a fixed model is better than the one that came.

On the validation samples a state scores by its *fidelity*: the fraction of samples that it
predicts correctly at both of two random shifts, in which accuracy and consistency are one number.

The verdict compares pairs of predictions on the same samples. Better means: consistency under the
shifts that were asked for is higher, its 95 % interval above zero, and accuracy is not lower, its
interval reaches zero. Without labels accuracy is unknown; then the predictions must agree with
those of the model as it was at least as often as that model agrees with itself when the image
moves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from neocog.audits.compare import points
from neocog.audits.shift import Shift, shift_consistency
from neocog.audits.subject import Subject
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.exhibits import PlainResult, keys, share
from neocog.networks.model import SpecifiedNetwork
from neocog.stats import paired_interval

__all__ = ["Figures", "Judge", "Score", "Verdict", "can_gain", "seen_before", "verdict"]

LOOKED_AT = 2000
"""Validation samples that a state is scored on, at most."""


@dataclass(frozen=True, kw_only=True)
class Score(PlainResult):
    """A state of a model on the validation samples.

    Args:
        fidelity: fraction predicted correctly at both shifts.
        accuracy: fraction predicted correctly, unshifted.
        consistency: fraction with the same prediction at both shifts.
        correct: for each sample, unshifted.
        faithful: for each sample, whether it is predicted correctly at both shifts.
    """

    JSON = keys("fidelity", "accuracy", "consistency")

    fidelity: float
    accuracy: float
    consistency: float
    correct: np.ndarray
    faithful: np.ndarray

    def below(self, best: Score) -> bool:
        """Whether fidelity is lower than another's by more than one standard error of pairs."""
        difference = best.faithful.astype(float) - self.faithful
        return bool(difference.mean() > difference.std() / np.sqrt(max(1, len(difference))))


class Judge:
    """Scores states of a model on the same samples and shifts.

    Args:
        val: the samples.
        mode: of shifting, one of `audits.shift.MODES`.
        seed: of which samples, and of the shifts.
        most: samples, at most.
    """

    def __init__(self, val: Split, *, mode: str, seed: int, most: int = LOOKED_AT) -> None:
        self.samples = Samples.of(val).first(most, seed=seed)
        self.mode, self.seed = mode, seed

    def __call__(self, model: SpecifiedNetwork) -> Score:
        """Score a state; the model is as it was afterwards."""
        subject = Subject(model, size=model.spec.input.size)
        found = shift_consistency(subject, self.samples, mode=self.mode, seed=self.seed)
        assert found.accuracy is not None
        return Score(
            fidelity=float(found.both.mean()),
            accuracy=found.accuracy,
            consistency=found.consistency,
            correct=found.right,
            faithful=found.both,
        )


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A model on the samples of the report.

    Args:
        correct: for each sample, whether it is predicted correctly.
        shift: under the shifts that were asked for.
    """

    correct: np.ndarray
    shift: Shift


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the second of two models is better.

    Args:
        better: consistency is higher and accuracy is not lower.
        reason: what speaks against it, half a sentence; empty where nothing does.
        accuracy: difference of the fractions, and its 95 % interval.
        consistency: the same.
    """

    better: bool
    reason: str
    accuracy: tuple[float, float, float]
    consistency: tuple[float, float, float]

    def also(self, reason: str) -> Verdict:
        """Not better, for one reason more."""
        reasons = f"{self.reason} and {reason}" if self.reason else reason
        return replace(self, better=False, reason=reasons)


def verdict(before: Figures, after: Figures, *, labeled: bool, seed: int = 0) -> Verdict:
    """Compare two models on the same samples and shifts.

    Args:
        before: the model that came.
        after: the model that may go.
        labeled: accuracy is known; else `correct` is agreement with the model that came.
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
        reasons.append(
            f"it agrees with the model as it was on {share(1 + accuracy[0])} of the images, which "
            "is less than that model agrees with itself when they move, "
            f"{share(before.shift.consistency)}"
        )
    return Verdict(
        better=not reasons,
        reason=" and ".join(reasons),
        accuracy=accuracy,
        consistency=consistency,
    )


def can_gain(before: Shift, *, seed: int = 0) -> bool:
    """Whether a model without any flip could be told from this one on its samples."""
    return paired_interval(np.ones_like(before.same), before.same, seed=seed)[1] > 0


def seen_before(val: np.ndarray, test: np.ndarray) -> bool:
    """Whether a model does so much better on the first samples that it was trained on them.

    Args:
        val: for each sample, whether it is predicted correctly.
        test: the same of samples that are new to it.

    Example:
        >>> good, fair = np.ones(1000, bool), np.arange(1000) % 10 > 0
        >>> seen_before(good, fair), seen_before(fair, fair)
        (True, False)
    """
    p, q = val.mean(), test.mean()
    spread = np.sqrt(p * (1 - p) / len(val) + q * (1 - q) / len(test))
    return bool(p - q > 1.96 * spread)


def _points(difference: tuple[float, float, float]) -> str:
    value, low, high = (points(d, 1) for d in difference)
    return f"{value} pp, 95 % CI {low} to {high}"
