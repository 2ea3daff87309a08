"""The kernels of one layer, as the page shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from neocog.errors import ModelError, NeocogError
from neocog.explainers.filters import Filters, filters
from neocog.graph.structure import Node
from neocog.lectures.gabor import gabor_fit
from neocog.web.network import Network
from neocog.web.query import whole
from neocog.web.refused import Missing
from neocog.web.session import Session

__all__ = ["PAGE", "fits", "kernels"]

PAGE = 32
"""Kernels of a page."""

PLANES = 16
"""Input channels of a kernel that are sent."""

_NOISE = 40
"""Random kernels that are fitted for comparison; a page waits for them."""

_FITTED = 128
"""Kernels of a first layer that Gabor functions are fitted to."""


def kernels(session: Session, query: Mapping[str, Any], *, gabor: bool = True) -> dict[str, Any]:
    """Some kernels of a convolution; of the first layer also how well Gabor functions fit them.

    Args:
        session: models.
        query: model, node, page.
        gabor: whether Gabor functions are fitted, which takes seconds where it was not done yet.

    Raises:
        NeocogError: the node has no kernels.
    """
    network = session.network(query)
    node = network.node(whole(query, "node", None, low=0, high=10**6))
    model = session.networks.index(network)
    bank = _of(network.module, node)  # weights alone: nothing is run, so no copy is needed
    weights = bank.weights
    pages = -(-len(weights) // PAGE)
    page = whole(query, "page", 0, low=0, high=max(0, pages - 1))
    rows = range(page * PAGE, min(len(weights), (page + 1) * PAGE))
    largest = float(abs(weights).max()) if weights.size else 0.0
    planes = weights if weights.ndim == 4 else weights[:, :, None, :]
    key = ("gabor", model, node.id)
    fitted = session.kept(key, lambda: _fit(network, node, bank)) if gabor else None
    return {
        "shape": list(weights.shape),
        "lo": -largest,
        "hi": largest,
        "page": page,
        "pages": pages,
        "kernels": [{"out": k, "planes": planes[k, :PLANES].tolist()} for k in rows],
        "gabor": fitted,
    }


def fits(session: Session, query: Mapping[str, Any]) -> bool:
    """Whether Gabor functions are to be fitted first, which takes seconds; once a model."""
    try:
        network = session.network(query)
        node = network.node(whole(query, "node", None, low=0, high=10**6))
    except NeocogError:
        return False  # the response will be an error
    key = ("gabor", session.networks.index(network), node.id)
    return _is_first(network, node) and not session.has(key)


def _is_first(network: Network, node: Node) -> bool:
    return node is next((n for n in network.graph.nodes if n.kind == "conv"), None)


def _of(module: nn.Module, node: Node) -> Filters:
    if node.kind == "conv" and not node.free:
        try:
            banks = filters(module.get_submodule(node.name))
        except (ModelError, AttributeError):
            banks = ()
        if len(banks) == 1 and banks[0].weights.ndim in (3, 4):
            return banks[0]
    raise Missing("Kernels are shown for convolution layers; this node is none. Choose another.")


def _fit(network: Network, node: Node, bank: Filters) -> dict[str, Any] | None:
    """How much of the kernels of the first layer Gabor functions explain."""
    if not _is_first(network, node) or bank.weights.ndim != 4 or len(bank.weights) > _FITTED:
        return None
    if min(bank.weights.shape[2:]) < 3:
        return None
    try:
        fit = gabor_fit(bank, random=_NOISE)
    except NeocogError:
        return None
    return {
        "explained": [None if math.isnan(v) else float(v) for v in fit.explained],
        "angle": [float(v) for v in fit.angle],
        "wavelength": [float(v) if math.isfinite(v) else None for v in fit.wavelength],
        "noise": float(fit.floor.mean()) if len(fit.floor) else None,
    }
