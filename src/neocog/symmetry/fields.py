"""What the channels of a feature map mean: how a transformation of the plane mixes them.

A transformation T acts on a feature field f in two ways at once: it moves values to other
positions, and mixes the channels at each position by a representation ρ of its linear part g:
(T f)(p) = ρ(g) f(T⁻¹ p) (T. Cohen, M. Welling, "Steerable CNNs", ICLR 2017). Layers take and return
plain tensors; what their channels mean is declared by the attributes `input_field` and
`output_field`, and everything that measures a symmetry reads `field_of`.

Images and the layers of most networks are `SCALAR`. A `FieldType` is a group with a list of
representations, each as often as it occurs; its channels stand field by field:

    >>> from neocog.symmetry.groups import group_of
    >>> field = regular_field(group_of("c4"), 3) + trivial_field(group_of("c4"), 2)
    >>> field.channels
    14
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.symmetry.groups import Group, Representation

__all__ = [
    "SCALAR",
    "FeatureField",
    "FieldPart",
    "FieldType",
    "ScalarField",
    "declared",
    "field_of",
    "irrep_field",
    "quotient_field",
    "regular_field",
    "restriction",
    "trivial_field",
]

Module = TypeVar("Module", bound=nn.Module)


class FeatureField(ABC):
    """The action of rotations and mirror images of the plane on channels, ρ."""

    @abstractmethod
    def act(self, maps: Tensor, angle: Tensor, *, mirrored: bool = False) -> Tensor:
        """ρ(g) maps: mixes the channels at each position and moves nothing.

        Args:
            maps: (B, C, *S), or vectors (B, C).
            angle: of the rotation, in degrees counterclockwise, (B,), or (1,) for all.
            mirrored: whether left and right are exchanged before the rotation.

        Raises:
            UsageError: the field has no such rotation.
        """

    @abstractmethod
    def generator(self, maps: Tensor) -> Tensor:
        """The derivative of `act` with respect to the angle, in radians, at angle zero.

        Raises:
            UsageError: the field has finitely many rotations.
        """

    @property
    def continuous(self) -> bool:
        """Whether it has all rotations, and so a generator."""
        return True

    def holds(self, angle: Tensor, *, mirrored: bool = False) -> bool:
        """Whether it has these rotations, in degrees, and mirror images."""
        return True


class ScalarField(FeatureField):
    """Each channel is a scalar at each position, invariant under rotations and mirror images.

    Example:
        >>> import torch
        >>> x = torch.rand(1, 3, 4, 4)
        >>> torch.equal(SCALAR.act(x, torch.tensor([90.0])), x)
        True
    """

    def act(self, maps: Tensor, angle: Tensor, *, mirrored: bool = False) -> Tensor:
        """The maps, unchanged."""
        return maps

    def generator(self, maps: Tensor) -> Tensor:
        """Zero."""
        return maps.new_zeros(())


SCALAR = ScalarField()
"""The field of images, and of every layer that declares no other."""


@dataclass(frozen=True)
class FieldPart:
    """Fields of one kind among the channels of a `FieldType`."""

    kind: Representation
    count: int
    channels: slice


@dataclass(frozen=True)
class FieldType(FeatureField):
    """Channels that a group acts on: fields of several kinds, one behind the other.

    Args:
        group: that acts.
        kinds: representations, and how many fields each has.
    """

    group: Group
    kinds: tuple[tuple[Representation, int], ...]

    def __post_init__(self) -> None:
        """Check that there are fields, of this group.

        Raises:
            UsageError: there are none, or some are of another group.
        """
        if not self.kinds or min(count for _, count in self.kinds) < 1:
            raise UsageError("A field type has one field of each kind at least; got none.")
        others = [kind.group.name for kind, _ in self.kinds if kind.group != self.group]
        if others:
            raise UsageError(
                f"All fields of a type are of one group, {self.group.name}; got {others[0]}. "
                "Restrict them to a common subgroup."
            )

    @property
    def channels(self) -> int:
        """Of all fields."""
        return sum(kind.size * count for kind, count in self.kinds)

    @property
    def count(self) -> int:
        """Of all fields."""
        return sum(count for _, count in self.kinds)

    @property
    def parts(self) -> Iterator[FieldPart]:
        """Each kind with its channels."""
        start = 0
        for kind, count in self.kinds:
            stop = start + kind.size * count
            yield FieldPart(kind, count, slice(start, stop))
            start = stop

    @property
    def permutes(self) -> bool:
        """Whether elements move values and change none, so that activations may act on each."""
        return all(kind.permutes for kind, _ in self.kinds)

    @property
    def only(self) -> Representation | None:
        """The kind of all fields; None where there are several."""
        kinds = {kind for kind, _ in self.kinds}
        return next(iter(kinds)) if len(kinds) == 1 else None

    def __add__(self, other: FieldType) -> FieldType:
        """The direct sum: the channels of both, one behind the other."""
        return FieldType(self.group, self.kinds + other.kinds)

    @property
    def scalar(self) -> bool:
        """Whether all fields are trivial: no motion mixes them, in the group or not."""
        return all(kind.kind == "trivial" for kind, _ in self.kinds)

    @property
    def continuous(self) -> bool:
        """Whether it has all rotations."""
        return self.group.continuous or self.scalar

    def holds(self, angle: Tensor, *, mirrored: bool = False) -> bool:
        """Whether the group has these motions, or none of them mixes these fields.

        Example:
            >>> regular_field(Group(6), 1).holds(torch.tensor([90.0]))
            False
        """
        return self.scalar or all(
            self.group.holds(a, mirrored=mirrored) for a in set(angle.tolist())
        )

    def act(self, maps: Tensor, angle: Tensor, *, mirrored: bool = False) -> Tensor:
        """ρ(g) maps: mixes the channels at each position and moves nothing.

        Args:
            maps: (B, C, *S), or vectors (B, C); several maps of this type may be side by side.
            angle: of the rotation, in degrees counterclockwise, (B,), or (1,) for all.
            mirrored: whether left and right are exchanged before the rotation.

        Raises:
            UsageError: the group has no such motion, or the maps have other channels.

        Example:
            >>> four = regular_field(Group(4), 1)
            >>> four.act(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([90.0]))
            tensor([[4., 1., 2., 3.]])
        """
        copies = maps.shape[1] // self.channels
        if copies > 1 and maps.shape[1] == copies * self.channels:
            each = maps.reshape(-1, self.channels, *maps.shape[2:])
            angles = angle if len(angle) == 1 else angle.repeat_interleave(copies)
            return self.act(each, angles, mirrored=mirrored).reshape(maps.shape)
        if maps.shape[1] != self.channels:
            raise UsageError(
                f"Maps of this field have {self.channels} channels; got {maps.shape[1]}. "
                "Declare the field that the layer returns."
            )
        if self.scalar:
            return maps
        if self.group.continuous:
            return self._turned(maps, angle, mirrored)
        elements = [self.group.index(a, mirrored=mirrored) for a in angle.tolist()]
        if len(set(elements)) == 1:
            return self._moved(maps, elements[0])
        out, which = torch.empty_like(maps), torch.tensor(elements, device=maps.device)
        for element in sorted(set(elements)):
            out[which == element] = self._moved(maps[which == element], element)
        return out

    def _moved(self, maps: Tensor, element: int) -> Tensor:
        """One element of a finite group."""
        angle, mirrored = self.group.elements[element]
        if self.permutes:
            index = [
                p.channels.start + i * p.kind.size + c
                for p in self.parts
                for i in range(p.count)
                for c in p.kind.permutation(element)
            ]
            return maps.index_select(1, torch.tensor(index, device=maps.device))
        parts = []
        for p in self.parts:
            matrix = torch.from_numpy(p.kind.matrix(angle, mirrored=mirrored)).to(maps)
            parts.append(_mixed(maps[:, p.channels], matrix[None]))
        return torch.cat(parts, 1)

    def _turned(self, maps: Tensor, angle: Tensor, mirrored: bool) -> Tensor:
        """One rotation a sample, of a continuous group."""
        parts = []
        for p in self.parts:
            matrix = np.stack([p.kind.matrix(a, mirrored=mirrored) for a in angle.tolist()])
            parts.append(_mixed(maps[:, p.channels], torch.from_numpy(matrix).to(maps)))
        return torch.cat(parts, 1)

    def generator(self, maps: Tensor) -> Tensor:
        """The derivative of `act` with respect to the angle, in radians, at angle zero.

        Raises:
            UsageError: the group has finitely many rotations.
        """
        if not self.continuous:
            raise UsageError(
                f"{self.group.name} has finitely many rotations, so none is infinitesimal. "
                "Measure quarter turns."
            )
        parts = []
        for p in self.parts:
            m = float(p.kind.order) if p.kind.kind == "irrep" else 0.0
            matrix = maps.new_tensor([[0.0, -m], [m, 0.0]] if m else [[0.0]])
            parts.append(_mixed(maps[:, p.channels], matrix[None]))
        return torch.cat(parts, 1)


def _mixed(maps: Tensor, matrix: Tensor) -> Tensor:
    """Each field of (B, C, *S) by a matrix, (1 or B, size, size)."""
    fields = maps.reshape(maps.shape[0], -1, matrix.shape[-1], *maps.shape[2:])
    mixed = torch.matmul(
        matrix[:, None], fields.flatten(3) if fields.ndim > 3 else fields[..., None]
    )
    return mixed.reshape(maps.shape)


def trivial_field(group: Group, count: int) -> FieldType:
    """Scalars: channels that the group leaves as they are."""
    return FieldType(group, ((Representation(group, "trivial"), count),))


def regular_field(group: Group, count: int) -> FieldType:
    """Fields with a channel for each element of a finite group."""
    return FieldType(group, ((Representation(group, "regular"), count),))


def quotient_field(group: Group, subgroup: Group, count: int) -> FieldType:
    """Fields with a channel for each coset of a subgroup.

    Example:
        >>> quotient_field(Group(8), Group(2), 3).channels    # orientations of lines
        12
    """
    return FieldType(group, ((Representation(group, "quotient", subgroup=subgroup), count),))


def irrep_field(group: Group, counts: Mapping[int, int]) -> FieldType:
    """Irreps by their order: scalars for order 0, pairs of channels above.

    Example:
        >>> irrep_field(Group(0), {0: 4, 1: 2, 2: 2}).channels
        12
    """
    kinds = [
        (Representation(group, "irrep", m) if m else Representation(group, "trivial"), n)
        for m, n in counts.items()
        if n
    ]
    return FieldType(group, tuple(kinds))


def restriction(field: FieldType, group: Group) -> tuple[FieldType, tuple[int, ...]]:
    """The same channels under a subgroup: another type, and the order that it has them in.

    Args:
        field: of a larger group.
        group: one of its subgroups; of a continuous group any.

    Returns:
        The type, and for each of its channels the channel of `field`.

    Raises:
        UsageError: it is no subgroup, or fixes a mirror axis that is not upright.

    Example:
        >>> eight = regular_field(Group(8), 1)
        >>> restricted, order = restriction(eight, Group(4))
        >>> restricted == regular_field(Group(4), 2), order
        (True, (0, 2, 4, 6, 1, 3, 5, 7))
    """
    if not field.group.contains(group):
        raise UsageError(
            f"Fields of {field.group.name} are restricted to one of its subgroups, and "
            f"{group.name} is none. Take c1, which is one of every group."
        )
    kinds: list[tuple[Representation, int]] = []
    order: list[int] = []
    for p in field.parts:
        orbits = _orbits(p.kind, group)
        for i in range(p.count):
            start = p.channels.start + i * p.kind.size
            for kind, channels in orbits:
                if kinds and kinds[-1][0] == kind:
                    kinds[-1] = (kind, kinds[-1][1] + 1)
                else:
                    kinds.append((kind, 1))
                order += [start + c for c in channels]
    return FieldType(group, tuple(kinds)), tuple(order)


def _orbits(kind: Representation, group: Group) -> list[tuple[Representation, list[int]]]:
    """The fields of a subgroup that one field falls into, each with its channels."""
    if kind.kind == "sign" and group.mirror:
        return [(Representation(group, "sign"), [0])]
    if kind.kind in ("trivial", "sign"):
        return [(Representation(group, "trivial"), [0])]
    if kind.kind == "irrep":
        return [(Representation(group, "irrep", kind.order), [0, 1])]
    elements = [kind.group.index(a, mirrored=m) for a, m in group.elements]
    # Where each element of the subgroup takes a channel to.
    to = [np.argsort(kind.permutation(g)).tolist() for g in elements]
    left, orbits = set(range(kind.size)), []
    while left:
        orbit = sorted({t[min(left)] for t in to})
        orbits.append(next(filter(None, (_as_quotient(group, to, c) for c in orbit)), None))
        left -= set(orbit)
    if None in orbits:
        raise UsageError(
            f"A field of {kind.group.name} falls into mirror images about several axes under "
            f"{group.name}. Restrict it to c{group.rotations}."
        )
    return [o for o in orbits if o is not None]


def _as_quotient(
    group: Group, to: list[list[int]], first: int
) -> tuple[Representation, list[int]] | None:
    """An orbit as a quotient by the subgroup that leaves its first channel, if that is one."""
    fixing = {g for g, moved in enumerate(to) if moved[first] == first}
    for mirror in {False, group.mirror}:
        if len(fixing) % (1 + mirror):
            continue
        small = Group(len(fixing) // (1 + mirror), mirror)
        if not group.contains(small):
            continue
        if {group.index(a, mirrored=m) for a, m in small.elements} == fixing:
            if small.order == 1:
                kind = Representation(group, "regular")
            elif small == group:
                kind = Representation(group, "trivial")
            else:
                kind = Representation(group, "quotient", subgroup=small)
            home = {to[g][first]: g for g in reversed(range(group.order))}
            return kind, sorted(home, key=home.__getitem__)
    return None


def declared(module: Module, output: FeatureField, input: FeatureField | None = None) -> Module:
    """The module, with what its channels mean declared; its input is like its output if left out.

    Example:
        >>> relu = declared(nn.ReLU(), regular_field(Group(4), 2))
        >>> field_of(relu).channels
        8
    """
    module.output_field = output  # type: ignore[assignment]
    module.input_field = output if input is None else input  # type: ignore[assignment]
    return module


def field_of(module: nn.Module, side: Literal["input", "output"] = "output") -> FeatureField:
    """The field that a layer declares for its input or output.

    Example:
        >>> field_of(nn.Conv2d(1, 2, 3)) is SCALAR
        True
    """
    declared = getattr(module, f"{side}_field", SCALAR)
    return declared if isinstance(declared, FeatureField) else SCALAR
