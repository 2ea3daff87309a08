"""A budget of seconds for a whole command, and the time that is left of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from neocog.runs.recipe import TrainConfig

__all__ = ["Budget"]

MEASURING = 0.1
"""Share of a budget that goes into finding out how fast the machine is, at most."""

AFTER = 1.5
"""Seconds for the report and other writing after the last measurement, at most a fifth of all."""


@dataclass
class Budget:
    """Seconds for a command, from its start to its end.

    Args:
        seconds: 0 for as long as it takes.
        began: `time.monotonic()` at the start.
        step: seconds of a training step, as measured; 0 before.
        prediction: seconds of a prediction for one sample, as measured; 0 before.

    Example:
        >>> Budget(0.0, began=0.0).left()
        inf
    """

    seconds: float
    began: float
    step: float = 0.0
    prediction: float = 0.0

    @classmethod
    def of(cls, train_config: TrainConfig, began: float) -> Budget:
        """What a recipe asks for; a plan that was written down is kept, whatever it takes."""
        return cls(0.0 if train_config.plan or train_config.epochs else train_config.budget, began)

    @property
    def measuring(self) -> float:
        """Seconds in which to find out how fast the machine is."""
        return MEASURING * self.seconds if self.seconds else math.inf

    @property
    def after(self) -> float:
        """Seconds that are kept for what comes after the last measurement."""
        return min(AFTER, self.seconds / 5)

    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    def left(self) -> float:
        """Seconds to train and measure in; below 0 where the budget is over."""
        return self.seconds - self.spent() - self.after if self.seconds else math.inf
