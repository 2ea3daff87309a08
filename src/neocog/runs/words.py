"""What is said of a training's numbers: each sentence is computed from those it speaks of."""

from __future__ import annotations

import math

__all__ = ["chance", "ended", "moved", "overrun", "part", "short"]


FEW = 2
"""A loss that has not fallen in fewer steps says nothing of the learning rate."""


def chance(objective: str, classes: int) -> float:
    """The loss of one who holds all classes for equally probable.

    Args:
        objective: `cross_entropy` or `mean_squared_error` (of probabilities).
        classes: how many.

    Example:
        >>> round(chance("cross_entropy", 10), 4), chance("mean_squared_error", 2)
        (2.3026, 0.25)
    """
    if objective == "mean_squared_error":
        return (classes - 1) / classes**2
    return math.log(classes)


def moved(first: float, last: float, *, guessing: float, rate: float, steps: int) -> str:
    """What the loss did in the first steps, where that is a reason to look at the learning rate.

    Args:
        first: loss of the first step.
        last: mean loss of the last steps.
        guessing: what `chance` says.
        rate: highest learning rate.
        steps: how many.

    Returns:
        A sentence; nothing where the loss fell, is so low that it need not, or had no time to.

    Example:
        >>> moved(0.703, 5.24, guessing=2.3, rate=0.15, steps=27)
        'The loss exploded in the first 27 steps, from 0.703 to 5.24: the learning rate 0.15 is
        probably too high. Try `--lr 0.015`.'
        >>> moved(2.3, 0.4, guessing=2.3, rate=0.15, steps=27)
        ''
    """
    what = f"in the first {steps:,} steps, from {first:.3g} to {last:.3g}"
    lower = f"Try `--lr {rate / 10:.2g}`."
    if not (math.isfinite(first) and math.isfinite(last)):
        return f"The loss left the range of numbers {what}, at learning rate {rate:.3g}. {lower}"
    if last > 2 * max(first, guessing):
        return (
            f"The loss exploded {what}: the learning rate {rate:.3g} is probably too high. {lower}"
        )
    if steps < FEW:
        return ""
    if last > 1.02 * first and (last > guessing / 2 or last > 2 * first > 0):
        return f"The loss rose {what}: the learning rate {rate:.3g} may be too high. {lower}"
    if last > 0.98 * first and last > guessing / 2:
        return (
            f"The loss has hardly moved {what}: the learning rate {rate:.3g} may be far too low or "
            "too high."
        )
    return ""


def ended(loss: float, *, guessing: float, classes: int) -> str:
    """Whether a training ended where a guess would have; nothing where it did not.

    Args:
        loss: mean training loss of the last pass.
        guessing: what `chance` says.
        classes: how many.

    Example:
        >>> ended(2.4, guessing=2.3026, classes=10)
        'The training loss ended at 2.4; holding all 10 classes for equally probable gives 2.3. The
        model has learned nothing that its loss shows.'
    """
    if loss < guessing:
        return ""
    return (
        f"The training loss ended at {loss:.3g}; holding all {classes} classes for equally "
        f"probable gives {guessing:.3g}. The model has learned nothing that its loss shows."
    )


def short(budget: float, spent: float, steps: int, each: int) -> str:
    """A budget that does not last for one pass.

    Args:
        budget: seconds.
        spent: seconds that are over.
        steps: that are planned.
        each: steps of a pass.

    Example:
        >>> short(60, 40.2, 30, 400)
        'After 40.2 s of starting, 30 steps are planned for the rest of the budget of 60 s, 7.5 % of
        a pass over the training samples; a faster or slower machine makes it more or fewer.'
        >>> short(1, 3.04, 1, 400)
        'The budget of 1 s is over after 3.0 s of starting; 1 step is made all the same.'
    """
    count = f"{steps:,} step{'s' if steps != 1 else ''}"
    if spent >= budget:
        verb = "are" if steps != 1 else "is"
        return (
            f"The budget of {budget:g} s is over after {spent:.1f} s of starting; {count} {verb} "
            "made all the same."
        )
    return (
        f"After {spent:.1f} s of starting, {count} {'are' if steps != 1 else 'is'} planned for the "
        f"rest of the budget of {budget:g} s, {100 * steps / each:.2g} % of a pass over the "
        "training samples; a faster or slower machine makes it more or fewer."
    )


def part(name: str, n: int, of: int) -> str:
    """A measurement on some of the samples.

    Example:
        >>> part("test", 250, 10_000)
        'Measured on 250 of 10,000 test samples, drawn at random, as the budget left no time for
        more; intervals are as wide as that makes them.'
    """
    return (
        f"Measured on {n:,} of {of:,} {name} samples, drawn at random, as the budget left no time "
        "for more; intervals are as wide as that makes them."
    )


def overrun(budget: float, spent: float, prepared: float) -> str:
    """A budget that was not kept.

    Args:
        budget: seconds.
        spent: seconds that are over.
        prepared: those before the first step.

    Example:
        >>> overrun(1, 4.25, 3.0)
        'The budget of 1 s is overrun: 4.2 s are over, 3.0 s of them before the first step.'
    """
    return (
        f"The budget of {budget:g} s is overrun: {spent:.1f} s are over, {prepared:.1f} s of them "
        "before the first step."
    )
