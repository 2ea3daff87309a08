"""One step of the page: a moved image, its prediction, feature maps, Grad-CAM and errors."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from neocog.errors import NeocogError, UsageError
from neocog.graph.output_kind import kind_of, probabilities
from neocog.graph.replay import Keep
from neocog.graph.structure import Node
from neocog.web.album import displayed
from neocog.web.cam import Cams, Explained, Wanted
from neocog.web.equivariance import MovedMaps, node_errors
from neocog.web.frame import Frame
from neocog.web.motions import Motion
from neocog.web.network import Network
from neocog.web.query import flag, whole, words
from neocog.web.reference import Reference, prediction_of
from neocog.web.session import Session

__all__ = [
    "MAPS",
    "Pass",
    "channels_of",
    "errors_of",
    "moved_of",
    "pass_of",
    "planes_of",
    "predictions_of",
    "rehearse",
    "step",
]

MAPS = 256
"""Feature maps of one step, at most."""

SIDE = 64
"""Samples of a map's side that are sent, unless it is requested in full."""

FULL = 512
"""Samples of a side that are ever sent."""

LINE = 1024
"""Samples of a series that are sent."""

VECTOR = 4096
"""Values of a vector that are sent."""


def rehearse(session: Session) -> None:
    """One step of each model, so that the first of a person is as quick as those after it.

    What fails is left to the question that fails.
    """
    with suppress(Exception):
        session.prepare()
    for model in range(len(session.networks)):
        query = {"model": model, "image": session.album.first, "motion": {"dx": 1}}
        with suppress(Exception):
            step(session, {**query, "cam": {}, "errors": True})


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A moved image on its way through a network.

    Args:
        network: the model.
        reference: what it gives out for the unshifted image.
        motion: what lies between.
        x: the moved image, (1, C, *space).
        values: what every node gives out for it; None where there is nothing, or nothing was kept.
        cam: its Grad-CAM map, and why of its layer; None where none is wanted or possible.
        reason: why there is no map though one is wanted.
    """

    network: Network
    reference: Reference
    motion: Motion
    x: Tensor
    values: list[Tensor | None]
    cam: Explained | None = None
    reason: str | None = None


def pass_of(
    session: Session,
    model: int,
    id: str,
    motion: Motion,
    wanted: Wanted | None = None,
    *,
    keep: Keep | None = None,
) -> Pass:
    """An image, moved, through a model; with Grad-CAM where it is wanted.

    Args:
        session: models and images.
        model: which.
        id: of the image.
        motion: that it is moved by.
        wanted: Grad-CAM.
        keep: what is kept of each node's output; all of it if left out.

    Raises:
        NeocogError: there is no such image, or the model fails on it.
    """
    network, reference = session.networks[model], session.reference(model, id)
    plain = Pass(
        network=network,
        reference=reference,
        motion=motion,
        x=reference.x,
        values=reference.values,
    )
    if motion.identity:
        return plain if wanted is None else _with_cam(session.cams[model], plain, wanted)
    x = network.moved(reference.x, motion)
    if wanted is None or network.opaque:
        moved = replace(plain, x=x, values=network.run(x, keep))
        return moved if wanted is None else _with_cam(session.cams[model], moved, wanted)
    try:
        values, cam = session.cams[model].along(x, wanted, keep)
    except NeocogError:  # which of the two fails is found out by each alone
        moved = replace(plain, x=x, values=network.run(x, keep))
        return _with_cam(session.cams[model], moved, wanted)
    return replace(plain, x=x, values=values, cam=cam)


def _with_cam(cams: Cams, plain: Pass, wanted: Wanted) -> Pass:
    if plain.network.opaque:
        return replace(plain, reason="A black box has no layers and no gradients.")
    try:
        return replace(plain, cam=cams.of(plain.x, wanted))
    except NeocogError as e:
        return replace(plain, reason=str(e))


def step(session: Session, query: Mapping[str, Any]) -> bytes:
    """Compute one step.

    Args:
        session: models and images.
        query: model, image, motion, maps, cam, errors, top, full.

    Returns:
        A frame, see `neocog.web.frame`.

    Raises:
        NeocogError: a requested object does not exist, or fits no model.
    """
    began = time.perf_counter()
    model = session.networks.index(session.network(query))
    id = words(query, "image", None)
    motion = Motion.of(query.get("motion"))
    top = whole(query, "top", 10, low=1, high=1000)
    reference = session.reference(model, id)
    requests = _requests(reference.network, query)
    moved = moved_of(reference, query.get("errors"))
    held = {node.id for node, _ in requests} | {len(reference.values) - 1}

    def keep(node: int, value: Tensor) -> Tensor | None:
        if moved is not None:
            moved.take(node, value)
        return value if node in held else None

    one = pass_of(session, model, id, motion, Wanted.of(query.get("cam")), keep=keep)
    if moved is not None and motion.identity:
        moved.take_all(one.values)
    frame = Frame()
    header = {
        **predictions_of(session, one, id, top),
        "image": _image(frame, one),
        "maps": _maps(frame, one, requests, full=flag(query, "full", False)),
        "cam": None if one.cam is None else _cam(frame, one.network, one.cam),
        "errors": None if moved is None else errors_of(moved, motion),
        "reason": one.reason,
        "ms": round((time.perf_counter() - began) * 1000, 2),
    }
    return frame.bytes(header)


def predictions_of(session: Session, one: Pass, id: str, top: int) -> dict[str, Any]:
    """The prediction now, and that for the unshifted image; a class that one names both name."""
    network = one.network
    outputs = [one.values[-1]]
    if not one.motion.identity:
        outputs.append(one.reference.output)
    rows = [prediction_of(network, out, top=top) for out in outputs]
    if len(rows) == 2:
        classes = [[row["class"] for row in r["probabilities"]] for r in rows]
        rows = [
            prediction_of(network, out, top=top, also=others)
            for out, others in zip(outputs, reversed(classes), strict=True)
        ]
    label = session.label(network, id)
    first, *unshifted = [{**row, "label": label} for row in rows]
    return {"prediction": first, "reference": unshifted[0] if unshifted else None}


def moved_of(reference: Reference, wanted: object) -> MovedMaps | None:
    """Where the outputs for a moved image are taken that errors are computed of.

    Args:
        reference: the unshifted image.
        wanted: true, false or a list of nodes.

    Raises:
        UsageError: `wanted` is neither.
    """
    nodes: tuple[int, ...] | None = None
    if isinstance(wanted, list):
        if len(wanted) > 10**4:
            raise UsageError("`errors` is true, false or a list of at most 10,000 nodes.")
        each = (whole({"errors": k}, "errors", None, low=0, high=10**6) for k in wanted)
        nodes = tuple(sorted({reference.network.node(k).id for k in each}))
    elif not flag({"errors": wanted}, "errors", False):
        return None
    return MovedMaps(reference.grids(nodes))


def errors_of(moved: MovedMaps, motion: Motion) -> list[dict[str, Any]]:
    """Equivariance errors of the nodes that were taken, and their interpolation baselines."""
    measured = node_errors(moved, motion)
    return [
        {"node": k, "error": measured.errors[k], "baseline": measured.baselines[k]}
        for k in moved.reference.nodes
    ]


def _image(frame: Frame, one: Pass) -> dict[str, Any]:
    """What went in, as bytes; of images from black to white."""
    x = one.x
    if x.dim() == 4:
        return frame.add(displayed(x[0], one.network), most=1.0)
    return frame.add(x[0])


def _requests(network: Network, query: Mapping[str, Any]) -> list[tuple[Node, object]]:
    """The nodes whose maps are wanted, each with which of its channels."""
    wanted = query.get("maps") or []
    if not isinstance(wanted, list) or len(wanted) > MAPS:
        raise UsageError(f"`maps` is a list of at most {MAPS} requests; got something else.")
    requests: list[tuple[Node, object]] = []
    for request in wanted:
        if not isinstance(request, dict):
            raise UsageError("Each of `maps` is an object with node and channels.")
        node = network.node(whole(request, "node", None, low=0, high=10**6))
        requests.append((node, request.get("channels")))
    return requests


def _maps(
    frame: Frame, one: Pass, requests: Sequence[tuple[Node, object]], *, full: bool
) -> list[dict[str, Any]]:
    most = FULL if full and len(requests) == 1 else SIDE
    out: list[dict[str, Any]] = []
    for node, wanted in requests:
        if one.values[node.id] is None:
            continue
        channels = channels_of(wanted, one.network, node, one.reference)
        if len(out) + len(channels) > MAPS:
            raise UsageError(f"A step gives at most {MAPS} maps; more were requested.")
        out += planes_of(frame, one, node, channels, most)
    return out


def _output(network: Network, node: Node, value: Tensor) -> Tensor:
    """Of a classifier's output, probabilities."""
    if node.kind == "output" and network.task == "classify" and value.dim() == 2:
        return probabilities(value.float(), kind_of(network.module))
    return value


def channels_of(wanted: object, network: Network, node: Node, reference: Reference) -> list[int]:
    """Which channels of a node: indices, "first:8" or "strongest:8".

    Raises:
        UsageError: it is none of these, or there is no such channel.
    """
    shape = network.shape(node)
    count = shape[0] if len(shape) > 1 else 1
    if wanted is None:
        wanted = "first:8"
    if isinstance(wanted, list):
        return [whole({"channel": c}, "channel", None, low=0, high=shape[0] - 1) for c in wanted][
            : None if len(shape) > 1 else 1
        ]
    kind, _, n = wanted.partition(":") if isinstance(wanted, str) else ("", "", "")
    if kind not in ("first", "strongest") or not (n.isascii() and n.isdigit() and 0 < len(n) < 5):
        raise UsageError('`channels` is a list of indices, "first:8" or "strongest:8".')
    if kind == "strongest":
        return reference.strongest(node.id, int(n))
    return list(range(min(count, int(n))))


def planes_of(
    frame: Frame, one: Pass, node: Node, channels: Sequence[int], most: int
) -> list[dict[str, Any]]:
    """Some channels of a node as maps of bytes, each on its own scale.

    Args:
        frame: where they are put.
        one: the pass whose maps they are.
        node: that has an output.
        channels: which.
        most: samples of a side.
    """
    value = one.values[node.id]
    assert value is not None
    value = _output(one.network, node, value)
    maps = one.network.maps(node, value)
    if maps is None:
        line = _reduced(value.detach().float().cpu().reshape(1, 1, -1), (VECTOR,))
        return [{"node": node.id, "channel": 0, **frame.add(line[0])}]
    some = maps[:, channels].detach().float().cpu()
    if some.dim() == 3:
        some = _reduced(some, (LINE,)).unsqueeze(2)
    else:
        some = _reduced(some, (most, most))
    high, low = one.reference.reach(node.id)
    out = []
    for k, c in enumerate(channels):
        plane = frame.add(some[0, k], most=float(high[c]), least=float(low[c]))
        out.append({"node": node.id, "channel": c, **plane})
    return out


def _reduced(x: Tensor, most: tuple[int, ...]) -> Tensor:
    """At most so many samples along each axis, by the mean of areas."""
    size = tuple(min(n, m) for n, m in zip(x.shape[2:], most, strict=True))
    if size == tuple(x.shape[2:]):
        return x
    if len(size) == 1:
        return F.adaptive_avg_pool1d(x, size[0])
    return F.adaptive_avg_pool2d(x, (size[0], size[1]))


def _cam(frame: Frame, network: Network, explained: Explained) -> dict[str, Any]:
    """A Grad-CAM map as bytes, and of what it is."""
    cam, reason = explained
    whole_map = cam.enlarged()[0].float()
    if whole_map.dim() == 1:
        whole_map = whole_map[None]
    score = float(cam.values[0])
    return {
        **frame.add(whole_map),
        "layer": network.named(cam.layer),
        "layer_reason": reason,
        "target": cam.targets[0],
        "value": score if math.isfinite(score) else None,
    }
