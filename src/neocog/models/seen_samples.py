"""Which samples a model has seen, by their content: trained on, or chosen by.

Names and numbers of samples change when a folder is sorted again; the ids of `Split.ids` do not.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class SeenSamples:
    """What a model has seen.

    Args:
        train: ids of the samples that it was trained on, rising, uint64 (N,).
        val: of those that monitored or selected its training.
    """

    train: np.ndarray
    val: np.ndarray

    @classmethod
    def of(
        cls, train: Split, val: Split | None = None, *, before: SeenSamples | None = None
    ) -> Self:
        """From splits, and what the weights that a training started from have seen.

        Example:
            >>> x, y = np.zeros((2, 1, 1, 1), np.uint8), np.zeros(2, np.int64)
            >>> SeenSamples.of(Split(x, y, ["a", "b"], np.array([7, 3], np.uint64))).train.tolist()
            [3, 7]
        """
        parts = {"train": [train], "val": [val] if val is not None else []}
        ids = {name: [s.ids for s in splits if s.ids is not None] for name, splits in parts.items()}
        if before is not None:
            ids["train"].append(before.train)
            ids["val"].append(before.val)
        none = np.zeros(0, np.uint64)
        return cls(*(np.unique(np.concatenate([none, *ids[n]])) for n in ("train", "val")))

    def trained_on(self, split: Split) -> np.ndarray:
        """Which samples of a split it was trained on, bool (B,)."""
        return _among(split, self.train)

    def chosen_by(self, split: Split) -> np.ndarray:
        """Which samples of a split monitored its training, bool (B,)."""
        return _among(split, self.val)


def _among(split: Split, ids: np.ndarray) -> np.ndarray:
    if split.ids is None:
        return np.zeros(len(split), bool)
    return np.asarray(np.isin(split.ids, ids))


def write_seen(folder: Path, seen: SeenSamples) -> None:
    """Keep it in a run folder."""
    ids = {"train": seen.train, "val": seen.val}
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
    ids = [tensors.get(name) for name in ("train", "val")]
    ids_of_both = [
        t.numpy().view(np.uint64) for t in ids if t is not None and t.dtype == torch.int64
    ]
    if len(ids_of_both) != 2 or any(t.ndim != 1 for t in ids_of_both):
        return None
    return SeenSamples(ids_of_both[0], ids_of_both[1])
