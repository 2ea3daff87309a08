"""The arithmetic of one unit, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from neocog.errors import ModelError, UsageError
from neocog.explainers.arithmetic.unit import Arithmetic, share_of
from neocog.graph.structure import Node
from neocog.web.motions import Motion
from neocog.web.network import Network
from neocog.web.query import whole, words
from neocog.web.session import Session

__all__ = ["unit", "units"]


def unit(session: Session, query: Mapping[str, Any]) -> dict[str, Any]:
    """How one output value of a node is computed.

    Args:
        session: models and images.
        query: model, image, motion, node, channel, row, col.

    Raises:
        NeocogError: a requested object does not exist.
    """
    network = session.network(query)
    node = network.node(whole(query, "node", None, low=0, high=10**6))
    motion = Motion.of(query.get("motion"))
    reference = session.reference(session.networks.index(network), words(query, "image", None))
    x = network.moved(reference.x, motion)
    shape = network.shape(node)
    channel = whole(query, "channel", 0, low=0, high=shape[0] - 1)
    position = _position(query, shape[1:])
    computed = units(network, x, {node.id: [(channel, *position)]})
    if not computed:
        raise ModelError(
            "This network has data-dependent control flow, and this image does not reach that "
            "node. Choose another image or node."
        )
    return computed[0]


def units(
    network: Network,
    x: Tensor,
    wanted: Mapping[int, Sequence[tuple[int, ...]]],
    *,
    values: Sequence[Tensor | None] | None = None,
) -> list[dict[str, Any]]:
    """How some output values are computed, in one pass.

    Args:
        network: the model.
        x: a sample.
        wanted: of each node, units as (channel, row, column), (channel, step) or (channel,).
        values: what the nodes give out for the sample, where that is at hand.

    Returns:
        One per unit; those of nodes that the sample does not come by are left out.
    """
    ends = {id for id in wanted if network.graph.nodes[id].kind in ("input", "output")}
    inner = {
        id: [network.index(network.graph.nodes[id], c, position) for c, *position in each]
        for id, each in wanted.items()
        if id not in ends
    }
    computed = network.units(x, inner) if inner else {}
    if ends:
        outputs = network.run(x) if values is None else values
        for id in ends:
            node = network.graph.nodes[id]
            computed[id] = [_end(network, node, outputs, unit) for unit in wanted[id]]
    return [
        _plainly(network, network.graph.nodes[id], unit, one)
        for id, each in wanted.items()
        for unit, one in zip(each, computed.get(id, ()), strict=False)
    ]


def _position(query: Mapping[str, Any], space: Sequence[int]) -> tuple[int, ...]:
    """(row, column), (step,) or none."""
    if not space:
        return ()
    column = whole(query, "col", 0, low=0, high=space[-1] - 1)
    if len(space) == 1:
        return (column,)
    if len(space) != 2:
        raise UsageError("Units of maps with more than two spatial axes are not shown.")
    return (whole(query, "row", 0, low=0, high=space[0] - 1), column)


def _end(
    network: Network, node: Node, values: Sequence[Tensor | None], unit: tuple[int, ...]
) -> Arithmetic:
    """A value of the input or output; of a classifier's output a probability, from all logits."""
    value = values[node.id]
    if value is None:
        raise UsageError("This image does not reach the output.")
    channel, *position = unit
    if node.kind == "output" and network.task == "classify" and len(node.shape) == 1:
        fraction = share_of(value[0], channel)
        source = node.sources[0] if node.sources else -1
        return replace(fraction, terms=tuple(replace(t, node=source) for t in fraction.terms))
    formula = "a value of the input" if node.kind == "input" else "a value of the output"
    number = float(value[(0, *network.index(node, channel, position))])
    return Arithmetic(kind="other", value=number, formula=formula)


def _plainly(
    network: Network, node: Node, unit: tuple[int, ...], arithmetic: Arithmetic
) -> dict[str, Any]:
    channel, *position = unit
    inputs: list[dict[str, Any]] = [
        {
            "channel": t.channel,
            "patch": t.patch,
            "kernel": t.kernel,
            "products": t.products,
            "sum": t.sum,
            "node": t.node,
        }
        for t in arithmetic.terms
    ]
    if arithmetic.rest is not None:
        inputs.append({"rest": {"count": arithmetic.rest[0], "sum": arithmetic.rest[1]}})
    used = [t.node for t in arithmetic.terms if t.node >= 0]
    sources = list(dict.fromkeys(used)) or list(node.sources)
    if arithmetic.kind == "add":  # in the order of the terms, also where one comes twice
        sources = used
    window = None
    if arithmetic.window is not None:
        window = dict(zip(("r0", "r1", "c0", "c1"), arithmetic.window, strict=True))
    return {
        "kind": arithmetic.kind,
        "value": arithmetic.value,
        "computed": arithmetic.computed,
        "inputs": inputs,
        "bias": arithmetic.bias,
        "sum": arithmetic.total,
        "window": window,
        "stride": arithmetic.stride,
        "padding": arithmetic.padding,
        "dilation": arithmetic.dilation,
        "formula": arithmetic.formula,
        "steps": [{"label": label, "value": value} for label, value in arithmetic.steps],
        "input_nodes": sources,
        "node": node.id,
        "channel": channel,
        "row": position[0] if len(position) == 2 else 0,
        "col": position[-1] if position else 0,
        "op": node.op,
        "field": _field(network, node, network.index(node, channel, position)),
    }


def _field(network: Network, node: Node, index: Sequence[int]) -> dict[str, int | bool] | None:
    """The part of the image that the unit sees, unclipped."""
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
