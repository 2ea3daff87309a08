"""Two views of each sample in a batch, both drawn to one answer: that of another model.

A network that is changed a little, and was trained before, should answer as it did. Its labels say
little of that: on the samples that it was trained with it is right anyway. So beside the loss
stands half the mean squared difference between its logits and those of the network as it was (the
regression of logits of J. Ba, R. Caruana, "Do Deep Nets Really Need to be Deep?", NeurIPS 2014).
A batch that shows every sample twice, each changed by itself, says moreover what should be the
same: both views are drawn to the mean of what the other model answers to them, and on request to
each other (the consistency of S. Laine, T. Aila, "Temporal Ensembling for Semi-Supervised
Learning", ICLR 2017).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from neocog.types import Batch

__all__ = ["Guided", "drawn_to", "twice"]


def twice(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Each batch with its samples a second time behind the first.

    Example:
        >>> x, y = torch.zeros(3, 1, 2, 2), torch.arange(3)
        >>> next(twice(iter([Batch(x, y, y)]))).y.tolist()
        [0, 1, 2, 0, 1, 2]
    """
    for b in batches:
        yield Batch(torch.cat([b.x, b.x]), torch.cat([b.y, b.y]), torch.cat([b.index, b.index]))


class _DrawnTo(torch.autograd.Function):
    """What came, with the gradient of its distance from a target added to its own."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, weight: float) -> Tensor:
        ctx.save_for_backward((logits.detach() - target) * (weight / max(1, logits.numel())))
        return logits.view_as(logits)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient + ctx.saved_tensors[0].to(gradient.dtype), None, None


def drawn_to(logits: Tensor, target: Tensor, weight: float) -> Tensor:
    """Logits as they are; backwards, weight/2 · mean (logits - target)² is added to the loss.

    Args:
        logits: (B, K).
        target: (B, K).
        weight: of the difference beside the loss.

    Example:
        >>> logits = torch.tensor([[1.0], [3.0]], requires_grad=True)
        >>> drawn_to(logits, torch.tensor([[2.0], [2.0]]), 2.0).sum().backward()
        >>> logits.grad.flatten().tolist()
        [0.0, 2.0]
    """
    held: Tensor = _DrawnTo.apply(logits, target, weight)  # type: ignore[no-untyped-call]
    return held


class Guided(nn.Module):
    """A model whose answers, in training mode, are drawn to those of another.

    The other one is no part of it: it is neither trained nor moved nor saved with it.

    Args:
        model: what is trained, on batches that were made by `twice`.
        guide: answers to the same samples; in evaluation mode.
        weight: of the difference beside the loss, in units of the deviation of the guide's logits.
        steady: weight of half the mean squared difference between the two views' logits, in the
            same units.
    """

    def __init__(
        self, model: nn.Module, guide: nn.Module, weight: float, *, steady: float = 0.0
    ) -> None:
        super().__init__()
        self.model, self.weight, self.steady = model, weight, steady
        self._guide = [guide]
        self.training = model.training  # a loop takes a model in training mode as it is

    def forward(self, x: Tensor) -> Tensor:
        """As the model answers."""
        logits: Tensor = self.model(x)
        if not self.training:
            return logits
        with torch.no_grad():
            target = _mean(self._guide[0](x))
            unit = max(float(target.float().std()), 1e-6)
            weight = self.weight
            if self.steady:  # half the square of a difference is four times that from the mean
                weight += 4 * self.steady
                target = (self.weight * target + 4 * self.steady * _mean(logits)) / weight
        return drawn_to(logits, torch.cat([target, target]).to(logits.dtype), weight / unit)


def _mean(logits: Tensor) -> Tensor:
    """Of the two views of each sample."""
    return torch.stack(logits.chunk(2)).mean(0)
