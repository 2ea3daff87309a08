"""How good the features of a model are: nearest neighbors and a linear classifier on them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neocog.data.batches import order
from neocog.data.inputs import is_path
from neocog.data.open import Source, parse_source
from neocog.data.split import Split
from neocog.errors import DataError, UsageError, printable
from neocog.exhibits import Gallery, Scalar, Section, flipped
from neocog.first_screen import FirstScreen
from neocog.jsonable import keys
from neocog.models.data_of import source_of
from neocog.models.model import Model
from neocog.render.notebook import Result
from neocog.runs.features import backbone_of, kept_features
from neocog.runs.nearest_images import CANDIDATES, Queries, searched_gallery
from neocog.stats import wilson_interval
from neocog.tasks.classify import Evaluation, evaluation
from neocog.training.linear import fit_linear
from neocog.training.neighbors import nearest, votes_of

__all__ = ["Probe", "probe"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Probe(Result):
    """How good frozen features are for some data.

    Args:
        split: that was measured.
        n: samples of it.
        train: samples that the classifiers were given.
        features: values of a feature vector.
        knn: nearest neighbors: accuracy, accuracy_ci, k.
        linear: a linear classifier: accuracy, accuracy_ci, loss, auc, average_precision, l2.
        notes: sentences that a reader of the figures should know.
        near: the nearest images, drawn when a page shows them.
    """

    JSON = keys("split", "n", "train", "features", "knn", "linear", "notes")

    split: str
    n: int
    train: int
    features: int
    knn: dict[str, Any]
    linear: dict[str, Any]
    notes: tuple[str, ...] = ()
    near: Callable[[], Gallery | None] = field(default=lambda: None, repr=False, compare=False)

    def heading(self) -> str:
        """What it is."""
        return f"Probe of {self.features:,} features on {self.n:,} {self.split} samples"

    def _scalars(self) -> tuple[Scalar, ...]:
        return (
            Scalar(
                title="linear classifier",
                value=self.linear["accuracy"],
                unit="%",
                interval=self.linear["accuracy_ci"],
                note=f"on {self.features:,} frozen features, L2 strength {self.linear['l2']:.2g}; "
                "Wilson 95 % CI",
            ),
            Scalar(
                title="nearest neighbors",
                value=self.knn["accuracy"],
                unit="%",
                interval=self.knn["accuracy_ci"],
                note=f"{self.knn['k']} by cosine similarity; Wilson 95 % CI",
            ),
        )

    def first_screen(self) -> FirstScreen:
        """The accuracy of both."""
        low, high = (flipped(v) for v in self.linear["accuracy_ci"])
        return FirstScreen(
            headline=f"A linear classifier on its features: {flipped(self.linear['accuracy'])} % "
            f"(95 % CI {low}–{high} %), nearest neighbors {flipped(self.knn['accuracy'])} %, on "
            f"{self.n:,} {self.split} samples.",
            figures=self._scalars(),
            note=" ".join(self.notes),
        )

    def sections(self) -> list[Section]:
        """Everything."""
        gallery = self.near()
        more = [] if gallery is None else [Section(title="Nearest images", exhibits=(gallery,))]
        return [self.exhibits("Probe"), *more]

    def exhibits(self, title: str) -> Section:
        """The figures."""
        return Section(title=title, text=" ".join(self.notes), exhibits=self._scalars())


def probe(model: Model, data: Any, *, seed: int = 0, strict: bool = False) -> Probe:
    """Nearest neighbors and a linear classifier on a model's frozen features.

    Both are given the training samples of the data, and its validation samples where these are not
    measured, and are measured once on its test samples, or on the split that is named
    (`DATA:val`); test samples are never learned from. The strength of the linear classifier is
    chosen by cross-validation on what it learns from.

    Args:
        model: a classifier of images that ends in a linear layer; its classes play no part.
        data: a labeled data set; with its splits, or those that `neocog train` would make.
        seed: of the folds.
        strict: stop at the first image that cannot be used.

    Raises:
        DataError: the data has no labels, or nothing to train or to measure on.
        ModelError: the model does not end in a linear layer.
    """
    if not is_path(data):
        raise UsageError("A probe needs a data set with splits. Give a folder or file.")
    where, name = parse_source(os.fspath(data))
    source = source_of(model, where, strict=strict)
    if not source.classes:
        raise DataError(
            f"A probe needs labels, and `{printable(where)}` has none. Put the images of each "
            "class into a folder with its name."
        )
    name = name or ("test" if len(source.splits["test"]) else "val")
    held = source.splits.get(name)
    parts = {n: source.splits[n] for n in ("train", "val") if n != name and len(source.splits[n])}
    if name == "train" or held is None or not len(held) or not parts:
        raise DataError(
            "A probe learns from some samples and is measured on others: name the split test or "
            f"val of `{printable(where)}`, and have samples in train."
        )
    backbone = backbone_of(model.module, model.title)
    x = [kept_features(backbone, s, data=f"{source.fingerprint} {n}") for n, s in parts.items()]
    train, y = torch.cat(x), np.concatenate([s.y for s in parts.values()])
    test = kept_features(backbone, held, data=f"{source.fingerprint} {name}")
    k = votes_of(y)
    fit = fit_linear(train, y, len(source.classes), seed=seed)
    score = evaluation(fit.logits(test), held.y, source.classes)
    near = int((nearest(train, y, test, num_classes=len(source.classes), k=k) == held.y).sum())
    return Probe(
        split=name,
        n=len(held),
        train=len(y),
        features=backbone.width,
        knn={
            "accuracy": near / len(held),
            "accuracy_ci": wilson_interval(near, len(held)),
            "k": k,
        },
        linear=_figures(score, fit.l2),
        near=partial(_gallery, source, name, held, test, parts, train),
        notes=_notes(model, held),
    )


def _gallery(
    source: Source, name: str, held: Split, test: Tensor, parts: dict[str, Split], train: Tensor
) -> Gallery | None:
    """The nearest images, from the features that were measured."""
    known = next(iter(parts.values()))
    queries = Queries(held, source.classes, name=name)
    rows = order(len(held), seed=0, epoch=1)[:CANDIDATES]
    query_features = test[torch.from_numpy(rows)]
    features = train[: len(known)]
    return searched_gallery(queries, rows, query_features, known, features)


def _figures(score: Evaluation, l2: float) -> dict[str, Any]:
    figures = score.figures()
    return {k: figures[k] for k in figures if k not in ("n", "ece")} | {"l2": l2}


def _notes(model: Model, held: Split) -> tuple[str, ...]:
    seen = model.seen()
    if seen is None or held.ids is None:
        return ()
    known = int(seen.trained_on(held).sum())
    if not known:
        return ()
    note = f"{known:,} of these {len(held):,} samples were trained on by the model"
    return (f"{note}: figures on them are optimistic.",)
