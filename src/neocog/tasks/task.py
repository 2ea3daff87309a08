"""What a training loop asks of a task: the outputs of a batch, and their loss."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn

__all__ = ["Target", "Task"]


class Target(Protocol):
    """What a batch is to be predicted as."""

    def target(self, num_classes: int) -> Tensor:
        """Class indices, int64, (B,), or probabilities, (B, K)."""


class Task(Protocol):
    """What is learned from a batch.

    Attributes:
        targets: kinds of target that it learns from, of `data.target_spec.KINDS`.
        paired: the second half of a batch holds other views of the samples in the first half,
            and both halves are augmented as pairs.
    """

    @property
    def targets(self) -> tuple[str, ...]:
        """Kinds of target that it learns from."""

    @property
    def paired(self) -> bool:
        """Whether batches hold pairs of views."""

    def forward(self, model: nn.Module, x: Tensor) -> Any:
        """What the loss needs of a batch; the loop calls it in its precision.

        Args:
            model: that is trained.
            x: (B, C, ...).
        """

    def loss(self, output: Any, target: Target) -> Tensor:
        """The mean loss of a batch, a scalar.

        Args:
            output: what `forward` gave.
            target: of the same batch.
        """
