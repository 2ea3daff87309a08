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
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neocog.symmetry.fields import SCALAR, FeatureField, field_of
from neocog.symmetry.motion import Transformation
from neocog.symmetry.residual import residuals
from neocog.web.motions import Motion
from neocog.web.network import Network

__all__ = ["Grids", "node_baselines", "node_errors"]

MOST = 2**20
"""Values that are compared at most; of larger networks every n-th channel is."""

_FEW = 2

_TINY = 1e-12

_LITTLE = 0.01
"""Of a map's norm: what must be known of it, at least, to say anything."""


@dataclass(frozen=True)
class _Grid:
    """Nodes whose maps have one grid.

    Args:
        nodes: their ids.
        owner: which of them each channel is from.
        few: some channels of each, by which what interpolating costs is judged.
        maps: of the unshifted image, (1, channels, *space).
        whole: the norm of each node's.
        jump: pixels from one sample to the next, along each axis.
        field: what their channels mean.
    """

    nodes: tuple[int, ...]
    owner: Tensor
    few: Tensor
    maps: Tensor
    whole: Tensor
    jump: tuple[float, ...]
    field: FeatureField


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
        wanted = range(len(values)) if nodes is None else nodes
        total = sum(v.numel() for k in wanted if (v := values[k]) is not None)
        self.step = -(-total // MOST) or 1
        by_grid: dict[tuple[object, ...], list[int]] = defaultdict(list)
        self.vectors: list[int] = []
        for node, value in zip(network.graph.nodes, values, strict=True):
            if node.id not in wanted:
                continue
            maps = None if value is None else network.maps(node, value)
            jump = network.jump(node)
            if maps is not None and jump is not None:
                by_grid[tuple(maps.shape[2:]), jump, self.field(node.id)].append(node.id)
            elif value is not None and _is_vector(value):
                self.vectors.append(node.id)
        self.grids = [self._grid(ids) for ids in by_grid.values()]

    def side_by_side(self, ids: Sequence[int], values: Sequence[Tensor | None]) -> list[Tensor]:
        """The maps of some nodes, thinned out where there are too many scalar ones."""
        parts = []
        for id in ids:
            value = values[id]
            maps = None if value is None else self.network.maps(self.network.graph.nodes[id], value)
            assert maps is not None
            step = self.step if self.field(id) is SCALAR else 1
            parts.append(maps[:, ::step].float().cpu())
        return parts

    def field(self, id: int) -> FeatureField:
        """What the channels of a node mean, where it is a layer that declares it."""
        node = self.network.graph.nodes[id]
        if node.free or not node.name:
            return SCALAR
        return field_of(self.network.module.get_submodule(node.name))

    def _grid(self, ids: list[int]) -> _Grid:
        parts = self.side_by_side(ids, self.values)
        counts = [p.shape[1] for p in parts]
        owner = torch.cat([torch.full((n,), k) for k, n in enumerate(counts)])
        field = self.field(ids[0])
        few = torch.cat([torch.arange(n) % -(-n // _FEW) == 0 for n in counts])
        few = few if field is SCALAR else torch.ones_like(few)
        jump = self.network.jump(self.network.graph.nodes[ids[0]]) or ()
        maps = torch.cat(parts, 1).contiguous()
        whole = _norms(maps, owner, len(ids))
        return _Grid(tuple(ids), owner, few.nonzero()[:, 0], maps, whole, jump, field)


def node_errors(
    reference: Grids, moved: Sequence[Tensor | None], motion: Motion
) -> list[float | None]:
    """The error of each node; None where it does not apply, or its field has no such motion.

    Args:
        reference: of the unshifted image.
        moved: an output a node, of the moved image.
        motion: what lies between.
    """
    errors: list[float | None] = [None] * len(moved)
    size = reference.network.size
    transformation = motion.transformation(len(size))
    for grid in reference.grids:
        if any(moved[id] is None for id in grid.nodes) or not _holds(grid.field, transformation):
            continue
        parts = reference.side_by_side(grid.nodes, moved)
        space, channels = grid.maps.shape[2:], sum(p.shape[1] for p in parts)
        if channels != grid.maps.shape[1] or any(p.shape[2:] != space for p in parts):
            continue
        maps, room = reference.network.room(tuple(grid.maps.shape))
        torch.cat(parts, 1, out=maps)
        ratios = _ratios(grid, maps, transformation, size, room)
        for id, error in zip(grid.nodes, ratios, strict=True):
            errors[id] = error
    for id in reference.vectors:
        a, b = reference.values[id], moved[id]
        if a is None or b is None or not _holds(reference.field(id), transformation):
            continue
        if a.shape == b.shape:
            wrong = transformation.mix(a, reference.field(id)) - b
            errors[id] = _ratio(float(wrong.float().norm()), float(a.float().norm()))
    return errors


def node_baselines(reference: Grids, motion: Motion) -> list[float | None]:
    """What interpolation alone does to the maps of each node, in a round trip and once more.

    Of a few channels a node: it is a yardstick, and takes twice the work of what it stands beside.

    None for each where nothing is interpolated, and for an output without space.
    """
    baselines: list[float | None] = [None] * len(reference.values)
    size = reference.network.size
    transformation = motion.transformation(len(size))
    if transformation.exact:
        return baselines
    for grid in reference.grids:
        if not _holds(grid.field, transformation):
            continue
        maps, owner = grid.maps[:, grid.few], grid.owner[grid.few]
        expected = transformation(maps, grid.jump, grid.field)
        wrong = transformation.inverse.round_trip(expected, grid.jump) - expected
        known = transformation.known(maps, grid.jump, size)
        if known is not None:
            wrong, maps = wrong * known, maps * known
        both = (_norms(t, owner, len(grid.nodes)).tolist() for t in (wrong, maps))
        for id, w, n in zip(grid.nodes, *both, strict=True):
            baselines[id] = _ratio(w, n)
    return baselines


def _ratios(
    grid: _Grid, maps: Tensor, motion: Transformation, size: tuple[int, ...], room: Tensor
) -> list[float | None]:
    def norms(t: Tensor) -> Tensor:
        return _norms(t, grid.owner, len(grid.nodes))

    known = motion.known(grid.maps, grid.jump, size)
    base = seen = grid.whole
    if known is not None:
        base = norms(torch.mul(grid.maps, known, out=room))
        inside = motion.inverse.known(grid.maps, grid.jump, size)
        seen = base if inside is None else norms(torch.mul(grid.maps, inside, out=room))
    least = torch.full_like(base, torch.inf)
    moved = residuals(
        motion, grid.maps, maps, jump=grid.jump, known=known, field=grid.field, room=room
    )
    for wrong in moved:
        least = torch.minimum(least, norms(wrong))
    # Else nearly all content is where one side does not know it.
    measurable = torch.minimum(base, seen) > _LITTLE * grid.whole
    ratio = torch.where(measurable, least / base.clamp(min=_TINY), torch.inf)
    ratio[(grid.whole <= _TINY) & (least <= _TINY)] = 0.0
    return [r if math.isfinite(r) else None for r in ratio.tolist()]


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
