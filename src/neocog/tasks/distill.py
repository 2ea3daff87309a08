"""Distillation from a teacher over two views of each sample, with a consistency loss.

A trained network that was modified a little should predict as before. Labels say little of that: on
its training samples it is correct anyway. So the loss gets half the mean squared difference between
its logits and those of the original network, the teacher (regression of logits, J. Ba, R. Caruana,
"Do Deep Nets Really Need to be Deep?", NeurIPS 2014).
A batch holds every sample twice, each view augmented separately: both views are pulled toward one
target, the running mean of the teacher's logits for this sample, over all epochs so far (as S.
Laine, T. Aila, "Temporal Ensembling for Semi-Supervised Learning", ICLR 2017, accumulate
predictions over epochs). A mean over several views has less variance than one view, and is correct
more often. With a consistency weight the two views are pulled toward each other too (the
consistency of the same paper), and then differ in their shift alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neocog.tasks.task import Target, Task
from neocog.types import Batch

__all__ = ["Distillation", "Guide", "twice"]

VIEWS = 8
"""Views of a sample that a guide evaluates; after that their mean is kept."""

ROOM = 1 << 28
"""Values that a guide stores at most, a gigabyte; beyond, it keeps the current batch alone."""


def twice(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Each batch concatenated with itself.

    Example:
        >>> x, y = torch.zeros(3, 1, 2, 2), torch.arange(3)
        >>> next(twice(iter([Batch(x, y, y)]))).y.tolist()
        [0, 1, 2, 0, 1, 2]
    """
    for b in batches:
        yield Batch(torch.cat([b.x, b.x]), torch.cat([b.y, b.y]), torch.cat([b.index, b.index]))


class Guide:
    """Running mean of a teacher's logits per sample, over the views so far.

    Args:
        model: the teacher, in evaluation mode.
        samples: size of the training split.

    Example:
        >>> guide = Guide(nn.Flatten(), samples=1)
        >>> def mean(a, b):
        ...     x = torch.tensor([[[[a]]], [[[b]]]])
        ...     (_,) = guide.feed(iter([Batch(x, torch.zeros(2), torch.tensor([0, 0]))]))
        ...     return guide(x).item()
        >>> mean(1.0, 3.0), mean(5.0, 7.0)
        (2.0, 4.0)
    """

    def __init__(self, model: nn.Module, samples: int) -> None:
        self.model = model
        self._views = torch.zeros(samples, dtype=torch.int64)
        self._sum: Tensor | None = None
        self._index = torch.zeros(0, dtype=torch.int64)

    def feed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Batches of `twice`, recording the indices of their samples."""
        for b in batches:
            self._index = b.index[: len(b.index) // 2]
            yield b

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Target logits of the current batch.

        Args:
            x: (2B, ...), both views of the last batch of `feed`.

        Returns:
            (B, K), in float32.
        """
        if self._sum is None:
            logits = self._mean(x)
            if logits.shape[1] * len(self._views) > ROOM:
                return logits
            self._sum = logits.new_zeros(len(self._views), logits.shape[1])
            self._add(self._index, logits)
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

    def _add(self, index: Tensor, logits: Tensor) -> None:
        """Add logits; a sample is in a batch once, as two views."""
        assert self._sum is not None
        self._views[index] += 2
        self._sum[index.to(logits.device)] += logits


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """Another task, and logits that are pulled toward those of a teacher.

    The loss that it reports is that of the other task; its gradient has both parts.

    Args:
        task: the other one; its outputs are logits, (2B, K).
        guide: target of both views, of batches of `twice` that passed `guide.feed`.
        weight: of half the mean squared difference from the target, in units of the standard
            standard deviation of the guide's logits.
        consistency_weight: weight of half the mean squared difference between the two views'
            logits, in the same units; 0 for none.

    Example:
        >>> from neocog.tasks.classify import Classification
        >>> guide = Guide(nn.Flatten(), samples=1)
        >>> task = Distillation(task=Classification(), guide=guide, weight=1.0)
        >>> task.paired
        False
    """

    task: Task
    guide: Guide
    weight: float
    consistency_weight: float = 0.0

    @property
    def targets(self) -> tuple[str, ...]:
        """Those of the task."""
        return self.task.targets

    @property
    def paired(self) -> bool:
        """The two views differ in their shift alone where they are pulled toward each other."""
        return self.consistency_weight > 0

    def forward(self, model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, (2B, K), and the gradient that pulls them toward their target."""
        logits: Tensor = self.task.forward(model, x)
        with torch.no_grad():
            target = self.guide(x)
            unit = max(float(target.std()), 1e-6)
            weight = self.weight
            if self.consistency_weight:
                # Half the square of a difference is four times that from the mean.
                pair = 4 * self.consistency_weight
                weight += pair
                target = (self.weight * target + pair * _mean(logits)) / weight
            apart = logits - torch.cat([target, target]).to(logits.dtype)
            return logits, apart * (weight / unit / max(1, logits.numel()))

    def loss(self, output: tuple[Tensor, Tensor], target: Target) -> Tensor:
        """The loss of the other task; backward, the pull is added to its gradient."""
        logits, pull = output
        pulled = (logits * pull).sum()
        return self.task.loss(logits, target) + (pulled - pulled.detach())


def _mean(logits: Tensor) -> Tensor:
    """Mean over the two views of each sample."""
    return torch.stack(logits.chunk(2)).mean(0)
