"""Initial weights of a training, where they are not random."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from neocog.errors import ModelError, NeocogError, RunError, printable
from neocog.networks.naming import renamed
from neocog.runs.folder import RunFolder
from neocog.runs.initial import IMAGENET, InitialWeights, initial_weights, network_of
from neocog.runs.recipe import ModelConfig, Recipe
from neocog.store.partial import PartialWeights, load_partial
from neocog.surgery.symmetrize import of_card
from neocog.training.optimize import suited_rate
from neocog.types import InputSpec

__all__ = ["Start", "network_of"]

MOST = 0.5
"""Share of a network's weights from which on it counts as trained."""


@dataclass(frozen=True)
class Start:
    """Initial weights, as a recipe names them.

    Args:
        init: as given.
        weights: what was found; None where they are missing, and a checkpoint follows.
    """

    init: str
    weights: InitialWeights | None

    @classmethod
    def of(cls, choice: ModelConfig, *, needed: bool) -> Start | None:
        """Initial weights of a network; None for random ones.

        Args:
            choice: the network.
            needed: they must exist, with the digest of the recipe.

        Raises:
            ModelError: they cannot be read.
            UsageError: the network has no pretrained ones.
            RunError: they have changed since.
        """
        if not choice.init:
            return None
        weights = None
        try:
            weights = initial_weights(choice.init, choice.name)
        except (NeocogError, OSError) as e:
            if needed and (choice.init == IMAGENET or not isinstance(e, (ModelError, OSError))):
                raise
            if needed:
                reason = f"{e.strerror}. Correct it." if isinstance(e, OSError) else str(e)
                raise ModelError(
                    f"--init takes a run folder, a file of weights, imagenet, timm:NAME, "
                    f"torchvision:NAME or hf://ORG/NAME. {reason}"
                ) from e
        start = cls(choice.init, weights)
        if needed and choice.init_digest not in ("", start.digest):
            raise RunError(
                f"Repeating a run needs its initial weights, and `{printable(choice.init)}` has "
                "changed. Restore it, start a new run, or accept it with `--set "
                "model.init_digest=`."
            )
        return start

    @property
    def digest(self) -> str:
        """Of the values; empty where they are missing."""
        return self.weights.digest if self.weights is not None else ""

    @property
    def input(self) -> InputSpec | None:
        """What the network of these weights takes, where it is known."""
        return self.weights.input if self.weights is not None else None

    @property
    def external(self) -> bool:
        """Whether somebody else trained them, with a normalization of theirs."""
        return self.weights is not None and self.weights.external

    def fill(self, network: nn.Module, recipe: Recipe, *, resume: bool) -> tuple[Recipe, list[str]]:
        """Load matching weights into a network; the rest stays random.

        Args:
            network: changed in place, unless a checkpoint follows.
            recipe: of the training; gets the digest, and a learning rate where it has none.
            resume: a checkpoint follows.

        Returns:
            The recipe, and notes for the user.

        Raises:
            ModelError: nothing fits.
        """
        choice = recipe.model
        if resume:
            state = "are gone" if not self.digest else "have changed"
            note = (
                f"The weights in {printable(self.init)}, from which this training started, "
                f"{state}. It continues from its checkpoint, but its recipe no longer reproduces "
                "it."
            )
            return recipe, [note] if choice.init_digest not in ("", self.digest) else []
        assert self.weights is not None
        recipe = replace(recipe, model=replace(choice, init_digest=self.digest))
        tensors, notes = self.weights.read()
        tensors = renamed(choice.name, network, tensors)
        taken = load_partial(network, tensors, self.weights.title)
        notes = (*notes, *self._words(taken), *taken.notes)
        if not recipe.optimizer.lr and taken.fraction >= MOST:
            rate = suited_rate(network, recipe.optimizer.name, trained=True)
            recipe = replace(recipe, optimizer=replace(recipe.optimizer, lr=rate))
            note = (
                f"The peak learning rate is {rate:.2g}, a tenth of that for random weights, as "
                f"{taken.fraction:.0%} of the weights are pretrained; --lr sets another."
            )
            notes = (*notes, note)
        path = Path(self.init)
        return recipe, [*notes, *_symmetry_notes(path), *_seen_notes(path, recipe)]

    def _words(self, taken: PartialWeights) -> tuple[str, ...]:
        """How much of the network was loaded."""
        assert self.weights is not None
        whole = len(taken.taken) + len(taken.fresh)
        return (f"{len(taken.taken)} of {whole} tensors are from {self.weights.title}.",)


def _symmetry_notes(path: Path) -> list[str]:
    """A note if the weights are of a network that was made invariant, which is not carried over."""
    folder, symmetry = path if path.is_dir() else path.parent, None
    with contextlib.suppress(NeocogError, TypeError, ValueError):
        symmetry = of_card(RunFolder(folder).card().get("symmetry"))
    if symmetry is None:
        return []
    note = (
        f"{printable(path)} was made invariant to {symmetry.group} by `fix --symmetry`; the "
        "network inside is trained here, and the result is not invariant. Fix it again after the "
        f"training, with `--symmetry {symmetry.group} --by {symmetry.by}`."
    )
    return [note]


def _seen_notes(path: Path, recipe: Recipe) -> list[str]:
    """Notes if held-out samples were trained on there."""
    data: dict[str, Any] = {}
    with contextlib.suppress(NeocogError, TypeError, ValueError):
        data = dict(RunFolder(path).card().get("data", {})) if path.is_dir() else {}
    if not data.get("path"):
        return []
    if os.path.realpath(str(data["path"])) != os.path.realpath(recipe.data.path):
        return []
    if data.get("seed", 0) != recipe.data.seed:
        note = (
            f"The weights in {printable(path)} were trained on another split of the same data "
            f"(data.seed {data.get('seed')}): some samples held out here were used for that "
            f"training. Use `--set data.seed={data.get('seed')}` to hold out the same samples."
        )
        return [note]
    if recipe.data.cut_test and not data.get("cut_test"):
        note = (
            f"The weights in {printable(path)} were trained on samples that are held out as a test "
            "set here."
        )
        return [note]
    if recipe.data.val and data.get("val") is False:
        return [f"The weights in {printable(path)} were trained on the validation samples too."]
    return []
