"""Outputs for unshifted samples: computed once, for all measures that compare with them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from neocog.audits.agreement import kind_of
from neocog.data.samples import Samples, batch_of
from neocog.models.exact import ExactModel

__all__ = ["Unshifted", "whole_map"]


class Unshifted:
    """A model's outputs for unshifted samples, each batch computed on first use.

    Outputs of one row per sample are kept as they are. Of maps only the classes are kept, which is
    what is compared: a thousand maps of logits would not fit into memory.

    Args:
        model: the model.
        data: samples, of the size that the model takes.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> model = ExactModel(nn.Flatten())
        >>> unshifted = Unshifted(model, Samples.of(torch.eye(3)[:, None]))
        >>> [unshifted.predictions(slice(0, 3)).tolist() for _ in range(2)]
        [[0, 1, 2], [0, 1, 2]]
        >>> model.passes
        3
    """

    def __init__(self, model: ExactModel, data: Samples) -> None:
        self.model, self.data = model, data
        self._outputs: dict[tuple[int, int], Tensor] = {}
        self._predictions: dict[tuple[int, int], Tensor] = {}

    def outputs(self, rows: slice, x: Tensor | None = None) -> Tensor:
        """The model's outputs for some samples.

        Args:
            rows: the samples.
            x: their values, where they are at hand.
        """
        key = rows.start, rows.stop
        if key not in self._outputs:
            out = self.model(self.data.take(rows) if x is None else x)
            if out.ndim > 2:
                return out
            self._outputs[key] = out
        return self._outputs[key]

    def predictions(self, rows: slice, x: Tensor | None = None) -> Tensor:
        """What is compared: classes, maps of them at the size of the samples, or numbers.

        Args:
            rows: the samples.
            x: their values, where they are at hand.
        """
        key = rows.start, rows.stop
        if key not in self._predictions:
            kind = kind_of(self.model.task)
            self._predictions[key] = kind.predicted(
                whole_map(self.outputs(rows, x), self.model.task, self.data.size)
            )
        return self._predictions[key]

    def all(self, batch: int | None, *, n: int) -> list[Tensor]:
        """Predictions of the first samples, a batch each.

        Args:
            batch: batch size; chosen by the size of a sample if left out.
            n: the number of samples.
        """
        step = batch_of(self.data, batch)
        return [self.predictions(slice(i, min(n, i + step))) for i in range(0, n, step)]


def whole_map(out: Tensor, task: str, size: tuple[int, ...]) -> Tensor:
    """Maps at the size of the samples: logits are resized before they are compared.

    Args:
        out: a model's output.
        task: what it is, one of `types.TASKS`.
        size: of the samples.
    """
    if task != "segment" or tuple(out.shape[2:]) == tuple(size):
        return out
    mode = "linear" if out.ndim == 3 else "bilinear"
    return F.interpolate(out, size=tuple(size), mode=mode, align_corners=False)
