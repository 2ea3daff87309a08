"""Two models on the samples that both hold out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neocog.data.open import ALL
from neocog.data.split import Split
from neocog.errors import UsageError, printable
from neocog.models.model import Model

__all__ = ["Common", "held_out_by_both"]


@dataclass(frozen=True, eq=False)
class Common:
    """What two models are compared on.

    Args:
        ids: of the content of the samples that neither was trained on, uint64 (N,); None for
            all, where ids are unknown or the samples of training were requested by name.
        notes: sentences on what is left out, and on what is unknown.
    """

    ids: np.ndarray | None
    notes: tuple[str, ...]

    def rows(self, split: Split) -> np.ndarray | None:
        """Positions of those samples in a split, rising; None for all."""
        if self.ids is None or split.ids is None:
            return None
        return np.flatnonzero(np.isin(split.ids, self.ids))


def held_out_by_both(split: Split, name: str, models: Sequence[Model]) -> Common:
    """The samples of a split that none of some models has seen.

    Args:
        split: what they would be compared on.
        name: of the split: of `test` also those that monitored a training are left out;
            of `train` and `all` nothing is.
        models: what is compared.

    Raises:
        UsageError: every sample was seen by one of them.
    """
    if name in ("train", ALL) or split.ids is None:
        return Common(None, tuple(_sizes(models)))
    left, notes = np.ones(len(split), bool), _sizes(models)
    for model in models:
        path = printable(model.path)
        if (seen := model.seen()) is None:
            notes.append(f"The training samples of `{path}` are unknown.")
            continue
        trained, watched = seen.trained_on(split), np.zeros(len(split), bool)
        if name == "test":
            watched = seen.chosen_by(split) & ~trained
        normed = seen.recalibrated_on(split)
        left &= ~(trained | watched | normed)
        if normed.any():
            notes.append(
                f"Batch-norm statistics of `{path}` were recalibrated on {normed.sum():,} of the "
                f"{len(split):,} {name} samples, without labels: these are left out for both "
                "models too."
            )
        if trained.any() or watched.any():
            more = f", and {watched.sum():,} monitored its training" if watched.any() else ""
            notes.append(
                f"{trained.sum():,} of the {len(split):,} {name} samples were trained on by "
                f"`{path}`{more}: these are left out for both models."
            )
    if not left.any():
        raise UsageError(
            f"Two models are compared on samples held out by both, and there are none. "
            f"{' '.join(notes)} Give samples that neither was trained on, or train both with the "
            "same `--set data.seed`."
        )
    if not left.all():
        notes.append(f"Compared on {left.sum():,} samples held out by both.")
    return Common(None if left.all() else split.ids[left], tuple(notes))


def _sizes(models: Sequence[Model]) -> list[str]:
    sizes = {m.spec.input.size: None for m in models}
    if len(sizes) < 2:
        return []
    listed = " and ".join(" × ".join(map(str, size)) for size in sizes)
    return [f"The models use images at {listed}, so their pixels differ in size."]
