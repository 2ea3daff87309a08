"""A trained model off the disk: the same preprocessing as in training, then its answers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.batches import batches
from neocog.data.image_decode import decode_file
from neocog.data.inputs import named_paths, portions
from neocog.data.open import Source, is_data, parse_place
from neocog.data.samples import check_batch, evaluation_batch
from neocog.data.split import Split
from neocog.errors import DataError, ModelError, NeocogError, RunError, UsageError, printable
from neocog.exhibits import Section
from neocog.first_screen import FirstScreen, Named
from neocog.graph.output_kind import probabilities
from neocog.networks.catalog import build
from neocog.networks.model import SpecifiedNetwork
from neocog.render.notebook import Result
from neocog.runs.believed import as_function
from neocog.runs.card import first_screen_of, spec_section
from neocog.runs.data_of import ImageSamples, data_of
from neocog.runs.folder import RunFolder
from neocog.runs.image_files import named_files
from neocog.runs.matched import match
from neocog.runs.normalized import LOOKED_AT, misfit, misfit_of_split
from neocog.runs.scoring import outputs_of, scored
from neocog.runs.seen import SeenSamples, read_seen
from neocog.store.exported import load_exported
from neocog.store.sound import check_network, finite_outputs
from neocog.store.tensors import load_state
from neocog.tasks.classify import Evaluation
from neocog.training.inference import logits_of
from neocog.types import ModelSpec

__all__ = ["ImageSamples", "Prediction", "TrainedModel", "load"]

Path_ = str | os.PathLike[str]

TRIES = 3
"""So often a run is read that is replaced in the very moment."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model says of one file.

    Args:
        path: the file as it was named.
        label: the most probable class, or None where the file cannot be used.
        probability: of that class.
        top: classes and probabilities, the most probable first, five at most.
        error: why the file cannot be used.
    """

    path: str
    label: str | None = None
    probability: float | None = None
    top: tuple[tuple[str, float], ...] = ()
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        return {**vars(self), "top": [list(t) for t in self.top]}


@dataclass(frozen=True, repr=False)
class TrainedModel(Result):
    """A model that was trained, here or elsewhere.

    Args:
        module: pixels in [0, 1] to logits, in evaluation mode.
        card: what model.json holds; of a model from elsewhere its spec and where it is from.
        place: the run folder, or what was opened.
        named: the classes have names; else they are the numbers of the outputs, and data says
            what they are called.
        black_box: it answers, and has neither layers nor gradients.
        options: how it was opened, as words of a command; None where no command can name it.
    """

    module: SpecifiedNetwork
    card: dict[str, Any]
    place: Path
    named: bool = True
    black_box: bool = False
    options: tuple[str, ...] | None = ()

    def named_as(self, data: str = "") -> Named | None:
        """How a command names this model and data; None where none can.

        Args:
            data: as the user named it; may be empty.
        """
        if self.options is None:
            return None
        return Named(model=str(self.place), data=data, options=self.options)

    def heading(self) -> str:
        """What was opened."""
        return printable(self.place)

    def first_screen(self) -> FirstScreen:
        """What it scored in its training, what it takes and tells apart."""
        return first_screen_of(self)

    def sections(self) -> list[Section]:
        """What it promises, as a table."""
        return [spec_section(self)]

    def to_json(self) -> dict[str, Any]:
        """What model.json holds."""
        return dict(self.card)

    @property
    def spec(self) -> ModelSpec:
        """What the model promises."""
        return self.module.spec

    @property
    def drawn(self) -> dict[str, Any]:
        """How its data was split: options of `neocog.data.open.open_data`."""
        data = self.card.get("data", {})
        return {"seed": int(data.get("seed", 0)), "cut_test": bool(data.get("cut_test", False))}

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why predictions are not a function of the image; a model that has any was allowed."""
        return tuple(self.card.get("doubts", ()))

    def seen(self) -> SeenSamples | None:
        """Which samples it was trained on; None where nobody knows."""
        return read_seen(self.place) if self.place.is_dir() else None

    def predict(self, paths: Any) -> list[Prediction]:
        """Answer for files, for all images below folders, and for data of any kind.

        Args:
            paths: files, folders and places of data (`DATA:test`, `digits`), or anything that
                `neocog.data.inputs` takes.

        Returns:
            An answer a file, in order; one that cannot be used has an error, and so has a path
            that does not exist and a folder without a file.
        """
        return list(self.stream(paths))

    def stream(self, paths: Any, *, batch_size: int | None = None) -> Iterator[Prediction]:
        """`predict`, a batch at a time.

        Args:
            paths: as for `predict`.
            batch_size: images that are held and predicted at once; chosen by their size if left
                out.

        Raises:
            UsageError: a batch of none.
        """
        self._must_classify()
        batch = min(64, self._batch(None)) if batch_size is None else self._batch(batch_size)
        paths = paths.place if isinstance(paths, Source) else paths
        named, paths = named_paths(paths)
        if named is None:
            yield from self._of_inputs(paths, batch)
            return
        waiting: list[tuple[str, np.ndarray | str]] = []
        looked = False
        for waits in self._named(named):
            waiting.append(waits)
            if len(waiting) == batch:
                looked = looked or self._look(waiting)
                yield from self._answers(waiting)
                waiting = []
        if not looked:
            self._look(waiting)
        yield from self._answers(waiting)

    def _named(self, paths: Iterable[Path_]) -> Iterator[tuple[str, np.ndarray | str]]:
        """Names and pixels of files, and of the samples of data."""
        for given in paths:
            if not is_data(given):
                yield from self.images(given)
                continue
            split = self.samples(given).split
            where = Path(parse_place(given)[0])
            for i, name in enumerate(split.names):
                yield str(where / name) if where.is_dir() else name, split.x[i]

    def _of_inputs(self, data: Any, batch: int) -> Iterator[Prediction]:
        """Answers for tensors, arrays, images and datasets."""
        signal, at = self.spec.input, 0
        for part in portions(data, signal):
            odd = misfit(part.samples.take(slice(0, LOOKED_AT)), signal) if not at else None
            for said in (*part.notes, *filter(None, (odd,))):
                warnings.warn(said, stacklevel=4)
            logits = outputs_of(self, part, batch)
            p = probabilities(logits.double(), self.spec.output.kind)
            for i, row in enumerate(p):
                yield self._answer(part.samples.name(i) or f"sample {at + i}", row)
            at += len(p)

    def _look(self, waiting: Iterable[tuple[str, np.ndarray | str]]) -> bool:
        """Warn where the normalization does not fit these images; whether there were any."""
        found = [p for _, p in waiting if isinstance(p, np.ndarray)]
        some = [p for p in found if p.dtype == found[0].dtype]
        if some:
            split = Split(np.stack(some), np.zeros(len(some), np.int64), [""] * len(some))
            for said in misfit_of_split(split, self.spec.input):
                warnings.warn(said, stacklevel=3)
        return bool(some)

    def images(self, paths: Iterable[Path_] | Path_) -> Iterator[tuple[str, np.ndarray | str]]:
        """Files as this model takes them: name, and pixels (H, W, C) or why they cannot be used.

        Args:
            paths: files and folders.
        """
        named = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        for path, reason in named_files(named):
            yield path, reason or self._decode(path)

    def evaluate(
        self, place: Any, *, strict: bool = False, batch_size: int | None = None
    ) -> Evaluation:
        """Score the model on data.

        Args:
            place: as for `neocog.data`, or anything that `neocog.data.inputs` takes; `DATA:val`
                picks a split and `DATA:all` everything. If left out, the test split where there is
                one, or was when the model was trained on this data; else everything.
            strict: stop at the first image that cannot be used.
            batch_size: samples that go through the model at once; chosen by their size if left
                out. Memory grows with it, and not with the number of samples.

        Raises:
            DataError: the data cannot be opened, or has no label that the model knows.
            ModelError: an output is no number.
            UsageError: a batch of none.
        """
        self._must_classify()
        return scored(self, place, batch=self._batch(batch_size), strict=strict)

    def samples(self, place: Path_, *, border: int = 0, strict: bool = False) -> ImageSamples:
        """Data as this model takes it: its size, its channels, its numbers of the classes.

        Args:
            place: as for `evaluate`.
            border: pixels to serve beyond the model's size, on each side.
            strict: stop at the first image that cannot be used.

        Raises:
            DataError: the data cannot be opened.
        """
        self._must_classify()
        return data_of(self, place, border=border, strict=strict)

    def _batch(self, given: int | None) -> int:
        """Samples that go through the model at once."""
        if given is not None:
            check_batch(given)
            return given
        signal = self.spec.input
        return evaluation_batch(signal.channels, signal.size)

    def scores(self, classes: Sequence[str]) -> bool:
        """Whether data with these classes can be scored: they are its own, or name its outputs."""
        try:
            match(self.spec.classes, classes, "", named=self.named)
        except DataError:
            return False
        return True

    def _must_classify(self) -> None:
        """Other tasks have no classes to score."""
        if self.spec.task != "classify":
            raise UsageError(
                f"Scores and predictions are of classifiers; `{printable(self.place)}` does "
                f"`{self.spec.task}`. Audit it instead."
            )

    def _decode(self, path: str) -> np.ndarray | str:
        signal = self.spec.input
        try:
            return decode_file(
                path,
                size=signal.image_size,
                channels=signal.channels,
                resize_mode=signal.resize_mode,
            )
        except NeocogError as e:
            return str(e)

    def _answers(self, waiting: list[tuple[str, np.ndarray | str]]) -> list[Prediction]:
        images = [p for _, p in waiting if isinstance(p, np.ndarray)]
        p = self._probabilities(images) if images else torch.empty(0)
        finite_outputs(p, [path for path, image in waiting if isinstance(image, np.ndarray)])
        out, row = [], 0
        for path, image in waiting:
            if isinstance(image, str):
                out.append(Prediction(path=path, error=image))
                continue
            out.append(self._answer(path, p[row]))
            row += 1
        return out

    def _answer(self, path: str, p: Tensor) -> Prediction:
        """Of one sample, from its probabilities (K,)."""
        best = p.topk(min(5, len(p)))
        top = tuple(
            (self.spec.classes[i], float(v))
            for v, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        )
        return Prediction(path=path, label=top[0][0], probability=top[0][1], top=top)

    def _probabilities(self, images: list[np.ndarray]) -> Tensor:
        """Through the very batches that training and evaluation use."""
        rows: list[Tensor] = []
        for dtype in sorted({p.dtype for p in images}, key=str):
            x = np.stack([p for p in images if p.dtype == dtype])
            split = Split(x, np.zeros(len(x), dtype=np.int64), [""] * len(x))
            logits = logits_of(
                self.module, batches(split, size=len(x), shuffle=False, seed=0, epoch=0)
            )
            rows.append(probabilities(logits.double(), self.spec.output.kind))
        order = sorted(range(len(images)), key=lambda i: (str(images[i].dtype), i))
        p = torch.cat(rows)
        back = torch.empty_like(p)
        back[torch.tensor(order)] = p
        return back


def load(place: Path_, *, allow_random: bool = False) -> TrainedModel:
    """A trained model from its run folder.

    Args:
        place: the folder.
        allow_random: take a model whose predictions are not a function of the image alone.

    Raises:
        RunError: it is no run folder, or is being replaced again and again.
        ModelError: the model is missing, damaged, does not fit its network, or says something else
            when it is asked again.
    """
    for _ in range(TRIES):
        folder = RunFolder.open(Path(place))
        before = folder.identity()
        try:
            found = _loaded(folder, place, allow_random=allow_random)
        except NeocogError:
            if folder.identity() == before:
                raise
        else:
            if folder.identity() == before:
                return found
        # Another run took its place meanwhile: what was read may be of both.
    raise RunError(
        f"A run is read while nobody replaces it, and `{printable(place)}` was replaced "
        f"{TRIES} times in that time. Try again later."
    )


def _loaded(folder: RunFolder, place: Path_, *, allow_random: bool) -> TrainedModel:
    card = folder.card()
    spec = ModelSpec.from_json(card["spec"])
    name, options = card["network"]["name"], dict(card["network"]["options"])
    if (program := folder.program) is not None:
        network: nn.Module = load_exported(program)[0]
        check_network(network, printable(program))
    else:
        network = _built(name, spec, options, folder)
    module = SpecifiedNetwork(network, spec)
    module.eval()
    shape = (spec.input.channels, *spec.input.size)
    chance = as_function(module, os.fspath(place), shape, allow_random=allow_random)
    for note in chance:
        warnings.warn(note, stacklevel=3)
    return TrainedModel(module, {**card, "doubts": list(chance)}, Path(place))


def _built(name: str, spec: ModelSpec, options: dict[str, Any], folder: RunFolder) -> nn.Module:
    """A network of ours, with the weights of its run."""
    try:
        network = build(
            name,
            classes=len(spec.classes),
            channels=spec.input.channels,
            size=spec.input.image_size,
            options={k: tuple(v) if isinstance(v, list) else v for k, v in options.items()},
        )
    except (UsageError, RuntimeError, ValueError, TypeError, ZeroDivisionError) as e:
        why = str(e).partition("\n")[0]
        raise ModelError(f"The network of `{printable(folder.path)}` cannot be built. {why}") from e
    load_state(network, folder.weights(), f"`{printable(folder.path / 'model.safetensors')}`")
    return network
