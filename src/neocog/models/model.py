"""An opened model, from anywhere: its spec, its layers, data as it takes it, and every verb.

    model = neocog.load("runs/flowers" | "timm:resnet18" | "net.onnx" | module)
    model.predict(images)     model.evaluate(data)     model.audit(data, shift=("crop",), n=500)

The class knows nothing of files of weights or of run folders; `neocog.load` opens these. The verbs
are the functions of the package, with the model as their first argument.
"""

from __future__ import annotations

import importlib
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.batches import batches
from neocog.data.image_decode import decode_file
from neocog.data.image_files import named_files
from neocog.data.inputs import named_paths, portions
from neocog.data.one_image import check_pixels
from neocog.data.open import Source, is_data, parse_source
from neocog.data.samples import check_batch, evaluation_batch
from neocog.data.series import series_at
from neocog.data.split import Split, file_order
from neocog.errors import DataError, NeocogError, UsageError, did_you_mean, printable
from neocog.exhibits import Exhibit, Section
from neocog.first_screen import FirstScreen, Named
from neocog.graph.activations import find_layer
from neocog.graph.output_kind import probabilities
from neocog.jsonable import Jsonable, keys
from neocog.models.card import first_screen_of, spec_section
from neocog.models.class_matching import match
from neocog.models.data_of import Among, ImageSamples, data_of
from neocog.models.normalized import LOOKED_AT, misfit, misfit_of_split
from neocog.models.scoring import outputs_of, scored, space_axes
from neocog.models.seen_samples import SeenSamples
from neocog.networks.model import SpecifiedNetwork
from neocog.render.notebook import Result
from neocog.store.sound import finite_outputs
from neocog.tasks.classify import Evaluation
from neocog.tasks.inference import logits_of
from neocog.types import ModelSpec, OutputSpec

if TYPE_CHECKING:
    import neocog

__all__ = ["AnyModel", "Model", "Prediction"]

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class Prediction(Jsonable):
    """The prediction for one file.

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


class _Verb:
    """A function of the package whose first argument is a model, as a method of the model.

    It is the same function, with its signature and its documentation; verbs stand on floors above
    and are opened when they are called.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, model: object | None, owner: type | None = None) -> Any:
        function = getattr(importlib.import_module("neocog"), self.name)
        return function if model is None else MethodType(function, model)


@dataclass(frozen=True, repr=False)
class Model(Result):
    """An opened model, from anywhere: what every verb is given.

    Args:
        module: values to logits, the user's own network being `network` in it; pixels are in
            [0, 1].
        card: what model.json holds; of an external model its spec and where it is from.
        path: the run folder, or what was opened.
        named: the classes have names; else they are the numbers of the outputs, and data says
            what they are called.
        black_box: it predicts, and has neither layers nor gradients.
        options: how it was opened, as words of a command; None where no command can name it.
        recall: which samples it was trained on, where its folder knows.
        history: its training curves, where its folder has them.
    """

    JSON = keys("*card")

    module: SpecifiedNetwork
    card: dict[str, Any]
    path: Path
    named: bool = True
    black_box: bool = False
    options: tuple[str, ...] | None = ()
    recall: Callable[[], SeenSamples | None] | None = None
    history: Callable[[], tuple[Exhibit, ...]] | None = None

    if TYPE_CHECKING:
        audit = neocog.audit
        explain = neocog.explain
        explore = neocog.explore
        export = neocog.export
        fix = neocog.fix
        neighbors = neocog.neighbors
        summary = neocog.summary  # type: ignore[assignment]  # its cost, as the verb
    else:
        audit = _Verb()
        explain = _Verb()
        explore = _Verb()
        export = _Verb()
        fix = _Verb()
        neighbors = _Verb()
        summary = _Verb()

    def named_as(self, data: str = "") -> Named | None:
        """How a command names this model and data; None where none can.

        Args:
            data: as the user named it; may be empty.
        """
        if self.options is None:
            return None
        return Named(model=str(self.path), data=data, options=self.options)

    def heading(self) -> str:
        """What was opened."""
        return self.title

    def __repr__(self) -> str:
        return f"{self.heading()}\n{self.first_screen().text()}"

    def first_screen(self) -> FirstScreen:
        """Its scores in training, its input and its classes."""
        return first_screen_of(self)

    def sections(self) -> list[Section]:
        """What it promises, as a table."""
        return [spec_section(self)]

    @property
    def spec(self) -> ModelSpec:
        """What the model promises."""
        return self.module.spec

    @property
    def network(self) -> nn.Module:
        """The network itself, without what normalizes its input and reads its output."""
        return self.module.network

    @property
    def bare(self) -> bool:
        """A module at hand that nothing is done to: not normalized, its output taken as it is."""
        signal = self.spec.input
        plain = not any(signal.mean) and all(s == 1 for s in signal.std)
        return self.options is None and plain and self.spec.output == OutputSpec()

    @property
    def task(self) -> str:
        """What it does: classify, segment or regress."""
        return self.spec.task

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the outputs, or their indices; empty where unknown."""
        return self.spec.classes

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample, (C, H, W) or (C, N); () where unknown."""
        return self.spec.input.shape

    @property
    def title(self) -> str:
        """As it was named."""
        return printable(self.path)

    def inner(self, layer: str) -> str:
        """The name of a layer in `module`, from the one in the network.

        Raises:
            ModelError: there is no such layer.
        """
        known = dict(self.network.named_modules(remove_duplicate=False))
        own = layer if layer in known else layer.removeprefix("network.")
        find_layer(self.network, own)
        return f"network.{own}" if own else "network"

    def label(self, layer: str) -> str:
        """A layer of `module` as the user knows it: by its name in the network."""
        return layer.removeprefix("network.").removeprefix("network ")  # of `network #2`

    def target(self, wanted: int | str | None) -> int | None:
        """The number of an output, from its name or number.

        Raises:
            UsageError: there is no such class.
        """
        if wanted is None or isinstance(wanted, int):
            return wanted
        if wanted in self.classes:
            return self.classes.index(wanted)
        if re.fullmatch(r"[0-9]{1,9}", wanted):
            return int(wanted)
        wanted = wanted[:80]
        raise UsageError(
            f"A class is the name or the index of an output; `{printable(wanted)}` is none. "
            + (did_you_mean(wanted, self.classes) if self.classes else "Give its index.")
        )

    def taken(self, data: Any) -> Any:
        """Data with what is read of a model's kind alone: files of series become their values."""
        axes = self.spec.input.axes or space_axes(self.network)
        if axes != 1 or data is None:
            return data
        paths, data = named_paths(data)
        return data if paths is None else series_at(paths, self.shape)

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
        """Which samples it was trained on; None where unknown."""
        return None if self.recall is None else self.recall()

    def predict(self, paths: Any) -> list[Prediction]:
        """Predict for files, for all images below folders, and for data of any kind.

        Args:
            paths: files, folders and data sets (`DATA:test`, `digits`), or anything that
                `neocog.data.inputs` takes.

        Returns:
            A prediction for each file, in order; an unusable file has an error, and so has a path
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
        paths = paths.path if isinstance(paths, Source) else paths
        named, paths = named_paths(self.taken(paths))
        if named is None:
            yield from self._of_inputs(paths, batch)
            return
        waiting: list[tuple[str, np.ndarray | str]] = []
        looked = False
        for waits in self._named(named):
            waiting.append(waits)
            if len(waiting) == batch:
                looked = looked or self._look(waiting)
                yield from self._predictions(waiting)
                waiting = []
        if not looked:
            self._look(waiting)
        yield from self._predictions(waiting)

    def _named(self, paths: Iterable[StrPath]) -> Iterator[tuple[str, np.ndarray | str]]:
        """Names and pixels of files, and of the samples of data."""
        for given in paths:
            if not is_data(given):
                yield from self.images(given)
                continue
            split = self.samples(given).split
            where = Path(parse_source(given)[0])
            for i in file_order(split.names).tolist():
                name = split.names[i]
                yield str(where / name) if where.is_dir() else name, split.x[i]

    def _of_inputs(self, data: Any, batch: int) -> Iterator[Prediction]:
        """Predictions for tensors, arrays, images and datasets."""
        signal, at = self.spec.input, 0
        for part in portions(data, signal):
            odd = misfit(part.samples.take(slice(0, LOOKED_AT)), signal) if not at else None
            for note in (*part.notes, *filter(None, (odd,))):
                warnings.warn(note, stacklevel=4)
            logits = outputs_of(self, part, batch)
            p = probabilities(logits.double(), self.spec.output.kind)
            for i, row in enumerate(p):
                yield self._prediction(part.samples.name(i) or f"sample {at + i}", row)
            at += len(p)

    def _look(self, waiting: Iterable[tuple[str, np.ndarray | str]]) -> bool:
        """Warn where the normalization does not fit these images; whether there were any."""
        arrays = [p for _, p in waiting if isinstance(p, np.ndarray)]
        some = [p for p in arrays if p.dtype == arrays[0].dtype]
        if some:
            split = Split(np.stack(some), np.zeros(len(some), np.int64), [""] * len(some))
            for note in misfit_of_split(split, self.spec.input):
                warnings.warn(note, stacklevel=3)
        return bool(some)

    def images(self, paths: Iterable[StrPath] | StrPath) -> Iterator[tuple[str, np.ndarray | str]]:
        """Files as this model takes them: name, and pixels (H, W, C) or why they cannot be used.

        Args:
            paths: files and folders.
        """
        named = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        for path, reason in named_files(named):
            yield path, reason or self._decode(path)

    def evaluate(
        self, data: Any, *, strict: bool = False, batch_size: int | None = None
    ) -> Evaluation:
        """Score the model on data.

        Args:
            data: as for `neocog.data`, or anything that `neocog.data.inputs` takes; `DATA:val`
                picks a split and `DATA:all` everything. If left out, the test split where there is
                one, or was when the model was trained on this data; else everything.
            strict: stop at the first image that cannot be used.
            batch_size: batch size; chosen by the size of a sample if left
                out. Memory grows with it, and not with the number of samples.

        Raises:
            DataError: the data cannot be opened, or has no label that the model knows.
            ModelError: an output is not a number.
            UsageError: a batch of none.
        """
        self._must_classify()
        return scored(self, self.taken(data), batch=self._batch(batch_size), strict=strict)

    def samples(
        self,
        source: StrPath,
        *,
        border: int = 0,
        strict: bool = False,
        n: int | None = None,
        seed: int = 0,
        among: Among | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> ImageSamples:
        """Data as this model takes it: its size, its channels, its numbers of the classes.

        Args:
            source: as for `evaluate`.
            border: pixels to serve beyond the model's size, on each side.
            strict: stop at the first image that cannot be used.
            n: samples that are looked at; all for None, see `models.data_of.data_of`.
            seed: of their draw.
            among: which positions of the split they are chosen from; all if left out.
            progress: called with (steps done, steps in all) as files are read and decoded.

        Raises:
            DataError: the data cannot be opened.
        """
        self._must_classify()
        return data_of(
            self,
            source,
            border=border,
            strict=strict,
            n=n,
            seed=seed,
            among=among,
            progress=progress,
        )

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
                f"Scores and predictions need a classifier; `{printable(self.path)}` does "
                f"`{self.spec.task}`. Audit it instead."
            )

    def _decode(self, path: str) -> np.ndarray | str:
        signal = self.spec.input
        try:
            check_pixels(signal)
            return decode_file(
                path,
                size=signal.image_size,
                channels=signal.channels,
                resize_mode=signal.resize_mode,
            )
        except NeocogError as e:
            return str(e)

    def _predictions(self, waiting: list[tuple[str, np.ndarray | str]]) -> list[Prediction]:
        images = [p for _, p in waiting if isinstance(p, np.ndarray)]
        p = self._probabilities(images) if images else torch.empty(0)
        finite_outputs(p, [path for path, image in waiting if isinstance(image, np.ndarray)])
        out, row = [], 0
        for path, image in waiting:
            if isinstance(image, str):
                out.append(Prediction(path=path, error=image))
                continue
            out.append(self._prediction(path, p[row]))
            row += 1
        return out

    def _prediction(self, path: str, p: Tensor) -> Prediction:
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


AnyModel = str | os.PathLike[str] | nn.Module | Model
"""What every verb takes, and `neocog.load` opens."""
