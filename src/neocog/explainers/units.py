"""Activations of one unit: channels of a map, features of tokens, elements of a vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import ModelError, ShapeMismatch, UsageError, did_you_mean, printable
from neocog.explainers.layout import SpatialLayout
from neocog.explainers.target import describe_layers
from neocog.graph.activations import device_and_dtype, first_tensor, recording

__all__ = [
    "WHERE",
    "check_units",
    "finite",
    "headed",
    "layout_for",
    "layouts_for",
    "named",
    "output_of",
    "unit_values",
]

WHERE = ("mean", "middle", "largest")
"""Of a channel's map: its mean, its middle element, or its largest element."""


def layout_for(
    run: Callable[[Tensor], Any], module: nn.Module, layer: str, x: Tensor
) -> SpatialLayout | None:
    """Where a layer holds units and space, for `output_of`; None where units are axis 1 anyway.

    Found in a pass over the first sample, from the layers before it.

    Args:
        run: the module as a function, as for `output_of`.
        module: whose layer.
        layer: a submodule's name; "" is the module.
        x: a batch; is left as it is.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.Flatten(2), nn.Identity())
        >>> layout_for(net, net, "0", torch.zeros(1, 3, 16, 16))
    """
    return layouts_for(run, module, x).get(layer)


def layouts_for(
    run: Callable[[Tensor], Any], module: nn.Module, x: Tensor
) -> dict[str, SpatialLayout]:
    """Of all layers whose units are not axis 1 behind the batch, see `layout_for`."""
    try:
        with torch.no_grad():
            layouts = describe_layers(run, module, x)
    except ModelError:  # of the model's output, which is not needed here
        return {}
    return {name: layout for name, layout in layouts.items() if layout.kind != "channels first"}


def output_of(
    run: Callable[[Tensor], Any],
    module: nn.Module,
    layer: str,
    x: Tensor,
    *,
    layout: SpatialLayout | None = None,
) -> Tensor:
    """The output of a layer for a batch: (B, U) or (B, U, *space).

    Args:
        run: the module as a function; the module itself, or `graph.activations.differentiable`'s.
        module: whose layer.
        layer: a submodule's name; "" is the module.
        x: the batch, taken where the module is and in its type.
        layout: where units and space are, from `layout_for`; tokens without a position are
            left out. Units are axis 1 if left out.

    Raises:
        ModelError: the layer does not run, or returns no tensor.
        ShapeMismatch: its output has no axis of units after the batch axis.
    """
    x = x.to(*device_and_dtype(module))
    if layer:
        with recording(module, [layer]) as kept:
            run(x)
        out = kept.get(layer)
    else:
        out = first_tensor(run(x))
    if out is None:
        raise ModelError(
            f"A layer must run and return a tensor to be inspected; `{printable(layer)}` does "
            "not. Name another."
        )
    if layout is not None:
        out = layout.maps(out)
    if out.ndim < 2 or out.shape[0] != x.shape[0]:
        raise ShapeMismatch(
            "The output of an inspected layer has a batch axis and an axis of units; "
            f"{named(layer)} outputs {tuple(out.shape)} for {x.shape[0]} samples. Name another.",
            expected=(x.shape[0],),
            actual=tuple(out.shape),
        )
    return out


def unit_values(out: Tensor, where: str = "mean") -> Tensor:
    """One number per unit and sample, (B, U).

    Args:
        out: (B, U) as it is, or (B, U, *space).
        where: one of `WHERE`.

    Raises:
        UsageError: no such reduction.

    Example:
        >>> unit_values(torch.tensor([[[0.0, 2.0, 7.0]]]), "middle")
        tensor([[2.]])
    """
    if where not in WHERE:
        raise UsageError(
            f"`{where}` is not a reduction of feature maps. {did_you_mean(where, WHERE)}"
        )
    if out.ndim == 2:
        return out
    if where == "middle":
        for n in out.shape[2:]:
            out = out.select(2, n // 2)
        return out
    flat = out.flatten(2)
    return flat.mean(2) if where == "mean" else flat.amax(2)


def check_units(units: Sequence[int], count: int, layer: str) -> None:
    """Check that a layer has the requested units.

    Raises:
        UsageError: it has not.
    """
    wrong = [u for u in units if not 0 <= u < count]
    if wrong or not units:
        raise UsageError(
            f"{named(layer)} has the units 0 to {count - 1}; got "
            f"{wrong[0] if wrong else 'none'}. Name one of them."
        )


def named(layer: str) -> str:
    """A layer in a sentence."""
    return f"`{printable(layer)}`" if layer else "the whole network"


def headed(layer: str) -> str:
    """A layer in a heading."""
    return printable(layer) if layer else "the outputs"


def finite(values: Tensor, layer: str) -> Tensor:
    """The same numbers.

    Raises:
        ModelError: one of them is not finite.
    """
    if not bool(torch.isfinite(values).all()):
        raise ModelError(
            f"Activations must be finite; those of {named(layer)} are not. Check the weights and "
            "the normalization."
        )
    return values
