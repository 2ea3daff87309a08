"""The run folder: the only place that knows its files.

    recipe.toml         all that reproduces the run
    model.safetensors   the network's weights
    model.pt2           instead of them: a network from elsewhere that was changed, as a program
    model.json          the contract, the network and its options, what was measured
    metrics.jsonl       a line an epoch
    audit.json          the last audit of the model, if there was one
    checkpoint/state.safetensors   all that a resumed training needs, replaced as one file
    report.html         for people

Every file is replaced whole, so a kill at any moment leaves a folder that can be read.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from neocog.errors import ModelError, NeocogError, RunError, printable
from neocog.runs.recipe import Recipe, from_toml, to_toml
from neocog.store.tensors import read_tensors, write_bytes, write_tensors

__all__ = ["FORMAT", "RunFolder"]

FORMAT = 1
"""Of the folder; raised when an older neocog could not read it."""

_PART = ".*.part"
"""Files that are being written."""

_LOCK = ".training.lock"

_OF_A_TRAINING = (
    "metrics.jsonl",
    "model.json",
    "model.safetensors",
    "model.pt2",
    "audit.json",
    "report.html",
)
"""Files that the next training of a folder makes anew."""

_AUDIT = 64 * 2**20
"""Bytes of an audit that is read, at most."""


@dataclass(frozen=True)
class RunFolder:
    """One run on disk.

    Args:
        path: the folder.
    """

    path: Path

    @classmethod
    def create(cls, path: Path, *, overwrite: bool = False) -> RunFolder:
        """A folder for a new run; what `overwrite` gives up stays until `clear`.

        Raises:
            RunError: the folder holds something already, or cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            taken = any(p.name != _LOCK and not p.match(_PART) for p in path.iterdir())
            if taken and not (overwrite and cls(path)._is_a_run()):
                raise RunError(
                    f"A new run needs a folder of its own; `{printable(path)}` is not empty. "
                    "Choose another with --out, take it up with --resume, or replace a run "
                    "with --overwrite."
                )
        except OSError as e:
            raise RunError(
                f"`{printable(path)}` must be a folder that can be written, and is not: "
                f"{e.strerror or e}. Choose another with --out."
            ) from e
        return cls(path)

    def _is_a_run(self) -> bool:
        """Whether it may be given up: it has a recipe, or a model that was fixed without one."""
        if (self.path / "recipe.toml").is_file():
            return True
        try:
            return "neocog" in self.card()
        except NeocogError:
            return False

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """A run that exists.

        Raises:
            RunError: the folder is missing or holds no run.
        """
        if not any(
            os.path.isfile(path / name)  # noqa: PTH113 (names too long are none)
            for name in ("recipe.toml", "model.pt2")
        ):
            raise RunError(
                f"A run is a folder with a recipe.toml; `{printable(path)}` has none. "
                "Check the path, or train one with `neocog train DATA`."
            )
        return cls(path)

    def sweep(self) -> None:
        """Remove what a killed process was writing."""
        for part in (*self.path.glob(_PART), *self.path.glob(f"checkpoint/{_PART}")):
            part.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training into the folder, where the system has such locks.

        Raises:
            RunError: another process is training into it.
        """
        try:
            import fcntl
        except ImportError:
            yield
            return
        file = self.path / _LOCK
        try:
            handle = file.open("a")
        except OSError as e:
            raise RunError(
                f"`{printable(self.path)}` must be a folder that can be written, and is not: "
                f"{e.strerror or e}. Choose another with --out."
            ) from e
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as e:
                raise RunError(
                    f"One process trains into a run at a time, and another is at "
                    f"`{printable(self.path)}`. Wait for it, or choose another folder with --out."
                ) from e
            try:
                yield
            finally:
                file.unlink(missing_ok=True)

    def clear(self, *, recipe: bool = False) -> None:
        """Remove all of a run but its recipe, which the next one replaces.

        Args:
            recipe: remove that too, as the next one has none.

        Raises:
            RunError: the folder cannot be written.
        """
        try:
            for name in (*_OF_A_TRAINING, "recipe.toml") if recipe else _OF_A_TRAINING:
                (self.path / name).unlink(missing_ok=True)
            for old in (self.path / "checkpoint", self.path / "tensorboard"):
                if old.exists():
                    shutil.rmtree(old)
        except OSError as e:
            raise RunError(
                f"`{printable(self.path)}` must be a folder that can be written, and is not: "
                f"{e.strerror or e}. Choose another with --out."
            ) from e

    @property
    def recipe(self) -> Recipe:
        """What reproduces the run."""
        file = self.path / "recipe.toml"
        return from_toml(_read_text(file), printable(file))

    def write_recipe(self, recipe: Recipe) -> None:
        """Keep what reproduces the run."""
        write_bytes(self.path / "recipe.toml", to_toml(recipe).encode())

    def write_card(self, card: Mapping[str, Any]) -> None:
        """Keep model.json: contract, network, what was measured."""
        text = json.dumps({"format": FORMAT, **card}, indent=2, allow_nan=False)
        write_bytes(self.path / "model.json", text.encode() + b"\n")

    def card(self) -> dict[str, Any]:
        """The content of model.json.

        Raises:
            ModelError: it is missing, damaged or of a newer neocog.
        """
        file = self.path / "model.json"
        if not file.is_file():
            raise ModelError(
                f"A trained run has a model.json; `{printable(self.path)}` has none: its training "
                "ended before the first checkpoint. Take it up with "
                "`neocog train --resume`."
            )
        try:
            card = json.loads(_read_text(file))
        except json.JSONDecodeError as e:
            raise ModelError(
                f"`{printable(file)}` must be JSON, and is not: {e}. Take an undamaged copy."
            ) from e
        if not isinstance(card, dict) or card.get("format") != FORMAT:
            found = card.get("format") if isinstance(card, dict) else None
            raise ModelError(
                f"This neocog reads run folders of format {FORMAT}; `{printable(file)}` is of "
                f"format {found!r}. Use the neocog that wrote it."
            )
        return card

    def write_audit(self, found: Mapping[str, Any]) -> None:
        """Keep audit.json: what an audit of the model found.

        Raises:
            RunError: the folder cannot be written.
        """
        text = json.dumps({"format": FORMAT, **found}, allow_nan=False)
        write_bytes(self.path / "audit.json", text.encode() + b"\n")

    def audit(self) -> dict[str, Any] | None:
        """What `write_audit` kept last; None where that is missing, or no audit that is known."""
        file = self.path / "audit.json"
        try:
            if not file.is_file() or file.stat().st_size > _AUDIT:
                return None
            found = json.loads(_read_text(file))
        except (OSError, RunError, ValueError, RecursionError):
            return None  # the model can be used without
        known = isinstance(found, dict) and found.get("format") == FORMAT
        return found if known else None

    def write_weights(self, tensors: Mapping[str, Tensor], *, durable: bool = True) -> None:
        """Keep the network's weights."""
        write_tensors(self.path / "model.safetensors", tensors, durable=durable)

    def weights(self) -> dict[str, Tensor]:
        """The network's weights.

        Raises:
            ModelError: the file is missing or damaged.
        """
        return read_tensors(self.path / "model.safetensors")[0]

    @property
    def program(self) -> Path | None:
        """The network as an exported program, of a run that keeps it so."""
        file = self.path / "model.pt2"
        return file if file.is_file() else None

    def write_checkpoint(
        self, tensors: Mapping[str, Tensor], state: Mapping[str, Any], *, durable: bool = True
    ) -> None:
        """Keep all that a resumed training needs."""
        text = {"state": json.dumps(state)}
        file = self.path / "checkpoint" / "state.safetensors"
        write_tensors(file, tensors, text, durable=durable)

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What `write_checkpoint` kept last, or None.

        Raises:
            ModelError: the file is damaged.
        """
        file = self.path / "checkpoint" / "state.safetensors"
        if not file.is_file():
            return None
        tensors, text = read_tensors(file)
        try:
            return tensors, json.loads(text["state"])
        except (KeyError, ValueError) as e:
            raise ModelError(
                f"`{printable(file)}` must hold the state of a training, and does not. "
                "Remove it and resume: the training starts again from its recipe."
            ) from e

    def write_metrics(self, rows: Sequence[Mapping[str, Any]], *, durable: bool = True) -> None:
        """Keep a line an epoch, all of them."""
        text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
        write_bytes(self.path / "metrics.jsonl", text.encode(), durable=durable)

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        file = self.path / "metrics.jsonl"
        if not file.is_file():
            return []
        return [json.loads(line) for line in _read_text(file).splitlines()]


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise RunError(
            f"`{printable(file)}` must be a readable text file, and is not: {e}. "
            "Take an undamaged copy of the run."
        ) from e
