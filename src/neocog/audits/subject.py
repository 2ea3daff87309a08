"""What an audit measures: a model as a function, in exact arithmetic."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.errors import ModelError, ShapeMismatch, UsageError, did_you_mean
from neocog.graph.preserve import exact, preserved
from neocog.models.model import Model
from neocog.networks.model import SpecifiedNetwork
from neocog.store.sound import check_network

__all__ = ["PRECISIONS", "TASKS", "AnySamples", "Measurable", "Subject", "exact", "measured"]

TASKS = ("classify", "segment", "regress")
"""Tasks by output: logits (B, K), maps of logits (B, K, h, w), or numbers."""

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
"""Precisions of an audit, whatever a training used: rounding must not look like an effect."""


class Subject:
    """A model in evaluation mode, as a function from samples to outputs, in exact arithmetic.

    Args:
        model: from values in [0, 1], (B, C, H, W), to outputs.
        task: one of `TASKS`.
        size: of the axes that shift, as the model takes them; None where any will do.
        precision: one of `PRECISIONS`; float64 runs on a copy of the model.

    Raises:
        UsageError: no such task or precision.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        task: str = "classify",
        size: tuple[int, ...] | None = None,
        precision: str = "float32",
    ) -> None:
        if task not in TASKS:
            raise UsageError(f"`{task}` is no task of an audit. {did_you_mean(task, TASKS)}")
        if precision not in PRECISIONS:
            raise UsageError(
                f"`{precision}` is no precision of an audit. {did_you_mean(precision, PRECISIONS)}"
            )
        check_network(model, type(model).__name__)
        self.dtype = PRECISIONS[precision]
        held = [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]
        other = any(t.dtype != self.dtype for t in held)
        self.module = copy.deepcopy(model).to(self.dtype) if other else model
        self.task = task
        self.size = size
        self.device = held[0].device if held else torch.device("cpu")
        self.passes = 0
        """Samples that went through the model so far; one that goes twice counts twice."""

    @classmethod
    def of(cls, model: Measurable) -> Subject:
        """A model as measures take it; one with a spec gets its task and size from it.

        Args:
            model: an opened model, any module, or a result of this function.
        """
        if isinstance(model, Subject):
            return model
        module = model.module if isinstance(model, Model) else model
        if not isinstance(module, SpecifiedNetwork):
            return cls(module)
        return cls(module, task=module.spec.task, size=module.spec.input.size or None)

    def label(self, name: str) -> str:
        """A submodule's name as the user knows it: without the wrapper that normalizes."""
        if self.network is self.module:
            return name
        return "the whole network" if name == "network" else name.removeprefix("network.")

    @property
    def network(self) -> nn.Module:
        """The module inside the wrapper that normalizes; the model itself where there is none."""
        inner = getattr(self.module, "network", None)
        if hasattr(self.module, "spec") and isinstance(inner, nn.Module):
            return inner
        return self.module

    def __call__(self, x: Tensor) -> Tensor:
        """The model's output, on the CPU.

        Raises:
            ShapeMismatch: the output does not have the shape that the task has.
        """
        self.passes += len(x)
        x = x.to(self.device, self.dtype)
        if x.ndim == 4:  # channels_last is fastest for convolutions on a CPU
            x = x.to(memory_format=torch.channels_last)
        with torch.no_grad(), exact():  # what a module caches stays usable in training
            out = self.module(x)
        self.check(out)
        output: Tensor = out.to("cpu")
        return output

    def check(self, out: object) -> None:
        """Check that an output is what the task says.

        Raises:
            ShapeMismatch: it is not.
        """
        axes = {"classify": (2,), "segment": (3, 4), "regress": (1, 2)}[self.task]
        if not isinstance(out, Tensor) or out.ndim not in axes:
            returned = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ShapeMismatch(
                f"A model that does `{self.task}` returns a tensor of "
                f"{' or '.join(map(str, axes))} axes; {returned} came. "
                f"Say what it does with task=, one of {', '.join(TASKS)}.",
                expected=axes,
                actual=returned if isinstance(returned, tuple) else (),
            )
        if self.task != "regress" and out.shape[1] < 2:
            raise ShapeMismatch(
                "Predictions are compared by the largest output, so there must be two outputs at "
                f'least; {out.shape[1]} came. Give an output to each class, or task="regress".',
                expected=(2,),
                actual=(out.shape[1],),
            )
        wrong = int((~torch.isfinite(out)).flatten(1 if out.ndim > 1 else 0).any(-1).sum())
        if wrong:
            raise ModelError(
                f"Outputs are finite numbers; {wrong} of {len(out)} samples got others. "
                "Check the weights and how its values are normalized."
            )

    def ready(self) -> AbstractContextManager[None]:
        """Evaluation mode inside; the model as it was afterwards."""
        return preserved(self.module)


Measurable = Subject | Model | nn.Module
"""What a measure accepts as a model."""

AnySamples = Samples | Split | Tensor | tuple[Tensor, object]
"""What a measure accepts as data."""


def measured(model: Measurable, data: AnySamples) -> tuple[Subject, Samples]:
    """A model and data as every measure takes them.

    Args:
        model: an opened model, any module from values in [0, 1], or a `Subject` of one.
        data: samples, or values in [0, 1], (B, C, H, W) or (B, C, N), with labels or without.

    Example:
        >>> subject, samples = measured(nn.Flatten(), torch.zeros(3, 1, 2, 2))
        >>> subject(samples.take(slice(None))).shape
        torch.Size([3, 4])
    """
    return Subject.of(model), Samples.of(data)
