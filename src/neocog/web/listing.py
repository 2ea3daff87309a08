"""Pictures of the data, in an order that a person asked for, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neocog.errors import UsageError
from neocog.web.asked import choice, whole, words
from neocog.web.network import Network
from neocog.web.session import ANSWERED, Answers, Session

__all__ = ["SORTS", "listing"]

SORTS = ("index", "truth", "predicted", "unsure", "wrong")
"""Orders: as they stand; by class; by the answer; the least sure first; what is wrong first."""

_ANSWERED = ("predicted", "unsure", "wrong")


def listing(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """One page of pictures.

    Orders that need the model's answers are of the first `ANSWERED` pictures of a split.

    Args:
        session: models and pictures.
        asked: split, sort, model, page, per.

    Raises:
        UsageError: there is no such order, or the model is no classifier.
    """
    network = session.network(asked)
    model = session.networks.index(network)
    split = words(asked, "split", session.album.start)
    sort = choice(asked, "sort", "index", SORTS)
    per = whole(asked, "per", 60, low=1, high=200)
    page = whole(asked, "page", 0, low=0, high=10**7)
    samples = session.album.samples(split, model)
    answers = None
    if sort in _ANSWERED:
        if network.task != "classify":
            raise UsageError("Only pictures of a classifier are sorted by its answers.")
        answers = session.answers(split, model)
    elif session.has(("answers", split, model)):
        answers = session.answers(split, model)
    truth = samples.truth(slice(0, len(samples)))
    if truth is not None and (truth.ndim != 1 or truth.dtype.kind not in "iu"):
        truth = None
    order = _order(sort, len(samples), truth, answers)
    rows = order[page * per : (page + 1) * per].tolist()
    return {
        "total": len(order),
        "answered": min(ANSWERED, len(samples)) if sort in _ANSWERED else None,
        "items": [_item(session, network, split, row, answers) for row in rows],
    }


def _order(sort: str, count: int, truth: np.ndarray | None, answers: Answers | None) -> np.ndarray:
    if sort == "truth" and truth is not None:
        return np.argsort(truth, kind="stable")
    if sort not in _ANSWERED or answers is None:
        return np.arange(count)
    if sort == "predicted":
        return np.lexsort((-answers.p, answers.predicted))
    if sort == "unsure":
        return np.argsort(-answers.entropy, kind="stable")
    if truth is None:
        raise UsageError("What is wrong is not known without truths. Sort by another order.")
    wrong = np.flatnonzero(answers.predicted != truth[: len(answers.predicted)])
    return wrong[np.argsort(-answers.p[wrong], kind="stable")]


def _item(
    session: Session, network: Network, split: str, row: int, answers: Answers | None
) -> dict[str, Any]:
    id = f"{split}:{row}"
    item: dict[str, Any] = {
        "id": id,
        "name": session.album.called(id),
        "truth": session.truth(network, id),
    }
    if answers is not None and row < len(answers.predicted):
        k = int(answers.predicted[row])
        name = network.classes[k] if k < len(network.classes) else str(k)
        item["predicted"] = {"index": k, "name": name}
        item["p"] = float(answers.p[row])
    return item
