"""What a unit responds to: the patches that excite it most, and a picture made for it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import torch

from neocog.errors import NeocogError
from neocog.explainers.top_activations import PatchGeometry, top_patches
from neocog.graph.structure import Node
from neocog.web.album import as_png
from neocog.web.asked import whole
from neocog.web.network import Network
from neocog.web.refused import Missing
from neocog.web.session import Session

__all__ = ["likes"]

_STEPS = 128
"""Of the search for a picture; a page waits for it."""


def likes(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What excites a unit most.

    Args:
        session: models and pictures.
        asked: model, node, channel.

    Raises:
        NeocogError: there is no such unit, or it belongs to no layer.
    """
    network = session.network(asked)
    model = session.networks.index(network)
    node = network.node(whole(asked, "node", None, low=0, high=10**6))
    channel = whole(asked, "channel", 0, low=0, high=network.shape(node)[0] - 1)
    if network.opaque or node.free or node.id in network.layouts:
        raise Missing(
            "What a unit likes is shown for the layers of a network; this node is an operation "
            "without a layer of its own. Choose the layer before it."
        )
    key = ("likes", model, node.id, channel)
    return session.kept(key, lambda: _found(session, network, node, channel))


def _found(session: Session, network: Network, node: Node, channel: int) -> dict[str, Any]:
    model = session.networks.index(network)
    module = session.copy(model, "likes")
    notes = []
    patches: list[dict[str, Any]] = []
    if session.album.name is not None:
        split = session.album.start
        samples = session.few(split, model)
        seen = network.seen.get(node.id)
        told = None
        if seen is not None and len(network.shape(node)) == len(network.size) + 1:
            told = PatchGeometry(seen.size, seen.jump, seen.start)
        found = top_patches(module, samples, node.name, k=9, units=[channel], seen=told)
        for score, index, window in zip(
            found.scores[0], found.index[0], found.window[0], strict=True
        ):
            spans = [(0, 1), *window.tolist()][-2:]
            patches.append(
                {
                    "picture": f"{split}:{int(index)}",
                    "score": float(score),
                    "window": dict(
                        zip(("r0", "r1", "c0", "c1"), (*spans[0], *spans[1]), strict=True)
                    ),
                }
            )
        notes.append(f"The strongest of {found.count:,} pictures of the split {split}.")
    png = None
    session.go_on()
    if len(network.size) == 2:
        png, said = _maximized(network, module, node, channel)
        notes.append(said)
    return {"patches": patches, "maximized": png, "note": " ".join(notes)}


def _maximized(
    network: Network, module: torch.nn.Module, node: Node, channel: int
) -> tuple[str | None, str]:
    from neocog.explainers.activation_maximization import AscentConfig, maximize_activation

    try:
        with torch.enable_grad():
            made = maximize_activation(
                module,
                node.name,
                channel,
                size=network.size,
                channels=network.channels,
                climb=AscentConfig(steps=_STEPS),
            )
    except NeocogError as e:
        return None, str(e)
    if not bool(made.awake[0]):
        return None, "No picture was found to which the unit says anything."
    picture = torch.from_numpy(made.images[:1])
    return (
        base64.b64encode(as_png(picture)).decode("ascii"),
        f"The picture was made by {_STEPS} steps of gradient ascent.",
    )
