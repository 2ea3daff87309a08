"""What the channels of a feature map mean: how a transformation of the plane mixes them.

A transformation T acts on a feature field f in two ways at once: it moves values to other
positions, and mixes the channels at each position by a representation ρ of its linear part g:
(T f)(p) = ρ(g) f(T⁻¹ p) (T. Cohen, M. Welling, "Steerable CNNs", ICLR 2017). Layers take and return
plain tensors; what their channels mean is declared by the attributes `input_field` and
`output_field`, and everything that measures a symmetry reads `field_of`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from torch import Tensor, nn

__all__ = ["SCALAR", "FeatureField", "ScalarField", "field_of"]


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


def field_of(module: nn.Module, side: Literal["input", "output"] = "output") -> FeatureField:
    """The field that a layer declares for its input or output.

    Example:
        >>> field_of(nn.Conv2d(1, 2, 3)) is SCALAR
        True
    """
    declared = getattr(module, f"{side}_field", SCALAR)
    return declared if isinstance(declared, FeatureField) else SCALAR
