"""Figures that need labels, where only some samples have them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neocog.data.samples import Samples

__all__ = ["of_known", "unlabeled"]


def unlabeled(data: Samples) -> Samples:
    """The same samples, without labels where some are unknown.

    Figures of shifts are of all samples; a figure of some of them is marked as such.

    Args:
        data: whose class indices may be -1.

    Example:
        >>> import torch
        >>> unlabeled(Samples.of((torch.zeros(2, 1, 4, 4), [0, -1]))).y is None
        True
    """
    if data.target.kind != "class" or not (np.asarray(data.y) < 0).any():
        return data
    return replace(data, y=None)


def of_known(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray | None, list[str]]:
    """For each sample of a known class, whether it is predicted; and a note on the others.

    Args:
        predicted: class indices, (B,).
        truth: the same, -1 where unknown.

    Returns:
        None where no class is known.

    Example:
        >>> right, said = of_known(np.array([0, 1, 1]), np.array([0, -1, 2]))
        >>> right.tolist(), said
        ([True, False], ['Accuracy covers the 2 of 3 samples whose class the model knows.'])
    """
    known = truth >= 0 if truth.dtype.kind == "i" else np.ones(len(truth), bool)
    if not known.any():
        return None, []
    notes = []
    if not known.all():
        notes.append(
            f"Accuracy covers the {known.sum():,} of {len(known):,} samples whose class the model "
            "knows."
        )
    return np.asarray((predicted == truth)[known]), notes
