"""Training with few labels and many unlabeled images: FixMatch and pseudo-labels.

K. Sohn et al., "FixMatch: Simplifying semi-supervised learning with consistency and confidence",
NeurIPS 2020: where the network is confident of a weakly augmented image, its prediction is the
target of the same image, strongly augmented. D.-H. Lee, "Pseudo-label", ICML workshop 2013: the
prediction is the target of the very same view. A batch holds labeled images first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.tasks.task import Target, Task
from neocog.training.augment import Augment, augment

__all__ = ["FixMatch", "pseudo_loss"]


def pseudo_loss(logits: Tensor, teacher: Tensor, threshold: float) -> Tensor:
    """Cross-entropy with the teacher's class where it is confident, over all images.

    Args:
        logits: (B, K).
        teacher: logits that are not differentiated, (B, K).
        threshold: probability from which on a prediction is a target.

    Example:
        >>> teacher = torch.tensor([[9.0, 0.0], [0.1, 0.0]])  # sure of the first alone
        >>> round(pseudo_loss(torch.zeros(2, 2), teacher, 0.95).item(), 4)  # log 2, over two
        0.3466
    """
    confidence, target = teacher.detach().float().softmax(1).max(1)
    each = F.cross_entropy(logits.float(), target, reduction="none")
    return (each * (confidence >= threshold)).mean()


@dataclass(frozen=True, kw_only=True)
class FixMatch:
    """Another task on labeled images, and consistency on the others.

    Args:
        task: of the labeled images.
        labeled: how many a batch begins with.
        strong: augmentation on top of that of the batch; None for plain pseudo-labels.
        threshold: see `pseudo_loss`.
        weight: of the loss of unlabeled images.
    """

    task: Task
    labeled: int
    strong: Augment | None
    threshold: float = 0.95
    weight: float = 1.0

    @property
    def targets(self) -> tuple[str, ...]:
        """Those of the task."""
        return self.task.targets

    @property
    def paired(self) -> bool:
        """Batches hold no pairs."""
        return False

    def forward(self, model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of labeled and (strongly augmented) unlabeled images, and those of the teacher."""
        if self.strong is None:
            logits = self.task.forward(model, x)
            return logits, logits[self.labeled :].detach()
        weak = x[self.labeled :]
        with torch.no_grad():
            teacher = self.task.forward(model, weak)
        seed = int(torch.randint(2**62, ()))  # of the loop's generator, a function of the step
        none = torch.zeros(len(weak), dtype=torch.int64, device=x.device)
        strong = augment(weak, none, self.strong, seed=seed).x
        return self.task.forward(model, torch.cat([x[: self.labeled], strong])), teacher

    def loss(self, output: tuple[Tensor, Tensor], target: Target) -> Tensor:
        """The task's loss, and the weight times that of unlabeled images."""
        logits, teacher = output
        first = _First(target, self.labeled)
        labeled = self.task.loss(logits[: self.labeled], first)
        return labeled + self.weight * pseudo_loss(logits[self.labeled :], teacher, self.threshold)


@dataclass(frozen=True)
class _First:
    """The targets of the first samples of a batch."""

    whole: Target
    count: int

    def target(self, num_classes: int) -> Tensor:
        """Of those samples."""
        return self.whole.target(num_classes)[: self.count]
