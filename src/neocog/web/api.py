"""What the page may ask, one function per question; plain values in, plain values out, no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neocog.graph.structure import Node
from neocog.version import __version__
from neocog.web.album import as_png
from neocog.web.audit import known
from neocog.web.network import Network
from neocog.web.query import words
from neocog.web.refused import Missing
from neocog.web.session import Session

__all__ = ["about", "bring", "graph", "image"]

Query = Mapping[str, Any]


def about(session: Session) -> dict[str, Any]:
    """Models and data, and the image that is shown first."""
    album = session.album
    return {
        "version": __version__,
        "models": [
            {
                "id": k,
                "name": n.name,
                "task": n.task,
                "classes": list(n.classes),
                "size": list(n.size),
                "channels": n.channels,
                "signal": "image" if len(n.size) == 2 else "series",
                "params": n.cost.params,
                "macs": n.cost.macs,
            }
            for k, n in enumerate(session.networks)
        ],
        "data": {
            "name": album.name or f"synthetic {_given(session.networks[0])}",
            "splits": album.counts(),
            "synthetic": album.name is None,
        },
        "audits": [known(session, k) for k in range(len(session.networks))],
        "first": album.first,
    }


def graph(session: Session, query: Query) -> dict[str, Any]:
    """The nodes of a model and what depends on what."""
    network = session.network(query)
    network_graph = network.graph
    return {
        "nodes": [_node(network, n) for n in network_graph.nodes],
        "edges": list(network_graph.edges),
    }


def _node(network: Network, node: Node) -> dict[str, Any]:
    name, shape = network.named(node.name), network.shape(node)
    return {
        "id": node.id,
        "name": "" if node.free else name,
        "label": _label(network, node),
        "kind": node.kind,
        "op": node.op,
        "shape": list(shape),
        "params": node.params,
        "macs": node.macs,
        "rf": network.plain_seen(node),
        "group": name if node.free else name.rpartition(".")[0],
        "maps": len(shape) > 1,
        "units": network.shows(node),
    }


def _given(network: Network) -> str:
    """What goes into a model, several of it."""
    return "images" if len(network.size) == 2 else "series"


def _label(network: Network, node: Node) -> str:
    if node.kind == "output":
        words = {"classify": "probabilities", "segment": "classes"}
        return words.get(network.task, "output")
    if node.kind == "input":
        return "image" if len(network.size) == 2 else "series"
    return node.label


def image(session: Session, query: Query) -> bytes:
    """An image as a model sees it, a PNG file.

    Raises:
        Missing: there is none of that name.
    """
    network = session.network(query)
    x = session.album.values(words(query, "id", None), session.networks.index(network))
    if x.dim() != 4:
        raise Missing("A series is drawn from its values, which every step contains.")
    return as_png(x, network)


def bring(
    session: Session, data: bytes | Mapping[str, Any], page: str | None = None
) -> dict[str, Any]:
    """Keep an image file, or a series of numbers, that a person brings.

    Args:
        session: models and images.
        data: the file, or the series as `values`.
        page: the page where the image is being drawn; None for what is brought as it is.

    Raises:
        NeocogError: it is neither, or fits no model.
    """
    if isinstance(data, bytes):
        id, width, height = session.album.bring(data, session.networks, page=page)
        return {"id": id, "width": width, "height": height}
    return {"id": session.album.write(data.get("values"), session.networks)}
