"""Groups of rotations and mirror images of the plane, and how they act on the channels of a field.

    C_N     N rotations by multiples of 360° / N; c4, c8, …
    D_N     the same with mirror images; d4, d8, …
    SO(2)   all rotations; O(2) with mirror images

An element is a rotation by an angle, counterclockwise, after an exchange of left and right or not.
Element k of C_N rotates by 360° k / N; the mirrored ones of D_N come behind these, in the same
order. A representation ρ is a matrix for each element with ρ(g h) = ρ(g) ρ(h):

    trivial     one channel, which nothing changes (a scalar)
    sign        one channel, which a mirror image negates
    irrep       two channels, (cos mφ, sin mφ) of a pattern of order m: arrows for m = 1;
                irreducible unless m is a multiple of N / 2
    regular     one channel an element, which g moves from h to g h
    quotient    one channel a coset of a subgroup, which g moves in the same way

Sources: T. Cohen, M. Welling, "Steerable CNNs", ICLR 2017; M. Weiler, G. Cesa, "General
E(2)-Equivariant Steerable CNNs", NeurIPS 2019.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from neocog.errors import UsageError, printable

__all__ = ["Group", "Representation", "group_of"]

EVEN = 1e-4
"""Steps of a group that an angle may be off, by rounding."""

Kind = Literal["trivial", "sign", "irrep", "regular", "quotient"]


@dataclass(frozen=True)
class Group:
    """Rotations, with mirror images or not.

    Args:
        rotations: how many, 1 at least; 0 for all.
        mirror: whether mirror images belong to it.

    Example:
        >>> Group(4).name, Group(8, mirror=True).order, Group(0, mirror=True).name
        ('c4', 16, 'o2')
    """

    rotations: int
    mirror: bool = False

    def __post_init__(self) -> None:
        """Check the number.

        Raises:
            UsageError: it is negative.
        """
        if self.rotations < 0:
            raise UsageError(
                f"A group has one rotation at least, or 0 for all; got {self.rotations}. Take 4."
            )

    @property
    def name(self) -> str:
        """As on the command line."""
        if self.continuous:
            return "o2" if self.mirror else "so2"
        return f"{'d' if self.mirror else 'c'}{self.rotations}"

    @property
    def continuous(self) -> bool:
        """Whether it holds all rotations."""
        return self.rotations == 0

    @property
    def order(self) -> int:
        """How many elements.

        Raises:
            UsageError: infinitely many.
        """
        if self.continuous:
            raise UsageError(
                f"{self.name} has infinitely many elements. Take c16 or d16 where they are counted."
            )
        return self.rotations * (2 if self.mirror else 1)

    @property
    def keeps_grid(self) -> bool:
        """Whether each element maps a square grid onto itself."""
        return self.rotations in (1, 2, 4)

    @property
    def elements(self) -> tuple[tuple[float, bool], ...]:
        """Angle in degrees, and whether mirrored, of each element in order."""
        angles = [360.0 * k / self.rotations for k in range(self.order // (1 + self.mirror))]
        return tuple((a, m) for m in ((False, True) if self.mirror else (False,)) for a in angles)

    def holds(self, angle: float, *, mirrored: bool = False) -> bool:
        """Whether a motion belongs to it.

        Example:
            >>> Group(6).holds(90), Group(8).holds(90), Group(8).holds(0, mirrored=True)
            (False, True, False)
        """
        if mirrored and not self.mirror:
            return False
        steps = angle * self.rotations / 360
        return self.continuous or abs(steps - round(steps)) <= EVEN * max(1, abs(steps))

    def index(self, angle: float, *, mirrored: bool = False) -> int:
        """The number of an element.

        Raises:
            UsageError: the group has no such element.

        Example:
            >>> Group(4).index(-90), Group(4, mirror=True).index(0, mirrored=True)
            (3, 4)
        """
        if not self.holds(angle, mirrored=mirrored):
            what = f"rotation by {angle:g}°" if not mirrored else f"mirror image and {angle:g}°"
            step = 360 / (self.rotations or 1)
            raise UsageError(
                f"{self.name} has rotations by multiples of {step:g}°"
                f"{' and mirror images' if self.mirror else ''}, and no {what}. "
                "Take so2 for all rotations, o2 for mirror images too."
            )
        k = round(angle * self.rotations / 360) % (self.order // (1 + self.mirror))
        return k + mirrored * self.rotations

    def product(self, first: int, second: int) -> int:
        """The element g h that is h, then g.

        Args:
            first: number of g.
            second: number of h.

        Example:
            >>> d4 = Group(4, mirror=True)
            >>> d4.product(1, 4), d4.product(4, 1)
            (5, 7)
        """
        n = self.rotations
        (a, s), (b, t) = (first % n, first // n), (second % n, second // n)
        return (a + (-b if s else b)) % n + n * (s != t)

    def inverse(self, element: int) -> int:
        """The element that undoes one; a mirror image undoes itself."""
        return element if element >= self.rotations else -element % self.rotations

    def contains(self, other: Group) -> bool:
        """Whether another group is part of it."""
        return (self.mirror or not other.mirror) and (
            self.continuous or (not other.continuous and self.rotations % other.rotations == 0)
        )

    def averaging(self, order: int) -> Group:
        """Finitely many elements over which harmonics up to an order have the mean over all."""
        return Group(order + 1, self.mirror) if self.continuous else self


def group_of(name: str) -> Group:
    """The group of a name: c and d with the number of rotations, so2, o2.

    Raises:
        UsageError: it is not the name of a group.

    Example:
        >>> group_of("d8")
        Group(rotations=8, mirror=True)
    """
    if name in ("so2", "o2"):
        return Group(0, mirror=name == "o2")
    if not re.fullmatch(r"[cd][1-9]\d{0,2}", name):
        raise UsageError(
            f"A symmetry is c or d with a number of rotations, so2 or o2; got "
            f"`{printable(name[:60])}`. Try c8."
        )
    return Group(int(name[1:]), mirror=name[0] == "d")


@dataclass(frozen=True)
class Representation:
    """How a group acts on the channels of one field.

    Args:
        group: that acts.
        kind: see the head of this module.
        order: m, of an irrep.
        subgroup: of a quotient: the elements that leave its first channel where it is.

    Example:
        >>> Representation(Group(4), "regular").size
        4
        >>> Representation(Group(0), "irrep", 2).matrix(45.0).round(3).tolist()
        [[0.0, -1.0], [1.0, 0.0]]
    """

    group: Group
    kind: Kind
    order: int = 0
    subgroup: Group | None = None

    def __post_init__(self) -> None:
        """Check that the group has it.

        Raises:
            UsageError: it has not.
        """
        if self.kind == "sign" and not self.group.mirror:
            raise UsageError(f"A sign needs mirror images; {self.group.name} has none. Take d4.")
        if self.kind == "irrep" and self.order < 1:
            raise UsageError(
                f"An irrep has an order of 1 at least; got {self.order}. Take a trivial field."
            )
        if self.kind in ("regular", "quotient") and self.group.continuous:
            raise UsageError(
                f"A {self.kind} field has a channel an element, and {self.group.name} has "
                "infinitely many. Take irreps up to an order."
            )
        if self.kind == "quotient" and (
            self.subgroup is None or not self.group.contains(self.subgroup)
        ):
            raise UsageError(
                f"A quotient of {self.group.name} is by one of its subgroups; got "
                f"{self.subgroup and self.subgroup.name}. Take c2."
            )

    @property
    def size(self) -> int:
        """Channels of one field."""
        if self.kind == "regular":
            return self.group.order
        if self.kind == "quotient":
            assert self.subgroup is not None
            return self.group.order // self.subgroup.order
        return 2 if self.kind == "irrep" else 1

    @property
    def permutes(self) -> bool:
        """Whether elements move values from channel to channel and change none."""
        return self.kind in ("trivial", "regular", "quotient")

    def permutation(self, element: int) -> tuple[int, ...]:
        """The channel that each channel is taken from, for a field that permutes.

        Example:
            >>> Representation(Group(4), "regular").permutation(1)
            (3, 0, 1, 2)
        """
        return _permutations(self)[element]

    def matrix(self, angle: float, *, mirrored: bool = False) -> np.ndarray:
        """ρ of a motion, (size, size).

        Args:
            angle: degrees counterclockwise.
            mirrored: whether left and right are exchanged before.

        Raises:
            UsageError: the group has no such motion.
        """
        if not self.group.continuous:
            element = self.group.index(angle, mirrored=mirrored)
            if self.permutes:
                return np.eye(self.size)[list(self.permutation(element))]
            angle = self.group.elements[element][0]
        elif mirrored and not self.group.mirror:
            raise UsageError(f"{self.group.name} has no mirror images. Take o2.")
        if self.kind in ("trivial", "sign"):
            return np.array([[-1.0 if self.kind == "sign" and mirrored else 1.0]])
        m, a = self.order, math.radians(angle)
        # The mirror image of (cos mφ, sin mφ), φ → 180° - φ.
        flip = (-1.0) ** m if mirrored else 1.0
        turned = np.array([[math.cos(m * a), -math.sin(m * a)], [math.sin(m * a), math.cos(m * a)]])
        return turned @ np.diag([flip, -flip if mirrored else flip])


@lru_cache(maxsize=256)
def _permutations(of: Representation) -> tuple[tuple[int, ...], ...]:
    """Of each element: the channel that each channel is taken from."""
    group = of.group
    if of.kind == "trivial":
        return ((0,),) * group.order
    cosets = _cosets(group, of.subgroup or Group(1))
    home = {h: c for c, coset in enumerate(cosets) for h in coset}
    # What stands at c comes from g⁻¹ c.
    return tuple(
        tuple(home[group.product(group.inverse(g), coset[0])] for coset in cosets)
        for g in range(group.order)
    )


def _cosets(group: Group, subgroup: Group) -> list[list[int]]:
    """The cosets g H, each by its elements, in the order of their first ones."""
    inside = [group.index(a, mirrored=m) for a, m in subgroup.elements]
    cosets: dict[frozenset[int], list[int]] = {}
    for g in range(group.order):
        coset = sorted(group.product(g, h) for h in inside)
        cosets.setdefault(frozenset(coset), coset)
    return list(cosets.values())
