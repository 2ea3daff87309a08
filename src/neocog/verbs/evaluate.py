"""Score a trained model on data."""

from __future__ import annotations

import os

from neocog.runs.trained import load
from neocog.tasks.classify import Evaluation

__all__ = ["evaluate"]

Place = str | os.PathLike[str]


def evaluate(model: Place, data: Place, *, strict: bool = False) -> Evaluation:
    """Accuracy with its interval, loss, calibration error, per class and confusion.

    Args:
        model: a run folder.
        data: a place of data; `DATA:val` picks a split, the test split else.
        strict: stop at the first picture that cannot be used.

    Raises:
        NeocogError: the model or the data cannot be used.
    """
    return load(model).evaluate(data, strict=strict)
