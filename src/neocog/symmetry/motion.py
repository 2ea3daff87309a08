"""Transformations T of signals: their action on samples and on feature maps, and what stays known.

An image or series is transformed in its own pixels. The grid of a feature map is coarser or finer:
from one of its samples to the next it is `jump` pixels, and there T shifts by that much less. How T
acts on its channels is declared by a field, see `neocog.symmetry.fields`.

    Translation         exact by whole samples; by fractions through the Fourier transform where
        space is circular, linearly where zeros enter
    QuarterTurn   rotations by multiples of 90° and mirror images, exact
    Warp          rotated and rescaled about the center, deformed and shifted: resampled once
    Composition   one after the other

Offsets are (rows down, columns right) or (steps later,); angles are in degrees, counterclockwise.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from itertools import product
from typing import Literal

import torch
from torch import Tensor

from neocog.signal.fourier import shift_subpixel
from neocog.symmetry.fields import SCALAR, FeatureField
from neocog.symmetry.warp import (
    EVEN,
    affine,
    shift_circular,
    shift_into,
    shift_linear,
    shift_zero_fill,
)

__all__ = [
    "Composition",
    "Jump",
    "QuarterTurn",
    "Transformation",
    "Translation",
    "Warp",
    "mirror",
    "rotation_by",
]

Jump = Sequence[Fraction | float]
"""Pixels from one sample of a map to the next, along each axis."""

ALL = 0.999
"""Mask values above this come from inside the frame alone."""


class Transformation(ABC):
    """A transformation T, one for all samples or one for each."""

    @abstractmethod
    def __call__(self, x: Tensor, jump: Jump | None = None, field: FeatureField = SCALAR) -> Tensor:
        """T x.

        Args:
            x: signals or maps, (B, C, *S).
            jump: pixels from one of their samples to the next; 1 if left out.
            field: what their channels mean.
        """

    @property
    @abstractmethod
    def inverse(self) -> Transformation:
        """The inverse; approximate where T interpolates or something left the frame."""

    @property
    @abstractmethod
    def exact(self) -> bool:
        """Whether nothing is interpolated on the signal itself."""

    @property
    @abstractmethod
    def linear(self) -> tuple[Tensor, bool]:
        """Its angle in degrees, (B,) or (1,), and whether left and right are exchanged before."""

    @abstractmethod
    def known(self, x: Tensor, jump: Jump, size: tuple[int, ...] | None = None) -> Tensor | None:
        """Where values of T x come from inside of x.

        Args:
            x: maps, (B, C, *S).
            jump: pixels from one of their samples to the next.
            size: of the signal; along an axis where the samples of x do not tile it, as behind a
                window without padding, what wraps around is unknown. They tile it if left out.

        Returns:
            (B, 1, *S) or (1, 1, *S) bool; None for everywhere.
        """

    def mix(self, x: Tensor, field: FeatureField = SCALAR) -> Tensor:
        """The action of T on the channels at each position; all that T does to vectors, (B, C)."""
        angle, mirrored = self.linear
        return field.act(x, angle, mirrored=mirrored)

    def round_trip(self, x: Tensor, jump: Jump | None = None) -> Tensor:
        """T⁻¹ T x: its distance from x is the cost of interpolation."""
        return x if self.exact else self.inverse(self(x, jump), jump)


@dataclass(frozen=True, eq=False)
class Translation(Transformation):
    """A shift: what leaves on one side enters on the other, or zeros enter.

    Args:
        offset: in pixels, (B, D), or (1, D) for all.
        fill: what enters.

    Example:
        >>> x = torch.tensor([[[1.0, 2.0, 3.0]]])
        >>> Translation(torch.tensor([[1]]))(x)
        tensor([[[3., 1., 2.]]])
        >>> Translation(torch.tensor([[1]]), "zeros").known(x, (1,))
        tensor([[[False,  True,  True]]])
    """

    offset: Tensor
    fill: Literal["circular", "zeros"] = "circular"

    def __call__(self, x: Tensor, jump: Jump | None = None, field: FeatureField = SCALAR) -> Tensor:
        """T x, exact for whole samples of x."""
        steps = self.steps(jump).expand(len(x), -1)
        whole = steps.round()
        if bool(((steps - whole).abs() <= EVEN).all()):
            return self._whole(x, whole.long())
        if self.fill == "circular":
            return shift_subpixel(x, steps.to(x.dtype))
        return shift_linear(x, steps, circular=False)

    @property
    def exact(self) -> bool:
        """Whether it is circular or by whole pixels."""
        return self.fill == "circular" or bool((self.offset == self.offset.round()).all())

    @property
    def inverse(self) -> Transformation:
        """The opposite shift."""
        return replace(self, offset=-self.offset)

    @property
    def linear(self) -> tuple[Tensor, bool]:
        """No rotation."""
        return torch.zeros(1), False

    def steps(self, jump: Jump | None) -> Tensor:
        """The offset in samples of a map, (B, D) or (1, D), float64."""
        if jump is None:
            return self.offset.double()
        return self.offset / torch.tensor([float(j) for j in jump], dtype=torch.float64)

    def known(self, x: Tensor, jump: Jump, size: tuple[int, ...] | None = None) -> Tensor | None:
        """All but what entered from beyond the frame, or around it where samples do not tile."""
        space, steps = x.shape[2:], self.steps(jump)
        known = torch.ones(len(steps), 1, *space, dtype=torch.bool)
        whole = True
        for axis, (n, j) in enumerate(zip(space, jump, strict=True)):
            tiles = size is None or abs(n * float(j) - size[axis]) <= EVEN
            if self.fill == "circular" and tiles:
                continue
            position = torch.arange(n) - steps[:, axis : axis + 1]
            inside = (position >= -EVEN) & (position <= n - 1 + EVEN)
            known &= inside.view(len(steps), 1, *(n if a == axis else 1 for a in range(len(space))))
            whole = False
        return None if whole else known.to(x.device)

    def candidates(
        self,
        x: Tensor,
        jump: Jump,
        room: Tensor | None = None,
        *,
        spectrum: Callable[[], Tensor] | None = None,
    ) -> Iterator[Tensor]:
        """T x as a layer may perform it on its grid: by whole samples on either side, and exactly.

        Args:
            x: maps, (B, C, *S).
            jump: pixels from one of their samples to the next.
            room: buffer like x; allocated if left out.
            spectrum: gives the Fourier transform of x; computed if left out.

        Yields:
            Shifted maps, each combination of axes once; each is valid until the next is drawn.
        """
        steps = self.steps(jump)
        ends = torch.stack([(steps + EVEN).floor(), (steps - EVEN).ceil()]).long()
        between = (ends[0] != ends[1]).any(0).tolist()
        for pick in product(*((0, 1) if b else (0,) for b in between)):
            whole = torch.stack([ends[end, :, axis] for axis, end in enumerate(pick)], 1)
            if room is not None and len(whole) == 1:
                yield shift_into(room, x, whole[0].tolist(), circular=self.fill == "circular")
            else:
                yield self._whole(x, whole.expand(len(x), -1))
        if any(between) and spectrum is not None and self.fill == "circular":
            yield shift_subpixel(x, steps.expand(len(x), -1).to(x.dtype), spectrum=spectrum())
        elif any(between):
            yield self(x, jump)

    def _whole(self, x: Tensor, steps: Tensor) -> Tensor:
        return (shift_circular if self.fill == "circular" else shift_zero_fill)(x, steps)


@dataclass(frozen=True, eq=False)
class QuarterTurn(Transformation):
    """Mirror images, and rotations by multiples of 90°, counterclockwise; sides may swap.

    Args:
        quarters: how many, (B,), or (1,) for all.
        mirrored: whether left and right are exchanged before.

    Example:
        >>> x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> QuarterTurn(torch.tensor([1]))(x)
        tensor([[[[2., 4.],
                  [1., 3.]]]])
    """

    quarters: Tensor
    mirrored: bool = False

    def __call__(self, x: Tensor, jump: Jump | None = None, field: FeatureField = SCALAR) -> Tensor:
        """T x: values are permuted, none is computed."""
        x = x.flip(3) if self.mirrored else x
        if len(self.quarters) == 1:
            return self.mix(torch.rot90(x, int(self.quarters) % 4, (2, 3)), field)
        out = torch.empty_like(x)
        for k in range(4):
            if bool((rows := self.quarters.remainder(4) == k).any()):
                out[rows] = torch.rot90(x[rows], k, (2, 3))
        return self.mix(out, field)

    @property
    def inverse(self) -> Transformation:
        """The rotation back; a mirror image is its own inverse."""
        return self if self.mirrored else QuarterTurn(-self.quarters)

    @property
    def exact(self) -> bool:
        """Always."""
        return True

    @property
    def linear(self) -> tuple[Tensor, bool]:
        """The options."""
        return 90.0 * self.quarters, self.mirrored

    def known(self, x: Tensor, jump: Jump, size: tuple[int, ...] | None = None) -> Tensor | None:
        """Everywhere: None."""
        return None


@dataclass(frozen=True, eq=False, kw_only=True)
class Warp(Transformation):
    """Rotated and rescaled about the center, then deformed and shifted; resampled once.

    Args:
        angle: degrees counterclockwise.
        scale: of length; above 1 enlarges the content. Smaller content is low-pass filtered first.
        offset: pixels (down, right).
        displacement: added to the position that each value comes from, in pixels (x, y), on a grid
            that spans the image, (1, h, w, 2) or (B, h, w, 2).
        border: what lies beyond the frame, a key of `warp.BORDERS`.
        between: interpolation between pixels.
    """

    angle: float = 0.0
    scale: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)
    displacement: Tensor | None = None
    border: str = "zeros"
    between: Literal["bilinear", "bicubic"] = "bilinear"

    @property
    def exact(self) -> bool:
        """False, even at 90°."""
        return False

    def __call__(self, x: Tensor, jump: Jump | None = None, field: FeatureField = SCALAR) -> Tensor:
        """T x, in one interpolation."""
        down, right = (1.0, 1.0) if jump is None else (float(j) for j in jump)
        moved = affine(
            x,
            angle=self.angle,
            scale=self.scale,
            offset=(self.offset[0] / down, self.offset[1] / right),
            displacement=self.displacement,
            jump=(down, right),
            border=self.border,
            between=self.between,
        )
        return self.mix(moved, field)

    @property
    def inverse(self) -> Transformation:
        """The inverse of each part: approximate with an offset or a displacement."""
        a = math.radians(self.angle)
        down, right = self.offset
        return replace(
            self,
            angle=-self.angle,
            scale=1 / self.scale,
            offset=(
                -(down * math.cos(a) + right * math.sin(a)) / self.scale,
                -(right * math.cos(a) - down * math.sin(a)) / self.scale,
            ),
            displacement=None if self.displacement is None else -self.displacement,
        )

    @property
    def linear(self) -> tuple[Tensor, bool]:
        """Its angle; a scale does not mix channels."""
        return torch.tensor([float(self.angle)]), False

    def known(self, x: Tensor, jump: Jump, size: tuple[int, ...] | None = None) -> Tensor | None:
        """Where a mask of ones, transformed with zeros around, stays one."""
        inside = replace(self, border="zeros", between="bilinear")
        return inside(torch.ones_like(x[:1, :1]), jump) > ALL


@dataclass(frozen=True, eq=False)
class Composition(Transformation):
    """One transformation after the other, from the first."""

    parts: tuple[Transformation, ...]

    def __call__(self, x: Tensor, jump: Jump | None = None, field: FeatureField = SCALAR) -> Tensor:
        """T x."""
        return reduce(lambda moved, part: part(moved, jump, field), self.parts, x)

    @property
    def inverse(self) -> Transformation:
        """The inverses, from the last."""
        return Composition(tuple(p.inverse for p in reversed(self.parts)))

    @property
    def exact(self) -> bool:
        """Whether all parts are exact."""
        return all(p.exact for p in self.parts)

    @property
    def linear(self) -> tuple[Tensor, bool]:
        """The product: a mirror image reverses the angles before it."""
        angle, mirrored = torch.zeros(1), False
        for a, m in (p.linear for p in self.parts):
            angle, mirrored = a - angle if m else a + angle, mirrored != m
        return angle, mirrored

    def known(self, x: Tensor, jump: Jump, size: tuple[int, ...] | None = None) -> Tensor | None:
        """The mask of each part, transformed by the later ones."""
        known: Tensor | None = None
        for part in self.parts:
            here = part.known(x, jump, size)
            if known is not None:
                known = part(known.to(x.dtype), jump) > ALL
            known = here if known is None else known if here is None else known & here
        return known


def rotation_by(angle: float, *, border: str = "reflect") -> Transformation:
    """A rotation about the center, exact by multiples of 90°.

    Args:
        angle: degrees counterclockwise.
        border: what fills the corners, a key of `warp.BORDERS`.
    """
    if angle % 90 == 0:
        return QuarterTurn(torch.tensor([round(angle / 90)]))
    return Warp(angle=angle, border=border)


def mirror(axis: Literal["left_right", "top_bottom"]) -> Transformation:
    """A mirror image that exchanges these sides."""
    return QuarterTurn(torch.tensor([2 * (axis == "top_bottom")]), mirrored=True)
