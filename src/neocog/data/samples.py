"""Images or series as a measurement takes them: moved to tensors some at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from neocog.data.batches import pixels
from neocog.data.split import Split
from neocog.data.target_spec import TargetSpec
from neocog.errors import DataError, UsageError

__all__ = [
    "Samples",
    "batch_for",
    "batch_of",
    "check_batch",
    "drawn_rows",
    "evaluation_batch",
    "in_range",
    "truths",
]

_VALUES = 2**22
"""Values of one batch, at most: 16 MiB in float32."""


@dataclass(frozen=True)
class Samples:
    """Images or series with their truths, moved to tensors some at a time.

    Args:
        x: a split, or all values in [0, 1] as (B, C, H, W) or (B, C, N).
        y: class indices (B,), maps of them (B, H, W), numbers, or None without labels; -1 for
            a sample of unknown class.
        names: where each sample is from.
        order: which of them, in which order; all as they stand for None.
    """

    x: Split | Tensor
    y: np.ndarray | None
    names: Sequence[str] = ()
    order: np.ndarray | None = None

    @classmethod
    def of(cls, data: Self | Split | tuple[Tensor, object] | Tensor) -> Samples:
        """From a split, a tensor, or a pair of tensor and labels; see `data.inputs` for more.

        Raises:
            DataError: there is none in it, or another number of labels, or values are integers
                that are not in [0, 1].

        Example:
            >>> len(Samples.of(torch.zeros(5, 1, 28, 28)))
            5
        """
        if isinstance(data, Samples):
            return data
        if isinstance(data, Split):
            unknown = len(data) > 0 and bool((data.y < 0).all())
            return cls(data, None if unknown else data.y, data.names).checked()
        if isinstance(data, (Tensor, np.ndarray)):
            return cls(_values(data), None).checked()
        return cls(_values(data[0]), truths(data[1])).checked()

    def checked(self) -> Self:
        """The same.

        Raises:
            DataError: there are none, or truths of another number.
        """
        if not len(self):
            raise DataError("A measurement needs samples; got none. Take another split.")
        if self.y is not None and len(self.y) != len(self.x):
            raise DataError(
                f"Every sample has one label; got {len(self.x)} samples and {len(self.y)} labels. "
                "Give as many, or None."
            )
        return self

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

    @property
    def target(self) -> TargetSpec:
        """What there is to predict of each sample."""
        return TargetSpec.of(self.y)

    def take(self, rows: slice) -> Tensor:
        """Some samples, float32, (B, C, H, W) or (B, C, N): a copy, to be written to at will."""
        some = rows if self.order is None else self.order[rows]
        if isinstance(self.x, Split):
            return pixels(self.x, some)
        index = some if isinstance(some, slice) else torch.from_numpy(some)
        x = self.x[index].to(torch.float32, copy=isinstance(index, slice))
        return x.div_(255) if self.x.dtype == torch.uint8 else x

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
        """`n` random samples by the seed, without repeats; all, shuffled, for None.

        A draw with a larger `n` begins with that with a smaller one, and so any beginning of it
        is a fair sample, also of data that is sorted by class.
        """
        if n is not None and n < 1:
            raise UsageError(f"A measurement needs at least one sample; got n={n}. Leave it out.")
        rows = drawn_rows(len(self.x), None, seed=seed)
        if self.order is not None:
            rows = rows[np.isin(rows, self.order)]
        return replace(self, order=rows[:n])


def drawn_rows(total: int, n: int | None, *, seed: int) -> np.ndarray:
    """Which of so many samples `Samples.first` draws, in its order.

    Args:
        total: samples.
        n: how many; all for None.
        seed: of the draw.
    """
    return np.random.default_rng([seed, 0xA0D17]).permutation(total)[:n]


def _values(x: object) -> Tensor:
    """Images or series as a tensor on the processor: floats, or bytes whose white is 255."""
    values = torch.as_tensor(x).detach().cpu()
    if values.dtype != torch.uint8:
        return in_range(values)
    return values if values.numel() and int(values.max()) > 1 else values.float()


def in_range(x: Tensor) -> Tensor:
    """The same values.

    Raises:
        DataError: they are integers above 1 or below 0, whose value of white is unknown.

    Example:
        >>> in_range(torch.tensor([0, 1])), in_range(torch.tensor([0.5]))
        (tensor([0, 1]), tensor([0.5000]))
    """
    if x.is_floating_point() or x.is_complex() or not x.numel():
        return x
    least, most = int(x.min()), int(x.max())
    if least < 0 or most > 1:
        name = str(x.dtype).removeprefix("torch.")
        raise DataError(
            f"Values of images and series are in [0, 1]; got {name} from {least} to {most}. "
            "Divide by the largest that there can be, such as x / 255, or give uint8."
        )
    return x


def truths(y: object) -> np.ndarray | None:
    """Truths as an array; a column of numbers is a row of them."""
    if y is None:
        return None
    plain = np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y)
    return plain[:, 0] if plain.ndim == 2 and plain.shape[1] == 1 else plain


def check_batch(size: int) -> None:
    """Whether so many samples are a batch.

    Raises:
        UsageError: there are none.
    """
    if size < 1:
        raise UsageError(
            f"`batch_size` is the number of samples that go through a model at once, from 1 up; "
            f"got {size}. Leave it out to have it chosen."
        )


def batch_of(samples: Samples, batch: int | None) -> int:
    """How many samples go through the model at once; what is measured does not depend on it."""
    if batch is not None:
        check_batch(batch)
        return batch
    return batch_for(samples.channels * int(np.prod(samples.size)))


def evaluation_batch(channels: int, size: Sequence[int]) -> int:
    """How many samples are predicted at once, so that memory does not grow with their size.

    Example:
        >>> evaluation_batch(1, (28, 28)), evaluation_batch(3, (224, 224))
        (250, 27)
    """
    return min(250, batch_for(channels * math.prod(size)))


def batch_for(values: int) -> int:
    """How many samples of so many values each go through a model at once.

    Example:
        >>> batch_for(28 * 28), batch_for(3 * 224 * 224)
        (256, 27)
    """
    return max(1, min(256, _VALUES // max(1, values)))
