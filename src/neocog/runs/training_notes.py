"""Sentences on the numbers of a training."""

from __future__ import annotations

import math

__all__ = ["CUT_SHORT", "chance", "ended", "kept", "moved", "overrun", "part", "short"]


CUT_SHORT = (
    "Kept: the linear classifier on frozen features. The budget ended the fine-tune in its first "
    "epoch, and no validation images compare the two."
)
"""Of a fine-tune that nothing judges."""

FORGOTTEN = 2.5
"""A loss of trained weights that has risen by this factor has forgotten what they knew."""

FEW = 2
"""A loss that has not fallen in fewer steps says nothing about the learning rate."""


def chance(objective: str, num_classes: int) -> float:
    """The loss of a uniform prediction.

    Args:
        objective: `cross_entropy` or `mean_squared_error` (of probabilities).
        num_classes: number of classes.

    Example:
        >>> round(chance("cross_entropy", 10), 4), chance("mean_squared_error", 2)
        (2.3026, 0.25)
    """
    if objective == "mean_squared_error":
        return (num_classes - 1) / num_classes**2
    return math.log(num_classes)


def moved(
    first: float,
    last: float,
    *,
    guessing: float,
    rate: float,
    steps: int,
    settling: bool = False,
) -> str:
    """A note on the loss of the first steps, where the learning rate may be wrong.

    Args:
        first: loss of the first step.
        last: mean loss of the last steps.
        guessing: loss of a uniform prediction, see `chance`.
        rate: peak learning rate.
        steps: how many.
        settling: the weights were trained before, or the rate still rises to its peak. A loss that
            rises somewhat, or hardly moves, is then no fault; one that is `FORGOTTEN` times as
            high, and half that of a uniform prediction, is.

    Returns:
        A sentence; empty if the loss fell, need not fall, or had no time to.

    Example:
        >>> moved(0.703, 5.24, guessing=2.3, rate=0.15, steps=27)
        'The loss exploded in the first 27 steps, from 0.703 to 5.24: the learning rate 0.15 is
        probably too high. Try `--lr 0.015`.'
        >>> moved(2.3, 0.4, guessing=2.3, rate=0.15, steps=27)
        ''
        >>> moved(0.4, 0.9, guessing=2.3, rate=0.001, steps=95, settling=True)
        ''
    """
    what = f"in the first {steps:,} steps, from {first:.3g} to {last:.3g}"
    lower = f"Try `--lr {rate / 10:.2g}`."
    if not (math.isfinite(first) and math.isfinite(last)):
        return f"The loss is no longer finite {what}, at learning rate {rate:.3g}. {lower}"
    if last > 2 * max(first, guessing):
        return (
            f"The loss exploded {what}: the learning rate {rate:.3g} is probably too high. {lower}"
        )
    if steps < FEW or (settling and (last < FORGOTTEN * first or last < guessing / 2)):
        return ""
    if last > 1.02 * first and (last > guessing / 2 or last > 2 * first > 0):
        return f"The loss rose {what}: the learning rate {rate:.3g} may be too high. {lower}"
    if last > 0.98 * first and last > guessing / 2:
        return (
            f"The loss has hardly moved {what}: the learning rate {rate:.3g} may be far too low or "
            "too high."
        )
    return ""


def ended(loss: float, *, guessing: float, num_classes: int) -> str:
    """A note if a training ended at the loss of a uniform prediction, or nothing.

    Args:
        loss: mean training loss of the last pass.
        guessing: loss of a uniform prediction, see `chance`.
        num_classes: number of classes.

    Example:
        >>> ended(2.4, guessing=2.3026, num_classes=10)
        'The training loss ended at 2.4; a uniform prediction over 10 classes gives 2.3. The model
        has learned nothing measurable.'
    """
    if loss < guessing:
        return ""
    return (
        f"The training loss ended at {loss:.3g}; a uniform prediction over {num_classes} "
        f"classes gives {guessing:.3g}. The model has learned nothing measurable."
    )


def short(budget: float, spent: float, steps: int, each: int) -> str:
    """A note on a budget of less than one epoch.

    Args:
        budget: seconds.
        spent: seconds that are over.
        steps: planned steps.
        each: steps per epoch.

    Example:
        >>> short(60, 40.2, 30, 400)
        'After 40.2 s of preparation, 30 steps are planned for the rest of the budget of 60 s, 7.5 %
        of an epoch; the number depends on the speed of the machine.'
        >>> short(1, 3.04, 1, 400)
        'The budget of 1 s was used up by 3.0 s of preparation; 1 step is run anyway.'
    """
    count = f"{steps:,} step{'s' if steps != 1 else ''}"
    if spent >= budget:
        verb = "are" if steps != 1 else "is"
        return (
            f"The budget of {budget:g} s was used up by {spent:.1f} s of preparation; {count} "
            f"{verb} run anyway."
        )
    return (
        f"After {spent:.1f} s of preparation, {count} {'are' if steps != 1 else 'is'} planned for "
        f"the rest of the budget of {budget:g} s, {100 * steps / each:.2g} % of an epoch; the "
        "number depends on the speed of the machine."
    )


def part(name: str, n: int, of: int) -> str:
    """A note on a measurement on some of the samples.

    Example:
        >>> part("test", 250, 10_000)
        'Measured on 250 of 10,000 test samples, a random subset, as the budget left no time for
        more; the CIs are wider accordingly.'
    """
    return (
        f"Measured on {n:,} of {of:,} {name} samples, a random subset, as the budget left no time "
        "for more; the CIs are wider accordingly."
    )


def kept(which: str, frozen: float, finetuned: float) -> str:
    """Which of two networks is kept, with the accuracy of both on validation.

    Example:
        >>> kept("frozen", 0.91, 0.88)
        'Kept: the linear classifier on frozen features, 91.0 % on validation; fine-tuned 88.0 %.'
    """
    if which == "frozen":
        return (
            f"Kept: the linear classifier on frozen features, {100 * frozen:.1f} % on validation; "
            f"fine-tuned {100 * finetuned:.1f} %."
        )
    return (
        f"Kept: the fine-tuned network, {100 * finetuned:.1f} % on validation; with frozen "
        f"features {100 * frozen:.1f} %."
    )


def overrun(budget: float, spent: float, prepared: float) -> str:
    """A note on an exceeded budget.

    Args:
        budget: seconds.
        spent: seconds that are over.
        prepared: those before the first step.

    Example:
        >>> overrun(1, 4.25, 3.0)
        'The budget of 1 s is exceeded: 4.2 s so far, 3.0 s of them before the first step.'
    """
    return (
        f"The budget of {budget:g} s is exceeded: {spent:.1f} s so far, {prepared:.1f} s of them "
        "before the first step."
    )
