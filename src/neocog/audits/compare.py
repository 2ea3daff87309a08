"""Two models on the same samples and the same shifts.

A more accurate model is also more often consistent, whatever its downsampling does (R. Zhang, 2019,
appendix). So the plain difference comes with one at matched accuracy: on the samples that both
models classify correctly unshifted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from neocog.audits.shift import Shift
from neocog.errors import UsageError
from neocog.exhibits import flipped
from neocog.graph.wording import nouns
from neocog.jsonable import Jsonable
from neocog.stats import paired_interval
from neocog.symmetry.poses import GROUPS, finite_group, poses_in_words

__all__ = ["Compared", "compare", "flipped", "gained", "moved_by", "points"]


@dataclass(frozen=True, kw_only=True)
class Compared(Jsonable):
    """The second model less the first; every interval is a bootstrap over paired samples, 95 %.

    Args:
        mode: of shifting.
        n: samples.
        first: consistency of the first model.
        second: of the second.
        difference: second minus first.
        difference_ci: its CI.
        flips: flips of the second model as a multiple of the first model's; None where it has none.
        accuracy_difference: second minus first, unshifted; None without labels.
        accuracy_ci: its CI.
        matched_n: samples that both classify correctly unshifted.
        matched_first: consistency of the first model on these.
        matched_second: of the second.
        matched_difference: second minus first.
        matched_ci: its CI.
    """

    mode: str
    n: int
    first: float
    second: float
    difference: float
    difference_ci: tuple[float, float]
    flips: float | None
    accuracy_difference: float | None
    accuracy_ci: tuple[float, float] | None
    matched_n: int
    matched_first: float | None
    matched_second: float | None
    matched_difference: float | None
    matched_ci: tuple[float, float] | None


def compare(first: Shift, second: Shift, *, seed: int = 0) -> Compared:
    """Compare two measurements of one kind of shift.

    Args:
        first: of one model.
        second: of another, with the same samples, mode, max_shift and seed.
        seed: of the bootstrap.

    Raises:
        UsageError: they were not measured in the same way.
    """
    if (first.mode, first.n, first.max_shift) != (second.mode, second.n, second.max_shift):
        raise UsageError(
            "Two models are compared on the same samples and shifts; "
            f"got {first.n} samples under {first.mode} shifts up to {first.max_shift:g} "
            f"{nouns(first.axes).units} and "
            f"{second.n} under {second.mode} up to {second.max_shift:g} "
            f"{nouns(second.axes).units}. "
            "Audit both with the same options."
        )
    shares = first.unit == "%"
    difference, low, high = paired_interval(second.same, first.same, seed=seed, shares=shares)
    known = len(first.right) == len(second.right) == first.n
    accuracy = paired_interval(second.right, first.right, seed=seed) if known else None
    both = first.right & second.right if known else None
    matched = None
    if both is not None and both.any():
        matched = paired_interval(second.same[both], first.same[both], seed=seed, shares=shares)
    return Compared(
        mode=first.mode,
        n=first.n,
        first=first.consistency,
        second=second.consistency,
        difference=difference,
        difference_ci=(low, high),
        flips=(1 - second.consistency) / (1 - first.consistency) if first.flip_rate else None,
        accuracy_difference=None if accuracy is None else accuracy[0],
        accuracy_ci=None if accuracy is None else accuracy[1:],
        matched_n=0 if both is None else int(both.sum()),
        matched_first=None if matched is None or both is None else float(first.same[both].mean()),
        matched_second=None if matched is None or both is None else float(second.same[both].mean()),
        matched_difference=None if matched is None else matched[0],
        matched_ci=None if matched is None else matched[1:],
    )


def gained(
    before: Shift,
    after: Shift,
    *,
    accuracy: float | None,
    times: float,
    word: str = "accuracy",
) -> str:
    """Flips, accuracy and time of two models, in one line.

    Args:
        before: shifts of one kind under the first model.
        after: under the second.
        accuracy: difference; None without labels.
        times: time of the second model as a multiple of the first.
        word: for accuracy.
    """
    one, two = (1 - result.consistency for result in (before, after))
    if one == two:
        flips = f"{flipped(one)} % in both models"
    else:
        digits = next((d for d in range(1, 9) if flipped(one, d) != flipped(two, d)), 9)
        flips = f"{flipped(one, digits)} → {flipped(two, digits)} %"
    parts = [f"Prediction flips {flips} under {moved_by(before)}"]
    if accuracy is not None:
        parts.append(f"{word} {points(accuracy, 1)} pp")
    if math.isfinite(times):
        parts.append(f"{times:.1f}× the time" if times >= 0.1 else f"{times:.1g}× the time")
    return ", ".join(parts)


def moved_by(s: Shift) -> str:
    """A kind of shift with its range: "≤ 4 px crops"; of poses what they are: "quarter turns".

    Args:
        s: what was measured.
    """
    if s.mode in GROUPS:
        return poses_in_words(finite_group(s.mode))
    kind = nouns(s.axes)
    words = {
        "circular": "circular shifts",
        "crop": "crops" if s.axes > 1 else "windows",
        "zeros": "shifts with zero fill",
        "subpixel": "sub-pixel shifts" if s.axes > 1 else "sub-step shifts",
    }[s.mode]
    unit = "px" if s.axes > 1 else kind.unit if s.max_shift == 1 else kind.units
    return f"≤ {s.max_shift:g} {unit} {words}"


def points(value: float, digits: int = 2) -> str:
    """A difference of fractions in percentage points; zero only where it is zero.

    Example:
        >>> points(-0.012), points(0.0), points(0.0000123), points(0.0004, 1)
        ('-1.20', '+0.00', '+0.001', '+0.04')
    """
    percent = 100 * value + 0.0  # no negative zero
    if math.isnan(percent):
        return "unknown"
    if percent and abs(percent) < 0.5 * 10.0**-digits:
        return f"{percent:+.1g}"
    return f"{percent:+.{digits}f}"
