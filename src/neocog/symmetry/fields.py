"""What the channels of a map mean: how a transformation of the plane mixes them.

A transformation T acts on a feature field f in two ways at once: it carries values to other
places, and mixes the channels that stand at each of them by a representation ρ of its linear part
g: (T f)(p) = ρ(g) f(T⁻¹ p) (T. Cohen, M. Welling, "Steerable CNNs", ICLR 2017). Layers take and
return plain tensors; what their channels mean is declared beside them, as attributes
`input_field` and `output_field`, and everything that measures a symmetry asks `field_of`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from torch import Tensor, nn

__all__ = ["SCALAR", "FeatureField", "ScalarField", "field_of"]


class FeatureField(ABC):
    """How rotations and mirror images of the plane act on channels, ρ."""

    @abstractmethod
    def act(self, maps: Tensor, angle: Tensor, *, mirrored: bool = False) -> Tensor:
        """ρ(g) maps: the channels of each place mixed; nothing is carried elsewhere.

        Args:
            maps: (B, C, *S), or vectors (B, C).
            angle: of the rotation, in degrees counterclockwise, (B,), or (1,) for all.
            mirrored: left and right change sides before the rotation.

        Raises:
            UsageError: the field has no such rotation.
        """

    @abstractmethod
    def generator(self, maps: Tensor) -> Tensor:
        """The derivative of `act` by the angle, in radians, where the rotation begins.

        Raises:
            UsageError: the field has finitely many rotations.
        """


class ScalarField(FeatureField):
    """Each channel is a number at each place, which looks the same from every side.

    Example:
        >>> import torch
        >>> x = torch.rand(1, 3, 4, 4)
        >>> torch.equal(SCALAR.act(x, torch.tensor([90.0])), x)
        True
    """

    def act(self, maps: Tensor, angle: Tensor, *, mirrored: bool = False) -> Tensor:
        """The maps as they are."""
        return maps

    def generator(self, maps: Tensor) -> Tensor:
        """Zero."""
        return maps.new_zeros(())


SCALAR = ScalarField()
"""Of images, and of every layer that declares nothing else."""


def field_of(module: nn.Module, side: Literal["input", "output"] = "output") -> FeatureField:
    """What a layer says of the channels that it takes or gives.

    Example:
        >>> field_of(nn.Conv2d(1, 2, 3)) is SCALAR
        True
    """
    declared = getattr(module, f"{side}_field", SCALAR)
    return declared if isinstance(declared, FeatureField) else SCALAR
