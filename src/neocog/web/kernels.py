"""The filters of one layer, as the page shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from neocog.errors import ModelError, NeocogError
from neocog.explainers.filters import Filters, filters
from neocog.graph.structure import Node
from neocog.lectures.gabor import gabor_fit
from neocog.web.asked import whole
from neocog.web.network import Network
from neocog.web.refused import Missing
from neocog.web.session import Session

__all__ = ["PAGE", "fits", "kernels"]

PAGE = 32
"""Filters of a page."""

PLANES = 16
"""Input channels of a filter that are sent."""

_NOISE = 40
"""Random filters whose fits are the floor; a page waits for them."""

_FITTED = 128
"""Filters of a first layer that Gabor functions are fitted to."""


def kernels(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Some filters of a convolution; of the first layer also how well Gabor functions fit them.

    Args:
        session: models.
        asked: model, node, page.

    Raises:
        NeocogError: the node has no filters.
    """
    network = session.network(asked)
    node = network.node(whole(asked, "node", None, low=0, high=10**6))
    model = session.networks.index(network)
    found = _of(network.module, node)  # weights alone: nothing is run, so no copy is needed
    weights = found.weights
    pages = -(-len(weights) // PAGE)
    page = whole(asked, "page", 0, low=0, high=max(0, pages - 1))
    rows = range(page * PAGE, min(len(weights), (page + 1) * PAGE))
    largest = float(abs(weights).max()) if weights.size else 0.0
    planes = weights if weights.ndim == 4 else weights[:, :, None, :]
    return {
        "shape": list(weights.shape),
        "lo": -largest,
        "hi": largest,
        "page": page,
        "pages": pages,
        "filters": [{"out": k, "planes": planes[k, :PLANES].tolist()} for k in rows],
        "gabor": session.kept(("gabor", model, node.id), lambda: _fit(network, node, found)),
    }


def fits(session: Session, asked: Mapping[str, Any]) -> bool:
    """Whether Gabor functions are to be fitted for an answer, which takes seconds; once a model."""
    try:
        network = session.network(asked)
        node = network.node(whole(asked, "node", None, low=0, high=10**6))
    except NeocogError:
        return False  # the answer will be a sentence
    key = ("gabor", session.networks.index(network), node.id)
    return _is_first(network, node) and not session.has(key)


def _is_first(network: Network, node: Node) -> bool:
    return node is next((n for n in network.graph.nodes if n.kind == "conv"), None)


def _of(module: nn.Module, node: Node) -> Filters:
    if node.kind == "conv" and not node.free:
        try:
            found = filters(module.get_submodule(node.name))
        except (ModelError, AttributeError):
            found = ()
        if len(found) == 1 and found[0].weights.ndim in (3, 4):
            return found[0]
    raise Missing("Filters are those of convolution layers; this node is none. Choose another.")


def _fit(network: Network, node: Node, found: Filters) -> dict[str, Any] | None:
    """How much like Gabor functions the filters of the first layer are."""
    if not _is_first(network, node) or found.weights.ndim != 4 or len(found.weights) > _FITTED:
        return None
    if min(found.weights.shape[2:]) < 3:
        return None
    try:
        fit = gabor_fit(found, random=_NOISE)
    except NeocogError:
        return None
    return {
        "explained": [None if math.isnan(v) else float(v) for v in fit.explained],
        "angle": [float(v) for v in fit.angle],
        "wavelength": [float(v) if math.isfinite(v) else None for v in fit.wavelength],
        "floor": float(fit.floor.mean()) if len(fit.floor) else None,
    }
