"""A model's outputs on a split, or on as many of its samples as there is time for."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neocog.data.batches import batches, order, pixels
from neocog.data.samples import evaluation_batch
from neocog.data.split import Split
from neocog.networks.model import SpecifiedNetwork
from neocog.tasks.inference import logits_of
from neocog.types import Batch

__all__ = ["LEAST", "SplitOutputs", "split_outputs"]

LEAST = 50
"""So many samples are predicted, however short the time."""


@dataclass(frozen=True)
class SplitOutputs:
    """Outputs on a split.

    Args:
        logits: (n, K), on the CPU.
        split: the n samples.
        of: how many there would have been.
    """

    logits: Tensor
    split: Split
    of: int

    @property
    def whole(self) -> bool:
        """Whether no sample was left out."""
        return len(self.split) == self.of

    def part(self, most: int) -> SplitOutputs:
        """Of the first samples in the order in which they are predicted: parts are nested.

        Args:
            most: samples, at most.
        """
        if most >= len(self.split):
            return self
        first = order(self.of, seed=0, epoch=0)[: len(self.split)]
        keep = np.flatnonzero(np.isin(np.sort(first), first[:most]))
        return SplitOutputs(self.logits[torch.from_numpy(keep)], self.split.subset(keep), self.of)


def split_outputs(
    model: SpecifiedNetwork,
    split: Split,
    *,
    device: str,
    seconds: float = math.inf,
    most: int | None = None,
    prediction: float = 0.0,
) -> SplitOutputs:
    """Ask a model about a split; about a random part of it where there is no time for all.

    Parts are nested and always the same: a larger one holds the smaller.

    Args:
        model: is left as it is.
        split: at least one sample.
        device: where the model is.
        seconds: for the predictions; at least `LEAST` samples are predicted in any case.
        most: samples, at most; all if left out.
        prediction: seconds of one sample, as far as known, to ask in portions that can be stopped.
    """
    n = len(split)
    most = n if most is None else min(n, most)
    if math.isinf(seconds) and most == n:
        feed = batches(split, size=_at_once(split), shuffle=False, seed=0, epoch=0)
        return SplitOutputs(logits_of(model, feed, device=device), split, n)
    rows = order(n, seed=0, epoch=0)[:most]
    logits = list(_within(model, split, rows, device, seconds, prediction))
    done = sum(map(len, logits))
    back = np.argsort(rows[:done], kind="stable")
    outputs = torch.cat(logits)[torch.from_numpy(back)]
    return SplitOutputs(outputs, split if done == n else split.subset(rows[:done][back]), n)


def _within(
    model: SpecifiedNetwork,
    split: Split,
    rows: np.ndarray,
    device: str,
    seconds: float,
    prediction: float,
) -> Iterator[Tensor]:
    end, done = time.monotonic() + seconds, 0
    size = _at_once(split)
    if prediction > 0 and not math.isinf(seconds):
        size = min(size, max(LEAST, int(seconds / prediction / 4)))
    while done < len(rows):
        begun = time.monotonic()
        some = rows[done : done + size]
        truth, index = torch.from_numpy(split.y[some]), torch.from_numpy(some)
        yield logits_of(model, [Batch(pixels(split, some), truth, index)], device=device)
        done += len(some)
        now = time.monotonic()
        if done >= LEAST and now + (now - begun) > end:
            return


def _at_once(split: Split) -> int:
    """Samples of one forward pass; no result depends on it."""
    *size, channels = split.x.shape[1:]
    return evaluation_batch(channels, size)
