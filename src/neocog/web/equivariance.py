"""Which node breaks the symmetry, for one image and one motion, all nodes in one go.

The equivariance error of a node f under a motion T is ‖f(T x) - T f(x)‖ / ‖f(x)‖ over the region
that both sides know, see `neocog.symmetry.residual`; there is no figure where less than a hundredth
of the map is known.

A motion that interpolates changes a map also by interpolating. So beside such an error stands its
*interpolation baseline*: how far T f(x) is from itself when it was moved back and there again, as a
fraction of the same norm.

All maps of one grid are laid side by side, so that a motion of all of them is one operation.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from neocog.signal.fourier import spectrum_of
from neocog.symmetry.fields import SCALAR, FeatureField, field_of
from neocog.symmetry.motion import Transformation, Translation
from neocog.symmetry.residual import residuals
from neocog.web.motions import Motion
from neocog.web.network import Network

__all__ = ["Grids", "MovedMaps", "NodeErrors", "node_errors"]

MOST = 2**20
"""Values that are compared at most; of larger networks every n-th channel is."""

_FEW = 2

_TINY = 1e-12

_LITTLE = 0.01
"""Of a map's norm: what must be known of it, at least, to say anything."""


@dataclass(frozen=True, eq=False)
class _Grid:
    """Nodes whose maps have one grid.

    Args:
        nodes: their ids.
        owner: which of them each channel is from.
        few: some channels of each, by which what interpolating costs is judged.
        maps: of the unshifted image, (1, channels, *space).
        moved: buffer for those of a moved one, as large.
        whole: the norm of each node's.
        jump: pixels from one sample to the next, along each axis.
        field: what their channels mean.
    """

    nodes: tuple[int, ...]
    owner: Tensor
    few: Tensor
    maps: Tensor
    moved: Tensor
    whole: Tensor
    jump: tuple[float, ...]
    field: FeatureField

    @cached_property
    def spectrum(self) -> Tensor:
        """The Fourier transform of `maps`, which stay while the image is dragged."""
        return spectrum_of(self.maps)


class Grids:
    """What the nodes give out for an unshifted image, by grid.

    Args:
        network: whose nodes.
        values: an output a node, None where there is none.
        nodes: that are compared; all if left out.
    """

    def __init__(
        self,
        network: Network,
        values: Sequence[Tensor | None],
        nodes: Collection[int] | None = None,
    ) -> None:
        self.network = network
        self.values = values
        self.nodes = wanted = range(len(values)) if nodes is None else nodes
        total = sum(v.numel() for k in wanted if (v := values[k]) is not None)
        self.step = -(-total // MOST) or 1
        by_grid: dict[tuple[object, ...], list[int]] = defaultdict(list)
        self.vectors: list[int] = []
        self._scalar: dict[int, bool] = {}
        for node, value in zip(network.graph.nodes, values, strict=True):
            if node.id not in wanted:
                continue
            maps = None if value is None else network.maps(node, value)
            jump = network.jump(node)
            if maps is not None and jump is not None:
                field = self.field(node.id)
                self._scalar[node.id] = field is SCALAR
                by_grid[tuple(maps.shape[2:]), jump, field].append(node.id)
            elif value is not None and _is_vector(value):
                self.vectors.append(node.id)
        self.places: dict[int, Tensor] = {}
        """Where in its grid's buffer the maps of a node go."""
        self.grids = [self._grid(ids) for ids in by_grid.values()]

    def thinned(self, id: int, value: Tensor) -> Tensor | None:
        """The maps of a node, thinned out where there are too many scalar ones."""
        maps = self.network.maps(self.network.graph.nodes[id], value)
        step = self.step if self._scalar[id] else 1
        return None if maps is None else maps[:, ::step]

    def field(self, id: int) -> FeatureField:
        """What the channels of a node mean, where it is a layer that declares it."""
        node = self.network.graph.nodes[id]
        if node.free or not node.name:
            return SCALAR
        return field_of(self.network.module.get_submodule(node.name))

    def _grid(self, ids: list[int]) -> _Grid:
        parts = [
            part.float().cpu()
            for id in ids
            if (value := self.values[id]) is not None
            and (part := self.thinned(id, value)) is not None
        ]
        counts = [p.shape[1] for p in parts]
        owner = torch.cat([torch.full((n,), k) for k, n in enumerate(counts)])
        field = self.field(ids[0])
        few = torch.cat([torch.arange(n) % -(-n // _FEW) == 0 for n in counts])
        few = few if field is SCALAR else torch.ones_like(few)
        jump = self.network.jump(self.network.graph.nodes[ids[0]]) or ()
        maps = torch.cat(parts, 1).contiguous()
        moved = torch.empty_like(maps)
        self.places |= zip(ids, torch.split(moved, counts, 1), strict=True)
        whole = _norms(maps, owner, len(ids))
        return _Grid(tuple(ids), owner, few.nonzero()[:, 0], maps, moved, whole, jump, field)


class MovedMaps:
    """What the nodes give out for a moved image, as far as it is compared: taken as it comes.

    Args:
        reference: what it is compared with. Its buffers hold one moved image at a time.
    """

    def __init__(self, reference: Grids) -> None:
        self.reference = reference
        self.vectors: dict[int, Tensor] = {}
        self._taken: set[int] = set()

    def take(self, id: int, value: Tensor) -> None:
        """A node's output."""
        place = self.reference.places.get(id)
        if place is not None:
            maps = self.reference.thinned(id, value)
            if maps is not None and maps.shape == place.shape:
                place.copy_(maps)
                self._taken.add(id)
        elif id in self.reference.vectors:
            self.vectors[id] = value.clone()

    def take_all(self, values: Sequence[Tensor | None]) -> None:
        """An output a node, None where there is none."""
        for id, value in enumerate(values):
            if value is not None:
                self.take(id, value)

    def has(self, ids: Sequence[int]) -> bool:
        """Whether the maps of all these nodes are there."""
        return self._taken.issuperset(ids)


@dataclass(frozen=True)
class NodeErrors:
    """What a motion breaks.

    Args:
        errors: the equivariance error of each node; None where it does not apply, or its field has
            no such motion.
        baselines: what interpolation alone does to the maps of each node, in a round trip and once
            more; None where nothing is interpolated, and for an output without space. Of a few
            channels a node: it is a yardstick, and takes twice the work of what it stands beside.
    """

    errors: list[float | None]
    baselines: list[float | None]


def node_errors(moved: MovedMaps, motion: Motion) -> NodeErrors:
    """The error of each node, and its interpolation baseline.

    Args:
        moved: of the moved image, beside the unshifted one.
        motion: what lies between.
    """
    reference = moved.reference
    count = len(reference.values)
    measured = NodeErrors([None] * count, [None] * count)
    size = reference.network.size
    transformation = motion.transformation(len(size))
    for grid in reference.grids:
        if not _holds(grid.field, transformation):
            continue
        known = transformation.known(grid.maps, grid.jump, size)
        expected: Tensor | None = None
        if not isinstance(transformation, Translation):
            expected = transformation(grid.maps, grid.jump, grid.field)
        if moved.has(grid.nodes):
            room = reference.network.room(tuple(grid.maps.shape))
            ratios = _ratios(grid, transformation, size, room, known=known, expected=expected)
            for id, error in zip(grid.nodes, ratios, strict=True):
                measured.errors[id] = error
        if not transformation.exact:
            for id, baseline in zip(
                grid.nodes, _baselines(grid, transformation, known, expected), strict=True
            ):
                measured.baselines[id] = baseline
    for id in reference.vectors:
        a, b = reference.values[id], moved.vectors.get(id)
        if a is None or b is None or not _holds(reference.field(id), transformation):
            continue
        if a.shape == b.shape:
            wrong = transformation.mix(a, reference.field(id)) - b
            measured.errors[id] = _ratio(float(wrong.float().norm()), float(a.float().norm()))
    return measured


def _baselines(
    grid: _Grid, motion: Transformation, known: Tensor | None, expected: Tensor | None
) -> list[float | None]:
    maps, owner = grid.maps[:, grid.few], grid.owner[grid.few]
    there = motion(maps, grid.jump, grid.field) if expected is None else expected[:, grid.few]
    wrong = motion.inverse.round_trip(there, grid.jump) - there
    if known is not None:
        wrong, maps = wrong * known, maps * known
    both = (_norms(t, owner, len(grid.nodes)).tolist() for t in (wrong, maps))
    return [_ratio(w, n) for w, n in zip(*both, strict=True)]


def _ratios(
    grid: _Grid,
    motion: Transformation,
    size: tuple[int, ...],
    room: Tensor,
    *,
    known: Tensor | None,
    expected: Tensor | None,
) -> list[float | None]:
    def norms(t: Tensor) -> Tensor:
        return _norms(t, grid.owner, len(grid.nodes))

    base = seen = grid.whole
    if known is not None:
        base = norms(torch.mul(grid.maps, known, out=room))
        inside = motion.inverse.known(grid.maps, grid.jump, size)
        seen = base if inside is None else norms(torch.mul(grid.maps, inside, out=room))
    least = torch.full_like(base, torch.inf)
    for wrong in _residuals(grid, motion, room, known=known, expected=expected):
        least = torch.minimum(least, norms(wrong))
    # Else nearly all content is where one side does not know it.
    measurable = torch.minimum(base, seen) > _LITTLE * grid.whole
    ratio = torch.where(measurable, least / base.clamp(min=_TINY), torch.inf)
    ratio[(grid.whole <= _TINY) & (least <= _TINY)] = 0.0
    return [r if math.isfinite(r) else None for r in ratio.tolist()]


def _residuals(
    grid: _Grid,
    motion: Transformation,
    room: Tensor,
    *,
    known: Tensor | None,
    expected: Tensor | None,
) -> Iterator[Tensor]:
    """Those of a shift, of which the best fit counts; or what is expected less what there is."""
    if expected is not None:
        wrong = torch.sub(expected, grid.moved, out=room)
        return iter((wrong if known is None else wrong.mul_(known),))
    return residuals(
        motion,
        grid.maps,
        grid.moved,
        jump=grid.jump,
        known=known,
        field=grid.field,
        room=room,
        spectrum=lambda: grid.spectrum,
    )


def _holds(field: FeatureField, motion: Transformation) -> bool:
    """Whether it is known how a motion mixes the channels of a field."""
    angle, mirrored = motion.linear
    return field.holds(angle, mirrored=mirrored)


def _norms(maps: Tensor, owner: Tensor, count: int) -> Tensor:
    """The norm of each of so many nodes' maps, where each channel has an owner."""
    channels = torch.linalg.vector_norm(maps[0].flatten(1), dim=1)
    return torch.zeros(count).index_add_(0, owner, channels.square()).sqrt()


def _is_vector(value: Tensor) -> bool:
    """Whether an output has channels and no space; phase indices and the like have neither."""
    plainly = value.is_floating_point() and value.dim() >= 2
    return plainly and (value.dim() == 2 or value.numel() == value.shape[1])


def _ratio(wrong: float, size: float) -> float | None:
    if size > _TINY:
        return wrong / size
    return 0.0 if wrong <= _TINY else None
