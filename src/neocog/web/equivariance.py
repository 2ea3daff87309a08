"""Which node breaks the symmetry, for one image and one motion, all nodes in one go.

The equivariance error of a node f under a motion T is ‖f(T x) - T f(x)‖ / ‖T f(x)‖ over the region
that both sides know; nothing is said where less than a hundredth of the map is known. On a coarser
grid T moves by parts of a sample: of the Fourier shift and the whole shifts beside it the one that
fits best counts, as in `neocog.audits.layers`. A vector has no places: there T is the identity.

A motion that interpolates changes a map also by interpolating. So beside such an error stands its
*interpolation baseline*: how far T f(x) is from itself when it was moved back and there again.

All maps of one grid are laid side by side, so that a motion of all of them is one operation.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from neocog.web.motions import Motion
from neocog.web.network import Network

__all__ = ["Grids", "node_baselines", "node_errors"]

MOST = 2**22
"""Numbers that are compared at most; of larger networks every n-th channel is."""

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
        maps: of the unmoved image, (1, channels, *space).
        whole: the norm of each node's.
        jump: pixels from one sample to the next, along each axis.
        tiles: whether the samples tile the image.
    """

    nodes: tuple[int, ...]
    owner: Tensor
    few: Tensor
    maps: Tensor
    whole: Tensor
    jump: tuple[float, ...]
    tiles: bool


class Grids:
    """What the nodes give out for an unmoved image, by grid.

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
                by_grid[tuple(maps.shape[2:]), jump].append(node.id)
            elif value is not None and _is_vector(value):
                self.vectors.append(node.id)
        self.grids = [self._grid(ids) for ids in by_grid.values()]

    def side_by_side(self, ids: Sequence[int], values: Sequence[Tensor | None]) -> list[Tensor]:
        """The maps of some nodes, thinned out where there are too many."""
        found = []
        for id in ids:
            value = values[id]
            maps = None if value is None else self.network.maps(self.network.graph.nodes[id], value)
            assert maps is not None
            found.append(maps[:, :: self.step].float().cpu())
        return found

    def _grid(self, ids: list[int]) -> _Grid:
        parts = self.side_by_side(ids, self.values)
        counts = [p.shape[1] for p in parts]
        owner = torch.cat([torch.full((n,), k) for k, n in enumerate(counts)])
        few = torch.cat([torch.arange(n) % -(-n // _FEW) == 0 for n in counts])
        jump = self.network.jump(self.network.graph.nodes[ids[0]]) or ()
        space = parts[0].shape[2:]
        tiles = all(
            abs(n * j - s) < 1e-6 for n, j, s in zip(space, jump, self.network.size, strict=True)
        )
        maps = torch.cat(parts, 1).contiguous()
        whole = _norms(maps, owner, len(ids))
        return _Grid(tuple(ids), owner, few.nonzero()[:, 0], maps, whole, jump, tiles)


def node_errors(
    reference: Grids, moved: Sequence[Tensor | None], motion: Motion
) -> list[float | None]:
    """The error of each node; None where it does not apply.

    Args:
        reference: of the unmoved image.
        moved: an output a node, of the moved image.
        motion: what lies between.
    """
    errors: list[float | None] = [None] * len(moved)
    for grid in reference.grids:
        if any(moved[id] is None for id in grid.nodes):
            continue
        parts = reference.side_by_side(grid.nodes, moved)
        space, channels = grid.maps.shape[2:], sum(p.shape[1] for p in parts)
        if channels != grid.maps.shape[1] or any(p.shape[2:] != space for p in parts):
            continue
        maps, room = reference.network.room(tuple(grid.maps.shape))
        torch.cat(parts, 1, out=maps)
        for id, error in zip(grid.nodes, _ratios(grid, maps, motion, room), strict=True):
            errors[id] = error
    for id in reference.vectors:
        a, b = reference.values[id], moved[id]
        if a is not None and b is not None and a.shape == b.shape:
            wrong, size = float((b - a).float().norm()), float(a.float().norm())
            errors[id] = _ratio(wrong, size)
    return errors


def node_baselines(reference: Grids, motion: Motion) -> list[float | None]:
    """What interpolating alone does to the maps of each node, there and back and there again.

    Of a few channels a node: it is a yardstick, and takes twice the work of what it stands beside.

    None for each where nothing is interpolated, and for what has no places.
    """
    baselines: list[float | None] = [None] * len(reference.values)
    if motion.shifts or len(reference.network.size) != 2:
        return baselines
    there, back = motion.there_and_back()
    for grid in reference.grids:
        some = replace(grid, maps=grid.maps[:, grid.few], owner=grid.owner[grid.few])
        for expected, known in motion.candidates(some.maps, some.jump, tiles=some.tiles):
            again = there.move(back.move(expected, some.jump), some.jump)
            if known is not None:
                again, expected = again * known, expected * known
            count = len(some.nodes)
            wrong = _norms(again - expected, some.owner, count)
            norm = _norms(expected, some.owner, count)
            for id, w, n in zip(some.nodes, wrong.tolist(), norm.tolist(), strict=True):
                baselines[id] = _ratio(w, n)
    return baselines


def _ratios(grid: _Grid, maps: Tensor, motion: Motion, room: Tensor) -> list[float | None]:
    count, whole = len(grid.nodes), grid.whole
    least = torch.full((count,), torch.inf)
    for expected, known in motion.candidates(grid.maps, grid.jump, tiles=grid.tiles, room=room):
        # In its own memory: what is expected is not needed any more.
        if known is not None:
            expected.mul_(known)
        norm = _norms(expected, grid.owner, count)
        expected.sub_(maps)
        if known is not None:
            expected.mul_(known)
        wrong = _norms(expected, grid.owner, count)
        told = norm > _LITTLE * whole  # else nearly all content is where nobody knows it
        ratio = torch.where(told, wrong / norm.clamp(min=_TINY), torch.inf)
        nothing = (whole <= _TINY) & (wrong <= _TINY)
        least = torch.minimum(least, torch.where(nothing, 0.0, ratio))
    return [r if math.isfinite(r) else None for r in least.tolist()]


def _norms(maps: Tensor, owner: Tensor, count: int) -> Tensor:
    """The norm of each of so many nodes' maps, where each channel has an owner."""
    channels = torch.linalg.vector_norm(maps[0].flatten(1), dim=1)
    return torch.zeros(count).index_add_(0, owner, channels.square()).sqrt()


def _is_vector(value: Tensor) -> bool:
    """Whether an output has channels and no places; numbers of phases and the like have neither."""
    plainly = value.is_floating_point() and value.dim() >= 2
    return plainly and (value.dim() == 2 or value.numel() == value.shape[1])


def _ratio(wrong: float, size: float) -> float | None:
    if size > _TINY:
        return wrong / size
    return 0.0 if wrong <= _TINY else None
