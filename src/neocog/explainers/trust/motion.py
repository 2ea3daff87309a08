"""Does the map move with the image? Shifts along the axes and exact quarter turns.

A map that says where the object is must go where the object goes: M(T x) = T M(x). The image is
shifted circularly by whole pixels, or rotated by quarter turns, the map is computed again for the
same class and layer, and compared with the first map moved in the same way: ‖M(T x) - T M(x)‖ over
the whole image, relative to ‖M(x) - mean‖. A map that is nearly one color moves anyhow; what counts
is its spatial variation.

No map is finer than its layer. One that lies on a grid with a step of 32 pixels cannot follow a
shift by one, so beside every error stands a floor: the original map, shifted on the layer's own
grid, linearly between its cells, and enlarged then instead of before.

Where it is known which pixels each cell of the layer sees, the enlarged map goes as far as the
image does. A map that is stretched over the whole image does not, where convolutions have no
padding: its cells lie further apart than those of the layer, and it has to move by more pixels than
the image to show the same: by as many cells as the image moved, see `pace`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from neocog.explainers.grad_cam import Cam, as_input, explained
from neocog.explainers.maps.objective import Target, value
from neocog.explainers.trust.pace import pace
from neocog.explainers.trust.similarity import by_parts, constant, spearman
from neocog.jsonable import Jsonable, keys
from neocog.symmetry.motion import QuarterTurn, Translation
from neocog.symmetry.residual import relative_error
from neocog.symmetry.warp import shift_linear

__all__ = ["MapMotion", "displacement", "distances_for", "map_motion"]


@dataclass(frozen=True, kw_only=True)
class MapMotion(Jsonable):
    """How maps move when their images move.

    Args:
        distances: of the shifts, in pixels.
        error: difference from the shifted map, relative to the map's difference from its mean; mean
            over images and directions.
        floor: what the layer's own grid costs, measured in the same way.
        followed: fraction of the shifts that the map followed, to within half a cell or a pixel,
            whichever is more, (distances,).
        predictions_kept: fraction of the shifts at which the prediction stayed.
        stride: pixels from one cell of the enlarged map to the next.
        pace: pixels of the image from one cell of the layer to the next; measured where the
            positions of the cells are unknown.
        turn_error: the same difference under quarter turns; None where turns are not exact.
        turn_rank: rank correlation with the rotated map; None in the same cases.
        turn_predictions_kept: fraction of the quarter turns at which it stayed.
        example: of the first image: its shift along each axis, and the map there.
        turned: the map of the first image rotated by 90° counterclockwise; None as above.
    """

    JSON = keys(
        "shift",
        "follows",
        "distances",
        "error",
        "floor",
        "followed",
        "answers_kept=predictions_kept",
        "stride",
        "pace",
        "quarter_turn_error=turn_error",
        "quarter_turn_rank_correlation=turn_rank",
        "quarter_turn_answers_kept=turn_predictions_kept",
    )

    shift: ClassVar[str] = "circular"
    distances: tuple[int, ...]
    error: np.ndarray
    floor: np.ndarray
    followed: np.ndarray
    predictions_kept: float
    stride: tuple[float, ...]
    pace: tuple[float, ...]
    turn_error: float | None
    turn_rank: float | None
    turn_predictions_kept: float | None
    example: tuple[tuple[int, ...], np.ndarray] = field(repr=False)
    turned: np.ndarray | None = field(repr=False)

    @property
    def follows(self) -> float:
        """Fraction of the shifts that the maps followed, of those beyond half a cell.

        A map that stays where it is follows shorter ones too. Not a number where all maps are
        constant.
        """
        reach = max(1.0, max(self.stride) / 2)
        beyond = [f for d, f in zip(self.distances, self.followed, strict=True) if d > reach]
        return float(np.mean(beyond or self.followed))


def map_motion(
    model: nn.Module,
    x: Tensor,
    cam: Cam,
    *,
    target: Target = None,
    distances: tuple[int, ...] | None = None,
) -> MapMotion:
    """Make the maps of moved images, and compare them with the moved maps.

    Args:
        model: as for `grad_cam`; left as it was found.
        x: the images that the maps are of.
        cam: the maps.
        target: a function of the output, where the maps are of one; else the maps' own classes.
        distances: of the shifts, in pixels; from one pixel to a quarter of the image if left out.
    """
    x = as_input(model, x)
    size = tuple(x.shape[2:])
    original = _Original(model, x, cam, target)
    steps = distances or distances_for(size, cam.stride)
    moves = [(d, axis, sign * d) for d in steps for axis in range(len(size)) for sign in (-1, 1)]
    rows: list[tuple[float, ...]] = []
    pictured = min(moves, key=lambda m: (m[2] < 0, abs(m[0] - min(size) / 6)))
    example = original.still[0].cpu().numpy()
    for d, axis, shift in moves:
        offset = torch.zeros(1, len(size), dtype=torch.float64)
        offset[0, axis] = shift
        again = original.again(Translation(offset)(x))
        cells = shift / original.pace[axis]
        pixels = shift * cam.stride[axis] / original.pace[axis]
        want = _moved(original.still, axis, pixels)
        coarse = cam.enlarged(_moved(cam.maps, axis, cells))
        maps = again.enlarged()
        figures = (original.error(maps - want), original.error(coarse - want))
        near = original.near(maps, axis, pixels)
        rows.append((d, *figures, near, original.same(again)))
        if (d, axis, shift) == pictured:
            example = maps[0].cpu().numpy()
    error, floor, followed = (
        np.array([np.mean([r[k] for r in rows if r[0] == d]) for d in steps]) for k in (1, 2, 3)
    )
    moved = tuple(pictured[2] if k == pictured[1] else 0 for k in range(len(size)))
    turns = _turns(original)
    return MapMotion(
        distances=tuple(steps),
        error=error,
        floor=floor,
        followed=followed,
        predictions_kept=float(np.mean([r[4] for r in rows])),
        stride=cam.stride,
        pace=original.pace,
        turn_error=turns[0] if turns else None,
        turn_rank=turns[1] if turns else None,
        turn_predictions_kept=turns[2] if turns else None,
        example=(moved, example),
        turned=turns[3] if turns else None,
    )


class _Original:
    """Some images with their maps, and how these are made again."""

    def __init__(self, model: nn.Module, x: Tensor, cam: Cam, target: Target) -> None:
        self.model, self.x, self.cam = model, x, cam
        of_class = not callable(target) and cam.targets[0] is not None
        self.target: Target = [int(t or 0) for t in cam.targets] if of_class else target
        self.still = cam.enlarged()
        self.predictions = _predictions(cam)
        self.pace = pace(model, x, cam) if cam.cells is None else cam.cells.step

    def again(self, x: Tensor) -> Cam:
        """The maps of other images, for the same classes and layer."""
        cam = self.cam
        remade = explained(
            self.model,
            x,
            layer=cam.layer,
            target=self.target,
            method=cam.method,
            layout=cam.layout if x.shape == self.x.shape else None,
        )
        return replace(remade, cells=cam.cells)

    def near(self, moved: Tensor, axis: int, shift: float) -> float:
        """Fraction of the maps that moved as far as they should, to half a cell or a pixel.

        Maps of one value go nowhere and stay nowhere; not a number where all are.
        """
        off = displacement(self.still, moved)
        off[:, axis] -= shift
        size = self.still.shape[1:]
        away = torch.stack([_wrapped(off[:, k], n) for k, n in enumerate(size)], 1).abs()
        reach = torch.tensor([max(1.0, s / 2) for s in self.cam.stride], device=away.device)
        real = ~constant(self.cam.maps)
        return float((away <= reach).all(1)[real].double().mean())

    def error(self, wrong: Tensor) -> float:
        """‖wrong‖ / ‖M(x) - mean‖, mean over the images whose map is not one value."""
        each = by_parts(_relative, wrong, self.still)
        real = ~each.isnan()
        return float(each[real].mean()) if bool(real.any()) else 0.0

    def same(self, again: Cam) -> float:
        """Fraction of the predictions that stayed."""
        other = _predictions(again)
        if self.predictions is None or other is None:
            return 1.0
        return float((self.predictions == other).double().mean())


def distances_for(size: tuple[int, ...], stride: tuple[float, ...]) -> tuple[int, ...]:
    """Shifts from one pixel to a quarter of the image: powers of two, and a cell of the layer.

    Example:
        >>> distances_for((32, 32), (4.0, 4.0))
        (1, 2, 4, 8)
    """
    most = max(1, min(size) // 4)
    distances = {d for d in (2**k for k in range(12)) if d <= most}
    cell = max(1, round(max(stride)))
    return tuple(sorted(distances | ({cell} if cell <= max(most, min(size) // 2) else set())))


def displacement(first: Tensor, second: Tensor) -> Tensor:
    """By how many pixels the second map is the first one moved, circularly, (B, axes).

    The peak of their circular correlation, each less its mean.

    Example:
        >>> x = torch.zeros(1, 8)
        >>> x[0, 2] = 1
        >>> displacement(x, x.roll(3, 1))
        tensor([[3.]])
    """
    return by_parts(_displacement, first, second)


def _displacement(first: Tensor, second: Tensor) -> Tensor:
    axes = tuple(range(1, first.ndim))
    a, b = (t.double() - t.double().mean(axes, keepdim=True) for t in (first, second))
    product = torch.fft.rfftn(b, dim=axes) * torch.fft.rfftn(a, dim=axes).conj()
    peaks = torch.fft.irfftn(product, s=first.shape[1:], dim=axes).flatten(1).argmax(1)
    positions = torch.unravel_index(peaks, first.shape[1:])
    offsets = [_wrapped(p, n) for p, n in zip(positions, first.shape[1:], strict=True)]
    return torch.stack(offsets, 1).to(first.dtype)


def _wrapped(shift: Tensor, n: int) -> Tensor:
    """A circular shift as the shorter way."""
    return (shift + n // 2).remainder(n) - n // 2


def _moved(maps: Tensor, axis: int, cells: float) -> Tensor:
    """Maps moved by so many cells, circularly, linearly between two of them."""
    offset = torch.zeros(len(maps), maps.ndim - 1, dtype=torch.float64)
    offset[:, axis] = cells
    return shift_linear(maps[:, None], offset, circular=True)[:, 0]


def _relative(wrong: Tensor, maps: Tensor) -> Tensor:
    """The relative error of each map, its mean taken off; not a number for maps of one value."""
    flat = maps.flatten(1).double()
    error = relative_error(wrong, flat - flat.mean(1, keepdim=True))
    return torch.where(constant(maps), torch.nan, error)


def _predictions(cam: Cam) -> Tensor | None:
    """Predicted classes; None where outputs are not classes."""
    several = cam.outputs.ndim > 1 and cam.outputs.shape[1] > 1
    return torch.tensor(value(cam.outputs, None)[1]) if several else None


def _turns(original: _Original) -> tuple[float, float, float, np.ndarray] | None:
    """Error, rank correlation, predictions kept and a map, under the three quarter turns."""
    x = original.x
    if x.ndim != 4 or x.shape[2] != x.shape[3]:
        return None
    rows, maps = [], []
    for quarters in (1, 2, 3):
        turn = QuarterTurn(torch.tensor([quarters]))
        again, want = original.again(turn(x)), turn(original.still[:, None])[:, 0]
        maps.append(again.enlarged())
        rank = by_parts(spearman, maps[-1], want).mean()
        rows.append((original.error(maps[-1] - want), float(rank), original.same(again)))
    error, rank_, kept = (float(np.mean(column)) for column in zip(*rows, strict=True))
    return error, rank_, kept, maps[0][0].cpu().numpy()
