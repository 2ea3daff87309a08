"""The current view as one file in which the image still moves and the arithmetic is still walked.

What the page would ask the program is computed beforehand, for this image and as many motions and
units as there is room and time for: first what is seen, then what is nearest to it. What is left
out is stated at the top of the file.
"""

from __future__ import annotations

import base64
import json
import math
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from neocog.errors import NeocogError, UsageError
from neocog.graph.structure import Node
from neocog.web import api
from neocog.web.album import as_png, displayed
from neocog.web.audit import audit
from neocog.web.cam import Wanted
from neocog.web.frame import Frame, plain
from neocog.web.kernels import PAGE, fits, kernels
from neocog.web.motions import Motion
from neocog.web.page_file import page_file
from neocog.web.query import flag, whole, words
from neocog.web.session import Session
from neocog.web.step import (
    Pass,
    channels_of,
    errors_of,
    moved_of,
    pass_of,
    planes_of,
    predictions_of,
)
from neocog.web.unit import units

__all__ = ["BYTES", "SECONDS", "Saving"]

BYTES = 8 * 2**20
"""Of what a file holds, packed, at most; about a third more as text."""

SECONDS = 20.0
"""Of computing that are spent on motions and units; what other programs take does not count."""

_REACH = 4
"""Pixels that a saved image can be shifted along each axis."""

_SMALL = 32
"""Samples of a map's side, in motions that are not looked at now."""

_IMAGE = 96
"""Pixels of an image's side, likewise."""

_OTHERS = 4
"""Channels of the nodes that are not looked at now."""

_UNITS = 400
"""Units of the map that is looked at; of each other motion a part of them."""

_PACKS = 3
"""Characters of JSON that take one byte, packed, at least."""

_NEAR = 25
"""Units of other motions, around the one that is looked at."""


class Saving:
    """A file that is being put together, piece by piece, so that steps of pages come in between.

    Args:
        session: models and images.
        query: what the page shows: model, both, image, motion, cam, node, channel, unit, view (the
            hash of its address) and `steps`, the feature maps and errors that it asks for of each
            model.

    Raises:
        NeocogError: a requested object does not exist.
    """

    def __init__(self, session: Session, query: Mapping[str, Any]) -> None:
        self.session, self.query = session, query
        network = session.network(query)
        self.models = [session.networks.index(network)]
        if flag(query, "both", False):
            self.models = list(range(len(session.networks)))
        self.id = words(query, "image", None)
        self.motion = Motion.of(query.get("motion"))
        if self.motion.identity:
            self.motion = Motion(padding=self.motion.padding)
        self.cam = Wanted.of(query.get("cam"))
        self.steps = _steps(query, len(self.models))
        self.view = words(query, "view", "")
        self.looked = _looked(session, query)
        self.motions: list[Motion] = []
        self._packer = zlib.compressobj(6)
        self._packed: list[bytes] = []
        self._length = self._size = 0
        self._frames: dict[str, tuple[int, int]] = {}
        self._units: list[str] = []
        self._kernels: dict[Any, int] = {}
        self._left = False
        self._work = self._pieces()

    def advance(self) -> bool:
        """Do one more piece of work; false when there is none left."""
        return next(self._work, None) is not None

    def file(self) -> str:
        """The file, with what was done up to now."""
        index = _text(plain(self._index()))
        text = f'{index[:-1]},"units":[{",".join(self._units)}]}}'.encode()
        self._put(text + len(text).to_bytes(4, "little"))
        self._packed.append(self._packer.flush())
        network = self.session.networks[self.models[0]]
        title = f"{self.session.album.called(self.id)} · {network.name} – neocog explore"
        return page_file(b"".join(self._packed), title=title)

    # ---- what is computed, in the order of its worth

    def _pieces(self) -> Iterator[bool]:
        began = time.thread_time()
        for motion in dict.fromkeys((Motion(padding=self.motion.padding), self.motion)):
            for k in range(len(self.models)):
                self._keep_whole(motion, k)
                yield True
        for motion in self._others():
            if self._full(began):
                return
            for k in range(len(self.models)):
                self._keep(self._pass(motion, k), motion, k, every=False)
                yield True
        for at in range(2, len(self.motions)):
            if self._full(began):
                return
            self._keep_units_near(at)
            yield True

    def _full(self, began: float) -> bool:
        full = self._size > 0.9 * BYTES or time.thread_time() - began > SECONDS
        self._left |= full
        return full

    def _others(self) -> Iterator[Motion]:
        """The motions of the controls, near ones first, of all kinds in turns."""
        padding, first = self.motion.padding, self.session.networks[self.models[0]]
        axes = len(first.size)
        reach = range(-_REACH, _REACH + 1)
        pairs = [(dx, dy) for dx in reach for dy in (reach if axes == 2 else (0,))]
        shifts = sorted(pairs, key=lambda p: (math.hypot(*p), p))
        ways = [[Motion(padding=padding, dx=dx, dy=dy) for dx, dy in shifts]]
        if axes == 2:
            most = min(first.size) / 6
            turns = [t * s for t in (15, 30, 45, 60, 90, 120, 150, 180) for s in (1, -1)]
            zooms = [2 ** (z * s / 4) for z in (1, 2, 3, 4) for s in (1, -1)]
            seed = self.motion.seed
            ways += [
                [Motion(padding=padding, angle=float(angle)) for angle in turns],
                [Motion(padding=padding, scale=zoom) for zoom in zooms],
                [Motion(padding=padding, elastic=most * e / 5, seed=seed) for e in range(1, 6)],
            ]
        # Shifts are dragged in two directions: of each round five.
        rounds = [iter(way) for way in (*[iter(ways[0])] * 5, *ways[1:])]
        while rounds:
            for way in list(rounds):
                motion = next(way, None)
                if motion is None:
                    rounds = [w for w in rounds if w is not way]
                elif motion not in self.motions:
                    yield motion

    def _pass(self, motion: Motion, k: int) -> Pass:
        return pass_of(self.session, self.models[k], self.id, motion, self._cam_of(k))

    def _cam_of(self, k: int) -> Wanted | None:
        """Grad-CAM where it is looked at; a layer that was named is one of the first model's."""
        named = self.models[k] == self.session.networks.index(self.session.network(self.query))
        if self.cam is None or named:
            return self.cam
        return Wanted(None, self.cam.target, self.cam.method)

    def _keep_whole(self, motion: Motion, k: int) -> None:
        """What is seen now, or without a motion: with some maps and units of every node."""
        one = self._pass(motion, k)
        self._keep(one, motion, k, every=True)
        self._keep_units(one, k, len(self.motions) - 1, self._wanted_units(one, k))

    def _keep(self, one: Pass, motion: Motion, k: int, *, every: bool) -> None:
        if motion not in self.motions:
            self.motions.append(motion)
        frame = Frame()
        side = 64 if every else _SMALL
        maps: list[dict[str, Any]] = []
        for id, channels in self._channels(one, k, every=every).items():
            node = one.network.node(id)
            if one.values[id] is not None:
                maps += planes_of(frame, one, node, channels, side)
        moved = None if motion.identity else moved_of(one.reference, self.steps[k]["errors"])
        if moved is not None:
            moved.take_all(one.values)
        header = {
            **predictions_of(self.session, one, self.id, 10),
            "image": _image(frame, one, 512 if every else _IMAGE),
            "maps": maps,
            "cam": None if one.cam is None else _cam(frame, one),
            "errors": None if moved is None else errors_of(moved, motion),
            "reason": one.reason or (None if one.cam or self.cam else _NO_CAM),
            "ms": 0,
        }
        data = frame.bytes(header)
        self._frames[f"{k}:{self.motions.index(motion)}"] = (self._length, len(data))
        self._put(data)

    def _channels(self, one: Pass, k: int, *, every: bool) -> dict[int, list[int]]:
        """Channels of each node: those that the page shows, and at first a few of all others."""
        channels: dict[int, list[int]] = {}
        if every:
            for node in one.network.graph.nodes:
                shape = one.network.shape(node)
                if one.values[node.id] is not None and shape and node.kind != "input":
                    channels[node.id] = list(range(min(_OTHERS, shape[0]) if len(shape) > 1 else 1))
        for request in self.steps[k]["maps"]:
            node = one.network.node(whole_of(request, "node"))
            some = channels_of(request.get("channels"), one.network, node, one.reference)
            channels[node.id] = list(dict.fromkeys((*channels.get(node.id, ()), *some)))
        return channels

    # ---- units

    def _wanted_units(self, one: Pass, k: int) -> dict[int, list[tuple[int, ...]]]:
        wanted: dict[int, list[tuple[int, ...]]] = {}
        if self.looked is not None and self.models[k] == self.looked[0]:
            node, unit = self.looked[1], self.looked[2]
            wanted[node.id] = _around(one.network.shape(node), unit, _UNITS)
        for node in one.network.graph.nodes:
            if node.id not in wanted and one.network.shows(node) and node.kind != "input":
                wanted[node.id] = _strongest(one, node)
        return wanted

    def _keep_units_near(self, at: int) -> None:
        if self.looked is None:
            return
        model, node, unit = self.looked
        one = self._pass(self.motions[at], k := self.models.index(model))
        self._keep_units(one, k, at, {node.id: _around(one.network.shape(node), unit, _NEAR)})

    def _keep_units(
        self, one: Pass, k: int, at: int, wanted: dict[int, list[tuple[int, ...]]]
    ) -> None:
        try:
            arithmetic = units(one.network, one.x, wanted, values=one.values)
        except NeocogError:  # the file shows what can be shown
            return
        for each in arithmetic:
            for term in each["inputs"]:
                if (kernel := term.get("kernel")) and term["products"]:
                    # Units of a channel have one kernel, and the file multiplies again.
                    term["kernel"] = self._kernels.setdefault(kernel, len(self._kernels))
                    term["products"] = None
            text = _text({"model": k, "motion": at, **_short(each)})
            self._units.append(text)
            self._size += len(text) // _PACKS

    # ---- how it is kept

    def _put(self, data: bytes) -> None:
        packed = self._packer.compress(data)
        self._packed.append(packed)
        self._length += len(data)
        self._size += len(packed)

    def _index(self) -> dict[str, Any]:
        session, models = self.session, self.models
        about = api.about(session)
        parts: dict[str, dict[str, Any]] = {"kernels": {}, "top": {}, "audits": {}, "images": {}}
        for k, model in enumerate(models):
            for node in session.networks[model].graph.nodes:
                if node.kind == "conv" and not node.free:
                    self._add_kernels(parts["kernels"], k, model, node)
            with suppress(NeocogError):
                parts["audits"][str(k)] = audit(session, {"model": model})
        self._add_top(parts)
        kept = [about["models"][model] for model in models]
        about |= {
            "models": [{**one, "id": k} for k, one in enumerate(kept)],
            "audits": ["saved" if str(k) in parts["audits"] else "none" for k in range(len(kept))],
            "first": self.id,
            "view": self.view,
            "saved": self._summary(),
        }
        return {
            "about": about,
            "graphs": [api.graph(session, {"model": m}) for m in models],
            "motions": [_plain_motion(m) for m in self.motions],
            "frames": self._frames,
            "kernels_of_units": [_short(kernel) for kernel in self._kernels],
            **parts,
        }

    def _add_kernels(self, kept: dict[str, Any], k: int, model: int, node: Node) -> None:
        """The first page of kernels of a layer where there is room; Gabor fits that are known."""
        query = {"model": model, "node": node.id, "page": 0}
        if self._size > BYTES:
            return
        with suppress(NeocogError):
            page = kernels(self.session, query, gabor=not fits(self.session, query))
            page = _short({**page, "pages": 1, "kernels": page["kernels"][:PAGE]})
            kept[f"{k}:{node.id}:0"] = page
            self._size += len(_text(page)) // _PACKS

    def _add_top(self, parts: dict[str, dict[str, Any]]) -> None:
        """Top activations of the channel that is looked at, where they are known already."""
        if self.looked is None:
            return
        model, node, unit = self.looked
        key = ("top-activations", model, node.id, unit[0])
        if self.session.has(key):
            known: dict[str, Any] = self.session.kept(key, dict)
            k = self.models.index(model)
            parts["top"][f"{k}:{node.id}:{unit[0]}"] = known
            for patch in known["patches"]:
                x = self.session.album.values(patch["image"], model)
                if x.dim() == 4:
                    png = base64.b64encode(as_png(x, self.session.networks[model])).decode("ascii")
                    parts["images"][f"{k}:{patch['image']}"] = png

    def _summary(self) -> str:
        """What the file holds."""
        shifts = sum(m.shifts for m in self.motions) - 1
        others = len(self.motions) - 1 - shifts
        count = f"{len(self._units):,} unit{'s' if len(self._units) != 1 else ''}"
        limit = (
            f" It ends at {BYTES // 2**20} MB or {SECONDS:.0f} s of computing."
            if self._left
            else ""
        )
        return (
            f"Saved from neocog explore {api.about(self.session)['version']}. This file works "
            f"without neocog: it contains this image under {shifts} shifts and {others} other "
            f"transforms, and the arithmetic of {count}.{limit} Controls move to the nearest one."
        )


_NO_CAM = "Grad-CAM was off when this page was saved."


def _steps(query: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Of each model the maps and errors that the page asks for."""
    steps = query.get("steps") or [{}] * count
    if not isinstance(steps, list) or len(steps) != count:
        raise UsageError("`steps` is a list with one object for each model that is shown.")
    parsed = []
    for one in steps:
        maps = one.get("maps", []) if isinstance(one, dict) else None
        if not isinstance(maps, list) or not all(isinstance(m, dict) for m in maps):
            raise UsageError("Each of `steps` is an object with maps and errors.")
        parsed.append({"maps": maps[:256], "errors": one.get("errors", True)})
    return parsed


def _looked(session: Session, query: Mapping[str, Any]) -> tuple[int, Node, tuple[int, ...]] | None:
    """The unit that is looked at: its model, node, and (channel, row, column)."""
    if query.get("node") is None:
        return None
    network = session.network(query)
    node = network.node(whole_of(query, "node"))
    shape = network.shape(node)
    if not network.shows(node) or node.kind == "input" or len(shape) > 3:
        return None
    unit = query.get("unit")
    at = unit if isinstance(unit, dict) else {}
    middle = [n // 2 for n in shape[1:]]
    names = ("row", "col")[-len(middle) :] if middle else ()
    position = [
        whole(at, name, m, low=0, high=n - 1)
        for name, m, n in zip(names, middle, shape[1:], strict=True)
    ]
    channel = whole(query, "channel", 0, low=0, high=shape[0] - 1)
    return session.networks.index(network), node, (channel, *position)


def _around(shape: Sequence[int], unit: tuple[int, ...], most: int) -> list[tuple[int, ...]]:
    """Units of a channel, the nearest first, and the other channels at the same position."""
    channel, *position = unit
    if len(shape) == 1:
        near = sorted(range(shape[0]), key=lambda c: abs(c - channel))
        return [(c,) for c in near[: min(most, 64)]]
    rows = range(shape[1]) if len(shape) == 3 else (0,)
    units = [(r, c) for r in rows for c in range(shape[-1])]
    row, column = position if len(position) == 2 else (0, position[0])
    units.sort(key=lambda p: max(abs(p[0] - row), abs(p[1] - column)))
    here = [(channel, *(p if len(shape) == 3 else p[1:])) for p in units[:most]]
    others = range(min(shape[0], max(1, most // 6)))
    return list(dict.fromkeys((*here, *((c, *position) for c in others))))


def _strongest(one: Pass, node: Node) -> list[tuple[int, ...]]:
    """Of the first channels of a node the unit with the largest value, as a click on it chooses."""
    value = one.values[node.id]
    if value is None:
        return []
    maps = one.network.maps(node, value)
    if maps is None:
        best = value.flatten().float().abs().topk(min(4, value.numel())).indices
        return [(int(c),) for c in best]
    units = []
    for c in range(min(_OTHERS, maps.shape[1])):
        at = int(maps[0, c].float().abs().argmax())
        space = maps.shape[2:]
        units.append((c, *((at // space[1], at % space[1]) if len(space) == 2 else (at,))))
    return units


def whole_of(plain: Mapping[str, Any], name: str) -> int:
    """The number of a node."""
    return whole(plain, name, None, low=0, high=10**6)


def _image(frame: Frame, one: Pass, most: int) -> dict[str, Any]:
    x = one.x[0]
    if one.x.dim() == 4:
        x = displayed(x, one.network)
    if one.x.dim() != 4:
        return frame.add(x)
    steps = [max(1, -(-n // most)) for n in x.shape[1:]]
    return frame.add(x[:, :: steps[0], :: steps[1]], most=1.0)


def _cam(frame: Frame, one: Pass) -> dict[str, Any]:
    assert one.cam is not None
    cam, reason = one.cam
    large = cam.enlarged()[0].float()
    large = large[None] if large.dim() == 1 else large
    steps = [max(1, -(-n // _IMAGE)) for n in large.shape]
    return {
        **frame.add(large[:: steps[0], :: steps[1]]),
        "layer": one.network.named(cam.layer),
        "layer_reason": reason,
        "target": cam.targets[0],
        "value": None,
    }


def _plain_motion(motion: Motion) -> dict[str, Any]:
    """As the page has it, its keys in the page's order."""
    plain = asdict(motion)
    elastic = {"amount": plain.pop("elastic"), "seed": plain.pop("seed")}
    return {**plain, "elastic": elastic}


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _short(value: Any) -> Any:
    """Numbers to seven digits: what float32 knows."""
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _short(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_short(v) for v in value]
    return value
