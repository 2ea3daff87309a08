"""What there is to predict of each sample: the type of the targets that stand beside the pixels.

A source states it once; a task names the kinds that it learns from (`tasks.task.Task.targets`), and
what needs targets requires a kind instead of inspecting arrays.

    class    index of a class, int64 (N,); -1 where it is unknown
    number   one number or several, float (N,) or (N, M)
    mask     index of a class for each pixel, integers (N, H, W); -1 where it is unknown
    boxes    corners and class of any number of objects, for each sample float (M, 5)
    none     nothing: images without labels
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from neocog.errors import DataError, UsageError, did_you_mean
from neocog.jsonable import Jsonable

__all__ = ["KINDS", "TargetSpec"]

KINDS = ("class", "number", "mask", "boxes", "none")
"""Of targets."""

Targets = np.ndarray | Sequence[np.ndarray] | None
"""An array with a row per sample; of boxes an array per sample."""


@dataclass(frozen=True, kw_only=True)
class TargetSpec(Jsonable):
    """The type of the targets of some samples.

    Args:
        kind: one of `KINDS`.
        classes: names of the indices, of samples, pixels or boxes; none of numbers.

    Raises:
        UsageError: no such kind, or names where there are no indices.

    Example:
        >>> TargetSpec(kind="class", classes=("cat", "dog")).check(np.array([0, 1, -1]), 3)
        >>> TargetSpec.of(np.zeros((2, 8, 8), np.int64)).kind
        'mask'
    """

    kind: str
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the kind."""
        if self.kind not in KINDS:
            raise UsageError(
                f"`{self.kind}` is not a kind of target. {did_you_mean(self.kind, KINDS)}"
            )
        if self.classes and self.kind in ("number", "none"):
            raise UsageError(
                f"Classes name the indices of classes, masks and boxes; got {len(self.classes)} "
                f"with targets of kind `{self.kind}`. Leave them out."
            )

    @classmethod
    def of(cls, targets: Targets, classes: Sequence[str] = ()) -> Self:
        """The type of targets that a program holds, from their numbers and axes.

        Args:
            targets: see the head of this module.
            classes: names of the indices.

        Raises:
            DataError: they are none of these kinds.
        """
        if targets is None:
            return cls(kind="none")
        if not isinstance(targets, np.ndarray):
            return cls(kind="boxes", classes=tuple(classes))
        whole = targets.dtype.kind in "iub"
        if targets.ndim == 1 and whole:
            return cls(kind="class", classes=tuple(classes))
        if targets.ndim == 3 and whole:
            return cls(kind="mask", classes=tuple(classes))
        if targets.ndim in (1, 2) and targets.dtype.kind in "iubf":
            return cls(kind="number")
        raise DataError(
            "Targets are class indices (N,), numbers (N,) or (N, M), masks of class indices "
            f"(N, H, W), or boxes; got {targets.dtype} {targets.shape}. Convert them."
        )

    def check(self, targets: Targets, n: int) -> None:
        """Hold targets against the type.

        Args:
            targets: of the samples.
            n: samples.

        Raises:
            DataError: they are of another kind, of another number, or name no class.
        """
        actual = type(self).of(targets)
        if actual.kind != self.kind:
            raise DataError(
                f"These samples have targets of kind `{self.kind}`; got `{actual.kind}`. "
                "Give one of a kind to every sample."
            )
        if targets is None:
            return
        if len(targets) != n:
            raise DataError(
                f"Every sample has one target; got {n} samples and {len(targets)} targets. "
                "Give as many, or none."
            )
        indices = _indices(targets)
        if self.classes:
            low, high = (int(indices.min()), int(indices.max())) if indices.size else (0, 0)
            if low < -1 or high >= len(self.classes):
                raise DataError(
                    f"An index of a class is from 0 to {len(self.classes) - 1}, or -1 where it is "
                    f"unknown; got {low} to {high}. Count from 0, or name more classes."
                )


def _indices(targets: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Of classes; of a box the last of its five numbers."""
    if isinstance(targets, np.ndarray):
        return targets
    for box in targets:
        if box.ndim != 2 or box.shape[1] != 5:
            raise DataError(
                "Boxes are (M, 5): left, top, right, bottom in pixels, and the class; "
                f"got {box.shape}."
            )
    return np.concatenate([box[:, 4] for box in targets]) if len(targets) else np.zeros(0)
