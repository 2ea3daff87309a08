"""The current view as one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neocog.errors import NeocogError
from neocog.exhibits import Cell, Curve, Exhibit, Gallery, Map, Scalar, Section, Table
from neocog.explainers.grad_cam import Cam
from neocog.explainers.maps.overlay import laid_over, over_series
from neocog.render.page import page
from neocog.web.asked import truth, whole, words
from neocog.web.breaks import node_errors, node_floors
from neocog.web.motions import Motion
from neocog.web.network import Network
from neocog.web.session import Session
from neocog.web.step import channels_of
from neocog.web.still import Still, answer_of
from neocog.web.unit import unit

__all__ = ["export"]

_MAPS = 64
"""Maps of an exported view."""

_TERMS = 16
"""Input channels whose patches are written out."""


def export(session: Session, asked: Mapping[str, Any]) -> str:
    """A page of HTML: picture, answer, maps, arithmetic, who breaks the symmetry.

    Args:
        session: models and pictures.
        asked: what the page shows: model, both, picture, motion, cam, node, channel, unit, maps.

    Raises:
        NeocogError: something that was asked for is not there.
    """
    network = session.network(asked)
    id = words(asked, "picture", None)
    motion = Motion.of(asked.get("motion"))
    shown = [network]
    if truth(asked, "both", False):
        shown = session.networks
    sections: list[Section] = []
    for one in shown:
        sections += _view(session, one, id, motion, asked, several=len(shown) > 1)
    title = f"{session.album.called(id)} through {' and '.join(n.name for n in shown)}"
    return page(title, sections, subtitle=_said(motion))


def _view(
    session: Session,
    network: Network,
    id: str,
    motion: Motion,
    asked: Mapping[str, Any],
    *,
    several: bool,
) -> list[Section]:
    model = session.networks.index(network)
    still = session.still(model, id)
    x = still.x if motion.still else motion.move(still.x, (1.0,) * len(network.size))
    values = still.values if motion.still else network.run(x)
    of = f", {network.name}" if several else ""
    exhibits: list[Exhibit] = [_picture("the picture", x)]
    exhibits += _cam(session, network, x, asked.get("cam"), named=network is session.network(asked))
    exhibits.append(
        _answers(session, network, values[-1], still.output, id, moved=not motion.still)
    )
    sections = [Section(title=f"Picture and answer{of}", exhibits=tuple(exhibits))]
    maps = _maps(network, still, values, asked.get("maps"))
    if maps:
        sections.append(Section(title=f"Feature maps{of}", exhibits=tuple(maps)))
    if isinstance(asked.get("unit"), dict) and network is session.network(asked):
        question = {**asked, **asked["unit"], "model": model}
        sections.append(_arithmetic(session, network, question))
    if not motion.still:
        errors = node_errors(still.grids, values, motion)
        sections.append(_errors(network, errors, node_floors(still.grids, motion), of))
    return sections


def _said(motion: Motion) -> str:
    """What was done with the picture."""
    if motion.still:
        return "The picture as it is."
    parts = []
    if motion.dx or motion.dy:
        way = "circularly" if motion.kind == "circular" else "letting zeros in"
        parts.append(f"shifted {motion.dy:g} pixels down and {motion.dx:g} right, {way}")
    if motion.angle:
        parts.append(f"turned by {motion.angle:g}°")
    if motion.scale != 1:
        parts.append(f"scaled by {motion.scale:g}")
    if motion.bend:
        parts.append(f"bent by up to {motion.bend:g} pixels")
    return f"The picture was {', '.join(parts)}."


def _picture(title: str, x: Tensor) -> Exhibit:
    if x.dim() == 3:
        lines = {f"channel {c}": row.tolist() for c, row in enumerate(x[0].double())}
        return Curve(
            title=title, x=list(range(x.shape[2])), lines=lines, x_label="sample", y_label="value"
        )
    return Gallery(title=title, images=[_bytes(x[0])], captions=[title])


def _bytes(x: Tensor) -> np.ndarray:
    """(C, H, W) in [0, 1] as uint8, (H, W) or (H, W, 3)."""
    plain = (x.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    array = plain.permute(1, 2, 0).numpy() if len(plain) == 3 else plain[0].numpy()
    return np.ascontiguousarray(array)


def _cam(
    session: Session, network: Network, x: Tensor, asked: object, *, named: bool
) -> list[Exhibit]:
    """Grad-CAM; a layer that was named is one of the model that is looked at, not of the other."""
    if not isinstance(asked, dict) or network.opaque:
        return []
    target = None
    if asked.get("target") is not None:
        target = whole(asked, "target", None, low=0, high=10**6)
    try:
        with torch.enable_grad():
            cam, reason = session.cam(
                session.networks.index(network),
                x,
                layer=(words(asked, "layer", "") or None) if named else None,
                target=target,
                method=words(asked, "method", "") or "grad_cam",
            )
    except NeocogError:
        return []
    return [_cam_drawn(network, cam, reason, x)]


def _cam_drawn(network: Network, cam: Cam, reason: str, x: Tensor) -> Exhibit:
    """Over the picture or series that it is of."""
    k = cam.targets[0]
    of = "" if k is None else f" of {network.classes[k] if k < len(network.classes) else k}"
    layer = network.named(cam.layer)
    note = f"Layer {layer}: {reason}. Orange speaks for the answer, blue against it."
    if x.dim() == 4 and x.shape[1] not in (1, 3):
        values = cam.enlarged()[0].double().numpy()
        return Map(title=f"Grad-CAM{of}", values=values, diverging=True, note=note)
    draw = laid_over if x.dim() == 4 else over_series
    return Gallery(
        title=f"Grad-CAM{of}",
        images=[draw(x[0].float().cpu(), cam.maps[0].float().cpu(), cells=cam.cells)],
        captions=[""],
        pixelated=False,
        note=note,
    )


def _answers(
    session: Session,
    network: Network,
    output: Tensor | None,
    base: Tensor | None,
    id: str,
    *,
    moved: bool,
) -> Exhibit:
    now = answer_of(network, output, top=10)
    if "values" in now:
        numbers: list[list[Cell]] = [[k, v] for k, v in enumerate(now["values"])]
        return Table(title="answer", columns=("output", "number"), rows=numbers)
    before = {r["class"]: r["p"] for r in answer_of(network, base, top=1000)["probabilities"]}
    rows: list[list[Cell]] = [
        [r["name"], r["p"], *([before.get(r["class"])] if moved else [])]
        for r in now["probabilities"]
    ]
    right = session.truth(network, id)
    return Table(
        title="answer",
        columns=("class", "probability", *(["unmoved"] if moved else [])),
        rows=rows,
        note="" if right is None else f"Truth: {right['name']}.",
    )


def _maps(
    network: Network, still: Still, values: Sequence[Tensor | None], asked: object
) -> list[Exhibit]:
    found: list[Exhibit] = []
    drawn = 0
    for one in asked if isinstance(asked, list) else []:
        if not isinstance(one, dict) or drawn >= _MAPS:
            continue
        node = network.node(whole(one, "node", None, low=0, high=10**6))
        value = values[node.id]
        maps = None if value is None else network.maps(node, value)
        name = network.named(node.name) or node.label
        if maps is None or maps.dim() != 4:
            if value is not None:
                found.append(_lines(name, value if maps is None else maps))
            continue
        some = channels_of(one.get("channels"), network, node, still)[: _MAPS - drawn]
        drawn += len(some)
        pictures = [_gray(maps[0, c]) for c in some]
        if pictures:
            captions = [f"channel {c}" for c in some]
            found.append(Gallery(title=name, images=pictures, captions=captions))
    return found


def _lines(name: str, value: Tensor) -> Curve:
    """A vector, or the first maps of a series."""
    rows = value.detach().double().cpu().reshape(1, -1) if value.dim() < 3 else value[0].double()
    rows = rows.flatten(1)[:8]
    return Curve(
        title=name,
        x=list(range(rows.shape[1])),
        lines={f"channel {c}": row.tolist() for c, row in enumerate(rows)},
        x_label="position",
        y_label="value",
    )


def _gray(x: Tensor) -> np.ndarray:
    x = x.detach().float().cpu()
    low, high = float(x.min()), float(x.max())
    return _bytes(((x - low) / (high - low if high > low else 1.0))[None])


def _arithmetic(session: Session, network: Network, asked: Mapping[str, Any]) -> Section:
    found = unit(session, asked)
    node = network.node(found["node"])
    name = network.named(node.name) or node.label
    at = f"channel {found['channel']}, row {found['row']}, column {found['col']}"
    exhibits: list[Exhibit] = [Scalar(title="computed by PyTorch", value=found["value"])]
    if found["computed"] is not None:
        exhibits.append(Scalar(title="from the numbers below", value=found["computed"]))
    if found["steps"]:
        steps: list[list[Cell]] = [[s["label"], s["value"]] for s in found["steps"]]
        exhibits.append(Table(title="step by step", columns=("what", "number"), rows=steps))
    terms = [t for t in found["inputs"] if "rest" not in t]
    if terms:
        sums: list[list[Cell]] = [[t["channel"], t["sum"]] for t in terms]
        for t in found["inputs"]:
            if "rest" in t:
                sums.append([f"{t['rest']['count']} more", t["rest"]["sum"]])
        exhibits.append(Table(title="from each input", columns=("channel", "sum"), rows=sums))
    for t in terms[:_TERMS]:
        if len(t["patch"]) * len(t["patch"][0]) < 2:
            continue
        for what in ("patch", "kernel", "products"):
            if t[what] is not None:
                exhibits.append(_matrix(f"{what}, channel {t['channel']}", t[what]))
    return Section(
        title=f"One number of {name}", exhibits=tuple(exhibits), text=f"{at}: {found['formula']}."
    )


def _matrix(title: str, rows: Sequence[Sequence[float | None]]) -> Map:
    values = np.array([[np.nan if v is None else v for v in row] for row in rows], dtype=float)
    return Map(title=title, values=values, diverging=True)


def _errors(
    network: Network, errors: Sequence[float | None], floors: Sequence[float | None], of: str
) -> Section:
    known = [
        (n, e, f)
        for n, e, f in zip(network.graph.nodes, errors, floors, strict=True)
        if e is not None
    ]
    interpolates = any(f is not None for _, _, f in known)
    lines: dict[str, list[float | None]] = {"this picture": [e for _, e, _ in known]}
    columns = ["node", "kind", "error"]
    note = ""
    if interpolates:
        lines["interpolation alone"] = [f for _, _, f in known]
        columns.append("interpolation alone")
        note = "The motion interpolates: only what lies above interpolation alone is the network's."
    curve = Curve(
        title="equivariance error of every node",
        x=[n.id for n, _, _ in known],
        lines=lines,
        x_label="node, in the order of computing",
        y_label="‖f(T x) − T f(x)‖ / ‖T f(x)‖",
        note=note,
    )
    rows: list[list[Cell]] = [
        [network.named(n.name) or n.label, n.op, e, *([f] if interpolates else [])]
        for n, e, f in known
    ]
    table = Table(title="node by node", columns=tuple(columns), rows=rows)
    return Section(title=f"Which node breaks the symmetry{of}", exhibits=(curve, table))
