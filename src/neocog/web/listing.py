"""Images of the data, sorted, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neocog.errors import UsageError
from neocog.web.network import Network
from neocog.web.query import choice, whole, words
from neocog.web.session import PREDICTED, Predictions, Session

__all__ = ["SORTS", "listing"]

SORTS = ("index", "label", "prediction", "uncertain", "incorrect")
"""Orders: by index; by label; by prediction; most uncertain first; errors, most confident first."""

_PREDICTED = ("prediction", "uncertain", "incorrect")


def listing(session: Session, query: Mapping[str, Any]) -> dict[str, Any]:
    """One page of images.

    Orders that need the model's predictions are of the first `PREDICTED` images of a split.

    Args:
        session: models and images.
        query: split, sort, model, page, per.

    Raises:
        UsageError: there is no such order, or the model is not a classifier.
    """
    network = session.network(query)
    model = session.networks.index(network)
    split = words(query, "split", session.album.start)
    sort = choice(query, "sort", "index", SORTS)
    per = whole(query, "per", 60, low=1, high=200)
    page = whole(query, "page", 0, low=0, high=10**7)
    samples = session.album.samples(split, model)
    predictions = None
    if sort in _PREDICTED:
        if network.task != "classify":
            raise UsageError("Sorting by predictions needs a classifier.")
        predictions = session.predictions(split, model)
    elif session.has(("predictions", split, model)):
        predictions = session.predictions(split, model)
    labels = samples.truth(slice(0, len(samples)))
    if labels is not None and (labels.ndim != 1 or labels.dtype.kind not in "iu"):
        labels = None
    order = _order(sort, len(samples), labels, predictions)
    rows = order[page * per : (page + 1) * per].tolist()
    return {
        "total": len(order),
        "predicted": min(PREDICTED, len(samples)) if sort in _PREDICTED else None,
        "items": [_item(session, network, split, row, predictions) for row in rows],
    }


def _order(
    sort: str, count: int, labels: np.ndarray | None, predictions: Predictions | None
) -> np.ndarray:
    if sort == "label" and labels is not None:
        return np.argsort(labels, kind="stable")
    if sort not in _PREDICTED or predictions is None:
        return np.arange(count)
    if sort == "prediction":
        return np.lexsort((-predictions.p, predictions.predicted))
    if sort == "uncertain":
        return np.argsort(-predictions.entropy, kind="stable")
    if labels is None:
        raise UsageError("Without labels, errors are unknown. Choose another order.")
    wrong = np.flatnonzero(predictions.predicted != labels[: len(predictions.predicted)])
    return wrong[np.argsort(-predictions.p[wrong], kind="stable")]


def _item(
    session: Session, network: Network, split: str, row: int, predictions: Predictions | None
) -> dict[str, Any]:
    id = f"{split}:{row}"
    item: dict[str, Any] = {
        "id": id,
        "name": session.album.called(id),
        "label": session.label(network, id),
    }
    if predictions is not None and row < len(predictions.predicted):
        k = int(predictions.predicted[row])
        name = network.classes[k] if k < len(network.classes) else str(k)
        item["prediction"] = {"index": k, "name": name}
        item["p"] = float(predictions.p[row])
    return item
