"""Obstacles to equivariance that follow from the geometry of a network, whatever its weights.

*Quarter turns.* Turning the image by 90° must map every grid of windows onto itself: as many
samples before the first window as behind the last one, on both axes alike. Along an axis of n
samples, with kernel K, stride S, padding P per side and dilation D, that is

    (n + 2P - D(K - 1) - 1) mod S = 0

which depends on the size: a stride of 2 and K = 7, P = 3 can at 225 and cannot at 224.

*Circular shifts.* Keeping the same samples wherever an image that wraps around stands (polyphase
sampling) requires that every stride divides its input size, circular padding, no cropping, and no
position-dependent weights.

Each operation is analyzed on its own: the samples its windows see of its own input. So a network
is aligned where every operation is. Shortcuts that are cut and padded by hand are looked at
where they are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from neocog.exhibits import Section, Table
from neocog.graph.misalignment import (
    CIRCULAR_SHIFT,
    QUARTER_TURN,
    RULES,
    Misalignment,
    MisalignmentWatch,
)
from neocog.graph.operations import scripted, watching
from neocog.graph.preserve import blank_sample
from neocog.graph.wording import times
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords

__all__ = ["CIRCULAR_SHIFT", "QUARTER_TURN", "RULES", "Alignment", "Misalignment", "alignment"]

Size = tuple[int, ...]

_CAN = {QUARTER_TURN: "4-fold symmetric", CIRCULAR_SHIFT: "exactly shift-equivariant"}
_MOTIONS = {QUARTER_TURN: "quarter turns", CIRCULAR_SHIFT: "circular shifts"}

TRIES = 128
"""Max sizes to try in each direction."""


@dataclass(frozen=True, kw_only=True)
class Alignment(Jsonable):
    """Obstacles to exact equivariance at one size.

    Args:
        size: of the sample, (C, H, W) or (C, N).
        rows: the obstacles, in order.
        nearest: rule to the nearest (smaller, larger) spatial size without an obstacle, at which
            the network runs and keeps its feature maps; None if there is none near, or no size
            is enough. Only broken rules, and empty where something is unknown.
        total_stride: circular shifts by its multiples meet every sampling grid at the same phase;
            None where something is unknown.
        unknown: operations that were not analyzed, on the way to the output.
        status: "complete", or "partial" where something is unknown: then no finding is not an
            all-clear.
    """

    JSON = keys("size", "total_stride", "unknown", "status", "rules=rows", "sizes=nearest")

    size: Size
    rows: tuple[Misalignment, ...]
    nearest: dict[str, tuple[Size | None, Size | None]]
    total_stride: int | None
    unknown: tuple[str, ...]
    status: str

    def beside_others(self) -> dict[str, Any]:
        """For JSON, beside other figures of a model: the same with names that say of what."""
        plain = self.to_json()
        return {
            "alignment": plain["rules"],
            "alignment_sizes": plain["sizes"],
            "alignment_status": self.status,
            "total_stride": self.total_stride,
            "not_analyzed": plain["unknown"],
        }

    def aligned(self, rule: str) -> bool:
        """Whether everything was analyzed and there is no obstacle."""
        return self.status == "complete" and all(row.rule != rule for row in self.rows)

    def sentences(self) -> tuple[str, ...]:
        """One sentence per symmetry."""
        rules = RULES if len(self.size) > 2 else (CIRCULAR_SHIFT,)
        sentences_ = [s for rule in rules if (s := self._sentence(rule))]
        if self.unknown:
            what = " and ".join(_MOTIONS[rule] for rule in rules)
            sentences_.append(
                f"Not analyzed: {', '.join(self.unknown)}. So nothing is claimed about padding, "
                "sampling "
                f"grid, {what}: no finding is not an all-clear."
            )
        return tuple(sentences_)

    def _sentence(self, rule: str) -> str:
        """One rule."""
        at, rows = times(self.size[1:]), [row for row in self.rows if row.rule == rule]
        if not rows:
            if self.unknown:
                return ""
            return f"At {at} nothing in the geometry is an obstacle to {_MOTIONS[rule]}."
        count = len({(row.layer, row.operation) for row in rows})
        obstacles = f"{count} obstacle{'s' if count > 1 else ''}"
        first = f"first {rows[0].layer or 'the network itself'} ({rows[0].reason})"
        if self.unknown:
            return (
                f"At {at}, among the analyzed operations, {obstacles} to {_MOTIONS[rule]}: {first}."
            )
        sizes = " or ".join(times(s) for s in self.nearest.get(rule, ()) if s is not None)
        if sizes:
            then = f"Nearest sizes without obstacles: {sizes}."
        elif all(row.by_size for row in rows):
            then = "No nearby size has none, runs and keeps the feature-map sizes."
        else:
            then = "No size has none."
        return f"At {at} this network cannot be {_CAN[rule]}: {obstacles}, {first}. {then}"

    def table(self) -> Table:
        """One row per operation and symmetry."""
        return Table(
            title="Obstacles to exact equivariance",
            columns=("layer", "operation", "symmetry", "obstacle", "remedy"),
            rows=[(r.layer, r.operation, r.rule, r.reason, r.remedy) for r in self.rows],
        )

    def section(self) -> Section:
        """For a report."""
        exhibits = (self.table(),) if self.rows else ()
        return Section(title="Alignment", exhibits=exhibits, text=" ".join(self.sentences()))


@known_keywords
def alignment(module: nn.Module, size: Sequence[int]) -> Alignment:
    """Which operations make exact quarter turns or circular shifts impossible, and which sizes do.

    The module keeps its mode, parameters, buffers, gradients and hooks.

    Args:
        module: any module that takes one tensor.
        size: of one sample, without the batch axis: (C, H, W) or (C, N).

    Raises:
        ModelError: the module fails on a sample of that size.

    Example:
        >>> result = alignment(nn.Conv2d(3, 8, 7, stride=2, padding=3), (3, 224, 224))
        >>> [row.reason for row in result.rows if row.rule == "quarter turn"]
        ['stride 2 at size 224 cannot be 4-fold symmetric']
        >>> result.nearest["quarter turn"]
        ((223, 223), (225, 225))
    """
    size = tuple(size)
    looked = _look(module, size)
    unknown = tuple(sorted(looked.unknown))
    nearest = {}
    for rule in RULES:
        rows = [row for row in looked.rows if row.rule == rule]
        if rows and not unknown:
            by_size = all(row.by_size for row in rows)
            none: tuple[Size | None, Size | None] = (None, None)
            nearest[rule] = _nearest(module, size, rule, looked) if by_size else none
    return Alignment(
        size=size,
        rows=tuple(dict.fromkeys(looked.rows)),
        nearest=nearest,
        total_stride=looked.stride,
        unknown=unknown,
        status="partial" if unknown else "complete",
    )


def _keeps_maps(maps: Sequence[Size], others: Sequence[Size]) -> bool:
    """Whether what is a map at one size still is at another: more than one sample an axis."""
    if len(maps) != len(others):
        return False
    pairs = [p for a, b in zip(maps, others, strict=True) for p in zip(a, b, strict=True)]
    return all(n > 1 or m <= 1 for m, n in pairs)


def _look(module: nn.Module, size: Size, stop: str | None = None) -> MisalignmentWatch:
    """One run; with `stop`, only until something breaks that rule."""
    with blank_sample(module, size, "Alignment needs") as x:
        look = MisalignmentWatch(x, module, stop)
        with watching(module, look):
            look.finish(module(x))
    compiled = scripted(module)
    if compiled:  # what was seen of them are pieces: padding in slices, windows without a name
        look.positions.unknown |= compiled
        look.rows.clear()
    return look


def _nearest(
    module: nn.Module, size: Size, rule: str, looked: MisalignmentWatch
) -> tuple[Size | None, Size | None]:
    """The nearest aligned sizes below and above; what is aligned repeats with the total stride."""
    stride = min(looked.stride or 1, TRIES)

    def can(space: Size) -> bool:
        if min(space) < 1:
            return False
        try:
            there = _look(module, (size[0], *space), rule)
        except Exception:  # in the way, or the module takes no such size
            return False
        free = not there.unknown and all(r.rule != rule for r in there.rows)
        return free and _keeps_maps(looked.maps, there.maps)

    def nearest(sizes: Sequence[Size]) -> Size | None:
        return next((s for s in sizes if can(s)), None)

    space = size[1:]
    if rule == CIRCULAR_SHIFT and len(set(space)) > 1:
        whole = [[n // stride * stride for n in space], [-(-n // stride) * stride for n in space]]
        return nearest([tuple(whole[0])]), nearest([tuple(whole[1])])
    low, high, axes = min(space), max(space), len(space)
    if low != high and can((low,) * axes):
        return (low,) * axes, nearest([(high + k,) * axes for k in range(stride)])
    larger = nearest([(high + k,) * axes for k in range(1, stride + 1)])
    below = [low - k for k in range(1, stride + 1)]
    if larger is not None:  # of one remainder with the one above, if at all
        below.sort(key=lambda n: (n - larger[0]) % stride != 0)
        below = below[:1]
    return nearest([(n,) * axes for n in below]), larger
