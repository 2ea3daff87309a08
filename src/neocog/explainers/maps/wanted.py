"""What of an answer is explained: one number an image.

classifier (B, K)       the logit of a class, as the network puts it out
segmenter (B, K, *S)    the mean logit of a class over the pixels that the network gives it
                        (Vinogradova, Dibrov, Myers 2020, "Towards Interpretable Semantic
                        Segmentation via Gradient-weighted Class Activation Mapping")
regressor (B, M)        one of its numbers
anything                whatever a function of the answer returns, (B,)
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neocog.errors import ModelError, ShapeMismatch, UsageError
from neocog.graph.activations import first_tensor
from neocog.graph.output_kind import probabilities

__all__ = ["Target", "answer_of", "area", "first_of", "rows_of", "share", "value"]

Target = int | Sequence[int] | Tensor | np.ndarray | Callable[[Tensor], Tensor] | None
"""A class for all images, one an image, a function of the answer, or None for what is said."""


def value(answer: Tensor, target: Target) -> tuple[Tensor, tuple[int | None, ...]]:
    """The number that is explained, and the class it belongs to, of each image.

    Args:
        answer: (B, K), (B, K, *S) or (B,).
        target: see `Target`; None takes the class with the largest logit, of a segmenter the one
            with the most pixels.

    Returns:
        Numbers (B,), and class indices, None where a function was given.

    Raises:
        UsageError: there is no such class, or not one an image.
        ShapeMismatch: a function of the answer does not give one number an image.

    Example:
        >>> value(torch.tensor([[1.0, 3.0], [2.0, 0.0]]), None)
        (tensor([3., 2.]), (1, 0))
    """
    if callable(target):
        found: object = target(answer)
        if not isinstance(found, Tensor) or found.shape != answer.shape[:1]:
            came = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ShapeMismatch(
                f"A function of the answer returns one number an image, ({len(answer)},); "
                f"{came} came. Sum or pick until one is left.",
                expected=(len(answer),),
                actual=came if isinstance(came, tuple) else (),
            )
        return found, (None,) * len(answer)
    answer = answer[:, None] if answer.ndim == 1 else answer
    classes = _classes(answer, target)
    picked = answer[torch.arange(len(answer), device=answer.device), classes]
    if answer.ndim > 2:
        where = area(answer, classes)
        picked = (picked * where).flatten(1).sum(1) / where.flatten(1).sum(1)
    return picked, tuple(classes.tolist())


def area(answer: Tensor, classes: Tensor) -> Tensor:
    """The pixels to which a segmenter gives a class, (B, *S); all where it gives it to none."""
    shape = (-1, *[1] * (answer.ndim - 2))
    where = answer.detach().argmax(1) == classes.view(shape)
    none = ~where.flatten(1).any(1)
    return (where | none.view(shape)).to(answer.dtype)


def share(
    answer: Tensor,
    targets: Sequence[int | None],
    where: Tensor | None,
    *,
    kind: str = "logits",
) -> Tensor:
    """How much an answer speaks for a class, (B,): the probability of it where there are several.

    Args:
        answer: (B, K), (B, K, *S) or (B,).
        targets: class indices.
        where: of a segmenter the pixels that count, (B, *S): those of the image as it came.
        kind: of what logits were made, see `neocog.graph.output_kind`.
    """
    answer = answer[:, None] if answer.ndim == 1 else answer
    index = torch.tensor([int(t or 0) for t in targets], device=answer.device)
    p = probabilities(answer, kind) if answer.shape[1] > 1 else answer
    picked = p[torch.arange(len(answer), device=answer.device), index]
    if where is not None:
        picked = (picked * where).flatten(1).sum(1) / where.flatten(1).sum(1)
    return picked


def answer_of(out: Any) -> Tensor:
    """The tensor that a model answers with.

    Raises:
        ModelError: there is none, or not one row an image.
    """
    found = first_tensor(out)
    if found is None or found.ndim < 1 or not found.is_floating_point():
        raise ModelError(
            f"A model that is explained answers with a tensor of numbers, a row an image; "
            f"{type(out).__name__} came. Wrap it so that it returns one."
        )
    return found


def first_of(target: Target) -> Target:
    """What is wanted of the first image alone."""
    if target is None or callable(target):
        return target
    return _plain(target)[:1] if _is_many(target) else target


def rows_of(target: Target, count: int, rows: slice) -> Target:
    """What is wanted of some of the images.

    Args:
        target: see `Target`.
        count: images in all; classes of another number are given back as they are.
        rows: of the images.

    Example:
        >>> rows_of([5, 6, 7], 3, slice(1, 3)), rows_of(4, 3, slice(1, 3))
        ([6, 7], 4)
    """
    if target is None or callable(target) or not _is_many(target):
        return target
    plain = _plain(target)
    return plain[rows] if len(plain) == count else plain


def _classes(answer: Tensor, target: Target) -> Tensor:
    """Class numbers, (B,)."""
    n, k = answer.shape[:2]
    if target is None:
        best = answer.detach().argmax(1)
        if answer.ndim == 2:
            return best
        counts = torch.nn.functional.one_hot(best.flatten(1), k).sum(1)
        return counts.argmax(1)
    wanted = _plain(target) if _is_many(target) else _plain(target) * n
    if len(wanted) != n:
        raise UsageError(
            f"A class is given for all images, or one for each; {len(wanted)} came for {n}. "
            "Give as many as images."
        )
    for c in wanted:
        if not 0 <= c < k:
            raise UsageError(
                f"A class is a number from 0 to {k - 1}, one an output; {c} came. "
                "Count the outputs from 0."
            )
    return torch.tensor(wanted, device=answer.device)


def _is_many(target: Any) -> bool:
    return isinstance(target, Sequence) or getattr(target, "ndim", 0) > 0


def _plain(target: Any) -> list[int]:
    """As a list of whole numbers."""
    rows = target.tolist() if isinstance(target, Tensor | np.ndarray) else target
    try:
        return [operator.index(c) for c in (rows if isinstance(rows, Sequence) else [rows])]
    except TypeError:
        raise UsageError(
            f"A class is a whole number, or one an image; `{target!r}` came. "
            "Count the outputs from 0."
        ) from None
