"""How a person moves an image: shifted, turned, scaled, elastic; and what that does to a map.

A motion T acts on an image and, on the coarser grid of a layer, on its maps: a layer is
equivariant where f(T x) = T f(x). Shifts are in pixels of the image, down and to the right;
angles in degrees, anticlockwise; rotation and scale keep the center in its place. A shift alone is
exact: circular shifts wrap around, by fractions through the Fourier transform; others let zeros
in. All else resamples once, with zeros beyond the frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.errors import UsageError, did_you_mean
from neocog.signal.fourier import shift_subpixel
from neocog.symmetry.warp import affine_matrix, shift_circular, shift_zero_fill, smooth_field, warp
from neocog.web.query import number, whole

__all__ = ["PADDINGS", "Motion"]

PADDINGS = ("circular", "zeros")
"""What comes in where an image leaves its frame: the other side, or zeros."""

_KNOTS = 5
"""Of the elastic deformation, along each side."""

_EVEN = 1e-6
"""Of a sample: what counts as a whole shift."""


@dataclass(frozen=True, kw_only=True)
class Motion:
    """One motion.

    Args:
        padding: one of `PADDINGS`.
        dx: pixels to the right.
        dy: pixels down.
        angle: degrees anticlockwise.
        scale: of length; above 1 the content gets larger.
        elastic: largest displacement of the knots of the elastic deformation, in pixels.
        seed: of the elastic deformation.
    """

    padding: str = "circular"
    dx: float = 0.0
    dy: float = 0.0
    angle: float = 0.0
    scale: float = 1.0
    elastic: float = 0.0
    seed: int = 0

    @classmethod
    def of(cls, plain: object) -> Motion:
        """From what a page sends; nothing is no motion.

        Raises:
            UsageError: something is no number, or out of range.

        Example:
            >>> Motion.of({"padding": "zeros", "dx": 3}).offset((1.0, 1.0))
            (0.0, 3.0)
        """
        if plain is None:
            return cls()
        if not isinstance(plain, dict):
            raise UsageError(
                "A motion is an object with padding, dx, dy, angle, scale and elastic."
            )
        padding = plain.get("padding") or "circular"
        if padding not in PADDINGS:
            hint = did_you_mean(str(padding), PADDINGS)
            raise UsageError(f"`padding` of a motion is unknown. {hint}")
        elastic: Any = plain.get("elastic") or {}
        if not isinstance(elastic, dict):
            raise UsageError("`elastic` of a motion is an object with amount and seed.")
        return cls(
            padding=padding,
            dx=number(plain, "dx", 0.0, low=-1e4, high=1e4),
            dy=number(plain, "dy", 0.0, low=-1e4, high=1e4),
            angle=number(plain, "angle", 0.0, low=-1e4, high=1e4),
            scale=number(plain, "scale", 1.0, low=0.1, high=10.0),
            elastic=number(elastic, "amount", 0.0, low=0.0, high=1e3),
            seed=whole(elastic, "seed", 0, low=0, high=2**31 - 1),
        )

    @property
    def shifts(self) -> bool:
        """Whether it does no more than shift."""
        return self.angle % 360 == 0 and self.scale == 1 and self.elastic == 0

    @property
    def identity(self) -> bool:
        """Whether it does nothing."""
        return self.shifts and self.dx == 0 and self.dy == 0

    def offset(self, jump: Sequence[float]) -> tuple[float, ...]:
        """In samples of a map, (down, right) or (later,)."""
        whole = (self.dx,) if len(jump) == 1 else (self.dy, self.dx)
        return tuple(d / j for d, j in zip(whole, jump, strict=True))

    def there_and_back(self) -> tuple[Motion, Motion]:
        """What interpolates of it, all but the shift, and the motion that undoes that."""
        there = replace(self, dx=0.0, dy=0.0)
        return there, replace(there, angle=-self.angle, scale=1 / self.scale, elastic=-self.elastic)

    def move(self, x: Tensor, jump: Sequence[float]) -> Tensor:
        """The image, or maps on a coarser grid, moved.

        Args:
            x: (B, C, H, W) or (B, C, N); of a series only the shift is done.
            jump: pixels from one of its samples to the next, along each axis.
        """
        offset = self.offset(jump)
        if self.shifts or x.dim() == 3:
            return _shifted(x, offset, self.padding == "circular")
        if self.padding == "circular":
            x = _shifted(x, offset, True)
            offset = (0.0, 0.0)
        if self.scale < 1:
            x = _smoothed(x, self.scale)
        return self._warped(x, offset, jump)

    def candidates(
        self, x: Tensor, jump: Sequence[float], *, tiles: bool = True, room: Tensor | None = None
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """T x, where it is known; for a shift by part of a sample also the whole ones beside it.

        A layer that moves its samples along with the image is not to blame for its grid: of
        these the one that fits best counts.

        Args:
            x: maps, (B, C, *space).
            jump: pixels from one of their samples to the next, along each axis.
            tiles: whether the samples tile the image, so that a circular shift loses none.
            room: like x, for whole shifts to be written into; memory of their own if left out.

        Yields:
            Moved maps, to be used before the next ones come, and a mask (*space) that is 1 where
            both sides know them; None where that is everywhere.
        """
        offset = self.offset(jump)
        if not (self.shifts or x.dim() == 3):
            known = self._warped(torch.ones_like(x[:1, :1]), self._frame_offset(jump), jump)[0, 0]
            yield self.move(x, jump), (known > 0.999).to(x.dtype)
            return
        ways = [sorted({math.floor(o + _EVEN), math.ceil(o - _EVEN)}) for o in offset]
        for way in product(*ways):
            moved = torch.empty_like(x) if room is None else room
            _write_shifted(x, way, self.padding == "circular", moved)
            yield moved, self._known(x, way, tiles)
        if any(abs(o - round(o)) > _EVEN for o in offset):
            moved = _shifted(x, offset, self.padding == "circular")
            yield moved, self._known(x, offset, tiles)

    def _known(self, x: Tensor, offset: Sequence[float], tiles: bool) -> Tensor | None:
        if self.padding == "circular" and tiles:
            return None
        return _inside(x, offset)

    def _frame_offset(self, jump: Sequence[float]) -> tuple[float, ...]:
        return (0.0, 0.0) if self.padding == "circular" else self.offset(jump)

    def _warped(self, x: Tensor, offset: Sequence[float], jump: Sequence[float]) -> Tensor:
        """Turned, scaled and elastic, in one go.

        PyTorch samples one image in one thread; so channels are dealt out to as many images.
        """
        shape, threads = x.shape, torch.get_num_threads()
        if len(x) == 1 and x.shape[1] % threads == 0:
            x = x.reshape(threads, -1, *shape[2:])
        b = len(x)
        one = torch.ones(1)
        matrix = affine_matrix(
            angle=one * self.angle, zoom=torch.full((1, 2), self.scale), shear=0 * one
        )
        sides = torch.tensor([jump[1], jump[0]], dtype=torch.float32)  # (x, y)
        matrix = matrix * (sides[None, :] / sides[:, None])
        field = None
        if self.elastic:
            field = smooth_field(self._knots(), (x.shape[2], x.shape[3])) / sides
            field = field.expand(b, -1, -1, -1)
        moved = torch.tensor([list(offset)], dtype=torch.float32)
        done = warp(x, matrix.expand(b, 2, 2), moved.expand(b, 2), field=field)
        return done.reshape(shape)

    def _knots(self) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        drawn = torch.rand(1, 2, _KNOTS, _KNOTS, generator=generator) * 2 - 1
        return drawn * self.elastic


def _shifted(x: Tensor, offset: Sequence[float], circular: bool) -> Tensor:
    """By whole samples exactly; by parts through the Fourier transform or between samples."""
    near = [round(o) for o in offset]
    if all(abs(o - n) <= _EVEN for o, n in zip(offset, near, strict=True)):
        whole = torch.tensor([near]).expand(len(x), -1)
        return (shift_circular if circular else shift_zero_fill)(x, whole)
    if circular:
        return shift_subpixel(x, torch.tensor([list(offset)], dtype=x.dtype).expand(len(x), -1))
    for axis, o in enumerate(offset):
        low, share = math.floor(o), o - math.floor(o)
        steps = [0] * len(offset)
        steps[axis] = low
        first = shift_zero_fill(x, torch.tensor([steps]).expand(len(x), -1))
        if share > _EVEN:
            steps[axis] = low + 1
            second = shift_zero_fill(x, torch.tensor([steps]).expand(len(x), -1))
            first = (1 - share) * first + share * second
        x = first
    return x


def _write_shifted(x: Tensor, steps: Sequence[int], circular: bool, out: Tensor) -> None:
    """Moved by whole steps, block by block, into memory that is there: fresh pages cost more."""
    ways = [_blocks(n, s, circular) for n, s in zip(x.shape[2:], steps, strict=True)]
    if not circular:
        out.zero_()
    for blocks in product(*ways):
        to: Any = (..., *(place for place, _ in blocks))
        source: Any = (..., *(place for _, place in blocks))
        out[to].copy_(x[source])


def _blocks(n: int, step: int, circular: bool) -> list[tuple[slice, slice]]:
    """Along one axis of n samples: where each part of what is moved goes, and where it comes from.

    Example:
        >>> _blocks(5, 2, True)
        [(slice(2, 5, None), slice(0, 3, None)), (slice(0, 2, None), slice(3, 5, None))]
    """
    if circular:
        step %= n
        parts = [(slice(step, n), slice(0, n - step)), (slice(0, step), slice(n - step, n))]
        return parts[: 2 if step else 1]
    step = max(-n, min(n, step))
    return [(slice(max(0, step), n + min(0, step)), slice(max(0, -step), n - max(0, step)))]


def _inside(x: Tensor, offset: Sequence[float]) -> Tensor:
    """1 where what was shifted comes from within the map, (*space)."""
    known = torch.ones(tuple(x.shape[2:]), dtype=torch.bool)
    for axis, (n, o) in enumerate(zip(x.shape[2:], offset, strict=True)):
        place = torch.arange(n) - o
        shape = [n if a == axis else 1 for a in range(len(offset))]
        known &= ((place >= -_EVEN) & (place <= n - 1 + _EVEN)).view(shape)
    return known.to(x.dtype)


def _smoothed(x: Tensor, factor: float) -> Tensor:
    """Without the frequencies that would alias when the content gets smaller."""
    h, w = x.shape[2:]
    small = (max(1, round(h * factor)), max(1, round(w * factor)))
    x = F.interpolate(x, size=small, mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(x, size=(h, w), mode="bilinear", align_corners=False)
