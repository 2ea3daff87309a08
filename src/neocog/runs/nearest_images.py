"""The nearest images in a network's embedding: what it takes for alike, mistakes first.

The embedding of an image is what the last linear layer of a classifier is given.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neocog.data.batches import order
from neocog.data.display import as_displayed
from neocog.data.split import Split
from neocog.errors import ModelError, printable
from neocog.exhibits import Gallery, Section
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.events import Finished
from neocog.runs.features import Backbone, backbone_of, features_of
from neocog.training.neighbors import similar

__all__ = ["CANDIDATES", "Queries", "nearest_gallery", "nearest_section", "searched_gallery"]

QUERIES, NEIGHBORS = 8, 5
"""Images that are drawn with their neighbors, and neighbors of each."""

SEARCHED, CANDIDATES = 2000, 200
"""Images that are searched, and images that the drawn ones are chosen from, at most."""

LETTERS = 24
"""Of a name in a caption."""

PART, AT_MOST = 0.02, 10.0
"""Of a budget, and seconds without one, that the features of the searched images may take."""

_TITLE = "nearest images in the embedding"


@dataclass(frozen=True)
class Queries:
    """Images whose neighbors are looked for.

    Args:
        split: them; labels of -1 are unknown.
        classes: names of the labels; empty where there are none.
        predicted: class of each, by the model; None where the nearest neighbor names it.
        confidence: probability of that class.
        name: of the split.
    """

    split: Split
    classes: tuple[str, ...]
    predicted: np.ndarray | None = None
    confidence: np.ndarray | None = None
    name: str = "test"


def nearest_section(end: Finished) -> Section | None:
    """What the trained network takes for alike; None where nothing is held out.

    Args:
        end: the last event of the training.
    """
    experiment = end.experiment
    source = experiment.labeled or experiment.source
    held = next((n for n in ("test", "val") if len(source.splits.get(n, ()))), None)
    if held is None:
        return None
    queries = Queries(source.splits[held], source.classes, name=held)
    if held in end.outputs and experiment.labeled is None:
        outputs = end.outputs[held]
        p, predicted = outputs.logits.softmax(1).max(1)
        queries = Queries(outputs.split, source.classes, predicted.numpy(), p.numpy(), name=held)
    budget = experiment.recipe.train.budget
    gallery = nearest_gallery(
        experiment.best,
        experiment.recipe.model.name,
        train=source.splits["train"],
        queries=queries,
        device=experiment.machine.device,
        seconds=PART * budget if budget else AT_MOST,
    )
    if gallery is None:
        return None
    text = "Which training images the network takes for alike: where they have other labels, look."
    return Section(title="Nearest images", exhibits=(gallery,), text=text)


def nearest_gallery(
    module: SpecifiedNetwork,
    name: str,
    *,
    train: Split,
    queries: Queries,
    device: str = "cpu",
    seconds: float = math.inf,
) -> Gallery | None:
    """A row per image: it, and its nearest training images with label and similarity.

    Args:
        module: a classifier that ends in a linear layer; of another there is no gallery.
        name: of it, for messages.
        train: images that are searched, a random part of many.
        queries: mistakes among them come first.
        device: where the model is.
        seconds: for the features of the searched images; as many are searched as there is time for.

    Returns:
        None where there is nothing to draw.
    """
    if len(train) < 2 or not len(queries.split):
        return None
    try:
        backbone = backbone_of(module, name)
    except ModelError:
        return None
    rows = _candidates(queries)
    query_features = torch.cat(list(features_of(backbone, queries.split, rows, device=device)))
    searched = order(len(train), seed=0, epoch=0)[:SEARCHED]
    features = _within(backbone, train, searched, device, seconds)
    searched = searched[: len(features)]
    return searched_gallery(queries, rows, query_features, train, features, searched=searched)


def searched_gallery(
    queries: Queries,
    rows: np.ndarray,
    query_features: Tensor,
    train: Split,
    features: Tensor,
    *,
    searched: np.ndarray | None = None,
) -> Gallery | None:
    """The same from features that are known.

    Args:
        queries: the images.
        rows: which of them may be drawn, and
        query_features: their features.
        train: images that are searched, and
        features: theirs.
        searched: which images of `train` these are; all if left out.
    """
    similarity, index = similar(features, query_features, k=NEIGHBORS + 1)
    if searched is not None:
        index = torch.from_numpy(searched)[index]
    picked = _mistakes_first(queries, rows, train, index)
    count, of = len(features), len(train)
    each = min(NEIGHBORS, count - 1)
    images, captions = list[np.ndarray](), list[str]()
    for at in picked[:QUERIES]:
        row = int(rows[at])
        nearest = [
            (int(i), float(s))
            for i, s in zip(index[at], similarity[at], strict=True)
            if not _same(queries.split, row, train, int(i))
        ][:each]
        images.append(as_displayed(queries.split.x[row]))
        captions.append(_query_caption(queries, row))
        for i, s in nearest:
            images.append(as_displayed(train.x[i]))
            captions.append(_neighbor_caption(queries, row, train, i, s))
    if not images:
        return None
    part = f"{count:,} of {of:,}" if count < of else f"{of:,}"
    mistakes = "; mistakes first, ✗ marks another label" if queries.classes else ""
    return Gallery(
        title=_TITLE,
        images=images,
        captions=captions,
        together=1 + each,
        note=f"In each row: an image of the split {queries.name}, then the nearest of {part} "
        "training images by cosine similarity of the features before the last linear "
        f"layer{mistakes}.",
    )


def _candidates(queries: Queries) -> np.ndarray:
    """Images that may be drawn: the most confident mistakes, then others by chance."""
    n = len(queries.split)
    rows = order(n, seed=0, epoch=1)
    if queries.predicted is not None:
        known = queries.split.y >= 0
        wrong = np.flatnonzero(known & (queries.predicted != queries.split.y))
        if queries.confidence is not None:
            wrong = wrong[np.argsort(-queries.confidence[wrong], kind="stable")]
        rows = np.concatenate([wrong, rows[~np.isin(rows, wrong)]])[:QUERIES]
    return rows[:CANDIDATES]


def _mistakes_first(queries: Queries, rows: np.ndarray, train: Split, index: Tensor) -> list[int]:
    """Positions in `rows`, those whose prediction or nearest neighbor has another label first."""
    if queries.predicted is not None or not queries.classes:
        return list(range(len(rows)))
    nearest = train.y[index[:, 0].numpy()]
    wrong = nearest != queries.split.y[rows]
    return [*np.flatnonzero(wrong).tolist(), *np.flatnonzero(~wrong).tolist()]


def _within(
    backbone: Backbone, train: Split, rows: np.ndarray, device: str, seconds: float
) -> Tensor:
    """Features of as many images as there is time for, at least of one batch."""
    end, parts = time.monotonic() + seconds, list[Tensor]()
    for part in features_of(backbone, train, rows, device=device):
        parts.append(part)
        if time.monotonic() > end:
            break
    return torch.cat(parts)


def _same(one: Split, i: int, other: Split, j: int) -> bool:
    """Whether two samples are the same one: of one content and one name."""
    if one.ids is None or other.ids is None:
        return False
    return bool(one.ids[i] == other.ids[j]) and one.names[i] == other.names[j]


def _label(queries: Queries, k: int) -> str:
    known = 0 <= k < len(queries.classes)
    text = printable(queries.classes[k]) if known else "?"
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"


def _query_caption(queries: Queries, row: int) -> str:
    """Of a query: its label, and what was predicted if that is another."""
    if not queries.classes:
        return _short(queries.split.names[row])
    label = int(queries.split.y[row])
    if queries.predicted is None or label == queries.predicted[row]:
        return f"is {_label(queries, label)}"
    return (
        f"✗ predicted {_label(queries, int(queries.predicted[row]))}\nis {_label(queries, label)}"
    )


def _neighbor_caption(queries: Queries, row: int, train: Split, i: int, similarity: float) -> str:
    if not queries.classes:
        return f"{similarity:.2f}\n{_short(train.names[i])}"
    k = int(train.y[i])
    mark = "" if k == queries.split.y[row] else "✗ "
    return f"{mark}{_label(queries, k)}\n{similarity:.2f}"


def _short(name: str) -> str:
    text = printable(name)
    return text if len(text) <= LETTERS else f"…{text[1 - LETTERS :]}"
