"""The images of the data that a network takes for most alike the one on show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neocog.data.samples import batch_of
from neocog.errors import ModelError
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.features import backbone_of, over_poses
from neocog.training.neighbors import similar
from neocog.web.network import Network
from neocog.web.query import words
from neocog.web.refused import Missing
from neocog.web.session import Session

__all__ = ["neighbors"]

NEAREST = 8
"""Images that are shown."""


@dataclass(frozen=True, eq=False)
class _Embedded:
    """Features of the searched images, (N, D), and their names on the wire."""

    features: Tensor
    ids: tuple[str, ...]


def neighbors(session: Session, query: Mapping[str, Any]) -> dict[str, Any]:
    """The nearest images, with label and similarity.

    Args:
        session: models and images.
        query: model, id of the image.

    Raises:
        Missing: there are no images to search, or the model ends in no linear layer.
    """
    network = session.network(query)
    model = session.networks.index(network)
    id = words(query, "id", None)
    x = session.album.values(id, model)
    if session.album.name is None:
        raise Missing("There are no images to search. Start the explorer with DATA.")
    if network.opaque or len(network.size) != 2:
        raise Missing("Nearest images are shown for networks of images with layers.")
    embedded = session.kept(("neighbors", model), lambda: _embedded(session, network))
    one = _features(session, network, x)
    similarity, index = similar(embedded.features, one, k=NEAREST + 1)
    nearest = [
        (embedded.ids[int(i)], float(s)) for i, s in zip(index[0], similarity[0], strict=True)
    ]
    own = session.label(network, id)
    return {
        "neighbors": [
            {"image": other, "similarity": s, **_labeled(session, network, other, own)}
            for other, s in nearest
            if other != id
        ][:NEAREST],
        "note": f"Searched: {len(embedded.ids):,} images, by cosine similarity of the features "
        "before the last linear layer.",
    }


def _labeled(
    session: Session, network: Network, id: str, own: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The label of an image, and whether it is another one than that on show."""
    label = session.label(network, id)
    other = label is not None and own is not None and label["index"] != own["index"]
    return {"label": None if label is None else label["name"], "other": other}


def _embedded(session: Session, network: Network) -> _Embedded:
    model, parts, ids = session.networks.index(network), list[Tensor](), list[str]()
    for split in session.album.counts():
        samples = session.few(split, model)
        step = batch_of(samples, None)
        for start in range(0, len(samples), step):
            rows = slice(start, min(len(samples), start + step))
            parts.append(_features(session, network, samples.take(rows)))
        ids += [f"{split}:{i}" for i in range(len(samples))]
    return _Embedded(torch.cat(parts), tuple(ids))


def _features(session: Session, network: Network, x: Tensor) -> Tensor:
    """What the last linear layer is given, (B, D)."""
    module = session.copy(session.networks.index(network), "neighbors")
    head = module.get_submodule(
        session.kept(("head", session.networks.index(network)), lambda: _head(network, module))
    )
    taken = list[Tensor]()
    handle = head.register_forward_pre_hook(lambda _, given: taken.append(given[0]))
    try:
        network.logits(x, module=module)
    finally:
        handle.remove()
    inner = module.network if isinstance(module, SpecifiedNetwork) else module
    return over_poses(inner, taken).float().cpu()


def _head(network: Network, module: nn.Module) -> str:
    """The name of the last linear layer in a copy of the module.

    Raises:
        Missing: there is none.
    """
    bare = network.model.bare
    whole = SpecifiedNetwork(module, network.model.spec) if bare else module
    assert isinstance(whole, SpecifiedNetwork)
    try:
        name = backbone_of(whole, network.name).head
    except ModelError as e:
        raise Missing(
            "Nearest images are compared by what the last linear layer is given, and this network "
            "does not end in one."
        ) from e
    return name if bare else f"network.{name}"
