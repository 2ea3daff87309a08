"""What an audit looks at: a model as a function, and samples that can be moved."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.batches import pixels
from neocog.data.split import Split
from neocog.errors import DataError, ModelError, ShapeMismatch, UsageError, did_you_mean
from neocog.probe.found import as_found

__all__ = ["PRECISIONS", "TASKS", "Samples", "Subject", "batch_of", "exact"]

TASKS = ("classify", "segment", "regress")
"""What a model may answer: logits (B, K), maps of logits (B, K, h, w), or numbers."""

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
"""Arithmetic of an audit, whatever a training used: rounding must not look like an effect."""

_VALUES = 2**22
"""Values of one batch, at most: 16 MiB in float32."""


@contextmanager
def exact() -> Iterator[None]:
    """No automatic casts and no shortened mantissas inside; the settings as before afterwards."""
    matmul = torch.get_float32_matmul_precision()
    convolution = torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution


@dataclass(frozen=True)
class Samples:
    """Pictures or series with their truths, moved to tensors some at a time.

    Args:
        x: a split, or all values in [0, 1] as (B, C, H, W) or (B, C, N).
        y: class numbers (B,), maps of them (B, H, W), numbers, or None where nobody knows.
        names: where each sample is from.
        order: which of them, in which order; all as they stand for None.
    """

    x: Split | Tensor
    y: np.ndarray | None
    names: Sequence[str] = ()
    order: np.ndarray | None = None

    @classmethod
    def of(cls, data: Self | Split | tuple[Tensor, object] | Tensor) -> Samples:
        """From a split, a tensor, or a pair of tensor and truths.

        Raises:
            DataError: there is none in it, or truths of another number.

        Example:
            >>> len(Samples.of(torch.zeros(5, 1, 28, 28)))
            5
        """
        if isinstance(data, Samples):
            return data
        if isinstance(data, Split):
            found = cls(data, data.y, data.names)
        elif isinstance(data, (Tensor, np.ndarray)):
            found = cls(_values(data), None)
        else:
            found = cls(_values(data[0]), _truths(data[1]))
        if not len(found):
            raise DataError("An audit needs samples; none came. Take another split.")
        if found.y is not None and len(found.y) != len(found):
            raise DataError(
                f"Every sample has one truth; {len(found)} samples and {len(found.y)} truths came. "
                "Give as many, or None."
            )
        return found

    def __len__(self) -> int:
        return len(self.x) if self.order is None else len(self.order)

    @property
    def size(self) -> tuple[int, ...]:
        """Of the axes that move: (H, W) or (N,)."""
        return self.x.x.shape[1:3] if isinstance(self.x, Split) else tuple(self.x.shape[2:])

    @property
    def channels(self) -> int:
        """Of one sample."""
        return int(self.x.x.shape[3] if isinstance(self.x, Split) else self.x.shape[1])

    def take(self, rows: slice) -> Tensor:
        """Some samples, float32, (B, C, H, W) or (B, C, N)."""
        some = rows if self.order is None else self.order[rows]
        if isinstance(self.x, Split):
            return pixels(self.x, some)
        index = some if isinstance(some, slice) else torch.from_numpy(some)
        return self.x[index].float()

    def truth(self, rows: slice) -> np.ndarray | None:
        """What some samples are."""
        if self.y is None:
            return None
        some: np.ndarray = np.asarray(self.y[rows if self.order is None else self.order[rows]])
        return some

    def name(self, i: int) -> str:
        """Where a sample is from."""
        at = i if self.order is None else int(self.order[i])
        return str(self.names[at]) if len(self.names) else ""

    def first(self, n: int | None, *, seed: int) -> Samples:
        """`n` of the samples, drawn by the seed without repeats; all, mixed, for None.

        A draw with a larger `n` begins with that with a smaller one, and so any beginning of it
        is a fair sample, also of data that is sorted by class.
        """
        if n is not None and n < 1:
            raise UsageError(f"An audit looks at one sample at least; n={n} came. Leave it out.")
        rows = np.random.default_rng([seed, 0xA0D17]).permutation(len(self.x))
        if self.order is not None:
            rows = rows[np.isin(rows, self.order)]
        return replace(self, order=rows[:n])


def _values(x: object) -> Tensor:
    """Pictures or series as a tensor on the processor."""
    return torch.as_tensor(x).detach().cpu()


def _truths(y: object) -> np.ndarray | None:
    """Truths as an array; a column of numbers is a row of them."""
    if y is None:
        return None
    plain = np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y)
    return plain[:, 0] if plain.ndim == 2 and plain.shape[1] == 1 else plain


def batch_of(samples: Samples, batch: int | None) -> int:
    """How many samples go through the model at once; what is measured does not depend on it."""
    if batch is not None:
        return max(1, batch)
    values = samples.channels * int(np.prod(samples.size))
    return max(1, min(256, _VALUES // max(1, values)))


class Subject:
    """A model in evaluation mode, as a function from samples to answers, in exact arithmetic.

    Args:
        model: values in [0, 1], (B, C, H, W), to answers.
        task: one of `TASKS`.
        size: of the axes that move, as the model takes them; None where it takes any.
        precision: one of `PRECISIONS`; in float64 a copy of the model computes.

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
        self.dtype = PRECISIONS[precision]
        held = [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]
        other = any(t.dtype != self.dtype for t in held)
        self.module = copy.deepcopy(model).to(self.dtype) if other else model
        self.task = task
        self.size = size
        self.device = held[0].device if held else torch.device("cpu")

    def label(self, name: str) -> str:
        """A sub-module's name as the user knows it: without the wrapper that normalises."""
        if self.network is self.module:
            return name
        return "the whole network" if name == "network" else name.removeprefix("network.")

    @property
    def network(self) -> nn.Module:
        """What is inside the wrapper that normalises; the model itself where there is none."""
        inner = getattr(self.module, "network", None)
        if hasattr(self.module, "contract") and isinstance(inner, nn.Module):
            return inner
        return self.module

    def __call__(self, x: Tensor) -> Tensor:
        """Answers on the CPU: the model's output, as it is.

        Raises:
            ShapeMismatch: the answers do not have the form that the task has.
        """
        x = x.to(self.device, self.dtype)
        if x.ndim == 4:  # the layout in which convolutions on a processor are fastest
            x = x.to(memory_format=torch.channels_last)
        with torch.no_grad(), exact():  # what a module keeps of a pass stays usable in training
            out = self.module(x)
        self.check(out)
        answers: Tensor = out.to("cpu")
        return answers

    def check(self, out: object) -> None:
        """Whether an output is what the task says.

        Raises:
            ShapeMismatch: it is not.
        """
        axes = {"classify": (2,), "segment": (3, 4), "regress": (1, 2)}[self.task]
        if not isinstance(out, Tensor) or out.ndim not in axes:
            came = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ShapeMismatch(
                f"A model that does `{self.task}` answers with a tensor of "
                f"{' or '.join(map(str, axes))} axes; {came} came. "
                f"Say what it does with task=, one of {', '.join(TASKS)}.",
                expected=axes,
                actual=came if isinstance(came, tuple) else (),
            )
        if self.task != "regress" and out.shape[1] < 2:
            raise ShapeMismatch(
                "Answers are compared by the output that is largest, so there must be two at "
                f'least; {out.shape[1]} came. Give an output to each class, or task="regress".',
                expected=(2,),
                actual=(out.shape[1],),
            )
        wrong = int((~torch.isfinite(out)).flatten(1 if out.ndim > 1 else 0).any(-1).sum())
        if wrong:
            raise ModelError(
                f"An answer is made of finite numbers; {wrong} of {len(out)} samples got others. "
                "Check the weights and how pixels are normalised."
            )

    def ready(self) -> AbstractContextManager[None]:
        """Evaluation mode inside; the model as it was afterwards."""
        return as_found(self.module)
