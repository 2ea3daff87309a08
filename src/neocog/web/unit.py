"""The arithmetic of one unit, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from neocog.errors import UsageError
from neocog.explainers.arithmetic.unit import Arithmetic, share_of
from neocog.graph.structure import Node
from neocog.web.asked import whole, words
from neocog.web.motions import Motion
from neocog.web.network import Network
from neocog.web.session import Session

__all__ = ["unit"]


def unit(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What one output number of a node is made of.

    Args:
        session: models and pictures.
        asked: model, picture, motion, node, channel, row, col.

    Raises:
        NeocogError: something that was asked for is not there.
    """
    network = session.network(asked)
    node = network.node(whole(asked, "node", None, low=0, high=10**6))
    motion = Motion.of(asked.get("motion"))
    still = session.still(session.networks.index(network), words(asked, "picture", None))
    x = still.x if motion.still else motion.move(still.x, (1.0,) * len(network.size))
    shape = network.shape(node)
    channel = whole(asked, "channel", 0, low=0, high=shape[0] - 1)
    place = _place(asked, shape[1:])
    index = network.index(node, channel, place)
    if node.kind == "output" and network.task == "classify" and len(node.shape) == 1:
        found = _share(network, node, x, channel)
    elif node.kind in ("input", "output"):
        found = _as_it_is(network, node, x, index)
    else:
        found = network.unit(x, node, index)
    return {
        **_plainly(found, node),
        "node": node.id,
        "channel": channel,
        "row": place[-2] if len(place) == 2 else 0,
        "col": place[-1] if place else 0,
        "op": node.op,
        "field": _field(network, node, index),
    }


def _place(asked: Mapping[str, Any], space: Sequence[int]) -> tuple[int, ...]:
    """(row, column), (step,) or none."""
    if not space:
        return ()
    column = whole(asked, "col", 0, low=0, high=space[-1] - 1)
    if len(space) == 1:
        return (column,)
    if len(space) != 2:
        raise UsageError("Units of maps with more than two axes of space are not shown.")
    return (whole(asked, "row", 0, low=0, high=space[0] - 1), column)


def _share(network: Network, node: Node, x: torch.Tensor, k: int) -> Arithmetic:
    """A probability, from all logits."""
    logits = network.run(x)[-1]
    if logits is None:
        raise UsageError("This picture does not come by the output.")
    found = share_of(logits[0], k)
    source = node.sources[0] if node.sources else -1
    return replace(found, terms=tuple(replace(t, node=source) for t in found.terms))


def _as_it_is(network: Network, node: Node, x: torch.Tensor, index: Sequence[int]) -> Arithmetic:
    value = network.run(x)[node.id]
    number = float("nan") if value is None else float(value[(0, *index)])
    said = "a pixel, as it comes in" if node.kind == "input" else "the number that comes out"
    return Arithmetic(kind="other", value=number, formula=said)


def _plainly(found: Arithmetic, node: Node) -> dict[str, Any]:
    inputs: list[dict[str, Any]] = [
        {
            "channel": t.channel,
            "patch": t.patch,
            "kernel": t.kernel,
            "products": t.products,
            "sum": t.sum,
            "node": t.node,
        }
        for t in found.terms
    ]
    if found.rest is not None:
        inputs.append({"rest": {"count": found.rest[0], "sum": found.rest[1]}})
    used = [t.node for t in found.terms if t.node >= 0]
    sources = list(dict.fromkeys(used)) or list(node.sources)
    if found.kind == "add":  # in the order of the terms, also where one comes twice
        sources = used
    window = None
    if found.window is not None:
        window = dict(zip(("r0", "r1", "c0", "c1"), found.window, strict=True))
    return {
        "kind": found.kind,
        "value": found.value,
        "computed": found.computed,
        "inputs": inputs,
        "bias": found.bias,
        "sum": found.total,
        "window": window,
        "stride": found.stride,
        "padding": found.padding,
        "dilation": found.dilation,
        "formula": found.formula,
        "steps": [{"label": label, "value": value} for label, value in found.steps],
        "input_nodes": sources,
    }


def _field(network: Network, node: Node, index: Sequence[int]) -> dict[str, int | bool] | None:
    """The part of the picture that the unit sees, unclipped."""
    seen = network.seen.get(node.id)
    if seen is None:
        return None
    spans = seen.field(index)
    rows, columns = (spans[0], spans[1]) if len(spans) == 2 else ((0, 1), spans[0])
    if rows[0] >= rows[1] or columns[0] >= columns[1]:  # it sees nothing
        return None
    return {
        "r0": rows[0],
        "r1": rows[1],
        "c0": columns[0],
        "c1": columns[1],
        "wraps": seen.wraps,
    }
