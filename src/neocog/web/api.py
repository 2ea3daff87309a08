"""What the page may ask, one function a question; plain values in, plain values out, no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neocog.errors import UsageError
from neocog.exhibits import to_json
from neocog.probe.structure import Node
from neocog.version import __version__
from neocog.web.album import as_png
from neocog.web.asked import whole, words
from neocog.web.network import Network
from neocog.web.refused import Missing
from neocog.web.session import Session

__all__ = ["about", "audit", "bring", "graph", "picture", "run_audit"]

Asked = Mapping[str, Any]


def about(session: Session) -> dict[str, Any]:
    """Models and data, and the picture that is shown first."""
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
                "signal": "picture" if len(n.size) == 2 else "series",
                "params": n.cost.params,
                "macs": n.cost.macs,
            }
            for k, n in enumerate(session.networks)
        ],
        "data": {
            "name": album.name or "made pictures",
            "splits": album.counts(),
            "made": album.name is None,
        },
        "has_audit": [session.has(("audit", k)) for k in range(len(session.networks))],
        "first": album.first,
    }


def graph(session: Session, asked: Asked) -> dict[str, Any]:
    """The nodes of a model and what depends on what."""
    network = session.network(asked)
    found = network.graph
    return {"nodes": [_node(network, n) for n in found.nodes], "edges": list(found.edges)}


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


def _label(network: Network, node: Node) -> str:
    if node.kind == "output":
        words = {"classify": "probabilities", "segment": "maps of classes"}
        return words.get(network.task, "answer")
    if node.kind == "input":
        return "picture" if len(network.size) == 2 else "series"
    return node.label


def picture(session: Session, asked: Asked) -> bytes:
    """A picture as a model sees it, a PNG file.

    Raises:
        Missing: there is none of that name.
    """
    network = session.network(asked)
    x = session.album.values(words(asked, "id", None), session.networks.index(network))
    if x.dim() != 4:
        raise Missing("A series has no picture; its values come with every step.")
    return as_png(x)


def bring(session: Session, data: bytes | Mapping[str, Any]) -> dict[str, Any]:
    """Keep a picture file, or a series of numbers, that a person brings.

    Raises:
        NeocogError: it is neither, or fits no model.
    """
    if isinstance(data, bytes):
        id, width, height = session.album.bring(data, session.networks)
        return {"id": id, "width": width, "height": height}
    return {"id": session.album.write(data.get("values"), session.networks)}


def audit(session: Session, asked: Asked) -> dict[str, Any]:
    """The audit of a model, where one was made.

    Raises:
        Missing: none was.
    """
    model = session.networks.index(session.network(asked))
    if not session.has(("audit", model)):
        raise Missing("This model was not audited here yet. Start a short audit.")
    found: dict[str, Any] = session.kept(("audit", model), dict)
    return found


def run_audit(session: Session, asked: Asked) -> dict[str, Any]:
    """Audit a model on a few pictures.

    Raises:
        UsageError: there are no data.
    """
    from neocog.audits.suite import Asked as Wish
    from neocog.verbs.audit import audit as audited

    network = session.network(asked)
    model = session.networks.index(network)
    n = whole(asked, "n", 100, low=1, high=200)
    if session.album.name is None:
        raise UsageError("An audit needs data. Start the explorer with DATA.")
    samples = session.few(session.album.start, model)

    def tell(text: str) -> None:
        if session.stop():
            raise KeyboardInterrupt

    def make() -> dict[str, Any]:
        done = audited(
            session.copy(model), samples, Wish(n=n, map_samples=16), task=network.task, tell=tell
        )
        return {"sections": [to_json(s) for s in done.sections()]}

    return session.kept(("audit", model), make)
