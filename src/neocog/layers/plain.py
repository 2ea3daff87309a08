"""Networks of steerable layers as plain ones, for inference and for other programs."""

from __future__ import annotations

import copy
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from neocog.errors import ModelError
from neocog.symmetry.fields import declared, field_of

__all__ = ["HasPlain", "has_plain", "to_plain"]

AGREEMENT = 1e-4
"""Largest difference of outputs, relative to the largest output, by rounding."""


@runtime_checkable
class HasPlain(Protocol):
    """A layer that is another one of PyTorch, once it is trained."""

    def to_plain(self) -> nn.Module:
        """The layer that does the same in evaluation mode."""


def has_plain(module: nn.Module) -> bool:
    """Whether a network has layers that `to_plain` writes otherwise."""
    return any(isinstance(m, HasPlain) for m in module.modules())


def to_plain(module: nn.Module, example: Tensor | None = None) -> nn.Module:
    """A copy in evaluation mode with `nn.Conv2d` and `nn.BatchNorm2d` for steerable layers.

    Names of layers and their declared fields stay; parameters are the plain ones.

    Args:
        module: a network, which stays as it is.
        example: of its input, on which both are compared; left out, nothing is compared.

    Raises:
        ModelError: the outputs differ by more than rounding.

    Example:
        >>> from neocog.layers.steerable import SteerableConv2d
        >>> from neocog.symmetry.fields import regular_field
        >>> from neocog.symmetry.groups import Group
        >>> field = regular_field(Group(4), 2)
        >>> layer = nn.Sequential(SteerableConv2d(field, field, kernel_size=3))
        >>> to_plain(layer, torch.rand(1, 8, 5, 5))[0]
        Conv2d(8, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """
    plain = _replaced(copy.deepcopy(module).eval())
    if example is not None:
        still = copy.deepcopy(module).eval()
        with torch.no_grad():
            expected, output = still(example), plain(example)
        far = float((output - expected).abs().max())
        if not far <= AGREEMENT * float(expected.abs().max()) + 1e-30:
            raise ModelError(
                f"A network has the outputs of its layers, to {AGREEMENT:g} of the largest one; "
                f"the plain one differs by {far:.3g}. Check its weights for values that are not "
                "finite."
            )
    return plain


def _replaced(module: nn.Module, memo: dict[nn.Module, nn.Module] | None = None) -> nn.Module:
    """The plain one of a module; a layer of several names stays one layer of several names."""
    memo = {} if memo is None else memo
    if module in memo:
        return memo[module]
    if isinstance(module, HasPlain):
        new = module.to_plain().eval()
        memo[module] = declared(new, field_of(module), field_of(module, "input"))
        return memo[module]
    memo[module] = module
    for name, child in list(module._modules.items()):  # `named_children` gives each child once
        if child is not None:
            setattr(module, name, _replaced(child, memo))
    return module
