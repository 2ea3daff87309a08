"""Families of transformations by amounts: a network can predict which amount was applied.

A family has n elements. Orientation is a group: rotations by multiples of 15°, mirrored or not.
The others are steps of a line (shift, scale, brightness, contrast), seen through a window.

What was applied must show in the content alone. So every element is resampled once, by an amount
that is random within its bin, and what would give it away is hidden: corners that enter by a
rotation, margins that enter by a shift, the sharpness of what was enlarged.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from neocog.symmetry.color import chroma_matrix
from neocog.symmetry.warp import affine_matrix, warp

__all__ = [
    "COLOR_FAMILIES",
    "FAMILIES",
    "BrightnessFamily",
    "ContrastFamily",
    "Family",
    "HueFamily",
    "OrientationFamily",
    "ScaleFamily",
    "ShiftFamily",
]


@dataclass(frozen=True)
class Family(ABC):
    """Transformations of one kind.

    Args:
        name: of the kind.
        count: elements.
    """

    name: str
    count: int

    @property
    @abstractmethod
    def identity(self) -> int:
        """The element that changes nothing; of a line, the one in the middle of the window."""

    @abstractmethod
    def views(
        self, x: Float[Tensor, "B C S S"], element: Int[Tensor, " B"], within: Float[Tensor, " B"]
    ) -> Float[Tensor, "B C S S"]:
        """An element applied to each image, 0 where the result is hidden.

        Args:
            x: square images, in [0, 1].
            element: of each image.
            within: position in its bin, from -0.5 to 0.5.
        """

    @abstractmethod
    def after(self, first: Int[Tensor, ...], then: Int[Tensor, ...]) -> Int[Tensor, ...]:
        """The element that is `then` applied to an image, and `first` to the result; -1 outside.

        Args:
            first: elements.
            then: relative elements, as `relative` counts them.
        """

    @property
    @abstractmethod
    def relative(self) -> tuple[int, ...]:
        """Relative elements: what may lie between two elements."""

    @abstractmethod
    def amount(self, relative: int) -> float:
        """How much a relative element changes, in the unit of the recipe."""


@dataclass(frozen=True)
class OrientationFamily(Family):
    """Rotations by multiples of 360° / angles, of the image or of its mirror image.

    Element m · angles + a rotates by a steps counterclockwise, then mirrors columns if m is 1.

    Example:
        >>> turns = OrientationFamily()
        >>> quarter, mirror = torch.tensor(6), torch.tensor(24)
        >>> int(turns.after(quarter, quarter)), int(turns.after(mirror, quarter))
        (12, 30)
    """

    name: str = "orientation"
    count: int = 48

    @property
    def angles(self) -> int:
        """Rotations."""
        return self.count // 2

    @property
    def step(self) -> float:
        """Degrees from one rotation to the next."""
        return 360 / self.angles

    @property
    def identity(self) -> int:
        """Neither rotated nor mirrored."""
        return 0

    @property
    def relative(self) -> tuple[int, ...]:
        """All elements: it is a group."""
        return tuple(range(self.count))

    def amount(self, relative: int) -> float:
        """The angle, in degrees from -180 to below 180."""
        return (relative % self.angles * self.step + 180) % 360 - 180

    def after(self, first: Int[Tensor, ...], then: Int[Tensor, ...]) -> Int[Tensor, ...]:
        """The product in the group: a mirror image rotates the other way."""
        n = self.angles
        mirrored = then // n
        angle = ((1 - 2 * mirrored) * (first % n) + then % n) % n
        return (first // n + mirrored) % 2 * n + angle

    def views(
        self, x: Float[Tensor, "B C S S"], element: Int[Tensor, " B"], within: Float[Tensor, " B"]
    ) -> Float[Tensor, "B C S S"]:
        """Rotated about the center; hidden outside of the inscribed circle."""
        angle = (element % self.angles + within) * self.step
        mirrored = element >= self.angles
        zoom = torch.stack([torch.ones_like(within), 1.0 - 2.0 * mirrored], 1)
        none = torch.zeros_like(within)
        out = warp(x, affine_matrix(angle=angle, zoom=zoom, shear=none), _nowhere(x), border="edge")
        at = torch.arange(x.shape[2]) - (x.shape[2] - 1) / 2
        return out * (at[:, None] ** 2 + at**2 <= (x.shape[2] / 2) ** 2)


@dataclass(frozen=True)
class _Line(Family):
    """Steps of a line, seen through a window of `count` of them."""

    @property
    def identity(self) -> int:
        """The middle of the window."""
        return self.count // 2

    @property
    def relative(self) -> tuple[int, ...]:
        """Steps from one element to another."""
        return tuple(range(-self.identity, self.count - self.identity))

    def after(self, first: Int[Tensor, ...], then: Int[Tensor, ...]) -> Int[Tensor, ...]:
        """So many steps on; -1 outside of the window."""
        there = first + then
        return torch.where((there >= 0) & (there < self.count), there, -1)


@dataclass(frozen=True)
class ShiftFamily(_Line):
    """Translations along one axis, up to an eighth of the side; the middle part is seen.

    Args:
        axis: 0 for rows, 1 for columns.
    """

    name: str = "shift"
    count: int = 7
    axis: int = 0

    def amount(self, relative: int) -> float:
        """Fraction of the side."""
        return relative / (8 * self.identity)

    def views(
        self, x: Float[Tensor, "B C S S"], element: Int[Tensor, " B"], within: Float[Tensor, " B"]
    ) -> Float[Tensor, "B C S S"]:
        """Shifted by parts of a pixel."""
        side = x.shape[2]
        offset = torch.zeros(len(x), 2)
        offset[:, self.axis] = (element - self.identity + within) * side * self.amount(1)
        still = torch.eye(2).expand(len(x), 2, 2)
        return _middle(warp(x, still, offset, border="edge"), 0.7)


@dataclass(frozen=True)
class ScaleFamily(_Line):
    """Sizes of the content from half to all of the middle, at half the resolution."""

    name: str = "scale"
    count: int = 9

    def amount(self, relative: int) -> float:
        """Factor of length, less 1."""
        return float(2.0 ** (relative / (self.count - 1))) - 1

    def views(
        self, x: Float[Tensor, "B C S S"], element: Int[Tensor, " B"], within: Float[Tensor, " B"]
    ) -> Float[Tensor, "B C S S"]:
        """Each size is filtered for its own resolution, so none is sharper than another."""
        out = torch.empty_like(x)
        side = x.shape[2]
        for e in sorted(set(element.tolist())):
            rows = (element == e).nonzero()[:, 0]
            zoom = 0.5 * 2 ** ((e + 0.5 + within[rows]) / self.count)
            part, fine = x[rows], max(1, round(side * float(zoom.mean())))
            part = F.interpolate(part, size=fine, mode="bilinear", antialias=True)
            # Of the smaller image, so many of its pixels per pixel of the result.
            ratio = (zoom * side / fine)[:, None].expand(-1, 2)
            none = torch.zeros(len(rows))
            matrix = affine_matrix(angle=none, zoom=ratio, shear=none)
            part = F.pad(part, [(side - fine) // 2, side - fine - (side - fine) // 2] * 2)
            out[rows] = warp(part, matrix, _nowhere(part), border="edge")
        return _middle(out, 0.5)


@dataclass(frozen=True)
class BrightnessFamily(_Line):
    """An offset of all values, in images whose range was halved so that nothing is clipped."""

    name: str = "brightness"
    count: int = 13

    def amount(self, relative: int) -> float:
        """In units of the range from 0 to 1."""
        return relative / self.count

    def views(
        self, x: Float[Tensor, "B C S S"], element: Int[Tensor, " B"], within: Float[Tensor, " B"]
    ) -> Float[Tensor, "B C S S"]:
        """Half the range, and an offset."""
        offset = (element - self.identity + within) / (2 * self.count)
        return 0.25 + 0.5 * x + offset[:, None, None, None]


@dataclass(frozen=True)
class ContrastFamily(_Line):
    """A factor of the distance from the mean of the image, from a quarter to one."""

    name: str = "contrast"
    count: int = 9

    def amount(self, relative: int) -> float:
        """Factor, less 1."""
        return float(2.0 ** (relative / 4)) - 1

    def views(
        self, x: Float[Tensor, "B C S S"], element: Int[Tensor, " B"], within: Float[Tensor, " B"]
    ) -> Float[Tensor, "B C S S"]:
        """Weaker, so nothing is clipped."""
        factor = 2 ** ((element + within - self.count) / 4)
        mean = x.mean((1, 2, 3), keepdim=True)
        return mean + (x - mean) * factor[:, None, None, None]


@dataclass(frozen=True)
class HueFamily(Family):
    """Rotations of the hue of color images by parts of the color circle, at half the saturation.

    Example:
        >>> hue = HueFamily()
        >>> int(hue.after(torch.tensor(10), torch.tensor(5))), hue.amount(9)
        (3, -0.25)
    """

    name: str = "hue"
    count: int = 12

    @property
    def identity(self) -> int:
        """The hue as it is."""
        return 0

    @property
    def relative(self) -> tuple[int, ...]:
        """All elements: it is a group."""
        return tuple(range(self.count))

    def amount(self, relative: int) -> float:
        """Fraction of the color circle, from -0.5 to below 0.5."""
        return (relative / self.count + 0.5) % 1 - 0.5

    def after(self, first: Int[Tensor, ...], then: Int[Tensor, ...]) -> Int[Tensor, ...]:
        """So many steps on, around the circle."""
        return (first + then) % self.count

    def views(
        self, x: Float[Tensor, "B C S S"], element: Int[Tensor, " B"], within: Float[Tensor, " B"]
    ) -> Float[Tensor, "B C S S"]:
        """Chroma is halved, so that hardly a value leaves the range wherever it is rotated to."""
        angle = (element + within) * (2 * math.pi / self.count)
        matrix = chroma_matrix(angle, torch.full((len(x),), 0.5))
        return torch.einsum("bij,bjhw->bihw", matrix.to(x), x)


FAMILIES: tuple[Family, ...] = (
    OrientationFamily(),
    ShiftFamily(name="shift of rows", axis=0),
    ShiftFamily(name="shift of columns", axis=1),
    ScaleFamily(),
    BrightnessFamily(),
    ContrastFamily(),
)
"""What is predicted of images."""

COLOR_FAMILIES: tuple[Family, ...] = (*FAMILIES, HueFamily())
"""What is predicted of color images."""


def _nowhere(x: Tensor) -> Tensor:
    return torch.zeros(len(x), 2)


def _middle(x: Tensor, fraction: float) -> Tensor:
    """The middle of each axis alone; 0 around it."""
    side = x.shape[2]
    at = (torch.arange(side) - (side - 1) / 2).abs() <= fraction * side / 2
    return x * (at[:, None] & at)
