"""Initial weights of a training, where they are not random."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from torch import nn

from neocog.errors import ModelError, NeocogError, RunError, printable
from neocog.files import opened
from neocog.runs.folder import RunFolder
from neocog.runs.recipe import ModelConfig, Recipe
from neocog.store.tensors import read_tensors
from neocog.training.optimize import suited_rate

__all__ = ["Start"]

MOST = 0.5
"""Share of a network's weights from which on it counts as trained."""


@dataclass(frozen=True)
class Start:
    """A file of weights.

    Args:
        path: as given: a run folder or a file.
        file: of the weights.
        digest: of its content; empty if it is missing.
    """

    path: Path
    file: Path
    digest: str

    @classmethod
    def of(cls, choice: ModelConfig, *, needed: bool) -> Start | None:
        """Initial weights of a network; None for random ones.

        Args:
            choice: the network.
            needed: the file must exist, with the digest of the recipe.

        Raises:
            ModelError: it cannot be read.
            RunError: it has changed since.
        """
        if not choice.init:
            return None
        path = Path(choice.init)
        folder = os.path.isdir(path)  # noqa: PTH112 (names too long, or with a null byte, are none)
        file = path / "model.safetensors" if folder else path
        try:
            with opened(file, what="What a training starts from", error=ModelError) as f:
                seen = blake2b(digest_size=16)
                while part := f.read(1 << 20):
                    seen.update(part)
            digest = seen.hexdigest()
        except (ModelError, OSError) as e:
            if needed:
                reason = e.strerror if isinstance(e, OSError) else str(e)
                raise ModelError(
                    f"--init takes a run folder or a safetensors file. {reason} Correct it."
                ) from e
            digest = ""
        if needed and choice.init_digest not in ("", digest):
            raise RunError(
                f"Repeating a run needs its initial weights, and "
                f"`{printable(file)}` has changed since. Restore it, start a new run, or take it "
                "as it is with `--set model.init_digest=`."
            )
        return cls(path, file, digest)

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
                f"The weights in {printable(self.path)}, which this training was started from, "
                f"{state} since. It goes on from its checkpoint without them, but its recipe alone "
                "does not make it again."
            )
            return recipe, [note] if choice.init_digest not in ("", self.digest) else []
        recipe = replace(recipe, model=replace(choice, init_digest=self.digest))
        fraction, notes = _fill(network, self.file, self.path)
        if not recipe.optimizer.lr and fraction >= MOST:
            rate = suited_rate(network, recipe.optimizer.name, trained=True)
            recipe = replace(recipe, optimizer=replace(recipe.optimizer, lr=rate))
            notes.append(
                f"The highest learning rate is {rate:.2g}, a tenth of that for random weights, as "
                f"{fraction:.0%} of the weights are trained; --lr sets another."
            )
        return recipe, [*notes, *_seen_notes(self.path, recipe)]


def _fill(network: nn.Module, file: Path, path: Path) -> tuple[float, list[str]]:
    """The share of weights that came, and what is said of it."""
    tensors = read_tensors(file)[0]
    own = network.state_dict()
    fits = {k: v for k, v in tensors.items() if k in own and own[k].shape == v.shape}
    if not any(v.ndim > 1 for v in fits.values()):
        raise ModelError(
            f"To start from other weights some must fit; of `{printable(file)}` none has the name "
            f"and shape of one of the network's. Choose the network they were trained with."
        )
    network.load_state_dict(fits, strict=False)
    fresh = [k for k in own if k not in fits]
    names = ", ".join(fresh[:3]) + (", …" if len(fresh) > 3 else "")
    what = f"; {len(fresh)} start at random ({names})" if fresh else ""
    fraction = sum(v.numel() for v in fits.values()) / max(1, sum(v.numel() for v in own.values()))
    return fraction, [f"{len(fits)} of {len(own)} tensors are from {printable(path)}{what}."]


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
            f"(data.seed {data.get('seed')}): some of the samples that are held out here were "
            f"trained on there. Take `--set data.seed={data.get('seed')}` to hold out the same."
        )
        return [note]
    if recipe.data.cut_test and not data.get("cut_test"):
        note = (
            f"The weights in {printable(path)} were trained on the samples that are cut out as a "
            "test here, where there was none."
        )
        return [note]
    if recipe.data.val and data.get("val") is False:
        return [f"The weights in {printable(path)} were trained on the validation samples too."]
    return []
