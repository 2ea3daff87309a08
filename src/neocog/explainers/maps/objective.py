"""The scalar that is explained: one number for each image.

classifier (B, K)       the logit of a class
segmenter (B, K, *S)    the mean logit of a class over the pixels that are predicted as it
                        (Vinogradova, Dibrov, Myers 2020, "Towards Interpretable Semantic
                        Segmentation via Gradient-weighted Class Activation Mapping")
regressor (B, M)        one of its outputs
anything                whatever a function of the output returns, (B,)
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

__all__ = ["Target", "area", "first_of", "model_output", "rows_of", "share", "value"]

Target = int | Sequence[int] | Tensor | np.ndarray | Callable[[Tensor], Tensor] | None
"""A class for all images or for each, a function of the output, or None for the prediction."""


def value(output: Tensor, target: Target) -> tuple[Tensor, tuple[int | None, ...]]:
    """The scalar that is explained, and the class it belongs to, for each image.

    Args:
        output: (B, K), (B, K, *S) or (B,).
        target: see `Target`; None takes the predicted class, of a segmenter the one with the most
            pixels.

    Returns:
        Numbers (B,), and class indices, None where a function was given.

    Raises:
        UsageError: there is no such class, or not one per image.
        ShapeMismatch: a function of the output does not give one number per image.

    Example:
        >>> value(torch.tensor([[1.0, 3.0], [2.0, 0.0]]), None)
        (tensor([3., 2.]), (1, 0))
    """
    if callable(target):
        result: object = target(output)
        if not isinstance(result, Tensor) or result.shape != output.shape[:1]:
            returned = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise ShapeMismatch(
                f"A target function must return one value per image, ({len(output)},); "
                f"got {returned}. Reduce it to one value per image.",
                expected=(len(output),),
                actual=returned if isinstance(returned, tuple) else (),
            )
        return result, (None,) * len(output)
    output = output[:, None] if output.ndim == 1 else output
    classes = _classes(output, target)
    picked = output[torch.arange(len(output), device=output.device), classes]
    if output.ndim > 2:
        where = area(output, classes)
        picked = (picked * where).flatten(1).sum(1) / where.flatten(1).sum(1)
    return picked, tuple(classes.tolist())


def area(output: Tensor, classes: Tensor) -> Tensor:
    """The pixels that a segmenter predicts as a class, (B, *S); all where there are none."""
    shape = (-1, *[1] * (output.ndim - 2))
    where = output.detach().argmax(1) == classes.view(shape)
    none = ~where.flatten(1).any(1)
    return (where | none.view(shape)).to(output.dtype)


def share(
    output: Tensor,
    targets: Sequence[int | None],
    where: Tensor | None,
    *,
    kind: str = "logits",
) -> Tensor:
    """The evidence of an output for a class, (B,): its probability where there are several classes.

    Args:
        output: (B, K), (B, K, *S) or (B,).
        targets: class indices.
        where: of a segmenter the pixels that count, (B, *S): those of the original image.
        kind: of the outputs, see `neocog.graph.output_kind`.
    """
    output = output[:, None] if output.ndim == 1 else output
    index = torch.tensor([int(t or 0) for t in targets], device=output.device)
    p = probabilities(output, kind) if output.shape[1] > 1 else output
    picked = p[torch.arange(len(output), device=output.device), index]
    if where is not None:
        picked = (picked * where).flatten(1).sum(1) / where.flatten(1).sum(1)
    return picked


def model_output(out: Any) -> Tensor:
    """The output tensor of a model.

    Raises:
        ModelError: there is none, or not one row per image.
    """
    tensor = first_tensor(out)
    if tensor is None or tensor.ndim < 1 or not tensor.is_floating_point():
        raise ModelError(
            f"An explained model must return a tensor with one row per image; "
            f"got {type(out).__name__}. Wrap it so that it returns one."
        )
    return tensor


def first_of(target: Target) -> Target:
    """The target of the first image alone."""
    if target is None or callable(target):
        return target
    return _plain(target)[:1] if _is_many(target) else target


def rows_of(target: Target, count: int, rows: slice) -> Target:
    """The target of samples.

    Args:
        target: see `Target`.
        count: images in all; a list of classes of another length is returned as it is.
        rows: of the images.

    Example:
        >>> rows_of([5, 6, 7], 3, slice(1, 3)), rows_of(4, 3, slice(1, 3))
        ([6, 7], 4)
    """
    if target is None or callable(target) or not _is_many(target):
        return target
    plain = _plain(target)
    return plain[rows] if len(plain) == count else plain


def _classes(output: Tensor, target: Target) -> Tensor:
    """Class indices, (B,)."""
    n, k = output.shape[:2]
    if target is None:
        best = output.detach().argmax(1)
        if output.ndim == 2:
            return best
        counts = torch.nn.functional.one_hot(best.flatten(1), k).sum(1)
        return counts.argmax(1)
    wanted = _plain(target) if _is_many(target) else _plain(target) * n
    if len(wanted) != n:
        raise UsageError(
            f"Give one class for all images, or one per image; got {len(wanted)} classes for {n} "
            "images."
        )
    for c in wanted:
        if not 0 <= c < k:
            raise UsageError(
                f"A class is a number from 0 to {k - 1}, one per output; got {c}. "
                "Count the outputs from 0."
            )
    return torch.tensor(wanted, device=output.device)


def _is_many(target: Any) -> bool:
    return isinstance(target, Sequence) or getattr(target, "ndim", 0) > 0


def _plain(target: Any) -> list[int]:
    """As a list of integers."""
    rows = target.tolist() if isinstance(target, Tensor | np.ndarray) else target
    try:
        return [operator.index(c) for c in (rows if isinstance(rows, Sequence) else [rows])]
    except TypeError:
        raise UsageError(
            f"A class is an integer, or one per image; got `{target!r}`. Count the outputs from 0."
        ) from None
