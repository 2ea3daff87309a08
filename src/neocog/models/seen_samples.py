"""Which samples a model has seen, by their content: trained on, or chosen by.

Names and numbers of samples change when a folder is sorted again; the ids of `Split.ids` do not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch

from neocog.data.split import Split
from neocog.errors import NeocogError
from neocog.store.tensors import read_tensors, write_tensors

__all__ = ["SEEN", "SeenSamples", "read_seen", "write_seen"]

SEEN = "samples.safetensors"
"""The file of a run folder that holds it."""

NAMES = ("train", "val", "recalibrated")
"""Of the lists of ids; files without the last one have none of them."""


@dataclass(frozen=True, eq=False)
class SeenSamples:
    """What a model has seen.

    Args:
        train: ids of the samples that it was trained on, rising, uint64 (N,).
        val: of those that monitored or selected its training.
        recalibrated: of those that only batch-norm statistics were computed on, without labels.
    """

    train: np.ndarray
    val: np.ndarray
    recalibrated: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))

    @classmethod
    def of(
        cls,
        train: Split | None,
        val: Split | None = None,
        *,
        recalibrated: Split | None = None,
        before: SeenSamples | None = None,
    ) -> Self:
        """From splits, and what the weights that a training started from have seen.

        Example:
            >>> x, y = np.zeros((2, 1, 1, 1), np.uint8), np.zeros(2, np.int64)
            >>> SeenSamples.of(Split(x, y, ["a", "b"], np.array([7, 3], np.uint64))).train.tolist()
            [3, 7]
        """
        none, lists = np.zeros(0, np.uint64), []
        for name, split in zip(NAMES, (train, val, recalibrated), strict=True):
            ids = none if split is None or split.ids is None else split.ids
            earlier = none if before is None else getattr(before, name)
            lists.append(np.unique(np.concatenate([ids, earlier])))
        return cls(*lists)

    def trained_on(self, split: Split) -> np.ndarray:
        """Which samples of a split it was trained on, bool (B,)."""
        return _among(split, self.train)

    def chosen_by(self, split: Split) -> np.ndarray:
        """Which samples of a split monitored its training, bool (B,)."""
        return _among(split, self.val)

    def recalibrated_on(self, split: Split) -> np.ndarray:
        """Which samples gave it batch-norm statistics and no more: it knows none of their labels.

        Returns:
            Bool (B,).
        """
        normed: np.ndarray = _among(split, self.recalibrated) & ~self.trained_on(split)
        return normed


def _among(split: Split, ids: np.ndarray) -> np.ndarray:
    if split.ids is None:
        return np.zeros(len(split), bool)
    return np.asarray(np.isin(split.ids, ids))


def write_seen(folder: Path, seen: SeenSamples) -> None:
    """Keep it in a run folder."""
    ids = {"train": seen.train, "val": seen.val}
    if len(seen.recalibrated):
        ids["recalibrated"] = seen.recalibrated
    write_tensors(folder / SEEN, {n: torch.from_numpy(v.view(np.int64)) for n, v in ids.items()})


def read_seen(path: Path) -> SeenSamples | None:
    """What a run folder, or a file of weights in one, has kept; None where nothing is known."""
    file = (path if path.is_dir() else path.parent) / SEEN
    if not file.is_file():
        return None
    try:
        tensors, _ = read_tensors(file)
    except NeocogError:
        return None
    tensors = {"recalibrated": torch.zeros(0, dtype=torch.int64), **tensors}
    ids = [tensors.get(name) for name in NAMES]
    known = [t.numpy().view(np.uint64) for t in ids if t is not None and t.dtype == torch.int64]
    if len(known) != len(NAMES) or any(t.ndim != 1 for t in known):
        return None
    return SeenSamples(*known)
