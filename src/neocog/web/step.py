"""One step of the page: a moved picture, its answer, some maps, Grad-CAM, what breaks."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.errors import NeocogError, UsageError
from neocog.graph.output_kind import kind_of, probabilities
from neocog.graph.structure import Node
from neocog.web.asked import truth, whole, words
from neocog.web.breaks import node_errors, node_floors
from neocog.web.frame import Frame
from neocog.web.motions import Motion
from neocog.web.network import Network
from neocog.web.session import Session
from neocog.web.still import Still, answer_of

__all__ = ["MAPS", "channels_of", "rehearse", "step"]

MAPS = 256
"""Maps of one step, at most."""

SIDE = 64
"""Samples of a map's side that are sent, if it is not asked for in full."""

FULL = 512
"""Samples of a side that are ever sent."""

LINE = 1024
"""Samples of a series that are sent."""

VECTOR = 4096
"""Numbers of a vector that are sent."""


def rehearse(session: Session) -> None:
    """One step of each model, so that the first of a person is as quick as those after it.

    What fails is left to the question that fails.
    """
    with suppress(Exception):
        session.prepare()
    for model in range(len(session.networks)):
        asked = {"model": model, "picture": session.album.first, "motion": {"dx": 1}}
        with suppress(Exception):
            step(session, {**asked, "cam": {}, "errors": True})


def step(session: Session, asked: Mapping[str, Any]) -> bytes:
    """Answer one step.

    Args:
        session: models and pictures.
        asked: model, picture, motion, maps, cam, errors, top, full.

    Returns:
        A frame, see `neocog.web.frame`.

    Raises:
        NeocogError: something that was asked for is not there, or fits no model.
    """
    began = time.perf_counter()
    network = session.network(asked)
    model = session.networks.index(network)
    id = words(asked, "picture", None)
    motion = Motion.of(asked.get("motion"))
    top = whole(asked, "top", 10, low=1, high=1000)
    still = session.still(model, id)
    ones = (1.0,) * len(network.size)
    x = still.x if motion.still else motion.move(still.x, ones)
    values = still.values if motion.still else network.run(x)
    frame = Frame()
    outputs = [values[-1]] if motion.still else [values[-1], still.output]
    answer, *base = _answers(session, network, outputs, id, top)
    header: dict[str, Any] = {
        "answer": answer,
        "base": base[0] if base else None,
        "picture": _picture(frame, x),
        "maps": _maps(frame, network, still, values, asked),
        "cam": None,
        "errors": None,
        "reason": None,
    }
    if asked.get("cam") is not None:
        header["cam"], header["reason"] = _cam(session, frame, model, x, asked["cam"])
    if truth(asked, "errors", False):
        pairs = zip(
            node_errors(still.grids, values, motion), node_floors(still.grids, motion), strict=True
        )
        header["errors"] = [{"node": k, "error": e, "floor": f} for k, (e, f) in enumerate(pairs)]
    header["ms"] = round((time.perf_counter() - began) * 1000, 2)
    return frame.bytes(header)


def _answers(
    session: Session, network: Network, outputs: Sequence[Tensor | None], id: str, top: int
) -> list[dict[str, Any]]:
    """What is said now, and of the unmoved picture; a class that one tells is told by both."""
    told = [answer_of(network, out, top=top) for out in outputs]
    if len(told) == 2:
        classes = [[row["class"] for row in one["probabilities"]] for one in told]
        told = [
            answer_of(network, out, top=top, also=others)
            for out, others in zip(outputs, reversed(classes), strict=True)
        ]
    right = session.truth(network, id)
    return [{**one, "truth": right} for one in told]


def _picture(frame: Frame, x: Tensor) -> dict[str, Any]:
    """What went in, as bytes; of pictures from black to white."""
    if x.dim() == 4:
        return frame.add(x[0].clamp(0, 1), most=1.0)
    return frame.add(x[0])


def _maps(
    frame: Frame,
    network: Network,
    still: Still,
    values: list[Tensor | None],
    asked: Mapping[str, Any],
) -> list[dict[str, Any]]:
    wanted = asked.get("maps") or []
    if not isinstance(wanted, list) or len(wanted) > MAPS:
        raise UsageError(f"`maps` is a list of at most {MAPS} requests; something else came.")
    full = truth(asked, "full", False) and len(wanted) == 1
    out: list[dict[str, Any]] = []
    for one in wanted:
        if not isinstance(one, dict):
            raise UsageError("Each of `maps` is an object with node and channels.")
        node = network.node(whole(one, "node", None, low=0, high=10**6))
        value = values[node.id]
        if value is None:
            continue
        value = _shown(network, node, value)
        channels = channels_of(one.get("channels"), network, node, still)
        if len(out) + len(channels) > MAPS:
            raise UsageError(f"A step gives at most {MAPS} maps; more were asked for.")
        out += _planes(frame, network, node, value, still, channels, full)
    return out


def _shown(network: Network, node: Node, value: Tensor) -> Tensor:
    """Of a classifier's output, probabilities."""
    if node.kind == "output" and network.task == "classify" and value.dim() == 2:
        return probabilities(value.float(), kind_of(network.module))
    return value


def channels_of(asked: object, network: Network, node: Node, still: Still) -> list[int]:
    """Which channels of a node: numbers, "first:8" or "strongest:8".

    Raises:
        UsageError: it is none of these, or there is no such channel.
    """
    shape = network.shape(node)
    count = shape[0] if len(shape) > 1 else 1
    if asked is None:
        asked = "first:8"
    if isinstance(asked, list):
        return [whole({"channel": c}, "channel", None, low=0, high=shape[0] - 1) for c in asked][
            : None if len(shape) > 1 else 1
        ]
    kind, _, n = asked.partition(":") if isinstance(asked, str) else ("", "", "")
    if kind not in ("first", "strongest") or not (n.isascii() and n.isdigit() and 0 < len(n) < 5):
        raise UsageError('`channels` is a list of numbers, "first:8" or "strongest:8".')
    if kind == "strongest":
        return still.strongest(node.id, int(n))
    return list(range(min(count, int(n))))


def _planes(
    frame: Frame,
    network: Network,
    node: Node,
    value: Tensor,
    still: Still,
    channels: list[int],
    full: bool,
) -> list[dict[str, Any]]:
    """Some channels of a node as maps of bytes, each on a scale of its own."""
    maps = network.maps(node, value)
    if maps is None:
        line = _reduced(value.detach().float().cpu().reshape(1, 1, -1), (VECTOR,))
        return [{"node": node.id, "channel": 0, **frame.add(line[0])}]
    some = maps[:, channels].detach().float().cpu()
    if some.dim() == 3:
        some = _reduced(some, (LINE,)).unsqueeze(2)
    else:
        most = FULL if full else SIDE
        some = _reduced(some, (most, most))
    high, low = still.reach(node.id)
    out = []
    for k, c in enumerate(channels):
        said = frame.add(some[0, k], most=float(high[c]), least=float(low[c]))
        out.append({"node": node.id, "channel": c, **said})
    return out


def _reduced(x: Tensor, most: tuple[int, ...]) -> Tensor:
    """At most so many samples along each axis, by the mean of areas."""
    size = tuple(min(n, m) for n, m in zip(x.shape[2:], most, strict=True))
    if size == tuple(x.shape[2:]):
        return x
    if len(size) == 1:
        return F.adaptive_avg_pool1d(x, size[0])
    return F.adaptive_avg_pool2d(x, (size[0], size[1]))


def _cam(
    session: Session, frame: Frame, model: int, x: Tensor, asked: object
) -> tuple[dict[str, Any] | None, str | None]:
    """Where the answer comes from; or why that cannot be said."""
    if not isinstance(asked, dict):
        raise UsageError("`cam` is an object with target, layer and method, or null.")
    network = session.networks[model]
    target = asked.get("target")
    if target is not None:
        target = whole(asked, "target", None, low=0, high=10**6)
    layer = words(asked, "layer", "") or None
    method = words(asked, "method", "") or "grad_cam"
    if network.opaque:
        return None, "A black box has no layers and no gradients."
    try:
        with torch.enable_grad():
            cam, reason = session.cam(model, x, layer=layer, target=target, method=method)
    except NeocogError as e:
        return None, str(e)
    whole_map = cam.enlarged()[0].float()
    if whole_map.dim() == 1:
        whole_map = whole_map[None]
    number_of = cam.targets[0]
    value = float(cam.values[0])
    return {
        **frame.add(whole_map),
        "layer": network.named(cam.layer),
        "layer_reason": reason,
        "target": number_of,
        "value": value if math.isfinite(value) else None,
    }, None
