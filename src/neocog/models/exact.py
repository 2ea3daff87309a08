"""A model as every measure calls it: exact arithmetic, evaluation mode, the outputs of its task."""

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
from neocog.types import TASKS, check_task

__all__ = ["PRECISIONS", "AnySamples", "ExactModel", "Measurable", "measured"]

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
"""Precisions of an audit, whatever a training used: rounding must not look like an effect."""


class ExactModel:
    """A model in evaluation mode, as a function from samples to outputs, in exact arithmetic.

    Args:
        model: an opened model, or any module from values in [0, 1], (B, C, H, W), to outputs.
        task: one of `types.TASKS`; what the model states, else classify, if left out.
        size: of the axes that shift; what the model states if left out, and any where it does not.
        precision: one of `PRECISIONS`; float64 runs on a copy of the model.

    Raises:
        UsageError: no such task or precision.
        ModelError: a weight is not a finite number.
    """

    def __init__(
        self,
        model: Model | nn.Module,
        *,
        task: str | None = None,
        size: tuple[int, ...] | None = None,
        precision: str = "float32",
    ) -> None:
        module = model.module if isinstance(model, Model) else model
        spec = module.spec if isinstance(module, SpecifiedNetwork) else None
        self.task = check_task(task or (spec.task if spec else "classify"))
        self.size = size or (spec.input.size if spec else ()) or None
        if precision not in PRECISIONS:
            raise UsageError(
                f"`{precision}` is not a precision of an audit. "
                f"{did_you_mean(precision, PRECISIONS)}"
            )
        check_network(module, type(module).__name__)
        self.dtype = PRECISIONS[precision]
        held = [t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()]
        other = any(t.dtype != self.dtype for t in held)
        self.module = copy.deepcopy(module).to(self.dtype) if other else module
        self.device = held[0].device if held else torch.device("cpu")
        self.passes = 0
        """Samples that went through the model so far; one that goes twice counts twice."""

    @property
    def fill(self) -> Tensor | None:
        """What stands for nothing in raw values, the mean of each channel; None of pixels: 0."""
        if self.values != "raw" or not isinstance(self.module, SpecifiedNetwork):
            return None
        return torch.tensor(self.module.spec.input.mean)

    @property
    def values(self) -> str:
        """What it takes: `pixels`, or `raw` where its spec says so."""
        module = self.module
        return module.spec.input.values if isinstance(module, SpecifiedNetwork) else "pixels"

    @property
    def network(self) -> nn.Module:
        """The module inside the wrapper that normalizes; the model itself where there is none."""
        return self.module.network if isinstance(self.module, SpecifiedNetwork) else self.module

    def label(self, name: str) -> str:
        """A submodule's name as the user knows it: without the wrapper that normalizes."""
        if self.network is self.module:
            return name
        return "the whole network" if name == "network" else name.removeprefix("network.")

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
                f"{' or '.join(map(str, axes))} axes; got {returned}. "
                f"Set task= to one of {', '.join(TASKS)}.",
                expected=axes,
                actual=returned if isinstance(returned, tuple) else (),
            )
        if self.task != "regress" and out.shape[1] < 2:
            raise ShapeMismatch(
                "Predictions are compared by the largest output, so at least two outputs are "
                f'needed; got {out.shape[1]}. Give one output per class, or task="regress".',
                expected=(2,),
                actual=(out.shape[1],),
            )
        wrong = int((~torch.isfinite(out)).flatten(1 if out.ndim > 1 else 0).any(-1).sum())
        if wrong:
            raise ModelError(
                f"Outputs are finite numbers; {wrong} of {len(out)} samples have others. Check the "
                "weights and the normalization."
            )

    def ready(self) -> AbstractContextManager[None]:
        """Evaluation mode inside; modes are restored afterwards."""
        return preserved(self.module)


Measurable = ExactModel | Model | nn.Module
"""What a measure accepts as a model."""

AnySamples = Samples | Split | Tensor | tuple[Tensor, object]
"""What a measure accepts as data."""


def measured(model: Measurable, data: AnySamples) -> tuple[ExactModel, Samples]:
    """A model and data as every measure takes them.

    Args:
        model: an opened model, any module from values in [0, 1], or an `ExactModel`, as it is.
        data: samples, or values in [0, 1], (B, C, H, W) or (B, C, N), with labels or without.

    Example:
        >>> model, samples = measured(nn.Flatten(), torch.zeros(3, 1, 2, 2))
        >>> model(samples.take(slice(None))).shape
        torch.Size([3, 4])
    """
    return model if isinstance(model, ExactModel) else ExactModel(model), Samples.of(data)
