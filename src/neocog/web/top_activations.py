"""What a channel responds to: the patches with the highest activation, and an input made for it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import torch

from neocog.errors import NeocogError
from neocog.explainers.top_activations import PatchGeometry, top_patches
from neocog.graph.structure import Node
from neocog.web.album import as_png
from neocog.web.network import Network
from neocog.web.query import whole
from neocog.web.refused import Missing
from neocog.web.session import Session

__all__ = ["top_activations"]

_STEPS = 128
"""Of activation maximization; a page waits for it."""


def top_activations(session: Session, query: Mapping[str, Any]) -> dict[str, Any]:
    """The highest activations of a channel, and activation maximization.

    Args:
        session: models and images.
        query: model, node, channel.

    Raises:
        NeocogError: there is no such unit, or it belongs to no layer.
    """
    network = session.network(query)
    model = session.networks.index(network)
    node = network.node(whole(query, "node", None, low=0, high=10**6))
    channel = whole(query, "channel", 0, low=0, high=network.shape(node)[0] - 1)
    if network.opaque or node.free or node.id in network.layouts:
        raise Missing(
            "Top activations are shown for the layers of a network; this node is an operation "
            "without a layer of its own. Choose the layer before it."
        )
    key = ("top-activations", model, node.id, channel)
    return session.kept(key, lambda: _computed(session, network, node, channel))


def _computed(session: Session, network: Network, node: Node, channel: int) -> dict[str, Any]:
    model = session.networks.index(network)
    module = session.copy(model, "top-activations")
    notes = []
    patches: list[dict[str, Any]] = []
    if session.album.name is not None:
        split = session.album.start
        samples = session.few(split, model)
        seen = network.seen.get(node.id)
        geometry = None
        if seen is not None and len(network.shape(node)) == len(network.size) + 1:
            geometry = PatchGeometry(seen.size, seen.jump, seen.start)
        top = top_patches(module, samples, node.name, k=9, units=[channel], seen=geometry)
        for score, index, window in zip(top.scores[0], top.index[0], top.window[0], strict=True):
            spans = [(0, 1), *window.tolist()][-2:]
            patches.append(
                {
                    "image": f"{split}:{int(index)}",
                    "activation": float(score),
                    "window": dict(
                        zip(("r0", "r1", "c0", "c1"), (*spans[0], *spans[1]), strict=True)
                    ),
                }
            )
        notes.append(f"Searched: {top.count:,} images of the split {split}.")
    png = None
    session.go_on()
    if len(network.size) == 2:
        png, caption = _maximized(network, module, node, channel)
        notes.append(caption)
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
                in_channels=network.channels,
                config=AscentConfig(steps=_STEPS),
            )
    except NeocogError as e:
        return None, str(e)
    if not bool(made.awake[0]):
        return None, "Gradient ascent found no input that activates this channel."
    image = torch.from_numpy(made.images[:1])
    return (
        base64.b64encode(as_png(image, network)).decode("ascii"),
        f"The input was made by {_STEPS} steps of gradient ascent.",
    )
