"""Two views of each sample in a batch, both drawn to one answer: that of another model.

A network that is changed a little, and was trained before, should answer as it did. Its labels say
little of that: on the samples that it was trained with it is right anyway. So beside the loss
stands half the mean squared difference between its logits and those of the network as it was (the
regression of logits of J. Ba, R. Caruana, "Do Deep Nets Really Need to be Deep?", NeurIPS 2014).
A batch that shows every sample twice, each changed by itself, says moreover what should be the
same: both views are drawn to one answer, the mean of what the other model said to this sample so
far, in this pass and in those before (as S. Laine, T. Aila, "Temporal Ensembling for
Semi-Supervised Learning", ICLR 2017, gather answers over passes). A mean over several views wavers
less than an answer to one, and is right more often. On request the two views are drawn to each
other too (the consistency of the same paper), and then differ in their place alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from neocog.types import Batch

__all__ = ["Guide", "Guided", "drawn_to", "twice"]

VIEWS = 8
"""So many views of a sample are answered by a guide, and then no more: their mean is known."""

ROOM = 1 << 28
"""Numbers that a guide remembers at most, a gigabyte; beyond, it knows the running batch alone."""


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


class Guide:
    """What another model answers to a sample, as a mean over the views that it was shown so far.

    Args:
        model: answers; in evaluation mode.
        samples: of the split that batches are drawn from.

    Example:
        >>> guide = Guide(nn.Flatten(), samples=1)
        >>> def shown(a, b):
        ...     x = torch.tensor([[[[a]]], [[[b]]]])
        ...     (_,) = guide.feed(iter([Batch(x, torch.zeros(2), torch.tensor([0, 0]))]))
        ...     return guide(x).item()
        >>> shown(1.0, 3.0), shown(5.0, 7.0)
        (2.0, 4.0)
    """

    def __init__(self, model: nn.Module, samples: int) -> None:
        self.model = model
        self._views = torch.zeros(samples, dtype=torch.int64)
        self._sum: Tensor | None = None
        self._index = torch.zeros(0, dtype=torch.int64)

    def feed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Batches of `twice`, noting which samples each one shows."""
        for b in batches:
            self._index = b.index[: len(b.index) // 2]
            yield b

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """What to answer to the running batch.

        Args:
            x: (2B, ...), both views of what `feed` handed over last.

        Returns:
            (B, K), in float32.
        """
        if self._sum is None:
            answers = self._mean(x)
            if answers.shape[1] * len(self._views) > ROOM:
                return answers
            self._sum = answers.new_zeros(len(self._views), answers.shape[1])
            self._add(self._index, answers)
        else:
            new = self._views[self._index] < VIEWS
            if new.all():
                self._add(self._index, self._mean(x))
            elif new.any():
                self._add(self._index[new], self._mean(x[torch.cat([new, new]).to(x.device)]))
        views = self._views[self._index, None].to(self._sum.device)
        return 2 * self._sum[self._index.to(self._sum.device)] / views

    def _mean(self, x: Tensor) -> Tensor:
        return _mean(self.model(x)).float()

    def _add(self, index: Tensor, answers: Tensor) -> None:
        """A sample is in a batch once; each time it is shown in two views."""
        assert self._sum is not None
        self._views[index] += 2
        self._sum[index.to(answers.device)] += answers


class Guided(nn.Module):
    """A model whose answers, in training mode, are drawn to those of another.

    The other one is no part of it: it is neither trained nor moved nor saved with it.

    Args:
        model: what is trained, on batches that were made by `twice` and went through `guide.feed`.
        guide: what both views are drawn to.
        weight: of the difference beside the loss, in units of the deviation of the guide's logits.
        consistency_weight: weight of half the mean squared difference between the two views'
            logits, in the same units.
    """

    def __init__(
        self, model: nn.Module, guide: Guide, weight: float, *, consistency_weight: float = 0.0
    ) -> None:
        super().__init__()
        self.model, self.guide, self.weight, self.consistency_weight = (
            model,
            guide,
            weight,
            consistency_weight,
        )
        self.training = model.training  # a loop takes a model in training mode as it is

    def forward(self, x: Tensor) -> Tensor:
        """As the model answers."""
        logits: Tensor = self.model(x)
        if not self.training:
            return logits
        with torch.no_grad():
            target = self.guide(x)
            unit = max(float(target.std()), 1e-6)
            weight = self.weight
            if (
                self.consistency_weight
            ):  # half the square of a difference is four times that from the mean
                weight += 4 * self.consistency_weight
                target = (
                    self.weight * target + 4 * self.consistency_weight * _mean(logits)
                ) / weight
        return drawn_to(logits, torch.cat([target, target]).to(logits.dtype), weight / unit)


def _mean(logits: Tensor) -> Tensor:
    """Of the two views of each sample."""
    return torch.stack(logits.chunk(2)).mean(0)
