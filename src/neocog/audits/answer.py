"""What an answer is, by task, and when two answers agree."""

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
    """How answers of one task are compared.

    Args:
        answer: a model's output to what is compared.
        align: an answer for samples that were moved, the offset, the size of the samples and
            whether what left came in again, to the answer moved back; what answers for the whole
            sample stays as it is.
        agreement: two answers to one number a sample, 1 for the same.
        unit: of that number: "%" for a share, "" for a distance.
    """

    answer: Callable[[Tensor], Tensor]
    align: Callable[[Tensor, Tensor, tuple[int, ...], bool], Tensor]
    agreement: Callable[[Tensor, Tensor], Tensor]
    unit: str


def kind_of(task: str) -> Kind:
    """The kind of answers of a task.

    Example:
        >>> kind = kind_of("classify")
        >>> kind.answer(torch.tensor([[0.1, 0.9], [0.8, 0.2]])).tolist()
        [1, 0]
    """
    return KINDS[task]


UNKNOWN = -1
"""In a map of classes: a pixel that one of the two positions does not show."""


def _stays(answer: Tensor, offset: Tensor, size: tuple[int, ...], wraps: bool) -> Tensor:
    return answer


def _moved_back(answer: Tensor, offset: Tensor, size: tuple[int, ...], wraps: bool) -> Tensor:
    """Each map of classes shifted by minus its offset; what comes in is unknown, or wraps."""
    jump = [m / n for n, m in zip(answer.shape[1:], size, strict=True)]
    back = Translation(-offset, "circular" if wraps else "zeros")
    steps = back.steps(jump)
    if bool(((steps - steps.round()).abs() > EVEN).any()):
        raise UsageError(
            f"A map of {'×'.join(map(str, answer.shape[1:]))} for samples of "
            f"{'×'.join(map(str, size))} can be moved back by whole steps only. "
            "Give the model's output the size of its input, or audit whole shifts."
        )
    maps = answer[:, None]
    moved, known = back(maps, jump), back.known(maps, jump)
    return (moved if known is None else torch.where(known, moved, UNKNOWN))[:, 0]


def _pixels_equal(a: Tensor, b: Tensor) -> Tensor:
    known = ((a != UNKNOWN) & (b != UNKNOWN)).flatten(1)
    same = (a == b).flatten(1) & known
    return same.sum(1).double() / known.sum(1).clamp(min=1)


KINDS: dict[str, Kind] = {
    "classify": Kind(
        answer=lambda out: out.argmax(1),
        align=_stays,
        agreement=lambda a, b: (a == b).double(),
        unit="%",
    ),
    "segment": Kind(
        answer=lambda out: out.argmax(1), align=_moved_back, agreement=_pixels_equal, unit="%"
    ),
    "regress": Kind(
        answer=lambda out: out.reshape(len(out), -1),
        align=_stays,
        agreement=lambda a, b: (a - b).abs().double().mean(1),
        unit="",
    ),
}
"""Task to kind. For a segmenter, the mean over samples of the share of pixels that agree is its
mean average segmentation shift consistency (Rojas-Gomez et al. 2022)."""
