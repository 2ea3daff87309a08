"""What is compared of a model's outputs, by task, and when two predictions agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from neocog.errors import UsageError
from neocog.symmetry.motion import Translation
from neocog.symmetry.warp import EVEN

__all__ = ["Kind", "kind_of"]


@dataclass(frozen=True)
class Kind:
    """How the predictions of one task are compared.

    Args:
        predicted: from a model's output to what is compared.
        align: from predictions of shifted samples, the offset, the size of the samples and whether
            content wraps around, to the predictions shifted back; a prediction of the whole sample
            stays as it is.
        agreement: from two predictions to one number per sample, 1 where they are the same.
        unit: of that number: "%" for a fraction, "" for a distance.
    """

    predicted: Callable[[Tensor], Tensor]
    align: Callable[[Tensor, Tensor, tuple[int, ...], bool], Tensor]
    agreement: Callable[[Tensor, Tensor], Tensor]
    unit: str


def kind_of(task: str) -> Kind:
    """How predictions of a task are compared.

    Example:
        >>> kind = kind_of("classify")
        >>> kind.predicted(torch.tensor([[0.1, 0.9], [0.8, 0.2]])).tolist()
        [1, 0]
    """
    return KINDS[task]


UNKNOWN = -1
"""In a map of classes: a pixel that only one of the two positions shows."""


def _stays(predicted: Tensor, offset: Tensor, size: tuple[int, ...], wraps: bool) -> Tensor:
    return predicted


def _moved_back(predicted: Tensor, offset: Tensor, size: tuple[int, ...], wraps: bool) -> Tensor:
    """Shift each map of classes by minus its offset; what enters is unknown, or wraps around."""
    jump = [m / n for n, m in zip(predicted.shape[1:], size, strict=True)]
    back = Translation(-offset, "circular" if wraps else "zeros")
    steps = back.steps(jump)
    if bool(((steps - steps.round()).abs() > EVEN).any()):
        raise UsageError(
            f"A map of {'×'.join(map(str, predicted.shape[1:]))} for samples of "
            f"{'×'.join(map(str, size))} can be shifted back by whole steps only. Give the model "
            "an output as large as its input, or audit integer shifts."
        )
    maps = predicted[:, None]
    moved, known = back(maps, jump), back.known(maps, jump)
    return (moved if known is None else torch.where(known, moved, UNKNOWN))[:, 0]


def _pixels_equal(a: Tensor, b: Tensor) -> Tensor:
    known = ((a != UNKNOWN) & (b != UNKNOWN)).flatten(1)
    same = (a == b).flatten(1) & known
    return same.sum(1).double() / known.sum(1).clamp(min=1)


KINDS: dict[str, Kind] = {
    "classify": Kind(
        predicted=lambda out: out.argmax(1),
        align=_stays,
        agreement=lambda a, b: (a == b).double(),
        unit="%",
    ),
    "segment": Kind(
        predicted=lambda out: out.argmax(1), align=_moved_back, agreement=_pixels_equal, unit="%"
    ),
    "regress": Kind(
        predicted=lambda out: out.reshape(len(out), -1),
        align=_stays,
        agreement=lambda a, b: (a - b).abs().double().mean(1),
        unit="",
    ),
}
"""Kind by task. For a segmenter, the mean over samples of the fraction of pixels that agree is its
mean average segmentation shift consistency (Rojas-Gomez et al. 2022)."""
