"""The run folder: the only place that knows its files.

    recipe.toml         all that reproduces the run
    model.safetensors   the network's weights
    model.pt2           instead of them: an external network that was changed, as a program
    model.json          the spec, the network and its options, what was measured
    samples.safetensors ids of the samples that were trained on, and that monitored the training
    metrics.jsonl       a line per epoch
    audit.json          the last audit of the model, if there was one
    checkpoint/state.safetensors   all that a resumed training needs, replaced as one file
    report.html         for people

Every file is replaced whole, so a kill at any moment leaves a folder that can be read.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from neocog.errors import ModelError, NeocogError, RunError, printable
from neocog.fields import Fields, short_repr
from neocog.files import parse_json, read_json, read_text
from neocog.jsonable import jsonable
from neocog.legacy import card_of_today, checkpoint_of_today
from neocog.models.seen_samples import SEEN
from neocog.runs.lock import LOCK
from neocog.runs.recipe import Recipe, from_toml, to_toml
from neocog.runs.replacement import PART, beside, settle
from neocog.store.tensors import read_tensors, write_tensors
from neocog.targets import write_bytes
from neocog.types import InputSpec, ModelSpec

__all__ = ["FILES", "FORMAT", "RECIPE", "RunFolder", "check_row"]

FORMAT = 2
"""Of the folder; raised when an older neocog could not read it."""

FILES = (
    "recipe.toml",
    "model.safetensors",
    "model.pt2",
    "model.json",
    SEEN,
    "metrics.jsonl",
    "audit.json",
    "checkpoint",
    "report.html",
    "tensorboard",
    LOCK,
)
"""All that is a part of a run; what else is in its folder is its owner's."""

_AUDIT = 64 * 2**20
"""Bytes of an audit that is read, at most."""

RECIPE = 2**20
"""Bytes of a recipe, at most."""

_CARD = 64 * 2**20
"""Bytes of a model.json, at most: a hundred thousand names of classes need 10 MB."""

_METRICS = 256 * 2**20
"""Bytes of a metrics.jsonl, at most: a million epochs."""


@dataclass(frozen=True)
class RunFolder:
    """One run on disk.

    Args:
        path: the folder.
    """

    path: Path

    def is_a_run(self) -> bool:
        """Whether it may be given up: it has a recipe, or a model that was fixed without one."""
        if (self.path / "recipe.toml").is_file():
            return True
        try:
            return "neocog" in self.card()
        except NeocogError:
            return False

    def made_by(self) -> str:
        """The command that made it, `train` or `fix`; empty where that cannot be told."""
        with contextlib.suppress(NeocogError):
            if (command := self.recipe.provenance.command) != "train":
                return command
        with contextlib.suppress(NeocogError):
            if "fixed" in self.card():
                return "fix"
        return "train" if (self.path / "recipe.toml").is_file() else ""

    def finished(self) -> bool:
        """Whether its model was trained to the end, and measured."""
        try:
            return bool(self.card().get("metrics"))
        except NeocogError:
            return False

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """A run that exists.

        Raises:
            RunError: the folder is missing or holds no run.
        """
        with contextlib.suppress(OSError):  # a folder that cannot be written is read as it is
            settle(path, FILES)
        if not any(
            os.path.isfile(path / name)  # noqa: PTH113 (names too long are none)
            for name in ("recipe.toml", "model.pt2")
        ):
            raise RunError(_no_run(path))
        return cls(path)

    def identity(self) -> tuple[int, int] | None:
        """Tells this folder from another that takes its place; None where there is none."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_dev, stat.st_ino

    def sweep(self) -> None:
        """Remove what a killed process was writing."""
        for part in (*self.path.glob(PART), *self.path.glob(f"checkpoint/{PART}")):
            part.unlink(missing_ok=True)

    @property
    def recipe(self) -> Recipe:
        """What reproduces the run."""
        file = self.path / "recipe.toml"
        return from_toml(_read_text(file, RECIPE, "A recipe"), printable(file))

    def write_recipe(self, recipe: Recipe) -> None:
        """Keep what reproduces the run."""
        write_bytes(self.path / "recipe.toml", to_toml(recipe).encode())

    def write_card(self, card: Mapping[str, Any]) -> None:
        """Keep model.json: spec, network, what was measured."""
        text = json.dumps({"format": FORMAT, **card}, indent=2, allow_nan=False)
        write_bytes(self.path / "model.json", text.encode() + b"\n")

    def card(self) -> dict[str, Any]:
        """The content of model.json.

        What every reader of it relies on is there and of its kind: the spec, the network with
        its options, the data, what was measured.

        Raises:
            ModelError: it is missing, damaged or of a newer neocog.
        """
        file = self.path / "model.json"
        if not file.exists():
            raise ModelError(
                f"A trained run has a model.json; `{printable(self.path)}` has none. "
                f"{_without_a_model(self)}"
            )
        card = read_json(file, limit=_CARD, what="A model.json", error=ModelError)
        if isinstance(card, dict) and card.get("format") == 1:
            card = card_of_today(card)
        if not isinstance(card, dict) or card.get("format") != FORMAT:
            form = card.get("format") if isinstance(card, dict) else card
            raise ModelError(
                f"This neocog reads run folders of format {FORMAT}; `{printable(file)}` is of "
                f"format {short_repr(form)}. Use the neocog that wrote it."
            )
        _check_card(Fields(card, f"`{printable(file)}`"))
        return card

    def takes(self) -> InputSpec | None:
        """What the network that was saved last takes; None where none can be read."""
        try:
            return ModelSpec.from_json(self.card()["spec"]).input
        except ModelError:
            return None

    def write_audit(self, content: Mapping[str, Any]) -> None:
        """Keep audit.json: what an audit of the model found.

        Raises:
            RunError: the folder cannot be written.
        """
        text = json.dumps(jsonable({"format": FORMAT, **content}), allow_nan=False)
        write_bytes(self.path / "audit.json", text.encode() + b"\n")

    def audit(self) -> dict[str, Any] | None:
        """What `write_audit` kept last; None where that is missing, or no audit that is known."""
        file = self.path / "audit.json"
        try:
            content = read_json(file, limit=_AUDIT)
        except NeocogError:
            return None  # the model can be used without
        known = isinstance(content, dict) and content.get("format") == FORMAT
        return content if known else None

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
            state = parse_json(text["state"], source="its state", depth=8)
            return checkpoint_of_today(tensors, dict(state))
        except (KeyError, TypeError, ValueError, NeocogError) as e:
            raise ModelError(
                f"`{printable(file)}` must hold the state of a training, and does not. "
                "Remove it and resume: the training starts again from its recipe."
            ) from e

    def write_metrics(self, rows: Sequence[Mapping[str, Any]], *, durable: bool = True) -> None:
        """Keep a line per epoch, all of them."""
        text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
        write_bytes(self.path / "metrics.jsonl", text.encode(), durable=durable)

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl.

        Raises:
            RunError: a line is not a table of numbers.
        """
        file = self.path / "metrics.jsonl"
        if not file.exists():
            return []
        lines = _read_text(file, _METRICS, "A metrics.jsonl").splitlines()
        source = f"line {{}} of `{printable(file)}`"
        rows = [
            parse_json(line, source=source.format(n), depth=4, error=RunError)
            for n, line in enumerate(lines, 1)
        ]
        for n, row in enumerate(rows, 1):
            check_row(Fields(row, source.format(n), error=RunError))
        return rows


def _no_run(path: Path) -> str:
    """What a folder without a run may be instead, and what to do."""
    name = printable(path)
    if beside(path, "new").is_dir():
        return (
            f"A run is a folder with a recipe.toml; `{name}` has none, but an unfinished training "
            f"for it exists. Continue that with `neocog train --resume {shlex.quote(name)}`."
        )
    with contextlib.suppress(NeocogError):
        if "fixed" in RunFolder(path).card():
            return (
                f"A run needs its network, and `{name}` has only weights: the fixed network could "
                "not be saved as a program. Give a function that makes the network, "
                f"module:factory --weights {shlex.quote(printable(path / 'model.safetensors'))}."
            )
    return (
        f"A run is a folder with a recipe.toml; `{name}` has none. "
        "Check the path, or train one with `neocog train DATA`."
    )


def _without_a_model(folder: RunFolder) -> str:
    """What to do with a run that has none yet."""
    name = shlex.quote(printable(folder.path))
    try:
        command = folder.recipe.provenance.command
    except NeocogError:
        return "Take an undamaged copy."
    if command == "train":
        return (
            "Its training has not reached a checkpoint, or the file was removed; "
            f"`neocog train --resume {name}` makes it."
        )
    return f"Run `neocog {command}` again, with --overwrite --out {name}."


def check_row(row: Fields) -> None:
    """Whether what was measured of an epoch is numbers, which the curves are drawn of."""
    for name in row.values:
        row.number(name)


def _check_card(card: Fields) -> None:
    """Whether a model.json holds what its readers rely on."""
    ModelSpec.from_json(card.table("spec"))
    network = card.table("network")
    network.text("name")
    network.table("options")
    data = card.table("data", {})
    data.text("path", "")
    data.integer("seed", 0, low=0)
    data.flag("val", True)
    data.flag("cut_test", False)
    data.text("fingerprint", "")
    card.table("metrics", {})
    card.texts("notes", ())


def _read_text(file: Path, limit: int, what: str) -> str:
    return read_text(file, limit=limit, what=what, error=RunError)
